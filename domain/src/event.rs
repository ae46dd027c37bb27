//! Any event of any stream, and how a stored row becomes one.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde_json::Value;

use crate::account::AccountEvent;
use crate::audit::AuditEvent;
use crate::history::HistoryEvent;
use crate::id::AccountId;
use crate::invite::InviteEvent;
use crate::login::LoginEvent;
use crate::service::ServiceEvent;
use crate::upcast;

/// Which kind of stream, in its stored spelling (the aggregate type).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StreamKind {
    /// One stream an invite.
    Invite,
    /// One stream a login.
    Login,
    /// One stream an account.
    Account,
    /// One stream a read of a history.
    Audit,
    /// One stream an API key or a webhook.
    Service,
    /// One stream: the history itself.
    History,
}

impl StreamKind {
    /// Every kind.
    pub const ALL: [Self; 6] =
        [Self::Invite, Self::Login, Self::Account, Self::Audit, Self::Service, Self::History];

    /// `invite`, `login`, `account`, `audit`, `service`, `log`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Invite => "invite",
            Self::Login => "login",
            Self::Account => "account",
            Self::Audit => "audit",
            Self::Service => "service",
            Self::History => "log",
        }
    }
}

impl fmt::Display for StreamKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for StreamKind {
    type Err = DecodeError;

    fn from_str(text: &str) -> Result<Self, DecodeError> {
        match text {
            "invite" => Ok(Self::Invite),
            "login" => Ok(Self::Login),
            "account" => Ok(Self::Account),
            "audit" => Ok(Self::Audit),
            "service" => Ok(Self::Service),
            "log" => Ok(Self::History),
            other => Err(DecodeError::Stream(other.to_owned())),
        }
    }
}

/// An event of any stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Of an invite.
    Invite(InviteEvent),
    /// Of a login.
    Login(LoginEvent),
    /// Of an account.
    Account(AccountEvent),
    /// Of the audit.
    Audit(AuditEvent),
    /// Of an API key or a webhook.
    Service(ServiceEvent),
    /// Of the history itself.
    History(HistoryEvent),
}

/// Why a stored row is no event. The payload stays out of the message: it may hold what a log must not.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// No stream has this name.
    #[error("unknown stream {0:?}")]
    Stream(String),
    /// No reader for this version.
    #[error("unknown version {version:?} of {event:?}")]
    Version {
        /// The stored name.
        event: String,
        /// The stored version.
        version: String,
    },
    /// The payload does not have the event's shape.
    #[error("the payload of {event:?} does not have its shape (line {line}, column {column})")]
    Payload {
        /// The stored name.
        event: String,
        /// Where, in the payload's text.
        line: usize,
        /// Where, in the payload's text.
        column: usize,
    },
}

impl Event {
    /// The stored names of all events, stream by stream.
    pub fn names() -> impl Iterator<Item = &'static str> {
        let streams = [
            &InviteEvent::NAMES[..],
            &LoginEvent::NAMES,
            &AccountEvent::NAMES,
            &AuditEvent::NAMES,
            &ServiceEvent::NAMES,
            &HistoryEvent::NAMES,
        ];
        streams.into_iter().flatten().copied()
    }

    /// The event that a row of the log holds, whatever version it was written in.
    ///
    /// # Errors
    /// [`DecodeError`]: an unknown stream, version or shape.
    pub fn decode(stream: &str, name: &str, version: &str, payload: Value) -> Result<Self, DecodeError> {
        let (reached, payload) = upcast::upcast(name, version, payload);
        if reached != upcast::current_version(name).to_string() {
            return Err(DecodeError::Version { event: name.to_owned(), version: version.to_owned() });
        }
        let stream = StreamKind::from_str(stream)?;
        let decoded = match stream {
            StreamKind::Invite => serde_json::from_value(payload).map(Self::Invite),
            StreamKind::Login => serde_json::from_value(payload).map(Self::Login),
            StreamKind::Account => serde_json::from_value(payload).map(Self::Account),
            StreamKind::Audit => serde_json::from_value(payload).map(Self::Audit),
            StreamKind::Service => serde_json::from_value(payload).map(Self::Service),
            StreamKind::History => serde_json::from_value(payload).map(Self::History),
        };
        let event = decoded.map_err(|error| payload_error(name, &error))?;
        if event.name() == name {
            Ok(event)
        } else {
            Err(DecodeError::Payload { event: name.to_owned(), line: 0, column: 0 })
        }
    }

    /// The same from the payload's text, without a [`Value`] between them where the version is today's.
    ///
    /// # Errors
    /// As with [`Event::decode`], which has the last word on what cannot be read.
    pub fn decode_text(stream: &str, name: &str, version: &str, payload: &str) -> Result<Self, DecodeError> {
        if upcast::is_current(name, version)
            && let Ok(event) = Self::parse(StreamKind::from_str(stream)?, payload)
            && event.name() == name
        {
            return Ok(event);
        }
        let payload = serde_json::from_str(payload).map_err(|error| payload_error(name, &error))?;
        Self::decode(stream, name, version, payload)
    }

    fn parse(stream: StreamKind, payload: &str) -> Result<Self, serde_json::Error> {
        match stream {
            StreamKind::Invite => serde_json::from_str(payload).map(Self::Invite),
            StreamKind::Login => serde_json::from_str(payload).map(Self::Login),
            StreamKind::Account => serde_json::from_str(payload).map(Self::Account),
            StreamKind::Audit => serde_json::from_str(payload).map(Self::Audit),
            StreamKind::Service => serde_json::from_str(payload).map(Self::Service),
            StreamKind::History => serde_json::from_str(payload).map(Self::History),
        }
    }

    /// Its stored name.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Invite(event) => event.name(),
            Self::Login(event) => event.name(),
            Self::Account(event) => event.name(),
            Self::Audit(event) => event.name(),
            Self::Service(event) => event.name(),
            Self::History(event) => event.name(),
        }
    }

    /// When it happened, by the clock of the process that recorded it.
    pub const fn at(&self) -> Timestamp {
        match self {
            Self::Invite(event) => event.at(),
            Self::Login(event) => event.at(),
            Self::Account(event) => event.at(),
            Self::Audit(event) => event.at(),
            Self::Service(event) => event.at(),
            Self::History(event) => event.at(),
        }
    }

    /// The person whom the payload names. For the account stream that is the stream itself: ask the envelope.
    pub const fn account_id(&self) -> Option<AccountId> {
        match self {
            Self::Invite(event) => event.account_id(),
            Self::Login(event) => event.account_id(),
            Self::Account(_) | Self::Service(_) | Self::History(_) => None,
            Self::Audit(event) => event.account_id(),
        }
    }
}

fn payload_error(event: &str, error: &serde_json::Error) -> DecodeError {
    DecodeError::Payload { event: event.to_owned(), line: error.line(), column: error.column() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::golden::samples;

    #[test]
    fn a_payload_says_the_same_as_text_and_as_a_value() {
        let stored = |event: &Event| match event {
            Event::Invite(event) => ("invite", serde_json::to_value(event).unwrap()),
            Event::Login(event) => ("login", serde_json::to_value(event).unwrap()),
            Event::Account(event) => ("account", serde_json::to_value(event).unwrap()),
            Event::Audit(event) => ("audit", serde_json::to_value(event).unwrap()),
            Event::Service(event) => ("service", serde_json::to_value(event).unwrap()),
            Event::History(event) => ("log", serde_json::to_value(event).unwrap()),
        };
        for event in samples() {
            let (stream, payload) = stored(&event);
            let version = upcast::current_version(event.name()).to_string();
            let text = payload.to_string();
            assert_eq!(Event::decode_text(stream, event.name(), &version, &text).unwrap(), event);
            assert_eq!(Event::decode(stream, event.name(), &version, payload).unwrap(), event);
        }
    }

    #[test]
    fn what_cannot_be_read_is_told_the_same_way_as_text_and_as_a_value() {
        let good = r#"{"AccountBlocked":{"at":"1970-01-01T00:01:00Z"}}"#;
        // A value takes the last of two fields of one name; so does the text.
        let twice = r#"{"AccountBlocked":{"at":"x","at":"1970-01-01T00:01:00Z"}}"#;
        for (stream, name, version, payload) in [
            ("nowhere", "AccountBlocked", "1", good),
            ("account", "AccountBlocked", "9", good),
            ("account", "AccountBlocked", "x", good),
            ("account", "AccountUnblocked", "1", good),
            ("account", "AccountBlocked", "1", r#"{"AccountBlocked":{}}"#),
            ("account", "AccountBlocked", "1", twice),
            ("login", "CodeRejected", "1", r#"{"CodeRejected":{"attempt":1,"at":"1970-01-01T00:01:00Z"}}"#),
        ] {
            let as_text = Event::decode_text(stream, name, version, payload);
            let as_value = Event::decode(stream, name, version, serde_json::from_str(payload).unwrap());
            assert_eq!(as_text.map_err(|e| e.to_string()), as_value.map_err(|e| e.to_string()), "{payload}");
        }
        // PostgreSQL's json takes half a character; nothing else does.
        let half = Event::decode_text("account", "AccountBlocked", "1", r#"{"AccountBlocked":"\ud800"}"#);
        assert!(matches!(half, Err(DecodeError::Payload { .. })), "{half:?}");
    }
}
