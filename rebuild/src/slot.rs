//! The idle slot of a view: it is filled, kept up to date, compared with the live slot, and emptied again.

use std::collections::{HashMap, HashSet};

use serde_json::Value;
use sqlx::types::Json;
use tokio::time::{Instant, sleep};

use super::error::RebuildError;
use super::progress::Progress;
use super::readers::{MAX_WAIT, POLL_EVERY, Readers, is_lock_timeout};
use crate::difference::{Difference, ParkedAt, explain_differences};
use crate::verify::{EXAMPLES, ViewReport};
use eventlog::database::{Connection, Database, DatabaseError, Transaction};
use eventlog::log::{Log, LogEvent};
use projections::projector::{self, Batch, Exceptions, SlotRole, Table, WriteMode};
use projections::views::{self, AnyView, Lookups};

/// Events in one transaction while catching up. At most so many are left for the transaction that blocks the projector.
pub(super) const BATCH: i64 = 500;

/// A key, its live row, and the row that was built.
type DifferingRow = (String, Option<Json<Value>>, Option<Json<Value>>);

/// A view's idle slot, while a rebuild fills it.
pub(super) struct Building<'a> {
    pub db: &'a Database,
    pub view: &'static dyn AnyView,
    /// The idle slot; the other one is live.
    pub slot: &'static str,
    /// The epoch of this rebuild. A rebuild with an older one is fenced.
    pub epoch: i64,
    /// The last position that is folded in.
    pub position: i64,
    /// The transactions that ran when the projector began to write both slots.
    pub older_readers: Option<Readers>,
}

impl<'a> Building<'a> {
    /// Takes the empty slot, for rows as they are at a position.
    pub async fn begin(
        db: &'a Database,
        view: &'static dyn AnyView,
        position: i64,
    ) -> Result<Self, RebuildError> {
        let name = view.shape().name;
        let epoch = sqlx::query_scalar!(
            "update rebuilds set state = 'loading', epoch = nextval('reader_epoch') \
              where view = $1 and state = 'idle' returning epoch",
            name,
        )
        .fetch_optional(db.pool())
        .await?
        .ok_or(RebuildError::Fenced(name))?;
        let live = projector::live_slot(db.pool(), name).await?;
        Ok(Self { db, view, slot: views::idle_slot(&live), epoch, position, older_readers: None })
    }

    pub fn name(&self) -> &'static str {
        self.view.shape().name
    }

    /// Step 4.
    pub async fn follow(&mut self) -> Result<(), RebuildError> {
        let log = Log::new(self.db);
        let mut transaction = self.begin_fenced().await?;
        let live_position = lock_position(&mut transaction, self.name()).await?;
        // The lock keeps the position where it is. Events after it are not in the live rows, so they are not read.
        while self.position < live_position {
            let events = log.read(self.position, BATCH.min(live_position - self.position)).await?;
            if events.is_empty() {
                break;
            }
            self.fold_in(&mut transaction, &events).await?;
        }
        sqlx::query!(
            "update rebuilds set state = 'following' where view = $1 and epoch = $2",
            self.name(),
            self.epoch,
        )
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        self.older_readers = Some(Readers::now(&mut self.db.pool().acquire().await?).await?);
        Ok(())
    }

    /// Step 5.
    pub async fn compare(&self) -> Result<ViewReport, RebuildError> {
        let (shape, connection) = (self.view.shape(), self.db.direct().await?);
        let mut snapshot = connection.begin("begin isolation level repeatable read, read only").await?;
        let position =
            sqlx::query_scalar!("select position from checkpoints where consumer = $1", shape.name)
                .fetch_one(&mut *snapshot)
                .await?;
        let count = format!("select count(*) from {}", shape.table(self.slot));
        let rows: i64 = sqlx::query_scalar(&count).fetch_one(&mut *snapshot).await?;
        let (live, built) = (views::idle_slot(self.slot), self.slot);
        let (differ, missing, extra): (i64, i64, i64) =
            sqlx::query_as(&shape.count_differences(live, built)).fetch_one(&mut *snapshot).await?;
        let mut examples = Vec::new();
        if differ > 0 {
            let canonical = |row: Option<Json<Value>>| row.map(|row| self.view.canonical(row.0));
            examples = sqlx::query_as::<_, DifferingRow>(&shape.differences(live, built))
                .bind(i64::try_from(EXAMPLES).unwrap_or(0))
                .fetch_all(&mut *snapshot)
                .await?
                .into_iter()
                .map(|(key, live, built)| Difference::between(key, canonical(live), canonical(built)))
                .collect();
        }
        let in_slot = sqlx::query!("select key, position from rebuild_parked where view = $1", shape.name)
            .fetch_all(&mut *snapshot)
            .await?;
        let keys: Vec<String> = examples.iter().map(|it: &Difference| it.key.clone()).collect();
        let live_ones = sqlx::query!(
            "select key, position from parked where view = $1 and key = any($2)",
            shape.name,
            &keys
        )
        .fetch_all(&mut *snapshot)
        .await?;
        snapshot.rollback().await?;
        let parked_in_slot = in_slot.len();
        let parked_at = |role| move |(key, position): (String, i64)| (key, (position, role));
        let in_slot = in_slot.into_iter().map(|row| (row.key, row.position));
        let mut parked: HashMap<String, ParkedAt> = in_slot.map(parked_at(SlotRole::Building)).collect();
        // Where the live row is parked, that is why it differs.
        let live_ones = live_ones.into_iter().map(|row| (row.key, row.position));
        parked.extend(live_ones.map(parked_at(SlotRole::Live)));
        explain_differences(self.db, self.view, position, &parked, &mut examples).await?;
        let as_count = |count: i64| usize::try_from(count).unwrap_or(0);
        Ok(ViewReport {
            view: shape.name,
            position,
            rows: as_count(rows),
            differ: as_count(differ),
            missing: as_count(missing),
            extra: as_count(extra),
            examples,
            parked: parked_in_slot,
        })
    }

    /// Begins a transaction in which no other rebuild can take the slot over.
    pub async fn begin_fenced(&self) -> Result<Transaction, RebuildError> {
        let mut transaction = projector::begin(self.db).await?;
        sqlx::query!(
            "select from rebuilds where view = $1 and epoch = $2 and state <> 'emptying' for share",
            self.name(),
            self.epoch,
        )
        .fetch_optional(&mut *transaction)
        .await?
        .ok_or(RebuildError::Fenced(self.name()))?;
        Ok(transaction)
    }

    /// How many positions it is behind the live slot.
    pub async fn behind(&self) -> Result<i64, RebuildError> {
        Ok(projector::position_of(self.db, self.name()).await? - self.position)
    }

    /// Folds events into the slot, in the caller's transaction.
    pub async fn fold_in(
        &mut self,
        transaction: &mut Transaction,
        events: &[LogEvent],
    ) -> Result<(), RebuildError> {
        let Some(last) = events.last() else { return Ok(()) };
        let lookups = Lookups::for_events(self.db, events).await?;
        let parked = Exceptions::read(transaction).await?.take_parked(SlotRole::Building, self.name());
        // Row by row from the start: one batch that PostgreSQL refuses must not cost the whole rebuild.
        let batch = Batch { events, lookups: &lookups, mode: WriteMode::RowByRow };
        batch.write(transaction, &[self.table(self.position, parked)]).await?;
        self.position = last.position;
        Ok(())
    }

    fn table(&self, position: i64, parked: HashSet<String>) -> Table<'_> {
        Table { view: self.view, slot: self.slot, position, parked, role: SlotRole::Building }
    }
}

/// Locks a view's position: until the transaction ends, nobody moves it or swaps slots.
pub(super) async fn lock_position(connection: &mut Connection, view: &str) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!("select position from checkpoints where consumer = $1 for no key update", view)
        .fetch_one(connection)
        .await
}

/// The lowest position of these views.
pub(super) async fn lowest_position(
    db: &Database,
    views: &[&'static dyn AnyView],
) -> Result<i64, DatabaseError> {
    let names: Vec<&str> = views.iter().map(|view| view.shape().name).collect();
    let lowest = sqlx::query_scalar!(
        r#"select coalesce(min(position), 0) as "lowest!" from checkpoints where consumer = any($1)"#,
        &names as _,
    );
    Ok(lowest.fetch_one(db.pool()).await?)
}

/// Step 7: empties the idle slot. The caller holds the claim. With an epoch, only the rows of that rebuild are deleted.
pub(super) async fn clean(
    db: &Database,
    view: &'static dyn AnyView,
    epoch: Option<i64>,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<(), RebuildError> {
    let name = view.shape().name;
    let mut transaction = projector::begin(db).await?;
    // The projector is between two batches; the next batch writes only the live slot.
    lock_position(&mut transaction, name).await?;
    let own_epoch = sqlx::query_scalar!(
        "update rebuilds set state = 'emptying', epoch = nextval('reader_epoch') \
          where view = $1 and state <> 'idle' and epoch = coalesce($2, epoch) returning epoch",
        name,
        epoch,
    )
    .fetch_optional(&mut *transaction)
    .await?;
    transaction.commit().await?;
    let Some(own_epoch) = own_epoch else { return Ok(()) };
    // A reader may have looked up the live slot before a swap, and read it now: TRUNCATE ignores snapshots.
    let older_readers = Readers::now(&mut db.pool().acquire().await?).await?;
    let deadline = Instant::now() + MAX_WAIT;
    loop {
        let blocking_pid = match older_readers.still_running(db).await? {
            None if empty(db, view, own_epoch).await? => return Ok(()),
            None => 0,
            Some(pid) => pid,
        };
        progress(Progress::Wait { view: name, pid: blocking_pid });
        if Instant::now() > deadline {
            return Err(RebuildError::Readers { view: name, pid: blocking_pid });
        }
        sleep(POLL_EVERY).await;
    }
}

/// Returns false while a reader uses the slot.
async fn empty(db: &Database, view: &'static dyn AnyView, epoch: i64) -> Result<bool, RebuildError> {
    let name = view.shape().name;
    let mut transaction = projector::begin(db).await?;
    sqlx::query("set local lock_timeout = '50ms'").execute(&mut *transaction).await?;
    // First, so that no rebuild begins to fill the slot meanwhile.
    let done = sqlx::query!(
        "update rebuilds set state = 'idle' where view = $1 and state = 'emptying' and epoch = $2",
        name,
        epoch,
    )
    .execute(&mut *transaction)
    .await?;
    if done.rows_affected() == 0 {
        return Err(RebuildError::Fenced(name));
    }
    let live = projector::live_slot(&mut *transaction, name).await?;
    let truncate = format!("truncate {}", view.shape().table(views::idle_slot(&live)));
    match sqlx::query(&truncate).execute(&mut *transaction).await {
        Ok(_) => {}
        Err(error) if is_lock_timeout(&error) => return Ok(false),
        Err(error) => return Err(error.into()),
    }
    sqlx::query!("delete from rebuild_parked where view = $1", name).execute(&mut *transaction).await?;
    transaction.commit().await?;
    Ok(true)
}
