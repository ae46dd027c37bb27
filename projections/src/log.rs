//! The read side of the log: events by position.

use std::sync::Arc;

use domain::{AccountId, DecodeError, Event, InviteId, LoginId, StreamKind};
use jiff::Timestamp;
use serde_json::Value;

use crate::database::{Database, DatabaseError};

/// Reads events. A cheap clone.
#[derive(Clone, Debug)]
pub struct Log {}

/// A stored event at its position.
#[derive(Clone, Debug)]
pub struct LogEvent {
    /// Its place in the one order of all events: dense, from 1.
    pub position: i64,
    /// When the database took it. Not monotonic.
    pub recorded_at: Timestamp,
    /// `invite`, `login`, `account`.
    pub stream: String,
    /// Which one.
    pub stream_id: String,
    /// Its place in its stream, from 1.
    pub sequence: i64,
    /// Its stored name.
    pub name: String,
    /// Its stored version.
    pub version: String,
    /// What it says.
    pub event: Result<Event, Arc<DecodeError>>,
    /// As stored.
    pub payload: Value,
    /// Its envelope.
    pub metadata: Metadata,
}

/// The envelope.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata {
    /// `system`, `tool:<name>`, or the account id of a person.
    pub actor: String,
    /// Whom it is about.
    pub account_id: Option<AccountId>,
    /// In which login.
    pub login_id: Option<LoginId>,
    /// Because of which event: `stream/id/sequence`.
    pub causation_id: Option<String>,
    /// Because of which update of the bot.
    pub update_id: Option<i64>,
}

/// Which events of the history.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// About this person.
    pub account: Option<AccountId>,
    /// Of this login.
    pub login: Option<LoginId>,
    /// Of this invite and the logins by it.
    pub invite: Option<InviteId>,
    /// With this name.
    pub name: Option<String>,
    /// Recorded at or after.
    pub since: Option<Timestamp>,
    /// Recorded before.
    pub until: Option<Timestamp>,
}

/// Follows the log.
#[derive(Debug)]
pub struct Follower {}

impl Log {
    /// Of this database.
    pub fn new(_database: &Database) -> Self {
        todo!()
    }

    /// The last position; 0 if there is none.
    pub async fn end(&self) -> Result<i64, DatabaseError> {
        todo!()
    }

    /// Up to `limit` events after a position.
    pub async fn read(&self, _after: i64, _limit: i64) -> Result<Vec<LogEvent>, DatabaseError> {
        todo!()
    }

    /// All of one stream that have a position.
    pub async fn stream(&self, _kind: StreamKind, _id: &str) -> Result<Vec<LogEvent>, DatabaseError> {
        todo!()
    }

    /// Up to `limit` events after a position that pass the filter.
    pub async fn history(
        &self,
        _filter: &Filter,
        _after: i64,
        _limit: i64,
    ) -> Result<Vec<LogEvent>, DatabaseError> {
        todo!()
    }

    /// All events after a position, for ever.
    pub fn follow(&self, _after: i64) -> Follower {
        todo!()
    }
}

impl Follower {
    /// The next events; waits until there are some.
    pub async fn next(&mut self) -> Result<Vec<LogEvent>, DatabaseError> {
        todo!()
    }

    /// Up to where it has got.
    pub fn position(&self) -> i64 {
        todo!()
    }
}
