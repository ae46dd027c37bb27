//! The history itself: what becomes of the signed tree over the log. One stream, `log/log`.
//!
//! ```text
//! ChangeKey   ──▶ CheckpointKeyChanged    from here on another key signs
//! Branch      ──▶ LogBranched             the log is not the one that was signed: a new name from here on
//! CommitHeads ──▶ HeadsCommitted          where every person's events end, as one hash
//! ```
//! What is signed, and by whom, follows from these events alone; the crate `transparency` reads them.

use std::convert::Infallible;

use cqrs_es::Aggregate;
use cqrs_es::event_sink::EventSink;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

mod event;
#[cfg(test)]
mod tests;

pub use event::{HistoryEvent, SignedTree};

/// The id of the one stream of its kind.
pub const HISTORY_STREAM: &str = "log";

/// The history, folded from its events.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    /// The key of the last change.
    public_key: Option<String>,
    /// The log of the last branch.
    log_id: Option<String>,
    /// Up to where heads were committed.
    heads_position: i64,
}

/// An order to the history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HistoryCommand {
    /// Another key signs. The same key again changes nothing.
    ChangeKey {
        /// Ed25519, 32 bytes in base64.
        public_key: String,
        /// The key before.
        previous: String,
        /// When.
        at: Timestamp,
    },
    /// The log begins a history of its own. The same one again changes nothing.
    Branch {
        /// The id of the new one.
        log_id: String,
        /// The last signed tree of the one before.
        previous: SignedTree,
        /// Why, in the operator's words.
        reason: String,
        /// When.
        at: Timestamp,
    },
    /// Commit to where every person's events end. An earlier position than the last one changes nothing.
    CommitHeads {
        /// Up to which position.
        position: i64,
        /// How many people.
        accounts: u64,
        /// The root over their heads, in base64.
        root: String,
        /// When.
        at: Timestamp,
    },
}

impl History {
    /// What follows from a command: an event, or nothing, since it is so already.
    pub fn decide(&self, command: HistoryCommand) -> Option<HistoryEvent> {
        match command {
            HistoryCommand::ChangeKey { public_key, previous, at } => {
                (self.public_key.as_ref() != Some(&public_key) && public_key != previous)
                    .then_some(HistoryEvent::CheckpointKeyChanged { public_key, previous, at })
            }
            HistoryCommand::Branch { log_id, previous, reason, at } => (self.log_id.as_ref()
                != Some(&log_id))
            .then_some(HistoryEvent::LogBranched { log_id, previous, reason, at }),
            HistoryCommand::CommitHeads { position, accounts, root, at } => (position > self.heads_position)
                .then_some(HistoryEvent::HeadsCommitted { position, accounts, root, at }),
        }
    }
}

impl Aggregate for History {
    const TYPE: &'static str = "log";
    type Command = HistoryCommand;
    type Event = HistoryEvent;
    type Error = Infallible;
    type Services = ();

    async fn handle(
        &mut self,
        command: HistoryCommand,
        (): &(),
        sink: &EventSink<Self>,
    ) -> Result<(), Infallible> {
        if let Some(event) = self.decide(command) {
            sink.write(event, self).await;
        }
        Ok(())
    }

    fn apply(&mut self, event: HistoryEvent) {
        match event {
            HistoryEvent::CheckpointKeyChanged { public_key, .. } => self.public_key = Some(public_key),
            HistoryEvent::LogBranched { log_id, .. } => self.log_id = Some(log_id),
            HistoryEvent::HeadsCommitted { position, .. } => self.heads_position = position,
        }
    }
}
