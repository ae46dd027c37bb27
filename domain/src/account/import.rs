//! What is taken over from the system that this service replaces. An account keeps what came from there apart from what happened
//! here: nothing that a person has here is replaced by what they had there.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::event::AccountEvent;
use super::role::{Role, RoleSource};
use super::subscription::Subscription;
use super::{Account, AccountError};
use crate::id::{AccountId, LoginId, Sealed};
use crate::tier::Tier;

/// Orders of the import to one account. `at` is when it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are those of the events they lead to")]
pub enum ImportCommand {
    /// Take the person over. Of somebody who is registered already, only what is missing here.
    Person(Box<ImportedPerson>),
    /// A session of theirs is in the vault now.
    Session { login_id: LoginId, at: Timestamp },
    /// The session was given back to the other system. Nobody has used it here.
    ReturnSession { login_id: LoginId, at: Timestamp },
    /// The session is another account's: Telegram said so when it was first used.
    RejectSession { login_id: LoginId, at: Timestamp },
}

/// A person, as the other system knew them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportedPerson {
    /// Their account here.
    pub account_id: AccountId,
    /// Sealed: the Telegram id in decimal.
    pub telegram_id: Sealed,
    /// Sealed, as in `AccountRegistered`.
    pub profile: Sealed,
    /// Since when and through whom they are there.
    pub origin: Origin,
    /// What they may do.
    pub role: Role,
    /// Whether they are blocked.
    pub block: Option<ImportedBlock>,
    /// The subscription that they have, or had last.
    pub subscription: Option<ImportedSubscription>,
    /// What happened to their subscriptions, the oldest first.
    pub history: Vec<PastChange>,
    /// When they are taken over.
    pub at: Timestamp,
}

/// Since when and through whom a person was in the other system.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// None: it does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// Who invited them; None: nobody who is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invited_by: Option<AccountId>,
}

/// A block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImportedBlock {
    /// None: without an end.
    pub until: Option<Timestamp>,
}

/// A subscription as it stood in the other system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImportedSubscription {
    /// What it gives, from when to when.
    pub subscription: Subscription,
    /// Its time is over.
    pub is_over: bool,
}

/// Something that happened to a subscription in the other system.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PastChange {
    /// When.
    pub changed_at: Timestamp,
    /// What.
    pub change: PastChangeKind,
    /// The tier before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_tier: Option<Tier>,
    /// The tier after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_tier: Option<Tier>,
    /// Who did it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed_by: Option<AccountId>,
    /// Why, in the words of there, sealed with the person's key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Sealed>,
}

/// What happened to a subscription in the other system, in its own words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PastChangeKind {
    /// It began.
    Created,
    /// It became a larger one.
    Upgraded,
    /// It became a smaller one.
    Downgraded,
    /// It goes on for longer.
    Renewed,
    /// Its time was over.
    Expired,
    /// It was ended before its time.
    Revoked,
}

impl PastChangeKind {
    /// Every kind.
    pub const ALL: [Self; 6] =
        [Self::Created, Self::Upgraded, Self::Downgraded, Self::Renewed, Self::Expired, Self::Revoked];

    /// The stored spelling.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Upgraded => "upgraded",
            Self::Downgraded => "downgraded",
            Self::Renewed => "renewed",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
        }
    }
}

/// What an account knows of its import.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Imported {
    /// The import registered it.
    registered: bool,
    /// The import gave it a subscription.
    subscribed: bool,
    /// What happened there and is told here already.
    history: BTreeSet<PastChange>,
    /// Whose linked sessions came from there, by the ids that stand for their logins.
    pub(super) sessions: BTreeSet<LoginId>,
}

impl Imported {
    /// Whether the person came from the other system.
    pub(super) const fn is_there(&self) -> bool {
        self.registered
    }

    pub(super) fn registered(&mut self) {
        self.registered = true;
    }

    pub(super) fn subscribed(&mut self) {
        self.subscribed = true;
    }

    pub(super) fn happened(&mut self, change: PastChange) {
        self.history.insert(change);
    }
}

impl Account {
    pub(super) fn decide_import(&self, command: ImportCommand) -> Result<Vec<AccountEvent>, AccountError> {
        let person = match command {
            ImportCommand::Person(person) => *person,
            other => return Ok(self.decide_session(other)?.into_iter().collect()),
        };
        if self.erased {
            return Err(AccountError::Erased);
        }
        let at = person.at;
        let mut events = Vec::new();
        if !self.registered {
            let ImportedPerson { account_id, telegram_id, profile, origin, .. } = &person;
            events.push(AccountEvent::AccountRegistered {
                account_id: *account_id,
                telegram_id: telegram_id.clone(),
                profile: profile.clone(),
                imported: Some(*origin),
                at,
            });
        }
        let mut told = self.imported.history.clone();
        for change in person.history {
            if told.insert(change.clone()) {
                events.push(AccountEvent::SubscriptionHistoryImported { change, at });
            }
        }
        // The rest of a person whom the import has registered came with that one append.
        if self.imported.registered {
            return Ok(events);
        }
        if let Some(ImportedSubscription { subscription, is_over }) = person.subscription
            && self.never_had_a_subscription()
        {
            let Subscription { tier, started_at, expires_at, limits } = subscription;
            events.push(AccountEvent::SubscriptionImported {
                tier,
                limits,
                started_at,
                expires_at,
                is_over,
                at,
            });
        }
        if person.role != Role::User && !self.registered {
            events.push(AccountEvent::RoleChanged { role: person.role, source: RoleSource::Order, at });
        }
        if let Some(ImportedBlock { until }) = person.block
            && !self.blocked
        {
            events.push(AccountEvent::AccountBlocked { until, at });
        }
        Ok(events)
    }

    fn decide_session(&self, command: ImportCommand) -> Result<Option<AccountEvent>, AccountError> {
        if !self.registered {
            return Err(AccountError::Unknown);
        }
        let is_over = |login_id| self.unlinked.contains(login_id);
        Ok(match command {
            ImportCommand::Person(_) => None,
            ImportCommand::Session { login_id, .. } if self.imported.sessions.contains(&login_id) => None,
            ImportCommand::Session { .. } if self.erased => return Err(AccountError::Erased),
            ImportCommand::Session { login_id, at } => Some(AccountEvent::SessionImported { login_id, at }),
            ImportCommand::ReturnSession { login_id, .. } | ImportCommand::RejectSession { login_id, .. }
                if is_over(&login_id) =>
            {
                None
            }
            ImportCommand::ReturnSession { login_id, .. } | ImportCommand::RejectSession { login_id, .. }
                if !self.imported.sessions.contains(&login_id) =>
            {
                return Err(AccountError::NotLinked);
            }
            ImportCommand::ReturnSession { login_id, .. } if self.exported.contains(&login_id) => {
                return Err(AccountError::HandedOver);
            }
            ImportCommand::ReturnSession { login_id, at } => {
                Some(AccountEvent::SessionReturned { login_id, at })
            }
            ImportCommand::RejectSession { login_id, at } => {
                Some(AccountEvent::SessionRejected { login_id, at })
            }
        })
    }

    fn never_had_a_subscription(&self) -> bool {
        self.subscription.is_none()
            && self.activated.is_empty()
            && self.changed.is_empty()
            && !self.imported.subscribed
    }
}
