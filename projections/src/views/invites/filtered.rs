//! Invites by how they stand, page by page.

use domain::InviteId;
use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use sqlx::types::Json;

use super::InviteRow;
use eventlog::database::{Database, DatabaseError};

/// How an invite stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InviteState {
    /// It can be redeemed, or could be, were all its uses not reserved.
    Open,
    /// All its uses are final.
    Used,
    /// Its time was over before.
    Expired,
    /// An admin took it back.
    Revoked,
}

impl InviteState {
    /// How this invite stands at this moment.
    pub fn of(invite: &InviteRow, now: Timestamp) -> Self {
        match invite {
            InviteRow { revoked: true, .. } => Self::Revoked,
            _ if invite.used >= invite.max_uses => Self::Used,
            _ if invite.valid_until <= now => Self::Expired,
            _ => Self::Open,
        }
    }

    /// As the query spells it.
    const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Used => "used",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
        }
    }
}

/// Up to `limit` invites that stand so at this moment, without their redemptions, newest first; those after this invite, where
/// one is named.
///
/// # Errors
/// The database's.
pub async fn filtered(
    db: &Database,
    state: Option<InviteState>,
    now: Timestamp,
    after: Option<InviteId>,
    limit: i64,
) -> Result<Vec<InviteRow>, DatabaseError> {
    let rows = sqlx::query_scalar!(
        r#"select to_jsonb(r) || '{"redemptions": {}}' as "row!: Json<InviteRow>"
             from invites r
            where ($1::text is null
                   or $1 = case when r.revoked then 'revoked'
                                when r.used >= r.max_uses then 'used'
                                when r.valid_until <= $2 then 'expired'
                                else 'open' end)
              and ($3::uuid is null
                   or exists (select
                                from invites last
                               where last.invite_id = $3
                                 and (r.created_at < last.created_at
                                      or (r.created_at = last.created_at and r.invite_id > last.invite_id))))
            order by r.created_at desc, r.invite_id
            limit $4"#,
        state.map(InviteState::name),
        now.to_sqlx() as _,
        after.map(|invite| invite.0),
        limit,
    )
    .fetch_all(db.pool())
    .await?;
    Ok(rows.into_iter().map(|Json(row)| row).collect())
}
