//! Reads the log once and folds it into views in memory. A verification compares them, a rebuild writes them, and "as of"
//! shows them.
//!
//! PostgreSQL sends two streams by binary COPY: events and positions. Both are in the order of insertion, which needs no
//! sorting. They are joined here and put into the order of positions ([`order`]). A separate thread decodes and folds them,
//! so that it and PostgreSQL each have a core. Events that belong to no row are not sent.

use std::cmp::Ordering;
use std::sync::Arc;

use domain::Event;
use tokio::sync::watch;
use tokio::task::{JoinSet, spawn_blocking};

use eventlog::database::{Database, DatabaseError};
use eventlog::log::{Fact, Log, Metadata, as_stored};
use projections::views::{AnyView, Lookups, MemoryTable, RowFailure, Starts};

mod all_lookups;
mod copy_out;
mod order;
mod scope;

use all_lookups::AllLookups;
use copy_out::{CopyOut, Tuple};
use order::InOrder;
use scope::Scope;

/// Events between two reports of progress.
const PROGRESS_EVERY: u64 = 1_000;

/// Views folded in memory, up to a position.
pub(crate) struct Reading<'a> {
    db: &'a Database,
    scope: Scope,
    pub position: i64,
    /// The result so far. None while the thread has it, and after that thread failed.
    folding: Option<Folding>,
}

/// Views as the log makes them.
#[derive(Default)]
pub(crate) struct Folding {
    pub views: Vec<FoldedView>,
    pub events: u64,
    /// Events that cannot be decoded: where, and why. Only filled when the whole log is read.
    pub undecodable: Vec<(i64, String)>,
    /// Of the attempts that are live at the position; where a view needs them.
    starts: Starts,
}

/// One view, folded in memory.
pub(crate) struct FoldedView {
    pub view: &'static dyn AnyView,
    pub table: Box<dyn MemoryTable>,
    /// The last position to fold in, if it is not the same as for the other views.
    pub limit: Option<i64>,
    /// Keys that this reading has parked; those of [`Reading::park`] are not among them.
    pub failures: Vec<(String, RowFailure)>,
}

impl<'a> Reading<'a> {
    /// Of the events that belong to rows of these views.
    pub fn begin(db: &'a Database, views: &[&'static dyn AnyView]) -> Self {
        Self::of(db, views, Scope::of_views(views))
    }

    /// Of every event, so that each one that cannot be decoded is reported.
    pub fn of_everything(db: &'a Database, views: &[&'static dyn AnyView]) -> Self {
        let mut scope = Scope::of_views(views);
        scope.whole = true;
        Self::of(db, views, scope)
    }

    fn of(db: &'a Database, views: &[&'static dyn AnyView], scope: Scope) -> Self {
        let folded = |view: &&'static dyn AnyView| FoldedView {
            view: *view,
            table: view.memory_table(),
            limit: None,
            failures: Vec::new(),
        };
        let folding = Folding { views: views.iter().map(folded).collect(), ..Folding::default() };
        Self { db, scope, position: 0, folding: Some(folding) }
    }

    /// Parks these keys: view, key, and position from which on.
    pub fn park(&mut self, parked: &[(String, String, i64)]) {
        for FoldedView { view, table, .. } in self.views() {
            for (_, key, position) in parked.iter().filter(|(name, ..)| name == view.shape().name) {
                table.park(key, *position);
            }
        }
    }

    pub fn views(&mut self) -> &mut [FoldedView] {
        self.folding.as_mut().map_or(&mut [], |folding| &mut folding.views)
    }

    /// Ends the reading, with its result.
    pub fn end(self) -> Folding {
        self.folding.unwrap_or_default()
    }

    /// Folds everything up to a position in; calls `progress` with the position so far and the last one.
    ///
    /// # Errors
    /// The database's; what was folded until then is lost.
    pub async fn read_to(
        &mut self,
        end: i64,
        progress: &mut (dyn FnMut(i64, i64) + Send),
    ) -> Result<(), DatabaseError> {
        let last = Log::new(self.db).end().await?;
        let end = end.min(last);
        let Some(folding) = (self.position < end).then(|| self.folding.take()).flatten() else {
            return Ok(());
        };
        let slices = self.scope.slices(self.db, self.position, end, last).await?;
        let mut copy_tasks = JoinSet::new();
        let positions = CopyOut::begin(self.db, slices.positions, &mut copy_tasks).await?;
        let events = CopyOut::begin(self.db, slices.events, &mut copy_tasks).await?;
        let all_lookups = match self.scope.people {
            true => Some(AllLookups::begin(self.db, &mut copy_tasks).await?),
            false => None,
        };
        let (progress_sender, mut progress_receiver) = watch::channel(self.position);
        let (after, whole, keeps_starts) = (self.position, self.scope.whole, self.scope.starts);
        // It ends when the streams end, also if nobody waits for it any more.
        let thread = spawn_blocking(move || {
            let mut folding = folding;
            let mut lookups = all_lookups.map(AllLookups::read).transpose()?.unwrap_or_default();
            lookups.starts = std::mem::take(&mut folding.starts);
            let mut fold = Fold { folding, lookups, whole, keeps_starts, progress: progress_sender };
            fold.all(InOrder::after(after), positions, events)?;
            fold.folding.starts = fold.lookups.starts;
            Ok::<_, DatabaseError>(fold.folding)
        });
        while progress_receiver.changed().await.is_ok() {
            progress(*progress_receiver.borrow_and_update(), end);
        }
        let folded = match thread.await {
            Ok(folded) => folded?,
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        };
        self.folding = Some(folded);
        self.position = end;
        progress(end, end);
        Ok(())
    }
}

/// The part that runs in the thread.
struct Fold {
    folding: Folding,
    lookups: Lookups,
    whole: bool,
    keeps_starts: bool,
    progress: watch::Sender<i64>,
}

impl Fold {
    fn all(
        &mut self,
        mut order: InOrder<Option<Tuple>>,
        mut positions: CopyOut,
        mut events: CopyOut,
    ) -> Result<(), DatabaseError> {
        let mut event = events.next()?;
        while let Some(place) = positions.next()? {
            let (event_no, position) = (place.bigint(0)?, place.bigint(1)?);
            let mut row = None;
            while let Some(next) = event.take() {
                match next.bigint(0)?.cmp(&event_no) {
                    // This event has no position yet, or one after the end.
                    Ordering::Less => event = events.next()?,
                    Ordering::Equal => {
                        row = Some(next);
                        event = events.next()?;
                        break;
                    }
                    // The event at this position belongs to no row, so it was not sent.
                    Ordering::Greater => {
                        event = Some(next);
                        break;
                    }
                }
            }
            let mut ready = order.push(position, row);
            while let Some((position, row)) = ready {
                self.fold_in(position, row)?;
                ready = order.pop();
            }
        }
        order.rest().try_for_each(|(position, row)| self.fold_in(position, row))
    }

    fn fold_in(&mut self, position: i64, row: Option<Tuple>) -> Result<(), DatabaseError> {
        let Some(row) = row else { return Ok(()) };
        let [stream, stream_id, name, version, payload] = row.texts(1)?;
        let event = Event::decode_text(stream, name, version, payload).map_err(Arc::new);
        let account_id = match event {
            Ok(_) => None,
            Err(_) => row.text_or_null(6)?.and_then(|envelope| Metadata::of(&as_stored(envelope)).account_id),
        };
        let Folding { views, events, undecodable, .. } = &mut self.folding;
        *events += 1;
        if let (true, Err(error)) = (self.whole, &event) {
            undecodable.push((position, error.to_string()));
        }
        let fact = Fact { position, stream, stream_id, name, event: &event, account_id };
        if self.keeps_starts {
            self.lookups.starts.note_start(&fact);
        }
        for FoldedView { table, limit, failures, .. } in views {
            if limit.is_none_or(|limit| position <= limit) {
                failures.extend(table.fold_in(&fact, &self.lookups));
            }
        }
        if self.keeps_starts {
            self.lookups.starts.forget_ended(&fact);
        }
        if events.is_multiple_of(PROGRESS_EVERY) {
            self.progress.send_replace(position);
        }
        Ok(())
    }
}
