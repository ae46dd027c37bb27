//! The view `subscriptions`: the latest subscription of each person.

use std::borrow::Cow;

use domain::{AccountEvent, AccountId, Event, Limits, LoginId, StreamKind, Tier};
use jiff::Timestamp;
use jiff_sqlx::ToSqlx as _;
use serde::{Deserialize, Serialize};
use sqlx::types::Json;

use super::columns::{Columns as _, columns, enum_column};
use super::lookups::Lookups;
use super::shape::Shape;
use super::view::{FoldError, Interest, LookupKind, RowsBy, View, stored};
use eventlog::database::{Database, DatabaseError};
use eventlog::log::Fact;

columns! {
    /// A person's latest subscription.
    #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
    pub struct SubscriptionRow {
        /// The person.
        pub account_id: AccountId,
        /// The tier; it stays after the end.
        pub tier: Tier,
        /// Whether it is active.
        pub status: SubscriptionState,
        /// The limits of the tier on the day it was granted.
        pub limits: Limits,
        /// When the current period began.
        pub started_at: Timestamp,
        /// None: unlimited.
        pub expires_at: Option<Timestamp>,
        /// The login that started it; None where an admin did, or another system.
        pub login_id: Option<LoginId>,
    }
}

/// Whether a subscription is active.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SubscriptionState {
    /// Its time is not over.
    Active,
    /// Its time is over.
    Expired,
}

enum_column!(SubscriptionState { Active, Expired });

impl SubscriptionState {
    /// The stored spelling.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Expired => "expired",
        }
    }
}

/// The person's latest subscription; None where there never was one.
///
/// # Errors
/// The database's.
pub async fn by_account(db: &Database, account: AccountId) -> Result<Option<SubscriptionRow>, DatabaseError> {
    let row = sqlx::query_scalar!(
        r#"select to_jsonb(r) as "row!: Json<SubscriptionRow>" from subscriptions r where account_id = $1"#,
        account.0,
    )
    .fetch_optional(db.pool())
    .await?;
    Ok(row.map(|Json(row)| row))
}

/// The active subscriptions whose last day is over, the first to end first.
///
/// # Errors
/// The database's.
pub async fn ending(
    db: &Database,
    now: Timestamp,
    limit: i64,
) -> Result<Vec<SubscriptionRow>, DatabaseError> {
    let rows = sqlx::query_scalar!(
        r#"select to_jsonb(r) as "row!: Json<SubscriptionRow>" from subscriptions r
            where status = 'active' and expires_at <= $1 order by expires_at limit $2"#,
        now.to_sqlx() as _,
        limit,
    )
    .fetch_all(db.pool())
    .await?;
    Ok(rows.into_iter().map(|Json(row)| row).collect())
}

/// When the next of the other active subscriptions ends.
///
/// # Errors
/// The database's.
pub async fn next_to_end(db: &Database, now: Timestamp) -> Result<Option<Timestamp>, DatabaseError> {
    let next = sqlx::query_scalar!(
        r#"select min(expires_at) as "next: jiff_sqlx::Timestamp" from subscriptions
            where status = 'active' and expires_at > $1"#,
        now.to_sqlx() as _,
    );
    Ok(next.fetch_one(db.pool()).await?.map(jiff_sqlx::Timestamp::to_jiff))
}

/// The view `subscriptions`.
pub(super) struct Subscriptions;

impl View for Subscriptions {
    type Row = SubscriptionRow;

    const SHAPE: Shape = Shape {
        name: "subscriptions",
        key: "account_id",
        key_type: "uuid",
        columns: SubscriptionRow::NAMES,
        version: 1,
    };

    const INTEREST: Interest =
        Interest { rows_by: RowsBy::Stream(StreamKind::Account), events: &[], lookups: LookupKind::None };

    fn key<'a>(fact: &Fact<'a>) -> Option<Cow<'a, str>> {
        (fact.stream == StreamKind::Account.name()).then_some(Cow::Borrowed(fact.stream_id))
    }

    fn fold(
        row: Option<SubscriptionRow>,
        fact: &Fact<'_>,
        _: &Lookups,
    ) -> Result<Option<SubscriptionRow>, FoldError> {
        let (Ok(Event::Account(account_event)), Ok(account_id)) = (fact.event, fact.stream_id.parse()) else {
            return Ok(row);
        };
        Ok(match account_event {
            AccountEvent::SubscriptionActivated {
                login_id, tier, limits, started_at, expires_at, ..
            } => Some(SubscriptionRow {
                account_id,
                tier: *tier,
                status: SubscriptionState::Active,
                limits: *limits,
                started_at: stored(*started_at),
                expires_at: expires_at.map(stored),
                login_id: Some(login_id.clone()),
            }),
            AccountEvent::SubscriptionChanged { tier, limits, started_at, expires_at, .. } => {
                Some(SubscriptionRow {
                    account_id,
                    tier: *tier,
                    status: SubscriptionState::Active,
                    limits: *limits,
                    started_at: stored(*started_at),
                    expires_at: expires_at.map(stored),
                    login_id: None,
                })
            }
            AccountEvent::SubscriptionImported { tier, limits, started_at, expires_at, is_over, .. } => {
                Some(SubscriptionRow {
                    account_id,
                    tier: *tier,
                    status: if *is_over { SubscriptionState::Expired } else { SubscriptionState::Active },
                    limits: *limits,
                    started_at: stored(*started_at),
                    expires_at: expires_at.map(stored),
                    login_id: None,
                })
            }
            AccountEvent::SubscriptionExpired { .. } | AccountEvent::SubscriptionRevoked { .. } => {
                row.map(|row| SubscriptionRow { status: SubscriptionState::Expired, ..row })
            }
            AccountEvent::AccountErased { .. } => None,
            AccountEvent::AccountRegistered { .. }
            | AccountEvent::ProfileChanged { .. }
            | AccountEvent::RoleChanged { .. }
            | AccountEvent::AccountBlocked { .. }
            | AccountEvent::AccountUnblocked { .. }
            | AccountEvent::LoggedOut { .. }
            | AccountEvent::AuthorizationRevoked { .. }
            | AccountEvent::SessionExported { .. }
            | AccountEvent::SessionImported { .. }
            | AccountEvent::SessionRejected { .. }
            | AccountEvent::SessionReturned { .. }
            | AccountEvent::SubscriptionHistoryImported { .. }
            | AccountEvent::RebuildOrdered { .. }
            | AccountEvent::RebuildCancelled { .. }
            | AccountEvent::ParkedReplayOrdered { .. } => row,
        })
    }
}
