//! The view `invites`: which invites exist, and who has reserved or used them. Codes and notes are in the vault.

use std::borrow::Cow;
use std::collections::BTreeMap;

use domain::{AccountId, Event, InviteEvent, InviteId, LoginId, StreamKind, Tier};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sqlx::types::Json;

use super::columns::{Column, Columns as _, columns, put_json};
use super::lookups::Lookups;
use super::shape::Shape;
use super::view::{FoldError, Interest, LookupKind, RowsBy, View, stored};
use eventlog::database::{Database, DatabaseError};
use eventlog::log::Fact;

pub mod filtered;

columns! {
    /// The current state of an invite.
    #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
    pub struct InviteRow {
        /// Its id; the code is in the vault.
        pub invite_id: InviteId,
        /// The subscription that it gives.
        pub tier: Tier,
        /// Reserved and used ones together never exceed it. Uses by people who are not known here do not count in it.
        pub max_uses: i32,
        /// Uses that live logins have reserved.
        pub reserved: i32,
        /// Final uses.
        pub used: i32,
        /// Who has reserved or used it.
        pub redemptions: BTreeMap<AccountId, Redemption>,
        /// From then on it cannot be redeemed.
        pub valid_until: Timestamp,
        /// 0 is unlimited.
        pub subscription_days: i32,
        /// An admin took it back.
        pub revoked: bool,
        /// None: made from the command line.
        pub created_by: Option<AccountId>,
        /// When it was made.
        pub created_at: Timestamp,
    }
}

/// One person's use of an invite.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Redemption {
    /// By which login.
    pub login_id: LoginId,
    /// By which attempt of it.
    pub attempt: u32,
    /// A final use; false while it is only reserved.
    pub used: bool,
    /// When it was reserved, or used.
    pub at: Timestamp,
}

impl Column for BTreeMap<AccountId, Redemption> {
    fn pack(&self, out: &mut Vec<u8>) {
        (self.len() as i64).pack(out);
        for (account, Redemption { login_id, attempt, used, at }) in self {
            account.pack(out);
            login_id.pack(out);
            i64::from(*attempt).pack(out);
            used.pack(out);
            at.pack(out);
        }
    }

    fn unpack(packed: &mut &[u8]) -> Self {
        let entries = i64::unpack(packed);
        let entry = |_| {
            let (account, login_id) = (AccountId::unpack(packed), LoginId::unpack(packed));
            let attempt = i64::unpack(packed) as u32;
            (
                account,
                Redemption { login_id, attempt, used: bool::unpack(packed), at: Timestamp::unpack(packed) },
            )
        };
        (0..entries).map(entry).collect()
    }

    fn value(&self, out: &mut Vec<u8>) {
        put_json(self, out);
    }
}

/// One invite; None for an unknown one.
///
/// # Errors
/// The database's.
pub async fn by_id(db: &Database, invite: InviteId) -> Result<Option<InviteRow>, DatabaseError> {
    let row = sqlx::query_scalar!(
        r#"select to_jsonb(r) as "row!: Json<InviteRow>" from invites r where invite_id = $1"#,
        invite.0,
    )
    .fetch_optional(db.pool())
    .await?;
    Ok(row.map(|Json(row)| row))
}

/// Invites, newest first.
///
/// # Errors
/// The database's.
pub async fn list(db: &Database, limit: i64, offset: i64) -> Result<Vec<InviteRow>, DatabaseError> {
    let rows = sqlx::query_scalar!(
        r#"select to_jsonb(r) as "row!: Json<InviteRow>" from invites r
            order by created_at desc, invite_id limit $1 offset $2"#,
        limit,
        offset,
    )
    .fetch_all(db.pool())
    .await?;
    Ok(rows.into_iter().map(|Json(row)| row).collect())
}

/// The invites that this person has used; reserved ones do not count.
///
/// # Errors
/// The database's.
pub async fn used_by(db: &Database, account: AccountId) -> Result<Vec<InviteId>, DatabaseError> {
    let ids = sqlx::query_scalar!(
        r#"select invite_id as "invite_id!" from invites
            where redemptions -> $1 -> 'used' = 'true' order by invite_id"#,
        account.to_string() as _,
    )
    .fetch_all(db.pool())
    .await?;
    Ok(ids.into_iter().map(InviteId).collect())
}

/// The view `invites`.
pub(super) struct Invites;

impl View for Invites {
    type Row = InviteRow;

    const SHAPE: Shape =
        Shape { name: "invites", key: "invite_id", key_type: "uuid", columns: InviteRow::NAMES, version: 1 };

    const INTEREST: Interest =
        Interest { rows_by: RowsBy::Stream(StreamKind::Invite), events: &[], lookups: LookupKind::None };

    fn key<'a>(fact: &Fact<'a>) -> Option<Cow<'a, str>> {
        (fact.stream == StreamKind::Invite.name()).then_some(Cow::Borrowed(fact.stream_id))
    }

    fn fold(row: Option<InviteRow>, fact: &Fact<'_>, _: &Lookups) -> Result<Option<InviteRow>, FoldError> {
        let Ok(Event::Invite(invite_event)) = fact.event else { return Ok(row) };
        Ok(fold(row, invite_event))
    }
}

fn fold(row: Option<InviteRow>, event: &InviteEvent) -> Option<InviteRow> {
    if let InviteEvent::InviteCreated {
        invite_id,
        tier,
        max_uses,
        valid_until,
        subscription_days,
        created_by,
        used_before,
        at,
    } = event
    {
        return Some(InviteRow {
            invite_id: *invite_id,
            tier: *tier,
            max_uses: clamped(max_uses.saturating_sub(*used_before)),
            reserved: 0,
            used: 0,
            redemptions: BTreeMap::new(),
            valid_until: stored(*valid_until),
            subscription_days: clamped(*subscription_days),
            revoked: false,
            created_by: *created_by,
            created_at: stored(*at),
        });
    }
    let mut row = row?;
    match event {
        InviteEvent::InviteCreated { .. } => {}
        InviteEvent::InviteRedeemed { account_id, login_id, attempt, at, .. } => {
            let redemption =
                Redemption { login_id: login_id.clone(), attempt: *attempt, used: false, at: stored(*at) };
            row.redemptions.insert(*account_id, redemption);
        }
        InviteEvent::InviteUsed { account_id, login_id, attempt, at } => {
            let redemption =
                Redemption { login_id: login_id.clone(), attempt: *attempt, used: true, at: stored(*at) };
            row.redemptions.insert(*account_id, redemption);
        }
        InviteEvent::InviteReleased { account_id, .. } => {
            row.redemptions.remove(account_id);
        }
        InviteEvent::InviteRevoked { .. } => row.revoked = true,
    }
    let used = row.redemptions.values().filter(|redemption| redemption.used).count();
    row.used = i32::try_from(used).unwrap_or(i32::MAX);
    row.reserved = i32::try_from(row.redemptions.len() - used).unwrap_or(i32::MAX);
    Some(row)
}

fn clamped(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}
