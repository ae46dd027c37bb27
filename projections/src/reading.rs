//! The log, read once into views in memory: what a verification compares, a rebuild writes, and "as of" tells.
//!
//! Two streams come out of PostgreSQL by binary COPY, events and positions, both in the order of insertion, which is
//! the one that costs nothing; they are joined and put into the order of positions here ([`order`]). A thread of its own
//! decodes and folds them, so that it and PostgreSQL each have a core. What no view has a key for is not sent at all.

use std::cmp::Ordering;
use std::sync::Arc;

use domain::Event;
use tokio::sync::watch;
use tokio::task::{JoinSet, spawn_blocking};

use crate::views::{AnyView, Lookups, MemoryTable, RowFailure};
use eventlog::database::{Database, DatabaseError};
use eventlog::log::{Fact, Log, Metadata, as_stored};

mod all_lookups;
mod copy_out;
mod order;
mod scope;

use all_lookups::AllLookups;
use copy_out::{CopyOut, Tuple};
use order::InOrder;
use scope::Scope;

/// Events between two words about how far it is.
const TOLD_EVERY: u64 = 1_000;

/// Views folded aside, up to a position.
pub(crate) struct Reading<'a> {
    db: &'a Database,
    scope: Scope,
    pub at: i64,
    /// What the log has made so far; None while, or after, a thread that failed had it.
    folding: Option<Folding>,
}

/// What the log makes of views.
pub(crate) struct Folding {
    pub views: Vec<FoldedView>,
    pub events: u64,
    /// Events that cannot be decoded: where, and why. Only of the whole log.
    pub undecodable: Vec<(i64, String)>,
}

/// One view, folded aside.
pub(crate) struct FoldedView {
    pub view: &'static dyn AnyView,
    pub aside: Box<dyn MemoryTable>,
    /// How far to fold it, where not as far as the others.
    pub limit: Option<i64>,
    /// Keys that stand still for another reason than that they were held.
    pub failure: Vec<(String, RowFailure)>,
}

impl<'a> Reading<'a> {
    /// Of what these views have a key for.
    pub fn begin(db: &'a Database, views: &[&'static dyn AnyView]) -> Self {
        Self::of(db, views, Scope::of_views(views))
    }

    /// Of every event, also those that none of these views has a key for: whatever cannot be decoded is told.
    pub fn of_everything(db: &'a Database, views: &[&'static dyn AnyView]) -> Self {
        let mut scope = Scope::of_views(views);
        scope.whole = true;
        Self::of(db, views, scope)
    }

    fn of(db: &'a Database, views: &[&'static dyn AnyView], scope: Scope) -> Self {
        let folded = |view: &&'static dyn AnyView| FoldedView {
            view: *view,
            aside: view.memory_table(),
            limit: None,
            failure: Vec::new(),
        };
        let folding =
            Folding { views: views.iter().map(folded).collect(), events: 0, undecodable: Vec::new() };
        Self { db, scope, at: 0, folding: Some(folding) }
    }

    /// These keys (view, key, from which event on) stand still.
    pub fn park(&mut self, parked: &[(String, String, i64)]) {
        for FoldedView { view, aside, .. } in self.views() {
            for (_, key, position) in parked.iter().filter(|(name, ..)| name == view.shape().name) {
                aside.park(key, *position);
            }
        }
    }

    pub fn views(&mut self) -> &mut [FoldedView] {
        self.folding.as_mut().map_or(&mut [], |folding| &mut folding.views)
    }

    /// What came out.
    pub fn end(self) -> Folding {
        self.folding.unwrap_or(Folding { views: Vec::new(), events: 0, undecodable: Vec::new() })
    }

    /// Folds everything up to a position in; `progress` hears how far it is.
    ///
    /// # Errors
    /// The database's; what was folded until then is lost.
    pub async fn read_to(
        &mut self,
        end: i64,
        progress: &mut impl FnMut(i64, i64),
    ) -> Result<(), DatabaseError> {
        let last = Log::new(self.db).end().await?;
        let end = end.min(last);
        let Some(folding) = (self.at < end).then(|| self.folding.take()).flatten() else { return Ok(()) };
        let slices = self.scope.slices(self.db, self.at, end, last).await?;
        let mut copies = JoinSet::new();
        let positions = CopyOut::begin(self.db, slices.positions, &mut copies).await?;
        let events = CopyOut::begin(self.db, slices.events, &mut copies).await?;
        let all_lookups = match self.scope.lookups {
            true => Some(AllLookups::begin(self.db, &mut copies).await?),
            false => None,
        };
        let (tell, mut told) = watch::channel(self.at);
        let (after, whole) = (self.at, self.scope.whole);
        // It ends by itself once the streams do, also when nobody waits for it any more.
        let thread = spawn_blocking(move || {
            let lookups = all_lookups.map(AllLookups::read).transpose()?.unwrap_or_default();
            let mut fold = Fold { folding, lookups, whole, tell };
            fold.all(InOrder::after(after), positions, events).map(|()| fold.folding)
        });
        while told.changed().await.is_ok() {
            progress(*told.borrow_and_update(), end);
        }
        let folded = match thread.await {
            Ok(folded) => folded?,
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        };
        self.folding = Some(folded);
        self.at = end;
        progress(end, end);
        Ok(())
    }
}

/// The thread's part.
struct Fold {
    folding: Folding,
    lookups: Lookups,
    whole: bool,
    tell: watch::Sender<i64>,
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
            let mut own = None;
            while let Some(next) = event.take() {
                match next.bigint(0)?.cmp(&event_no) {
                    // It has no position yet, or one beyond the end.
                    Ordering::Less => event = events.next()?,
                    Ordering::Equal => {
                        own = Some(next);
                        event = events.next()?;
                        break;
                    }
                    // No view asks for the one that this position is of.
                    Ordering::Greater => {
                        event = Some(next);
                        break;
                    }
                }
            }
            let mut turn = order.push(position, own);
            while let Some((position, row)) = turn {
                self.take(position, row)?;
                turn = order.pop();
            }
        }
        order.rest().try_for_each(|(position, row)| self.take(position, row))
    }

    fn take(&mut self, position: i64, row: Option<Tuple>) -> Result<(), DatabaseError> {
        let Some(row) = row else { return Ok(()) };
        let [stream, stream_id, name, version, payload] = row.texts(1)?;
        let event = Event::decode_text(stream, name, version, payload).map_err(Arc::new);
        let account_id = match event {
            Ok(_) => None,
            Err(_) => row.text_or_null(6)?.and_then(|envelope| Metadata::of(&as_stored(envelope)).account_id),
        };
        let Folding { views, events, undecodable } = &mut self.folding;
        *events += 1;
        if let (true, Err(error)) = (self.whole, &event) {
            undecodable.push((position, error.to_string()));
        }
        let fact = Fact { position, stream, stream_id, name, event: &event, account_id };
        for FoldedView { aside, limit, failure, .. } in views {
            if limit.is_none_or(|limit| position <= limit) {
                failure.extend(aside.take(&fact, &self.lookups));
            }
        }
        if events.is_multiple_of(TOLD_EVERY) {
            self.tell.send_replace(position);
        }
        Ok(())
    }
}
