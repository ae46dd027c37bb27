//! Reads the log once and folds it into views. A verification compares them, a rebuild writes them, and "as of" shows them.
//!
//! PostgreSQL sends two streams by binary COPY: events and positions. Both are in the order of insertion, which needs no
//! sorting. They are joined here and put into the order of positions ([`order`]). A separate thread decodes and folds them,
//! so that it and PostgreSQL each have a core. Events that belong to no row are not sent.

use std::cmp::Ordering;

use tokio::sync::watch;
use tokio::task::{JoinSet, spawn_blocking};

use crate::bounded::BoundedTable;
use crate::error::VerifyError;
use crate::overflow::{OverflowError, Room};
use eventlog::database::Database;
use eventlog::log::Log;
use projections::views::{AnyView, Lookups, Starts};

mod copy_out;
mod inviters;
mod order;
mod scope;
pub(crate) mod stored_event;

use copy_out::{CopyOut, Tuple};
use inviters::Inviters;
use order::InOrder;
use scope::Scope;
use stored_event::StoredEvent;

/// Events between two reports of progress.
const PROGRESS_EVERY: u64 = 1_000;

/// Views folded up to a position.
pub(crate) struct Reading<'a> {
    db: &'a Database,
    scope: Scope,
    room: Room,
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

/// One view, folded.
pub(crate) struct FoldedView {
    pub view: &'static dyn AnyView,
    pub table: BoundedTable,
    /// The last position to fold in, if it is not the same as for the other views.
    pub limit: Option<i64>,
}

impl<'a> Reading<'a> {
    /// Of the events that belong to rows of these views. Where their rows take more memory than there is, the largest table makes room.
    pub fn begin(db: &'a Database, views: &[&'static dyn AnyView], room: Room) -> Self {
        let folded = |view: &&'static dyn AnyView| FoldedView {
            view: *view,
            table: BoundedTable::new(*view, room.clone()),
            limit: None,
        };
        let folding = Folding { views: views.iter().map(folded).collect(), ..Folding::default() };
        Self { db, scope: Scope::of_views(views), room, position: 0, folding: Some(folding) }
    }

    /// Of every event, so that each one that cannot be decoded is reported.
    pub fn of_everything(db: &'a Database, views: &[&'static dyn AnyView], room: Room) -> Self {
        let mut reading = Self::begin(db, views, room);
        reading.scope.whole = true;
        reading
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
    ///
    /// # Errors
    /// There is no room for what does not fit into memory.
    pub fn end(self) -> Result<Folding, OverflowError> {
        let mut folding = self.folding.unwrap_or_default();
        for view in &mut folding.views {
            view.table.end().map_err(|error| self.room.error(error))?;
        }
        Ok(folding)
    }

    /// Folds everything up to a position in; calls `progress` with the position so far and the last one.
    ///
    /// # Errors
    /// The database's, or there is no room for what does not fit into memory; what was folded until then is lost.
    pub async fn read_to(
        &mut self,
        end: i64,
        progress: &mut (dyn FnMut(i64, i64) + Send),
    ) -> Result<(), VerifyError> {
        let last = Log::new(self.db).end().await?;
        let end = end.min(last);
        let Some(folding) = (self.position < end).then(|| self.folding.take()).flatten() else {
            return Ok(());
        };
        let slices = self.scope.slices(self.db, self.position, end, last).await?;
        let mut copy_tasks = JoinSet::new();
        let positions = CopyOut::begin(self.db, slices.positions, &mut copy_tasks).await?;
        let events = CopyOut::begin(self.db, slices.events, &mut copy_tasks).await?;
        let inviters = match self.scope.people {
            true => Some(Inviters::begin(self.db, &mut copy_tasks).await?),
            false => None,
        };
        let (progress_sender, mut progress_receiver) = watch::channel(self.position);
        let (after, whole, keeps_starts) = (self.position, self.scope.whole, self.scope.starts);
        let room = self.room.clone();
        // It ends when the streams end, also if nobody waits for it any more.
        let thread = spawn_blocking(move || {
            let mut folding = folding;
            let inviters = inviters.map(Inviters::read).transpose()?.unwrap_or_default();
            let starts = std::mem::take(&mut folding.starts);
            let lookups = Lookups { inviters, starts, ..Lookups::default() };
            let progress = progress_sender;
            let mut fold = Fold { folding, lookups, whole, keeps_starts, room, progress };
            fold.all(InOrder::after(after), positions, events)?;
            fold.folding.starts = fold.lookups.starts;
            Ok::<_, VerifyError>(fold.folding)
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
    room: Room,
    progress: watch::Sender<i64>,
}

impl Fold {
    fn all(
        &mut self,
        mut order: InOrder<Option<Tuple>>,
        mut positions: CopyOut,
        mut events: CopyOut,
    ) -> Result<(), VerifyError> {
        let mut event = events.next()?;
        while let Some(place) = positions.next()? {
            let (event_no, position) = (place.values().bigint(0)?, place.values().bigint(1)?);
            let mut row = None;
            while let Some(next) = event.take() {
                match next.values().bigint(0)?.cmp(&event_no) {
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

    fn fold_in(&mut self, position: i64, row: Option<Tuple>) -> Result<(), VerifyError> {
        let Some(row) = row else { return Ok(()) };
        let event = StoredEvent::of(row.values())?;
        event.look_up(&mut self.lookups);
        let fact = event.fact(position);
        let Folding { views, events, undecodable, .. } = &mut self.folding;
        *events += 1;
        if let (true, Err(error)) = (self.whole, &event.event) {
            undecodable.push((position, error.to_string()));
        }
        if self.keeps_starts {
            self.lookups.starts.note_start(&fact);
        }
        for FoldedView { table, limit, .. } in views.iter_mut() {
            if limit.is_none_or(|limit| position <= limit) {
                table.fold(position, &event, &self.lookups).map_err(|error| self.room.error(error))?;
            }
        }
        if views.iter().map(|view| view.table.bytes()).sum::<usize>() > self.room.memory
            && let Some(largest) = views.iter_mut().max_by_key(|view| view.table.bytes())
        {
            largest.table.make_room().map_err(|error| self.room.error(error))?;
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
