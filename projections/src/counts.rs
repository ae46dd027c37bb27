//! The numbers that an admin sees in the chat.

use crate::{projector, views};
use eventlog::database::{Database, DatabaseError};

/// The current numbers, from the views.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// People who are not erased.
    pub people: i64,
    /// People with a linked session.
    pub authenticated: i64,
    /// People who are blocked.
    pub blocked: i64,
    /// Active subscriptions by tier, in the order of their names.
    pub subscriptions: Vec<(String, i64)>,
    /// Logins by status, in the order of their names.
    pub logins: Vec<(String, i64)>,
    /// Invites that can still be redeemed, by their uses alone.
    pub open_invites: i64,
    /// Final uses of invites.
    pub uses: i64,
}

/// A view with more rows is not counted: how many it has is estimated.
const COUNTED_ROWS: i64 = 100_000;

/// About how many rows a view has; None: there is no such view. Small ones are counted.
///
/// # Errors
/// The database's.
pub async fn rows_of(db: &Database, view: &str) -> Result<Option<i64>, DatabaseError> {
    let Some(view) = views::named(view) else { return Ok(None) };
    let slot = projector::live_slot(db.pool(), view.shape().name).await?;
    let table = view.shape().table(&slot);
    let count = format!("select count(*) from (select from {table} limit {}) as counted", COUNTED_ROWS + 1);
    let counted: i64 = sqlx::query_scalar(&count).fetch_one(db.pool()).await?;
    if counted <= COUNTED_ROWS {
        return Ok(Some(counted));
    }
    let estimate = sqlx::query_scalar!(
        r#"select reltuples::bigint as "estimate!" from pg_class where oid = to_regclass($1)"#,
        table,
    );
    Ok(Some(estimate.fetch_one(db.pool()).await?.max(counted)))
}

/// Counts people, subscriptions, logins and invites.
///
/// # Errors
/// The database's.
pub async fn counts(db: &Database) -> Result<Counts, DatabaseError> {
    let users = sqlx::query!(
        r#"select count(*) as "people!",
                  count(*) filter (where is_authenticated) as "authenticated!",
                  count(*) filter (where is_blocked) as "blocked!"
             from users"#
    )
    .fetch_one(db.pool())
    .await?;
    let subscriptions = sqlx::query!(
        r#"select subscription_type as "tier!", count(*) as "count!" from users
            where subscription_status = 'active' group by 1 order by 1"#
    )
    .fetch_all(db.pool())
    .await?;
    let logins = sqlx::query!(
        r#"select status as "status!", count(*) as "count!" from login_status group by 1 order by 1"#
    )
    .fetch_all(db.pool())
    .await?;
    let invites = sqlx::query!(
        r#"select count(*) filter (where not revoked and reserved + used < max_uses) as "open!",
                  coalesce(sum(used), 0)::bigint as "uses!"
             from invites"#
    )
    .fetch_one(db.pool())
    .await?;
    Ok(Counts {
        people: users.people,
        authenticated: users.authenticated,
        blocked: users.blocked,
        subscriptions: subscriptions.into_iter().map(|row| (row.tier, row.count)).collect(),
        logins: logins.into_iter().map(|row| (row.status, row.count)).collect(),
        open_invites: invites.open,
        uses: invites.uses,
    })
}
