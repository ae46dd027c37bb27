//! What the history records of itself. The names are stored; they never change.

use cqrs_es::DomainEvent;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::upcast;

/// What the history records of itself. Stored as `{"LogBranched": {…}}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum HistoryEvent {
    /// From this position on another key signs checkpoints.
    CheckpointKeyChanged {
        /// Ed25519, 32 bytes in base64.
        public_key: String,
        /// The key before.
        previous: String,
        /// When.
        at: Timestamp,
    },
    /// The log does not extend what was signed, and an operator has said that it goes on under a new name.
    LogBranched {
        /// The id of the new log: the last part of its origin.
        log_id: String,
        /// The last signed tree of the log before.
        previous: SignedTree,
        /// Why, in the operator's words.
        reason: String,
        /// When.
        at: Timestamp,
    },
    /// Where every person's events end, as one hash: a person with their events and their head can show that none is left out.
    HeadsCommitted {
        /// The events up to this position are counted.
        position: i64,
        /// How many people have events.
        accounts: u64,
        /// The root of the tree over their heads, in base64.
        root: String,
        /// When.
        at: Timestamp,
    },
}

/// A tree that was signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedTree {
    /// The name of the log.
    pub origin: String,
    /// How many leaves.
    pub size: u64,
    /// The root, in base64.
    pub root: String,
}

impl HistoryEvent {
    /// The stored names of all of them.
    pub const NAMES: [&'static str; 3] = ["CheckpointKeyChanged", "LogBranched", "HeadsCommitted"];

    /// Its stored name.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::CheckpointKeyChanged { .. } => "CheckpointKeyChanged",
            Self::LogBranched { .. } => "LogBranched",
            Self::HeadsCommitted { .. } => "HeadsCommitted",
        }
    }

    /// When it happened.
    pub const fn at(&self) -> Timestamp {
        match self {
            Self::CheckpointKeyChanged { at, .. }
            | Self::LogBranched { at, .. }
            | Self::HeadsCommitted { at, .. } => *at,
        }
    }
}

impl DomainEvent for HistoryEvent {
    fn event_type(&self) -> String {
        self.name().to_owned()
    }

    fn event_version(&self) -> String {
        upcast::current_version(self.name()).to_string()
    }
}
