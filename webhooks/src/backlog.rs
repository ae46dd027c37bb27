//! How much waits, and what an admin has to look at.

use std::time::Duration;

use eventlog::database::{Database, DatabaseError};
use eventlog::log::Log;
use jiff::Timestamp;
use jiff_sqlx::Timestamp as Stored;

use crate::fan_out;

/// What the metrics show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backlog {
    /// Messages that wait, of webhooks that are on and of those that are off.
    pub waiting: i64,
    /// How long the oldest one waits whose webhook is on.
    pub oldest: Duration,
    /// Messages that were given up.
    pub parked: i64,
    /// Webhooks that were switched off because their receivers are gone.
    pub gone: i64,
    /// Events of the log that were not looked at yet.
    pub behind: i64,
}

/// What an admin has to look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Troubles {
    /// Messages that were given up, and when the last one was.
    pub parked: Option<(i64, Timestamp)>,
    /// Webhooks that were switched off because their receivers are gone, and when the last one was.
    pub gone: Option<(i64, Timestamp)>,
}

/// Measures it.
///
/// # Errors
/// The database failed.
pub async fn backlog(db: &Database) -> Result<Backlog, DatabaseError> {
    let row = sqlx::query!(
        r#"select (select count(*) from vault.webhook_deliveries where state = 'waiting') as "waiting!",
                  (select count(*) from vault.webhook_deliveries where state = 'parked') as "parked!",
                  (select count(*) from vault.webhooks where state = 'off' and off_reason = 'gone') as "gone!",
                  (select extract(epoch from clock_timestamp() - min(first.created_at))::float8
                     from vault.webhooks w
                    cross join lateral (select d.created_at from vault.webhook_deliveries d
                                         where d.webhook_id = w.webhook_id and d.state = 'waiting'
                                         order by d.created_at limit 1) first
                    where w.state = 'on') as oldest"#
    )
    .fetch_one(db.pool())
    .await?;
    let behind = Log::new(db).end().await? - fan_out::position(db).await?;
    Ok(Backlog {
        waiting: row.waiting,
        oldest: Duration::try_from_secs_f64(row.oldest.unwrap_or(0.0)).unwrap_or_default(),
        parked: row.parked,
        gone: row.gone,
        behind: behind.max(0),
    })
}

/// What there is to look at.
///
/// # Errors
/// The database failed.
pub async fn troubles(db: &Database) -> Result<Troubles, DatabaseError> {
    let row = sqlx::query!(
        r#"select p.count as "parked!", p.newest as "parked_at: Stored", g.count as "gone!", g.newest as "gone_at: Stored"
             from (select count(*), max(settled_at) as newest from vault.webhook_deliveries where state = 'parked') p,
                  (select count(*), max(off_at) as newest from vault.webhooks where state = 'off' and off_reason = 'gone') g"#
    )
    .fetch_one(db.pool())
    .await?;
    let parked = row.parked_at.map(|at| (row.parked, at.to_jiff()));
    let gone = row.gone_at.map(|at| (row.gone, at.to_jiff()));
    Ok(Troubles { parked, gone })
}
