//! Deletes what is old, a slice at a time.

use std::convert::Infallible;
use std::time::Duration;

use eventlog::clock::Clock;
use eventlog::database::{Database, DatabaseError};
use jiff::Timestamp;
use jiff_sqlx::ToSqlx;

use crate::queue::QueueError;

/// How long it is kept what was delivered, and what was parked.
const KEPT_FOR: Duration = Duration::from_hours(30 * 24);
/// After that, what was written for an event that never came is left over from a process that died.
const STAGED_FOR: Duration = Duration::from_hours(24);
/// Rows in one statement.
const SLICE: i64 = 5_000;
const EVERY: Duration = Duration::from_secs(60);

pub(crate) async fn run(db: &Database, clock: &Clock) -> Result<Infallible, QueueError> {
    loop {
        while prune(db, clock.now()).await? == SLICE as u64 {}
        tokio::time::sleep(EVERY).await;
    }
}

/// Returns how many messages it has deleted; where it is a full slice, there may be more.
pub(crate) async fn prune(db: &Database, now: Timestamp) -> Result<u64, DatabaseError> {
    let old = sqlx::query!(
        "delete from vault.webhook_deliveries
          where delivery_no = any (array(
                  select delivery_no from vault.webhook_deliveries
                   where state <> 'waiting' and settled_at < clock_timestamp() - make_interval(secs => $1)
                   limit $2))",
        KEPT_FOR.as_secs_f64(),
        SLICE,
    )
    .execute(db.pool())
    .await?;
    let of_deleted = sqlx::query!(
        "delete from vault.webhook_deliveries
          where delivery_no = any (array(
                  select d.delivery_no from vault.webhook_deliveries d join vault.webhooks w using (webhook_id)
                   where w.state = 'deleted'
                   limit $1))",
        SLICE,
    )
    .execute(db.pool())
    .await?;
    sqlx::query!(
        "delete from vault.webhooks w
          where w.state = 'deleted'
                and not exists (select from vault.webhook_deliveries d where d.webhook_id = w.webhook_id)
             or w.state = 'made' and w.created_at < clock_timestamp() - make_interval(secs => $1)",
        STAGED_FOR.as_secs_f64(),
    )
    .execute(db.pool())
    .await?;
    sqlx::query!("delete from vault.webhook_secrets where valid_until <= $1", now.to_sqlx() as _)
        .execute(db.pool())
        .await?;
    Ok(old.rows_affected().max(of_deleted.rows_affected()))
}
