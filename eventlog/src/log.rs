//! The read side of the log: events by position, by stream, by what the history asks for, and as they come.
//!
//! Only events that have a position are seen here, so every reader sees the same order, and "after" means after.

use std::time::Duration;

use domain::StreamKind;
use jiff::{SignedDuration, Timestamp};
use jiff_sqlx::ToSqlx;
use sqlx::{Postgres, QueryBuilder};

use crate::database::{Connection, Database, DatabaseError, Pool};
use crate::wake::{Topic, Wake, Waker};

mod branches;
mod causes;
mod event;
mod line;
mod login_trace;
mod query;

pub use event::{Fact, LogEvent, Metadata, as_stored};
pub use line::{StoredEvent, write_json_string};
pub use query::Filter;

use event::log_event;
use line::{SELECT_STORED, stored_event};
use query::{
    SELECT, Window, about, beside, count_about, history, in_time, last, next, nth_last, of_streams, stream,
};

#[cfg(test)]
mod tests;

/// How far the server's clock may have been set back without a filter by time losing anything.
const CLOCK_SLACK: SignedDuration = SignedDuration::from_hours(1);
/// How many events a follower takes at once.
const BATCH: i64 = 500;
/// How often a follower reads without a signal: soon after it found events, seldom while it finds none.
const POLL_BUSY: Duration = Duration::from_millis(50);
const POLL_IDLE: Duration = Duration::from_secs(1);

/// The id of a branch of the log: the positions of one cluster and timeline.
pub type BranchId = uuid::Uuid;

/// How a branch stands to the one of now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parting {
    /// The branch of now.
    pub now: BranchId,
    /// Its last position; 0 if there is none.
    pub end: i64,
    /// Up to which position both are the same: 0 for a branch that nobody knows here, and no end for the branch of now.
    pub same_until: i64,
}

/// Reads events. A cheap clone.
#[derive(Clone, Debug)]
pub struct Log {
    pool: Pool,
    wake: Wake,
}

/// What was appended and has no position yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unplaced {
    /// How many events.
    pub events: i64,
    /// Since when the oldest of them waits.
    pub since: Option<Timestamp>,
    /// The last position that was given; 0 if there is none.
    pub last_position: i64,
}

/// Reads the log as it grows.
#[derive(Debug)]
pub struct Follower {
    log: Log,
    waker: Waker,
    position: i64,
    /// The cluster and timeline of the log when the follower read it last.
    cluster: Option<String>,
    poll: Duration,
}

impl Log {
    /// Of this database.
    pub fn new(database: &Database) -> Self {
        Self { pool: database.pool().clone(), wake: database.wake().clone() }
    }

    /// The last position; 0 if there is none.
    ///
    /// # Errors
    /// [`DatabaseError::Sql`].
    pub async fn end(&self) -> Result<i64, DatabaseError> {
        Ok(sqlx::query_scalar!(r#"select coalesce(max(position), 0) as "end!" from log_index"#)
            .fetch_one(&self.pool)
            .await?)
    }

    /// The ids of all streams of this kind that hold an event with this stored name, in a position or not yet.
    ///
    /// # Errors
    /// [`DatabaseError::Sql`].
    pub async fn streams_with(&self, kind: StreamKind, name: &str) -> Result<Vec<String>, DatabaseError> {
        let ids = sqlx::query_scalar!(
            r#"select distinct aggregate_id as "id!" from events where event_type = $1 and aggregate_type = $2"#,
            name,
            kind.name(),
        );
        Ok(ids.fetch_all(&self.pool).await?)
    }

    /// What has no position yet, as the sequencer finds it: by a scan of nothing else (migration 0018).
    ///
    /// # Errors
    /// [`DatabaseError::Sql`].
    pub async fn unplaced(&self) -> Result<Unplaced, DatabaseError> {
        let row = sqlx::query!(
            r#"select unplaced as "unplaced!",
                      since as "since: jiff_sqlx::Timestamp",
                      last_position as "last_position!"
                 from events_without_position()"#
        )
        .fetch_one(&self.pool)
        .await?;
        Ok(Unplaced {
            events: row.unplaced,
            since: row.since.map(jiff_sqlx::Timestamp::to_jiff),
            last_position: row.last_position,
        })
    }

    /// The position that everything committed before now has, or will have: what a view has to reach for a person to read
    /// what they have just done, also while no sequencer gives positions.
    ///
    /// # Errors
    /// [`DatabaseError::Sql`].
    pub async fn due(&self) -> Result<i64, DatabaseError> {
        let unplaced = self.unplaced().await?;
        Ok(unplaced.last_position + unplaced.events)
    }

    /// Which cluster and timeline the positions are of, and the last one; None before the first position is given.
    ///
    /// # Errors
    /// [`DatabaseError::Sql`].
    pub async fn cluster(&self) -> Result<(Option<String>, i64), DatabaseError> {
        cluster(&mut self.pool.acquire().await?).await
    }

    /// Up to `limit` events after a position, in order.
    ///
    /// # Errors
    /// [`DatabaseError::Sql`].
    pub async fn read(&self, after: i64, limit: i64) -> Result<Vec<LogEvent>, DatabaseError> {
        self.fetch(next(SELECT, after, limit)).await
    }

    /// As stored: the streams in which something is about this account, up to a position, in order.
    pub async fn stored_beside(&self, account: &str, end: i64) -> Result<Vec<StoredEvent>, DatabaseError> {
        let rows = beside(SELECT_STORED, account, end).build().fetch_all(&self.pool).await?;
        Ok(rows.iter().map(stored_event).collect::<Result<_, _>>()?)
    }

    /// The same as stored, for their canonical lines.
    ///
    /// # Errors
    /// [`DatabaseError::Sql`].
    pub async fn stored(&self, after: i64, limit: i64) -> Result<Vec<StoredEvent>, DatabaseError> {
        let rows = next(SELECT_STORED, after, limit).build().fetch_all(&self.pool).await?;
        Ok(rows.iter().map(stored_event).collect::<Result<_, _>>()?)
    }

    /// All events of one stream that have a position, in order.
    ///
    /// # Errors
    /// [`DatabaseError::Sql`].
    pub async fn stream(&self, kind: StreamKind, id: &str) -> Result<Vec<LogEvent>, DatabaseError> {
        self.fetch(stream(kind, id)).await
    }

    /// All events with this stored name of several streams of a kind that have a position, in order.
    ///
    /// # Errors
    /// [`DatabaseError::Sql`].
    pub async fn of_streams(
        &self,
        kind: StreamKind,
        ids: &[String],
        name: &str,
    ) -> Result<Vec<LogEvent>, DatabaseError> {
        self.fetch(of_streams(kind, ids, name)).await
    }

    /// The events with these stored names, up to a position, whose own time is in this hour (`2026-11-29T09`) or day (`2026-11-29`)
    /// of UTC. It reads every event of these names.
    ///
    /// # Errors
    /// [`DatabaseError::Sql`].
    pub async fn in_time(
        &self,
        names: &[&str],
        time: &str,
        end: i64,
    ) -> Result<Vec<LogEvent>, DatabaseError> {
        self.fetch(in_time(names, time, end)).await
    }

    /// Up to `limit` events after a position that pass the filter, in order.
    ///
    /// # Errors
    /// [`DatabaseError::Sql`].
    pub async fn history(
        &self,
        filter: &Filter,
        after: i64,
        limit: i64,
    ) -> Result<Vec<LogEvent>, DatabaseError> {
        let window = self.window(filter).await?;
        self.fetch(history(SELECT, filter, window, after, limit)).await
    }

    /// The plan of [`Log::history`] for these arguments, as PostgreSQL carried it out; a line each.
    ///
    /// # Errors
    /// [`DatabaseError::Sql`].
    pub async fn explain(
        &self,
        filter: &Filter,
        after: i64,
        limit: i64,
    ) -> Result<Vec<String>, DatabaseError> {
        let window = self.window(filter).await?;
        let select = format!("explain (analyze, costs off, buffers) {SELECT}");
        Ok(history(&select, filter, window, after, limit).build_query_scalar().fetch_all(&self.pool).await?)
    }

    /// The last `limit` events that pass the filter, in order.
    ///
    /// # Errors
    /// [`DatabaseError::Sql`].
    pub async fn last(&self, filter: &Filter, limit: i64) -> Result<Vec<LogEvent>, DatabaseError> {
        let mut events = self.before(filter, i64::MAX, limit).await?;
        events.reverse();
        Ok(events)
    }

    /// Up to `limit` events before a position that pass the filter, the latest first.
    ///
    /// # Errors
    /// [`DatabaseError::Sql`].
    pub async fn before(
        &self,
        filter: &Filter,
        before: i64,
        limit: i64,
    ) -> Result<Vec<LogEvent>, DatabaseError> {
        let window = self.window(filter).await?;
        self.fetch(last(SELECT, filter, window, before, limit)).await
    }

    /// The position of the event that is the `number`th from the end (from 1), of those that pass the filter; None where fewer
    /// pass.
    ///
    /// # Errors
    /// [`DatabaseError::Sql`].
    pub async fn nth_last(&self, filter: &Filter, number: i64) -> Result<Option<i64>, DatabaseError> {
        let window = self.window(filter).await?;
        let mut query = nth_last(filter, window, number);
        Ok(query.build_query_scalar().fetch_optional(&self.pool).await?)
    }

    /// Whether any event has this stored name, in a position or not yet.
    ///
    /// # Errors
    /// [`DatabaseError::Sql`].
    pub async fn holds(&self, name: &str) -> Result<bool, DatabaseError> {
        let found = sqlx::query_scalar!(
            r#"select exists (select from events where event_type = $1) as "found!""#,
            name
        );
        Ok(found.fetch_one(&self.pool).await?)
    }

    /// The events up to a position that may be about one row of a view: of streams of this id, and of streams in which
    /// something is about the account of this id.
    pub async fn about(&self, id: &str, end: i64) -> Result<Vec<LogEvent>, DatabaseError> {
        self.fetch(about(SELECT, id, end)).await
    }

    /// How many events [`Log::about`] looks at, counted up to `most`. An event may be counted twice.
    ///
    /// # Errors
    /// [`DatabaseError::Sql`].
    pub async fn count_about(&self, id: &str, most: i64) -> Result<i64, DatabaseError> {
        Ok(count_about(id, most).build_query_scalar().fetch_one(&self.pool).await?)
    }

    /// Follows the log: all events after a position, as they come.
    pub fn follow(&self, after: i64) -> Follower {
        let waker = self.wake.subscribe(Topic::Positioned);
        Follower { log: self.clone(), waker, position: after, cluster: None, poll: POLL_BUSY }
    }

    /// Between which events of the order of insertion the filter's times lie, by bisection: the log is not read for it.
    async fn window(&self, filter: &Filter) -> Result<Window, DatabaseError> {
        let mut window = Window::default();
        if let Some(since) = filter.since {
            window.from = Some(self.first_recorded(since - CLOCK_SLACK).await?);
        }
        if let Some(until) = filter.until {
            window.to = Some(self.first_recorded(until + CLOCK_SLACK).await?);
        }
        Ok(window)
    }

    /// The number of the first event that was recorded at this time or later, where times only grow.
    async fn first_recorded(&self, at: Timestamp) -> Result<i64, DatabaseError> {
        let ends = sqlx::query!(
            r#"select coalesce(min(event_no), 1) as "first!", coalesce(max(event_no), 0) + 1 as "after_last!"
                 from events"#
        )
        .fetch_one(&self.pool)
        .await?;
        let (mut low, mut high) = (ends.first, ends.after_last);
        while low < high {
            let middle = low + (high - low) / 2;
            let is_later = sqlx::query_scalar!(
                r#"select recorded_at >= $2 as "is_later!" from events where event_no >= $1
                    order by event_no limit 1"#,
                middle,
                at.to_sqlx() as _
            )
            .fetch_one(&self.pool)
            .await?;
            if is_later {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        Ok(low)
    }

    async fn fetch(&self, mut query: QueryBuilder<'_, Postgres>) -> Result<Vec<LogEvent>, DatabaseError> {
        let rows = query.build().fetch_all(&self.pool).await?;
        Ok(rows.iter().map(log_event).collect::<Result<_, _>>()?)
    }
}

async fn cluster(connection: &mut Connection) -> Result<(Option<String>, i64), DatabaseError> {
    let row = sqlx::query!(
        r#"select cluster, (select coalesce(max(position), 0) from log_index) as "end!" from sequencer"#
    )
    .fetch_one(connection)
    .await?;
    Ok((row.cluster, row.end))
}

impl Follower {
    /// The next events, at least one; waits until there are. Dropping the wait loses nothing.
    ///
    /// # Errors
    /// [`DatabaseError::Sql`]: the next call takes up at the same place. [`DatabaseError::SetBack`]: what this follower
    /// has given may never have happened. What was derived from it has to be derived anew, with another follower.
    pub async fn next(&mut self) -> Result<Vec<LogEvent>, DatabaseError> {
        loop {
            let events = self.look().await?;
            if !events.is_empty() {
                return Ok(events);
            }
            self.wait().await;
        }
    }

    /// The next events; none where there are none yet.
    ///
    /// # Errors
    /// As with [`Self::next`].
    pub async fn look(&mut self) -> Result<Vec<LogEvent>, DatabaseError> {
        // By one connection. Two may lead to two servers, of which one does not know yet that the other has taken over.
        let mut connection = self.log.pool.acquire().await?;
        let rows = next(SELECT, self.position, BATCH).build().fetch_all(&mut connection).await?;
        let events: Vec<_> = rows.iter().map(log_event).collect::<Result<_, _>>()?;
        self.check_cluster(&mut connection).await?;
        if let Some(last) = events.last() {
            self.position = last.position;
            self.poll = POLL_BUSY;
        }
        Ok(events)
    }

    /// Waits for a signal, or until it is time to read without one.
    pub async fn wait(&mut self) {
        self.waker.wait(self.poll).await;
        self.poll = (self.poll * 2).min(POLL_IDLE);
    }

    /// Fails where the log is not the one that was followed so far. Checked after each reading: in a log that lost its tail
    /// the sequencer gives no position before it has written down which cluster the log is in now.
    async fn check_cluster(&mut self, connection: &mut Connection) -> Result<(), DatabaseError> {
        let (cluster, end) = cluster(connection).await?;
        let moved = self.cluster.is_some() && self.cluster != cluster;
        if moved || end < self.position {
            return Err(DatabaseError::SetBack);
        }
        self.cluster = cluster;
        Ok(())
    }

    /// The position of the last event that it gave.
    pub const fn position(&self) -> i64 {
        self.position
    }
}
