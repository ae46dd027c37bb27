//! One stream, as cqrs-es reads and appends it. cqrs-es alone reads a stream from its beginning for every command. Here,
//! where commands wait for the same stream, each goes on from the state after the one before, and reads only newer events.

use std::collections::HashMap;
use std::sync::Arc;

use cqrs_es::persist::{
    EventStoreAggregateContext, PersistedEventRepository, PersistedEventStore, PersistenceError,
    SerializedEvent,
};
use cqrs_es::{Aggregate, AggregateError, EventEnvelope, EventStore};
use domain::upcast::upcast;
use tokio::sync::Mutex;

use super::repository::Repository;

/// How events of an aggregate are stored.
pub(super) struct Streams<A: Aggregate> {
    repository: Repository,
    store: PersistedEventStore<Repository, A>,
}

/// One of them, for the command that has the lock of its stream.
pub(super) struct Stream<A: Aggregate> {
    streams: Arc<Streams<A>>,
    state: Mutex<StreamState<A>>,
}

/// The state of a stream after one of its events.
pub(super) struct StreamState<A: Aggregate> {
    pub(super) aggregate: A,
    sequence: usize,
    last: Option<A::Event>,
}

impl<A: Aggregate> Streams<A> {
    pub(super) fn new(repository: Repository) -> Self {
        Self { store: PersistedEventStore::new_event_store(repository.clone()), repository }
    }

    pub(super) async fn read(&self, id: &str) -> Result<StreamState<A>, PersistenceError> {
        let mut state = StreamState::default();
        state.fold(self.repository.get_events::<A>(id).await?.into_iter().map(envelope))?;
        Ok(state)
    }

    /// Reads what is newer than this state. Where its last event is gone, because a standby took over without it, the whole
    /// stream is read.
    pub(super) async fn read_on(&self, id: &str, state: &mut StreamState<A>) -> Result<(), PersistenceError> {
        if let Some(last) = &state.last {
            let events = self.repository.get_last_events::<A>(id, state.sequence - 1).await?;
            let mut events = events.into_iter().map(envelope);
            let first = events.next().transpose()?;
            if first.is_some_and(|first| first.sequence == state.sequence && first.payload == *last) {
                return state.fold(events);
            }
        }
        *state = self.read(id).await?;
        Ok(())
    }
}

impl<A: Aggregate> Stream<A> {
    pub(super) fn new(streams: Arc<Streams<A>>, state: StreamState<A>) -> Self {
        Self { streams, state: Mutex::new(state) }
    }

    pub(super) fn into_state(self) -> StreamState<A> {
        self.state.into_inner()
    }
}

impl<A: Aggregate + Clone> EventStore<A> for &Stream<A> {
    type AC = EventStoreAggregateContext<A>;

    async fn load_events(&self, id: &str) -> Result<Vec<EventEnvelope<A>>, AggregateError<A::Error>> {
        let events = self.streams.repository.get_events::<A>(id).await?;
        Ok(events.into_iter().map(envelope).collect::<Result<_, _>>()?)
    }

    async fn load_aggregate(&self, id: &str) -> Result<Self::AC, AggregateError<A::Error>> {
        let mut state = self.state.lock().await;
        self.streams.read_on(id, &mut state).await?;
        Ok(context(id, state.aggregate.clone(), state.sequence))
    }

    async fn commit(
        &self,
        events: Vec<A::Event>,
        decided: Self::AC,
        metadata: HashMap<String, String>,
    ) -> Result<Vec<EventEnvelope<A>>, AggregateError<A::Error>> {
        let before = context(&decided.aggregate_id, A::default(), decided.current_sequence);
        let committed = self.streams.store.commit(events, before, metadata).await?;
        if let Some(last) = committed.last() {
            let (sequence, last) = (last.sequence, Some(last.payload.clone()));
            *self.state.lock().await = StreamState { aggregate: decided.aggregate, sequence, last };
        }
        Ok(committed)
    }
}

impl<A: Aggregate> Default for StreamState<A> {
    fn default() -> Self {
        Self { aggregate: A::default(), sequence: 0, last: None }
    }
}

impl<A: Aggregate> StreamState<A> {
    fn fold(
        &mut self,
        mut events: impl ExactSizeIterator<Item = Result<EventEnvelope<A>, PersistenceError>>,
    ) -> Result<(), PersistenceError> {
        while let Some(event) = events.next() {
            let EventEnvelope { sequence, payload, .. } = event?;
            self.sequence = sequence;
            if events.len() == 0 {
                self.last = Some(payload.clone());
            }
            self.aggregate.apply(payload);
        }
        Ok(())
    }
}

fn context<A: Aggregate>(id: &str, aggregate: A, sequence: usize) -> EventStoreAggregateContext<A> {
    EventStoreAggregateContext {
        aggregate_id: id.to_owned(),
        aggregate,
        current_sequence: sequence,
        current_snapshot: None,
    }
}

/// A stored event, in its newest version.
fn envelope<A: Aggregate>(event: SerializedEvent) -> Result<EventEnvelope<A>, PersistenceError> {
    let (event_version, payload) = upcast(&event.event_type, &event.event_version, event.payload);
    EventEnvelope::try_from(SerializedEvent { event_version, payload, ..event })
}
