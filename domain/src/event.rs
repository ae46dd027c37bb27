//! Any event of any stream, and how a stored row becomes one.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde_json::Value;

use crate::account::AccountEvent;
use crate::id::AccountId;
use crate::invite::InviteEvent;
use crate::login::LoginEvent;
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
}

impl StreamKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Invite, Self::Login, Self::Account];

    /// `invite`, `login`, `account`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Invite => "invite",
            Self::Login => "login",
            Self::Account => "account",
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
        };
        let event = decoded.map_err(|error| DecodeError::Payload {
            event: name.to_owned(),
            line: error.line(),
            column: error.column(),
        })?;
        if event.name() == name {
            Ok(event)
        } else {
            Err(DecodeError::Payload { event: name.to_owned(), line: 0, column: 0 })
        }
    }

    /// Its stored name.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Invite(event) => event.name(),
            Self::Login(event) => event.name(),
            Self::Account(event) => event.name(),
        }
    }

    /// When it happened, by the clock of whoever recorded it.
    pub const fn at(&self) -> Timestamp {
        match self {
            Self::Invite(event) => event.at(),
            Self::Login(event) => event.at(),
            Self::Account(event) => event.at(),
        }
    }

    /// The person whom the payload names. For the account stream that is the stream itself: ask the envelope.
    pub const fn account_id(&self) -> Option<AccountId> {
        match self {
            Self::Invite(event) => event.account_id(),
            Self::Login(event) => event.account_id(),
            Self::Account(_) => None,
        }
    }
}
