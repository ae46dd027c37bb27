//! The log's side of a copy: which log it is, and what comes after a place in it.

use std::collections::VecDeque;
use std::time::Duration;

use eventlog::{Database, DatabaseError, Log, Topic, Waker};
use uuid::Uuid;

use super::form::Outgoing;
use super::identity::LogId;

/// How often the log is looked at without a signal.
const LOOK: Duration = Duration::from_millis(500);

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
    /// Where the copy ends, another event stands in the log.
    Other(End),
    /// An event that has no form.
    Unfit(anyhow::Error),
}

impl Source {
    /// Step 1, by the first event; waits for it where that is wanted. None: the log is empty.
    pub async fn identify(db: &Database, wait: bool) -> Result<Option<Self>, DatabaseError> {
        let (log, mut positioned) = (Log::new(db), db.wake().subscribe(Topic::Positioned));
        loop {
            if let Some(first) = log.read(0, 1).await?.first() {
                return Ok(Some(Self { id: LogId::of(first), log, positioned }));
            }
            if !wait {
                return Ok(None);
            }
            positioned.wait(LOOK).await;
        }
    }

    /// The id of the event at a position; None where the log does not reach so far.
    pub async fn id_at(&self, position: i64) -> Result<Option<Uuid>, DatabaseError> {
        let events = self.log.read(position - 1, 1).await?;
        Ok(events.first().filter(|event| event.position == position).map(|event| self.id.event_id(event)))
    }

    /// Up to `limit` events after the end of the copy. They are read together with the event that the copy ends with: a
    /// log that was taken back to an earlier state under us, and went on otherwise, must not be copied on.
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

    /// Until there may be more.
    pub async fn wait(&mut self) {
        self.positioned.wait(LOOK).await;
    }
}
