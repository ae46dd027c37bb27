//! Does what follows from each event, as `domain::policy` says: commands, attempts for the workers, messages.
//!
//! It handles each event at least once: its checkpoint moves afterwards, so a crash repeats the last events. The aggregates
//! and the keys of the outbox make each effect happen exactly once. It never runs ahead of the views, because it reads
//! a person's other logins from one.

use std::sync::{Arc, Mutex, PoisonError};

use domain::Tiers;

use eventlog::clock::Clock;
use eventlog::database::{Database, DatabaseError};
use eventlog::log::{Log, LogEvent};
use messages::outbox::{NewNotice, Outbox};
use projections::login_meter::LoginMeter;
use projections::projector::{self, ProjectorError, SlotRole};
use projections::views::{FoldError, RowFailure};
use telemetry::traces::{InSpan as _, LoginTrace, Moment, Span};

mod prefetched;
mod reactions;

use prefetched::Prefetched;
use reactions::{Reactions, logged_name_of, name_of};

/// Events between two moves of the checkpoint.
const BATCH: i64 = 100;

/// Reacts to events, until another reactor takes over.
#[derive(Debug)]
pub struct Reactor {
    db: Database,
    log: Log,
    reactions: Reactions,
    outbox: Outbox,
    epoch: i64,
    meter: Mutex<LoginMeter>,
}

impl Reactor {
    /// Takes over from the reactor before.
    ///
    /// # Errors
    /// The database's, or fenced by a reactor that took over at the same moment.
    pub async fn take_over(db: &Database, clock: &Clock, tiers: &Arc<Tiers>) -> Result<Self, ProjectorError> {
        let epoch = projector::take_over(db, &["reactor"]).await?;
        let reactions = Reactions::new(db, clock, tiers);
        let (db, log, outbox) = (db.clone(), Log::new(db), Outbox::new(db));
        Ok(Self { db, log, reactions, outbox, epoch, meter: Mutex::default() })
    }

    /// Reacts to one batch. Returns the number of events.
    ///
    /// # Errors
    /// [`ProjectorError`]. What was done stays done, and the next pass repeats it.
    #[tracing::instrument(name = "react", level = "error", skip_all, fields(view = "reactor", position))]
    pub async fn pass(&self) -> Result<usize, ProjectorError> {
        let after = projector::position_of(&self.db, "reactor").await?;
        tracing::Span::current().record("position", after);
        let projected = projector::projected(&self.db).await?;
        if projected <= after {
            return Ok(0);
        }
        let mut events = self.log.read(after, BATCH).await?;
        events.retain(|event| event.position <= projected);
        let prefetched = Prefetched::for_events(&self.db, &events).await?;
        let (mut notices, mut traces) = (Vec::new(), Vec::new());
        let mut failure = None;
        for event in &events {
            let queued = notices.len();
            if let Err(error) = self.react(event, &prefetched, &mut notices).await {
                failure = Some((event.position, error));
                break;
            }
            traces.extend(event.login_trace().filter(|_| notices.len() > queued));
            self.meter.lock().unwrap_or_else(PoisonError::into_inner).count(event);
        }
        self.queue(&notices, &traces).await?;
        if let Some((position, error)) = failure {
            self.move_to(position - 1).await?;
            return Err(error.into());
        }
        if let Some(last) = events.last() {
            self.move_to(last.position).await?;
        }
        Ok(events.len())
    }

    /// It comes before the checkpoint: what is queued twice is sent once.
    async fn queue(&self, notices: &[NewNotice], traces: &[LoginTrace]) -> Result<(), DatabaseError> {
        if notices.is_empty() {
            return Ok(());
        }
        let (began, span) = (Moment::now(), Span::new("queue messages"));
        self.outbox.notices(notices).in_span(span.clone()).await?;
        for trace in traces {
            trace.record_linked("queue messages", began, &span);
        }
        Ok(())
    }

    /// Passes until it has reacted to all events that the views show. Returns the number of events.
    ///
    /// # Errors
    /// See [`Reactor::pass`].
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

    /// Moves the checkpoint without waiting for the disk: if a crash of PostgreSQL loses it, the last events are repeated.
    async fn move_to(&self, position: i64) -> Result<(), ProjectorError> {
        let moved = sqlx::query!(
            "with swift as materialized (select set_config('synchronous_commit', 'off', true)) \
             update checkpoints \
                set position = $1, \
                    moved_at = clock_timestamp() \
               from swift \
              where consumer = 'reactor' and epoch = $2",
            position,
            self.epoch,
        )
        .execute(self.db.pool())
        .await?
        .rows_affected();
        if moved == 1 { Ok(()) } else { Err(ProjectorError::Fenced) }
    }

    #[tracing::instrument(name = "event", level = "error", skip_all, fields(event.id = logged_name_of(event), event.position = event.position))]
    async fn react(
        &self,
        event: &LogEvent,
        prefetched: &Prefetched,
        notices: &mut Vec<NewNotice>,
    ) -> Result<(), DatabaseError> {
        let decoded = match &event.event {
            Ok(decoded) => decoded,
            Err(error) => return self.park(event, FoldError::Undecodable(error.to_string())).await,
        };
        let trace = event.login_trace();
        let span = trace.map_or_else(|| Span::new("react"), |trace| trace.span("react"));
        span.set("log.event", decoded.name());
        span.set_number("log.position", event.position);
        match self.reactions.follow_from(event, decoded, prefetched, notices).in_span(span).await {
            // Trying again does not help with a stream that cannot be read.
            Err(DatabaseError::Unreadable(stream)) => {
                let error = FoldError::Undecodable(format!("the stream {stream} holds one that cannot"));
                self.park(event, error).await
            }
            outcome => outcome,
        }
    }

    /// Parks an event that cannot be handled: nothing follows from it.
    async fn park(&self, event: &LogEvent, error: FoldError) -> Result<(), DatabaseError> {
        let mut connection = self.db.pool().acquire().await?;
        let failure = RowFailure { position: event.position, error };
        Ok(projector::park(&mut connection, SlotRole::Live, "reactor", &name_of(event), &failure).await?)
    }
}

#[cfg(test)]
mod tests;
