//! The log as the source of a copy: its id, and the events after a position.

use std::collections::VecDeque;
use std::time::Duration;

use eventlog::{Database, DatabaseError, Log, Topic, Waker};
use uuid::Uuid;

use super::form::Outgoing;
use super::identity::LogId;

/// How often the log is polled without a signal.
const POLL_EVERY: Duration = Duration::from_millis(500);

pub struct Source {
    pub id: LogId,
    log: Log,
    positioned: Waker,
}

/// The last event that is in the copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    pub position: i64,
    pub id: Uuid,
}

/// Why nothing could be read.
#[derive(Debug)]
pub enum SourceError {
    Database(DatabaseError),
    /// The log ends before the copy does.
    Shorter(End),
    /// The log has another event at the end of the copy.
    Other(End),
    /// An event cannot be written in the form of the copy.
    Unfit(anyhow::Error),
}

impl Source {
    /// Step 1: identifies the log by its first event, and waits for it if `wait`. None where the log is empty.
    pub async fn identify(db: &Database, wait: bool) -> Result<Option<Self>, DatabaseError> {
        let (log, mut positioned) = (Log::new(db), db.wake().subscribe(Topic::Positioned));
        loop {
            if let Some(first) = log.read(0, 1).await?.first() {
                return Ok(Some(Self { id: LogId::of(first), log, positioned }));
            }
            if !wait {
                return Ok(None);
            }
            positioned.wait(POLL_EVERY).await;
        }
    }

    /// The id of the event at a position; None where the log ends before.
    pub async fn id_at(&self, position: i64) -> Result<Option<Uuid>, DatabaseError> {
        let events = self.log.read(position - 1, 1).await?;
        Ok(events.first().filter(|event| event.position == position).map(|event| self.id.event_id(event)))
    }

    /// Up to `limit` events after the end of the copy. They are read together with the last event of the copy, to notice a
    /// log that was restored to an earlier state and got other events since.
    pub async fn after(&self, end: Option<End>, limit: usize) -> Result<VecDeque<Outgoing>, SourceError> {
        let from = end.map_or(0, |end| end.position - 1);
        let limit = i64::try_from(limit).unwrap_or(i64::MAX - 1) + i64::from(end.is_some());
        let events = self.log.read(from, limit).await.map_err(SourceError::Database)?;
        let mut events = events.as_slice();
        if let Some(end) = end {
            match events.split_first() {
                Some((first, rest)) if self.id.event_id(first) == end.id => events = rest,
                Some((first, _)) if first.position == end.position => return Err(SourceError::Other(end)),
                _ => return Err(SourceError::Shorter(end)),
            }
        }
        events
            .iter()
            .map(|event| Outgoing::of(self.id, event))
            .collect::<Result<_, _>>()
            .map_err(SourceError::Unfit)
    }

    /// The last position.
    pub async fn end(&self) -> Result<i64, DatabaseError> {
        self.log.end().await
    }

    /// Waits until there may be more events.
    pub async fn wait(&mut self) {
        self.positioned.wait(POLL_EVERY).await;
    }
}
