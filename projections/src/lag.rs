//! How far the readers of the log are behind, and why.

use std::collections::HashMap;
use std::time::Duration;

use jiff::Timestamp;
use jiff_sqlx::Timestamp as Stored;

use eventlog::{Database, DatabaseError, Log};

/// How far everything is behind.
#[derive(Clone, Debug)]
pub struct Lag {
    /// Committed events that have no position yet.
    pub unplaced: i64,
    /// When the oldest of them was recorded.
    pub unplaced_since: Option<Timestamp>,
    /// The last position.
    pub end: i64,
    /// Every view, and the reactor.
    pub consumers: Vec<ConsumerLag>,
    /// The transaction that has been writing for the longest time.
    pub oldest_transaction: Option<OpenTransaction>,
    /// The keys that are parked.
    pub parked: Vec<Parked>,
}

/// How far a reader of the log is.
#[derive(Clone, Debug)]
pub struct ConsumerLag {
    /// Its name.
    pub consumer: String,
    /// The last position that it has taken in.
    pub position: i64,
    /// How many events are left.
    pub behind: i64,
    /// When the first of those was recorded.
    pub waiting_since: Option<Timestamp>,
}

/// An open transaction that has written something.
#[derive(Clone, Debug)]
pub struct OpenTransaction {
    /// Its server process.
    pub pid: i32,
    /// Its application name.
    pub application: String,
    /// When it began.
    pub since: Timestamp,
}

/// A key of a view that is parked.
#[derive(Clone, Debug)]
pub struct Parked {
    /// The view.
    pub view: String,
    /// The key.
    pub key: String,
    /// The position of the event that could not be folded in.
    pub position: i64,
    /// Why it could not.
    pub error: String,
    /// When it was parked.
    pub since: Timestamp,
}

/// How far the views are at one moment: what probes and metrics ask for.
#[derive(Clone, Debug)]
pub struct Progress {
    /// The database's time.
    pub now: Timestamp,
    /// Whether a process gives positions and projects, or did so a moment ago.
    pub is_led: bool,
    /// Committed events that have no position yet.
    pub unplaced: i64,
    /// When the oldest of them was recorded.
    pub unplaced_since: Option<Timestamp>,
    /// The last position.
    pub end: i64,
    /// Every view, and the reactor.
    pub consumers: Vec<ConsumerLag>,
    /// How many rows of each view, or events of the `reactor`, are parked.
    pub parked: HashMap<String, i64>,
}

/// Why people wait although the database answers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Delay {
    /// No process gives positions and projects.
    NobodyLeads,
    /// An event has waited this long for its position, or for a view.
    Behind(Duration),
}

impl Progress {
    /// What has kept people waiting for longer than `lasts`, if anything. Newer events always wait a little: that is no delay.
    pub fn delay(&self, lasts: Duration) -> Option<Delay> {
        if !self.is_led {
            return Some(Delay::NobodyLeads);
        }
        let views = self.consumers.iter().filter_map(|consumer| consumer.waiting_since);
        let longest = self.age(views.chain(self.unplaced_since).min());
        (longest > lasts).then_some(Delay::Behind(longest))
    }

    /// How long ago that was; zero, where it was never.
    pub fn age(&self, since: Option<Timestamp>) -> Duration {
        let age = since.and_then(|since| Duration::try_from(self.now.duration_since(since)).ok());
        age.unwrap_or_default()
    }
}

/// Measures it. A leader counts for `lasts` longer than its lease.
///
/// # Errors
/// The database's.
pub async fn progress(db: &Database, lasts: Duration) -> Result<Progress, DatabaseError> {
    let row = sqlx::query!(
        r#"select exists (select from vault.leases
                           where name = 'leader' and expires_at > clock_timestamp() - make_interval(secs => $1)) as "led!",
                  clock_timestamp() as "now!: Stored""#,
        lasts.as_secs_f64(),
    )
    .fetch_one(db.pool())
    .await?;
    let unplaced = Log::new(db).unplaced().await?;
    let end = unplaced.last_position;
    Ok(Progress {
        now: row.now.to_jiff(),
        is_led: row.led,
        unplaced: unplaced.events,
        unplaced_since: unplaced.since,
        end,
        consumers: consumers(db, end).await?,
        parked: count_parked(db).await?,
    })
}

/// Measures the lag.
///
/// # Errors
/// The database's.
pub async fn lag(db: &Database) -> Result<Lag, DatabaseError> {
    let unplaced = Log::new(db).unplaced().await?;
    let end = unplaced.last_position;
    Ok(Lag {
        unplaced: unplaced.events,
        unplaced_since: unplaced.since,
        end,
        consumers: consumers(db, end).await?,
        oldest_transaction: oldest_transaction(db).await?,
        parked: parked(db).await?,
    })
}

/// How far each reader of the log is behind its end.
///
/// # Errors
/// The database's.
pub async fn consumers(db: &Database, end: i64) -> Result<Vec<ConsumerLag>, DatabaseError> {
    let rows = sqlx::query!(
        r#"select c.consumer,
                  c.position,
                  (select e.recorded_at from log_index i join events e using (event_no)
                    where i.position = c.position + 1) as "waiting_since?: Stored"
             from checkpoints c
            order by c.consumer"#
    )
    .fetch_all(db.pool())
    .await?;
    let consumers = rows.into_iter().map(|row| ConsumerLag {
        consumer: row.consumer,
        position: row.position,
        behind: (end - row.position).max(0),
        waiting_since: row.waiting_since.map(Stored::to_jiff),
    });
    Ok(consumers.collect())
}

async fn oldest_transaction(db: &Database) -> Result<Option<OpenTransaction>, DatabaseError> {
    let row = sqlx::query!(
        r#"select pid as "pid!",
                  coalesce(application_name, '') as "application!",
                  xact_start as "since!: Stored"
             from pg_stat_activity
            where backend_xid is not null
              and xact_start is not null
              and datname = current_database()
              and pid <> pg_backend_pid()
            order by xact_start
            limit 1"#
    )
    .fetch_optional(db.pool())
    .await?;
    Ok(row.map(|row| OpenTransaction {
        pid: row.pid,
        application: row.application,
        since: row.since.to_jiff(),
    }))
}

/// The keys that are parked, and why.
///
/// # Errors
/// The database's.
pub async fn parked(db: &Database) -> Result<Vec<Parked>, DatabaseError> {
    let rows = sqlx::query!(
        r#"select view, key, position, error, parked_at as "since: Stored" from parked
            order by parked_at, view, key"#
    )
    .fetch_all(db.pool())
    .await?;
    let parked = rows.into_iter().map(|row| Parked {
        view: row.view,
        key: row.key,
        position: row.position,
        error: row.error,
        since: row.since.to_jiff(),
    });
    Ok(parked.collect())
}

/// How many rows of each view, or events of the `reactor`, are parked.
///
/// # Errors
/// The database's.
pub async fn count_parked(db: &Database) -> Result<HashMap<String, i64>, DatabaseError> {
    let rows = sqlx::query!(r#"select view, count(*) as "count!" from parked group by view"#)
        .fetch_all(db.pool())
        .await?;
    Ok(rows.into_iter().map(|row| (row.view, row.count)).collect())
}

#[cfg(test)]
mod tests;
