//! The audit: who read whose history. Every such read has a stream of its own, with one event. The stream's id is made of the
//! reader, what they read, and the minute: the same reader, reading the same again in that minute, is the same read.
//!
//! The reads are no part of the account's stream. An account is folded for each of its commands, and must not take longer because
//! somebody looks at it. No view reads them.

use std::convert::Infallible;

use cqrs_es::Aggregate;
use cqrs_es::event_sink::EventSink;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::account::Role;

mod event;
#[cfg(test)]
mod tests;

pub use event::{AuditEvent, AuditTarget};

/// One read of a history, folded from its event.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Audit {
    noted: bool,
}

/// An order to the audit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuditCommand {
    /// Note that somebody read a history. Noting the same read again changes nothing.
    NoteRead {
        /// Whose history.
        target: AuditTarget,
        /// What the reader was; None: a tool.
        role: Option<Role>,
        /// When.
        at: Timestamp,
    },
}

impl Audit {
    /// What follows from a command: an event, or nothing, since it is noted already.
    pub fn decide(&self, command: AuditCommand) -> Option<AuditEvent> {
        let AuditCommand::NoteRead { target, role, at } = command;
        (!self.noted).then_some(AuditEvent::AuditRead { target, role, at })
    }
}

impl Aggregate for Audit {
    const TYPE: &'static str = "audit";
    type Command = AuditCommand;
    type Event = AuditEvent;
    type Error = Infallible;
    type Services = ();

    async fn handle(
        &mut self,
        command: AuditCommand,
        (): &(),
        sink: &EventSink<Self>,
    ) -> Result<(), Infallible> {
        if let Some(event) = self.decide(command) {
            sink.write(event, self).await;
        }
        Ok(())
    }

    fn apply(&mut self, event: AuditEvent) {
        match event {
            AuditEvent::AuditRead { .. } => self.noted = true,
        }
    }
}
