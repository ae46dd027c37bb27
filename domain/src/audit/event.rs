//! What the audit records. The names are stored; they never change.

use cqrs_es::DomainEvent;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::account::Role;
use crate::id::{AccountId, InviteId, LoginId};
use crate::upcast;

/// What the audit records. Stored as `{"AuditRead": {…}}`. The reader is the actor of the envelope.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AuditEvent {
    /// Somebody read a history that is not their own.
    AuditRead {
        /// Whose, or which.
        target: AuditTarget,
        /// What the reader was. Not stored of a tool.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        role: Option<Role>,
        /// When, in its minute for the first time.
        at: Timestamp,
    },
}

/// The history that is read. Stored as `{"account": "<id>"}`, `{"login": "<id>"}`, `{"invite": "<id>"}` or `"log"`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuditTarget {
    /// A person's.
    Account(AccountId),
    /// That of one login.
    Login(LoginId),
    /// That of an invite, and of the logins by it.
    Invite(InviteId),
    /// Everybody's.
    Log,
}

impl AuditEvent {
    /// The stored names of all of them.
    pub const NAMES: [&'static str; 1] = ["AuditRead"];

    /// Its stored name.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::AuditRead { .. } => "AuditRead",
        }
    }

    /// When it happened.
    pub const fn at(&self) -> Timestamp {
        match self {
            Self::AuditRead { at, .. } => *at,
        }
    }

    /// The person whose history was read, where the payload names them.
    pub const fn account_id(&self) -> Option<AccountId> {
        match self {
            Self::AuditRead { target: AuditTarget::Account(account), .. } => Some(*account),
            Self::AuditRead { .. } => None,
        }
    }
}

impl DomainEvent for AuditEvent {
    fn event_type(&self) -> String {
        self.name().to_owned()
    }

    fn event_version(&self) -> String {
        upcast::current_version(self.name()).to_string()
    }
}
