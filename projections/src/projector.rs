//! Keeps the views up to date. A pass reads a batch from the log and folds it in memory. One transaction then writes
//! the changed rows, with one statement for each view, and moves the checkpoints.
//!
//! Each event counts exactly once, because rows and checkpoints commit together. The checkpoints are locked first. They
//! carry the epoch of the projector that may move them. A projector that was frozen while another took over finds a
//! higher epoch and stops ([`ProjectorError::Fenced`]). PostgreSQL ends its open transaction after two seconds, so that
//! it blocks nobody.
//!
//! An event that cannot be decoded, folded or written parks its row: the row keeps its state from before that event, and
//! the key is listed in the table `parked`. All other rows go on.
//!
//! While a view is being rebuilt (`rebuild`), its second slot is written in the same transaction.
//!
//! Batches are written as JSON. A foreign server that logs errors in full prints the row or the key that a constraint
//! refuses there.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use sqlx::{Executor, Postgres};
use telemetry::traces::{InSpan as _, Moment, Span};

use crate::views::{self, Lookups};
use eventlog::database::{Connection, Database, DatabaseError, Transaction};
use eventlog::log::{Log, LogEvent};
use eventlog::wake::Topic;

mod batch;

pub use batch::{Batch, Table, WriteMode, is_row_failure, reason};
pub use batch::{SlotRole, park};

/// Events in one transaction: enough to make its round trips cheap, few enough to fit in memory with their rows.
const BATCH: i64 = 500;

/// Does not wait for the disk: rows and checkpoints come from the log. After a crash of PostgreSQL both are a moment
/// older, together, and the events are folded again.
const BEGIN: &str =
    "begin; set local idle_in_transaction_session_timeout = '2s'; set local synchronous_commit = off";

/// Writes the views, until another projector takes over.
#[derive(Debug)]
pub struct Projector {
    db: Database,
    log: Log,
    epoch: i64,
}

/// Why a pass failed.
#[derive(Debug, thiserror::Error)]
pub enum ProjectorError {
    /// Another projector has taken over.
    #[error("another projector has taken over")]
    Fenced,
    /// The database failed; nothing of the batch was written.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

impl From<sqlx::Error> for ProjectorError {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error.into())
    }
}

/// How far a view is.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    /// The name of the view, or `reactor`.
    pub consumer: String,
    /// The last position that is folded in.
    pub position: i64,
    /// The live slot, `a` or `b`.
    pub slot: String,
}

impl Projector {
    /// Takes over from the projector before.
    ///
    /// # Errors
    /// The database's, or fenced by a projector that took over at the same moment.
    pub async fn take_over(db: &Database) -> Result<Self, ProjectorError> {
        let epoch = take_over(db, &view_names()).await?;
        Ok(Self { db: db.clone(), log: Log::new(db), epoch })
    }

    /// Folds one batch in. Returns the number of events: if the batch was not full, the views have caught up.
    ///
    /// # Errors
    /// [`ProjectorError`]; a pass that failed has changed nothing and may be tried again.
    #[tracing::instrument(name = "project", level = "error", skip_all, fields(position))]
    pub async fn pass(&self) -> Result<usize, ProjectorError> {
        let checkpoints = checkpoints(&self.db).await?;
        let after = lowest_position(&checkpoints);
        tracing::Span::current().record("position", after);
        let events = self.log.read(after, BATCH).await?;
        let Some(end) = events.last().map(|event| event.position) else { return Ok(0) };
        let lookups = Lookups::for_events(&self.db, &events).await?;
        let mut batch = Batch { events: &events, lookups: &lookups, mode: WriteMode::Whole };
        let (began, span) = (Moment::now(), Span::new("project"));
        span.set_number("log.events", events.len().try_into().unwrap_or(i64::MAX));
        span.set_number("log.position", end);
        match self.commit(&mut batch, after, end).in_span(span.clone()).await {
            Err(ProjectorError::Database(DatabaseError::Sql(error))) if is_row_failure(&error) => {
                batch.mode = WriteMode::RowByRow;
                self.commit(&mut batch, after, end).in_span(span.clone()).await?;
            }
            other => other?,
        }
        for trace in events.iter().filter_map(LogEvent::login_trace) {
            trace.record_linked("project", began, &span);
        }
        metrics::counter!("qrlogin_projector_events_total").increment(events.len() as u64);
        self.db.wake().notify(Topic::Projected);
        Ok(events.len())
    }

    /// Passes until the views have caught up with the log. Returns the number of events.
    ///
    /// # Errors
    /// See [`Projector::pass`].
    pub async fn catch_up(&self) -> Result<usize, ProjectorError> {
        let mut total = 0;
        loop {
            let events = self.pass().await?;
            total += events;
            if events < BATCH as usize {
                return Ok(total);
            }
        }
    }

    async fn commit(&self, batch: &mut Batch<'_>, after: i64, end: i64) -> Result<(), ProjectorError> {
        let mut transaction = self.db.begin(BEGIN).await?;
        let checkpoints = self.lock_checkpoints(&mut transaction).await?;
        if lowest_position(&checkpoints) != after {
            return Err(ProjectorError::Fenced);
        }
        // After the lock, so that a slot that is being built is written from the next batch on.
        let mut exceptions = Exceptions::read(&mut transaction).await?;
        let mut tables = Vec::new();
        for view in views::all() {
            let name = view.shape().name;
            let Checkpoint { position, slot, .. } =
                checkpoints.iter().find(|it| it.consumer == name).ok_or(ProjectorError::Fenced)?;
            let aside = exceptions.following.contains(name);
            let aside = aside.then_some((views::idle_slot(slot), SlotRole::Building));
            for (slot, role) in std::iter::once((slot.as_str(), SlotRole::Live)).chain(aside) {
                let parked = exceptions.take_parked(role, name);
                tables.push(Table { view, slot, position: *position, parked, role });
            }
        }
        batch.write(&mut transaction, &tables).await?;
        sqlx::query!(
            "update checkpoints \
                set position = greatest(position, $1), \
                    moved_at = clock_timestamp() \
              where consumer = any($2)",
            end,
            &view_names() as _,
        )
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Locks the views' checkpoints: until the transaction ends, nobody moves them, takes over or swaps slots.
    async fn lock_checkpoints(
        &self,
        transaction: &mut Transaction,
    ) -> Result<Vec<Checkpoint>, ProjectorError> {
        let names = view_names();
        let checkpoints = sqlx::query_as!(
            Checkpoint,
            "select consumer, position, slot from checkpoints \
              where consumer = any($1) and epoch = $2 \
              order by consumer for no key update",
            &names as _,
            self.epoch,
        )
        .fetch_all(&mut **transaction)
        .await?;
        if checkpoints.len() == names.len() { Ok(checkpoints) } else { Err(ProjectorError::Fenced) }
    }
}

/// Begins a transaction that PostgreSQL ends soon if the process freezes. Its statements may take long: a rebuild writes
/// many rows with one statement.
pub async fn begin(db: &Database) -> Result<Transaction, sqlx::Error> {
    let connection = db.pool().acquire().await?.patient();
    connection.begin("begin; set local idle_in_transaction_session_timeout = '2s'").await
}

/// What is not written as everything else is.
pub struct Exceptions {
    /// The views that are written to both slots.
    following: HashSet<String>,
    /// The keys that are not written, by role and view.
    parked: HashMap<(SlotRole, String), HashSet<String>>,
}

impl Exceptions {
    /// # Errors
    /// The database's.
    pub async fn read(connection: &mut Connection) -> Result<Self, sqlx::Error> {
        let rows = sqlx::query!(
            r#"select view as "view!", null as key, false as "is_building!" from rebuilds where state = 'following'
               union all select view, key, false from parked
               union all select view, key, true from rebuild_parked"#
        )
        .fetch_all(connection)
        .await?;
        let (mut following, mut parked) = (HashSet::new(), HashMap::<_, HashSet<String>>::new());
        for row in rows {
            let role = if row.is_building { SlotRole::Building } else { SlotRole::Live };
            match row.key {
                None => following.insert(row.view),
                Some(key) => parked.entry((role, row.view)).or_default().insert(key),
            };
        }
        Ok(Self { following, parked })
    }

    /// The parked keys of a view.
    pub fn take_parked(&mut self, role: SlotRole, view: &str) -> HashSet<String> {
        self.parked.remove(&(role, view.to_owned())).unwrap_or_default()
    }
}

/// Gives these consumers a new epoch, which fences the process that had them before.
pub async fn take_over(db: &Database, consumers: &[&str]) -> Result<i64, ProjectorError> {
    let epoch =
        sqlx::query_scalar!(r#"select nextval('reader_epoch') as "epoch!""#).fetch_one(db.pool()).await?;
    let mut transaction = begin(db).await?;
    // Always in this order, so that two processes that take over at once do not deadlock.
    sqlx::query!(
        "select from checkpoints where consumer = any($1) order by consumer for no key update",
        consumers as _,
    )
    .execute(&mut *transaction)
    .await?;
    let raised = sqlx::query!(
        "update checkpoints set epoch = $1 where consumer = any($2) and epoch < $1",
        epoch,
        consumers as _,
    )
    .execute(&mut *transaction)
    .await?
    .rows_affected();
    if raised != consumers.len() as u64 {
        return Err(ProjectorError::Fenced);
    }
    transaction.commit().await?;
    Ok(epoch)
}

/// How far every view is.
///
/// # Errors
/// The database's.
pub async fn checkpoints(db: &Database) -> Result<Vec<Checkpoint>, DatabaseError> {
    Ok(sqlx::query_as!(
        Checkpoint,
        "select consumer, position, slot from checkpoints where consumer = any($1) order by consumer",
        &view_names() as _,
    )
    .fetch_all(db.pool())
    .await?)
}

/// The position up to which one view, or the `reactor`, has handled all events; 0 for an unknown name.
///
/// # Errors
/// The database's.
pub async fn position_of(db: &Database, consumer: &str) -> Result<i64, DatabaseError> {
    let position = sqlx::query_scalar!("select position from checkpoints where consumer = $1", consumer)
        .fetch_optional(db.pool())
        .await?;
    Ok(position.unwrap_or(0))
}

/// The live slot of a view.
pub async fn live_slot<'c>(
    executor: impl Executor<'c, Database = Postgres>,
    view: &str,
) -> Result<String, sqlx::Error> {
    sqlx::query_scalar!("select slot from checkpoints where consumer = $1", view).fetch_one(executor).await
}

/// Whether every view shows all events that have a position.
///
/// # Errors
/// The database's.
pub async fn caught_up(db: &Database) -> Result<bool, DatabaseError> {
    let end = Log::new(db).end().await?;
    Ok(projected(db).await? >= end)
}

/// The position up to which every view shows all events.
///
/// # Errors
/// The database's.
pub async fn projected(db: &Database) -> Result<i64, DatabaseError> {
    Ok(lowest_position(&checkpoints(db).await?))
}

/// Waits until every view shows all events up to a position ("read your writes").
///
/// # Errors
/// The database's.
pub async fn wait_for(db: &Database, position: i64) -> Result<(), DatabaseError> {
    let mut waker = db.wake().subscribe(Topic::Projected);
    while projected(db).await? < position {
        waker.wait(Duration::from_millis(200)).await;
    }
    Ok(())
}

fn view_names() -> Vec<&'static str> {
    views::all().iter().map(|view| view.shape().name).collect()
}

fn lowest_position(checkpoints: &[Checkpoint]) -> i64 {
    checkpoints.iter().map(|checkpoint| checkpoint.position).min().unwrap_or(0)
}
