//! People by what they are, page by page.

use domain::{AccountId, Role, Tier};
use sqlx::types::Json;

use super::{SubscriptionStatus, User};
use eventlog::database::{Database, DatabaseError};

/// Which people; what is None filters nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UserFilter {
    /// With this tier.
    pub tier: Option<Tier>,
    /// Whose subscription stands so.
    pub status: Option<SubscriptionStatus>,
    /// With this role.
    pub role: Option<Role>,
    /// Blocked, or not.
    pub blocked: Option<bool>,
}

/// Up to `limit` people, the latest to register first; those after this person, where one is named.
///
/// # Errors
/// The database's.
pub async fn filtered(
    db: &Database,
    filter: UserFilter,
    after: Option<AccountId>,
    limit: i64,
) -> Result<Vec<User>, DatabaseError> {
    let rows = sqlx::query_scalar!(
        r#"select to_jsonb(r) as "row!: Json<User>"
             from users r
            where ($1::text is null or r.subscription_type = $1)
              and ($2::text is null or r.subscription_status = $2)
              and ($3::text is null or r.role = $3)
              and ($4::boolean is null or r.is_blocked = $4)
              and ($5::uuid is null
                   or exists (select
                                from users last
                               where last.account_id = $5
                                 and (r.created_at < last.created_at
                                      or (r.created_at = last.created_at and r.account_id > last.account_id))))
            order by r.created_at desc, r.account_id
            limit $6"#,
        filter.tier.map(Tier::name),
        filter.status.map(SubscriptionStatus::name),
        filter.role.map(Role::name),
        filter.blocked,
        after.map(|account| account.0),
        limit,
    )
    .fetch_all(db.pool())
    .await?;
    Ok(rows.into_iter().map(|Json(row)| row).collect())
}
