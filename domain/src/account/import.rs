//! What is taken over from the system that this service replaces. An account keeps what came from there apart from what happened
//! here: nothing that a person has here is replaced by what they had there.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::error::AccountError;
use super::event::AccountEvent;
use super::past::{Origin, PastChange};
use super::role::{Role, RoleSource};
use super::subscription::Subscription;
use crate::id::{AccountId, LoginId, Sealed};

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

/// As changes of two imports are compared. Who did it is found anew each time, and may be unknown by then.
fn without_actor(change: &PastChange) -> PastChange {
    PastChange { changed_by: None, ..change.clone() }
}

/// What the account knows otherwise, as far as an import asks.
pub(super) struct Standing<'a> {
    pub(super) registered: bool,
    pub(super) erased: bool,
    pub(super) blocked: bool,
    /// It has, or had, a subscription from here.
    pub(super) had_subscription: bool,
    pub(super) unlinked: &'a BTreeSet<LoginId>,
    pub(super) exported: &'a BTreeSet<LoginId>,
}

impl Imported {
    /// What follows from an order: events, nothing (it is done already), or why not.
    pub(super) fn decide(
        &self,
        standing: &Standing<'_>,
        command: ImportCommand,
    ) -> Result<Vec<AccountEvent>, AccountError> {
        let person = match command {
            ImportCommand::Person(person) => *person,
            other => return Ok(self.decide_session(standing, other)?.into_iter().collect()),
        };
        if standing.erased {
            return Err(AccountError::Erased);
        }
        let at = person.at;
        let mut events = Vec::new();
        if !standing.registered {
            let ImportedPerson { account_id, telegram_id, profile, origin, .. } = &person;
            events.push(AccountEvent::AccountRegistered {
                account_id: *account_id,
                telegram_id: telegram_id.clone(),
                profile: profile.clone(),
                imported: Some(*origin),
                at,
            });
        }
        let told: BTreeSet<PastChange> = self.history.iter().map(without_actor).collect();
        let mut new = BTreeSet::new();
        for change in person.history {
            if !told.contains(&without_actor(&change)) && new.insert(change.clone()) {
                events.push(AccountEvent::SubscriptionHistoryImported { change, at });
            }
        }
        // The rest of a person whom the import has registered came with that one append.
        if self.registered {
            return Ok(events);
        }
        if let Some(ImportedSubscription { subscription, is_over }) = person.subscription
            && !standing.had_subscription
            && !self.subscribed
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
        if person.role != Role::User && !standing.registered {
            events.push(AccountEvent::RoleChanged { role: person.role, source: RoleSource::Order, at });
        }
        if let Some(ImportedBlock { until }) = person.block
            && !standing.blocked
        {
            events.push(AccountEvent::AccountBlocked { until, at });
        }
        Ok(events)
    }

    fn decide_session(
        &self,
        standing: &Standing<'_>,
        command: ImportCommand,
    ) -> Result<Option<AccountEvent>, AccountError> {
        if !standing.registered {
            return Err(AccountError::Unknown);
        }
        let is_over = |login_id| standing.unlinked.contains(login_id);
        Ok(match command {
            ImportCommand::Person(_) => None,
            ImportCommand::Session { login_id, .. } if self.sessions.contains(&login_id) => None,
            ImportCommand::Session { .. } if standing.erased => return Err(AccountError::Erased),
            ImportCommand::Session { login_id, at } => Some(AccountEvent::SessionImported { login_id, at }),
            ImportCommand::ReturnSession { login_id, .. } | ImportCommand::RejectSession { login_id, .. }
                if is_over(&login_id) =>
            {
                None
            }
            ImportCommand::ReturnSession { login_id, .. } | ImportCommand::RejectSession { login_id, .. }
                if !self.sessions.contains(&login_id) =>
            {
                return Err(AccountError::NotLinked);
            }
            ImportCommand::ReturnSession { login_id, .. } if standing.exported.contains(&login_id) => {
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
}
