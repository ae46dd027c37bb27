//! The view `users`: one row for each person. Other services read it under the public name `users`.
//!
//! Names are opened with the person's own key, which the vault holds until the person is erased. After that, neither the
//! live table nor a rebuild can show the name.

use std::borrow::Cow;
use std::collections::HashMap;

use domain::account::Origin;
use domain::{AccountEvent, AccountId, Event, Limits, LoginEvent, LoginId, Role, Sealed, StreamKind, Tier};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sqlx::types::Json;
use sqlx::{Executor, Postgres};
use uuid::Uuid;

use super::columns::{Columns as _, columns, enum_column};
use super::lookups::Lookups;
use super::shape::Shape;
use super::view::{FoldError, Interest, LookupKind, RowsBy, View, stored};
use eventlog::database::{Database, DatabaseError};
use eventlog::log::Fact;
use vault::PersonKey;

pub mod filtered;
pub mod listed;
mod query;
mod search;

/// The version of the fold ([`Shape`]).
const VERSION: i32 = 2;

/// A person, as the public view shows them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// The Telegram id.
    pub telegram_id: i64,
    /// The id in events.
    pub account_id: AccountId,
    /// The first name that Telegram sent last.
    pub first_name: Option<String>,
    /// The last name that Telegram sent last.
    pub last_name: Option<String>,
    /// Without the @.
    pub username: Option<String>,
    /// IETF tag.
    pub language_code: Option<String>,
    /// What the person may do.
    pub role: Role,
    /// Whether a session is linked.
    pub is_authenticated: bool,
    /// A blocked person is refused everywhere.
    pub is_blocked: bool,
    /// `free` without a subscription.
    pub subscription_type: Tier,
    /// Whether the subscription is active.
    pub subscription_status: SubscriptionStatus,
    /// None without one.
    pub subscription_started_at: Option<Timestamp>,
    /// None: unlimited, or none.
    pub subscription_expires_at: Option<Timestamp>,
    /// One of the limits.
    pub max_channels: i32,
    /// The limits of the subscription; those of `free` without an active one.
    pub limits: Limits,
    /// Who made the invite that started the first subscription.
    pub invited_by: Option<AccountId>,
    /// Whether the linked session was handed over.
    pub session_exported: bool,
    /// When the person first wrote to us.
    pub created_at: Timestamp,
    /// When anything here last changed.
    pub updated_at: Timestamp,
}

/// Whether a person's subscription is active.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SubscriptionStatus {
    /// There never was one.
    None,
    /// Its time is not over.
    Active,
    /// Its time is over.
    Expired,
}

enum_column!(SubscriptionStatus { None, Active, Expired });

impl SubscriptionStatus {
    /// The stored spelling.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Active => "active",
            Self::Expired => "expired",
        }
    }
}

/// What Telegram says about a person: the JSON that is sealed in `AccountRegistered` and `ProfileChanged`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// First name.
    #[serde(default)]
    pub first_name: Option<String>,
    /// Last name.
    #[serde(default)]
    pub last_name: Option<String>,
    /// Without the @.
    #[serde(default)]
    pub username: Option<String>,
    /// IETF tag.
    #[serde(default)]
    pub language_code: Option<String>,
}

impl Profile {
    fn search_text(&self) -> String {
        search::text_of(self.first_name.as_deref(), self.last_name.as_deref(), self.username.as_deref())
    }
}

/// A person by their Telegram id.
///
/// # Errors
/// The database's.
pub async fn by_telegram_id(db: &Database, telegram_id: i64) -> Result<Option<User>, DatabaseError> {
    let row = sqlx::query_scalar!(
        r#"select to_jsonb(r) as "row!: Json<User>" from users r where telegram_id = $1"#,
        telegram_id,
    )
    .fetch_optional(db.pool())
    .await?;
    Ok(row.map(|Json(row)| row))
}

/// A person by their account id.
///
/// # Errors
/// The database's.
pub async fn by_account(db: &Database, account: AccountId) -> Result<Option<User>, DatabaseError> {
    let row = sqlx::query_scalar!(
        r#"select to_jsonb(r) as "row!: Json<User>" from users r where account_id = $1"#,
        account.0,
    )
    .fetch_optional(db.pool())
    .await?;
    Ok(row.map(|Json(row)| row))
}

/// A person by their username, without the @. Of two who had it one after the other, who was heard of last.
///
/// # Errors
/// The database's.
pub async fn by_username(db: &Database, username: &str) -> Result<Option<User>, DatabaseError> {
    let row = sqlx::query_scalar!(
        r#"select to_jsonb(r) as "row!: Json<User>" from users r
            where lower(username) collate "C" = lower($1) order by updated_at desc limit 1"#,
        username,
    )
    .fetch_optional(db.pool())
    .await?;
    Ok(row.map(|Json(row)| row))
}

/// The people among these accounts who are not erased.
///
/// # Errors
/// The database's.
pub async fn by_accounts(
    db: &Database,
    accounts: &[AccountId],
) -> Result<HashMap<AccountId, User>, DatabaseError> {
    let ids: Vec<Uuid> = accounts.iter().map(|account| account.0).collect();
    Ok(among(db.pool(), &ids).await?)
}

async fn among<'c>(
    executor: impl Executor<'c, Database = Postgres>,
    ids: &[Uuid],
) -> Result<HashMap<AccountId, User>, sqlx::Error> {
    let rows = sqlx::query_scalar!(
        r#"select to_jsonb(r) as "row!: Json<User>" from users r where account_id = any($1)"#,
        ids,
    )
    .fetch_all(executor)
    .await?;
    Ok(rows.into_iter().map(|Json(user)| (user.account_id, user)).collect())
}

/// The admins who are not blocked.
///
/// # Errors
/// The database's.
pub async fn admins(db: &Database) -> Result<Vec<User>, DatabaseError> {
    let rows = sqlx::query_scalar!(
        r#"select to_jsonb(r) as "row!: Json<User>" from users r
            where role = 'admin' and not is_blocked order by telegram_id"#
    )
    .fetch_all(db.pool())
    .await?;
    Ok(rows.into_iter().map(|Json(row)| row).collect())
}

/// The accounts of the people who are blocked.
///
/// # Errors
/// The database's.
pub async fn blocked(db: &Database) -> Result<Vec<AccountId>, DatabaseError> {
    let ids = sqlx::query_scalar!(r#"select account_id as "id!" from users where is_blocked"#);
    Ok(ids.fetch_all(db.pool()).await?.into_iter().map(AccountId).collect())
}

columns! {
    /// A row of the slot: what the public view shows, and what the fold needs for later events.
    #[derive(Clone, Debug, Serialize, Deserialize)]
    pub(super) struct Row {
        account_id: AccountId,
        telegram_id: i64,
        first_name: Option<String>,
        last_name: Option<String>,
        username: Option<String>,
        language_code: Option<String>,
        role: Role,
        is_authenticated: bool,
        is_blocked: bool,
        subscription_type: Tier,
        subscription_status: SubscriptionStatus,
        subscription_started_at: Option<Timestamp>,
        subscription_expires_at: Option<Timestamp>,
        /// None: the limits of `free`, which are in no event; the public view adds them.
        limits: Option<Limits>,
        invited_by: Option<AccountId>,
        session_exported: bool,
        /// The end of another login's session does not end this one.
        linked_login_id: Option<LoginId>,
        created_at: Timestamp,
        updated_at: Timestamp,
        /// Names and username, spelled for search and order; the public view does not show it.
        search: Option<String>,
    }
}

/// The view `users`.
pub(super) struct Users;

impl View for Users {
    type Row = Row;

    const SHAPE: Shape =
        Shape { name: "users", key: "account_id", key_type: "uuid", columns: Row::NAMES, version: VERSION };

    const INTEREST: Interest = Interest {
        rows_by: RowsBy::Stream(StreamKind::Account),
        events: &["AuthorizationConfirmed"],
        lookups: LookupKind::People,
    };

    fn key<'a>(fact: &Fact<'a>) -> Option<Cow<'a, str>> {
        if fact.stream == StreamKind::Account.name() {
            return Some(Cow::Borrowed(fact.stream_id));
        }
        let of_the_payload = fact.event.as_ref().ok().and_then(Event::account_id);
        (fact.stream == StreamKind::Login.name() && fact.name == "AuthorizationConfirmed")
            .then(|| of_the_payload.or(fact.account_id))
            .flatten()
            .map(|account| Cow::Owned(account.to_string()))
    }

    fn fold(row: Option<Row>, fact: &Fact<'_>, lookups: &Lookups) -> Result<Option<Row>, FoldError> {
        let row = match (fact.event, row) {
            (
                Ok(Event::Account(AccountEvent::AccountRegistered {
                    account_id,
                    telegram_id,
                    profile,
                    imported,
                    at,
                })),
                _,
            ) => {
                let origin = imported.unwrap_or_default();
                let row = registered(*account_id, telegram_id, profile, *at, lookups)?;
                return Ok(row.map(|row| row.from_elsewhere(origin)));
            }
            // Not registered, or erased: no later event makes a row again.
            (_, None) | (Ok(Event::Account(AccountEvent::AccountErased { .. })), _) => return Ok(None),
            (_, Some(row)) => row,
        };
        match fact.event {
            Ok(Event::Account(account_event)) => after_account_event(row, account_event, lookups),
            Ok(Event::Login(LoginEvent::AuthorizationConfirmed { at, .. })) => Ok(Some(Row {
                is_authenticated: true,
                session_exported: false,
                linked_login_id: fact.stream_id.parse().ok(),
                updated_at: stored(*at),
                ..row
            })),
            _ => Ok(Some(row)),
        }
    }
}

fn registered(
    account_id: AccountId,
    telegram_id: &Sealed,
    profile: &Sealed,
    at: Timestamp,
    lookups: &Lookups,
) -> Result<Option<Row>, FoldError> {
    // Without a key the person has been erased: a rebuild must make no row for them.
    let Some(key) = lookups.people.get(&account_id) else { return Ok(None) };
    let telegram_id = key
        .open(account_id, telegram_id)
        .and_then(|text| text.parse().ok())
        .ok_or(FoldError::Sealed("the Telegram id"))?;
    let profile = opened(account_id, profile, key)?;
    Ok(Some(Row {
        account_id,
        telegram_id,
        search: Some(profile.search_text()),
        first_name: profile.first_name,
        last_name: profile.last_name,
        username: profile.username,
        language_code: profile.language_code,
        role: Role::User,
        is_authenticated: false,
        is_blocked: false,
        subscription_type: Tier::Free,
        subscription_status: SubscriptionStatus::None,
        subscription_started_at: None,
        subscription_expires_at: None,
        limits: None,
        invited_by: None,
        session_exported: false,
        linked_login_id: None,
        created_at: stored(at),
        updated_at: stored(at),
    }))
}

fn opened(account: AccountId, profile: &Sealed, key: &PersonKey) -> Result<Profile, FoldError> {
    let text = key.open(account, profile).ok_or(FoldError::Sealed("the profile"))?;
    serde_json::from_str(&text).map_err(|_| FoldError::Sealed("the profile"))
}

fn after_account_event(
    mut row: Row,
    event: &AccountEvent,
    lookups: &Lookups,
) -> Result<Option<Row>, FoldError> {
    match event {
        AccountEvent::ProfileChanged { profile, .. } => {
            // The key may be gone already: the event of the erasure comes later in the log.
            if let Some(key) = lookups.people.get(&row.account_id) {
                let profile = opened(row.account_id, profile, key)?;
                row.search = Some(profile.search_text());
                row.first_name = profile.first_name;
                row.last_name = profile.last_name;
                row.username = profile.username;
                row.language_code = profile.language_code;
            }
        }
        AccountEvent::SubscriptionActivated { invite_id, tier, limits, started_at, expires_at, .. } => {
            row.invited_by = row.invited_by.or_else(|| lookups.inviters.get(invite_id).copied());
            row.subscribe(*tier, *limits, *started_at, *expires_at);
        }
        AccountEvent::SubscriptionChanged { tier, limits, started_at, expires_at, .. } => {
            row.subscribe(*tier, *limits, *started_at, *expires_at);
        }
        AccountEvent::SubscriptionExpired { .. } | AccountEvent::SubscriptionRevoked { .. } => {
            row.subscription_ended();
        }
        AccountEvent::SubscriptionImported { tier, limits, started_at, expires_at, is_over, .. } => {
            row.subscribe(*tier, *limits, *started_at, *expires_at);
            if *is_over {
                row.subscription_ended();
            }
        }
        AccountEvent::RoleChanged { role, .. } => row.role = *role,
        AccountEvent::AccountBlocked { .. } => row.is_blocked = true,
        AccountEvent::AccountUnblocked { .. } => row.is_blocked = false,
        AccountEvent::SessionImported { login_id, .. } => {
            row.is_authenticated = true;
            row.session_exported = false;
            row.linked_login_id = Some(login_id.clone());
        }
        AccountEvent::LoggedOut { login_id, .. }
        | AccountEvent::AuthorizationRevoked { login_id, .. }
        | AccountEvent::SessionRejected { login_id, .. }
        | AccountEvent::SessionReturned { login_id, .. } => {
            if row.linked_login_id.as_ref() == Some(login_id) {
                row.is_authenticated = false;
                row.linked_login_id = None;
                row.session_exported = false;
            }
        }
        AccountEvent::SessionExported { login_id, .. } => {
            row.session_exported |= row.linked_login_id.as_ref() == Some(login_id);
        }
        AccountEvent::AccountRegistered { .. }
        | AccountEvent::SubscriptionHistoryImported { .. }
        | AccountEvent::AccountErased { .. } => {}
        // What an admin does to something else leaves their own row as it is.
        AccountEvent::RebuildOrdered { .. }
        | AccountEvent::RebuildCancelled { .. }
        | AccountEvent::ParkedReplayOrdered { .. } => return Ok(Some(row)),
    }
    row.updated_at = stored(event.at());
    Ok(Some(row))
}

impl Row {
    /// Since when and through whom the person was in the system that they were taken over from.
    fn from_elsewhere(self, origin: Origin) -> Self {
        let created_at = origin.since.map_or(self.created_at, stored);
        Self { created_at, invited_by: self.invited_by.or(origin.invited_by), ..self }
    }

    fn subscription_ended(&mut self) {
        self.subscription_type = Tier::Free;
        self.subscription_status = SubscriptionStatus::Expired;
        self.limits = None;
    }

    fn subscribe(
        &mut self,
        tier: Tier,
        limits: Limits,
        started_at: Timestamp,
        expires_at: Option<Timestamp>,
    ) {
        self.subscription_type = tier;
        self.subscription_status = SubscriptionStatus::Active;
        self.subscription_started_at = Some(stored(started_at));
        self.subscription_expires_at = expires_at.map(stored);
        self.limits = Some(limits);
    }
}
