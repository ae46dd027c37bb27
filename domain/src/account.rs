//! The account: a person, their subscription and their role. Names and the Telegram id stand in the events only sealed
//! with the person's own key.
//!
//! ```text
//!   subscription:  none ──▶ active ──▶ ended          role:  user | admin | auditor, blocked or not
//!                    ▲        │ ▲         │
//!                    └────────┘ └─────────┘           erased: the end of the stream's personal data, not of the stream
//! ```

use std::collections::BTreeSet;

use cqrs_es::Aggregate;
use cqrs_es::event_sink::EventSink;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::{LoginId, RebuildId, ReplayId, Sealed};

mod command;
mod error;
mod event;
mod history;
mod import;
mod past;
mod role;
mod subscription;
#[cfg(test)]
mod tests;

pub use command::AccountCommand;
pub use error::AccountError;
pub use event::AccountEvent;
pub use history::{Granter, SubscriptionChange, SubscriptionStep};
pub use import::{ImportCommand, ImportedBlock, ImportedPerson, ImportedSubscription};
pub use past::{Origin, PastChange, PastChangeKind};
pub use role::{Role, RoleSource, UnknownRole};
pub use subscription::Subscription;

/// An account, folded from its events.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    registered: bool,
    erased: bool,
    blocked: bool,
    /// When the block ends by itself; None: never, or there is none.
    #[serde(default)]
    blocked_until: Option<Timestamp>,
    role: Role,
    /// The role that was last ordered; the settings change it not.
    ordered_role: Role,
    profile: Option<Sealed>,
    subscription: Option<Subscription>,
    /// Logins whose subscription has started: each starts one, once.
    activated: BTreeSet<(LoginId, u32)>,
    /// Grants that were carried out, where they have a name.
    changed: BTreeSet<String>,
    /// Logins whose linked session has ended.
    unlinked: BTreeSet<LoginId>,
    exported: BTreeSet<LoginId>,
    /// Rebuilds that they ordered, and those that they stopped.
    #[serde(default)]
    rebuilds: BTreeSet<RebuildId>,
    #[serde(default)]
    cancelled_rebuilds: BTreeSet<RebuildId>,
    /// Parked rows that they had folded again.
    #[serde(default)]
    replays: BTreeSet<ReplayId>,
    #[serde(default)]
    imported: import::Imported,
}

impl Account {
    /// Whether it was registered.
    pub fn is_registered(&self) -> bool {
        self.registered
    }

    /// Whether the person was erased.
    pub fn is_erased(&self) -> bool {
        self.erased
    }

    /// Whether the person is blocked.
    pub fn is_blocked(&self) -> bool {
        self.blocked
    }

    /// What the person may do.
    pub fn role(&self) -> Role {
        self.role
    }

    /// Whether they are an admin because the settings name them, and for no other reason.
    pub fn is_admin_by_settings(&self) -> bool {
        self.role == Role::Admin && self.ordered_role != Role::Admin
    }

    /// Whether they have no business here yet: no role, and never a subscription.
    pub fn is_stranger(&self) -> bool {
        self.role == Role::User
            && !self.imported.is_there()
            && self.activated.is_empty()
            && self.subscription.is_none()
            && self.changed.is_empty()
    }

    /// Whether the session that this login linked has ended: the person logged out, or ended it in Telegram.
    pub fn is_unlinked(&self, login_id: &LoginId) -> bool {
        self.unlinked.contains(login_id)
    }

    /// Whether the session that this login linked was handed over to another service.
    pub fn is_handed_over(&self, login_id: &LoginId) -> bool {
        self.exported.contains(login_id)
    }

    /// Whether the import registered it.
    pub fn is_imported(&self) -> bool {
        self.imported.is_there()
    }

    /// Whether the import linked a session under this id, which stands for a login.
    pub fn has_imported(&self, login_id: &LoginId) -> bool {
        self.imported.sessions.contains(login_id)
    }

    /// Whether they may do what admins do.
    fn acts_as_admin(&self) -> Result<(), AccountError> {
        if self.role == Role::Admin && !self.blocked { Ok(()) } else { Err(AccountError::NotAdmin) }
    }

    /// The subscription that runs at this moment.
    pub fn subscription_at(&self, now: Timestamp) -> Option<Subscription> {
        self.subscription.filter(|it| it.expires_at.is_none_or(|end| end > now))
    }

    /// What follows from a command: events, nothing (it is done already), or why not. Only the import takes more than one.
    ///
    /// # Errors
    /// [`AccountError`]: unknown, erased, or a contradiction.
    pub fn decide(&self, command: AccountCommand) -> Result<Vec<AccountEvent>, AccountError> {
        match command {
            AccountCommand::Import(command) => self.imported.decide(&self.standing(), command),
            command => Ok(self.decide_one(command)?.into_iter().collect()),
        }
    }

    fn decide_one(&self, command: AccountCommand) -> Result<Option<AccountEvent>, AccountError> {
        if let AccountCommand::Register { account_id, telegram_id, profile, at } = command {
            return match (self.erased, self.registered, self.profile.as_ref() == Some(&profile)) {
                (true, ..) => Err(AccountError::Erased),
                (_, false, _) => Ok(Some(AccountEvent::AccountRegistered {
                    account_id,
                    telegram_id,
                    profile,
                    imported: None,
                    at,
                })),
                (_, true, false) => Ok(Some(AccountEvent::ProfileChanged { profile, at })),
                (_, true, true) => Ok(None),
            };
        }
        if !self.registered {
            return Err(AccountError::Unknown);
        }
        if self.erased {
            return if command.ends() { Ok(None) } else { Err(AccountError::Erased) };
        }
        Ok(match command {
            AccountCommand::Register { .. } | AccountCommand::Import(_) => None,
            AccountCommand::Activate { login_id, attempt, grant, limits, at } => {
                (!self.activated.contains(&(login_id.clone(), attempt))).then(|| {
                    let (started_at, expires_at) =
                        subscription::span_after(self.subscription, grant.tier, grant.subscription_days, at);
                    AccountEvent::SubscriptionActivated {
                        login_id,
                        attempt,
                        invite_id: grant.invite_id,
                        tier: grant.tier,
                        limits,
                        started_at,
                        expires_at,
                        at,
                    }
                })
            }
            AccountCommand::ChangeSubscription { tier, days, limits, change_id, at } => {
                let is_done = change_id.as_ref().is_some_and(|change| self.changed.contains(change));
                (!is_done).then(|| {
                    let (started_at, expires_at) =
                        subscription::span_after(self.subscription, tier, days, at);
                    AccountEvent::SubscriptionChanged { tier, limits, started_at, expires_at, change_id, at }
                })
            }
            AccountCommand::RestoreSubscription { subscription, change_id, at } => {
                let Subscription { tier, started_at, expires_at, limits } = subscription;
                (!self.changed.contains(&change_id)).then_some(AccountEvent::SubscriptionChanged {
                    tier,
                    limits,
                    started_at,
                    expires_at,
                    change_id: Some(change_id),
                    at,
                })
            }
            AccountCommand::ExpireSubscription { at } => self
                .subscription
                .filter(|it| it.expires_at.is_some_and(|end| end <= at))
                .map(|it| AccountEvent::SubscriptionExpired { tier: it.tier, at }),
            AccountCommand::RevokeSubscription { at } => {
                self.subscription_at(at).map(|it| AccountEvent::SubscriptionRevoked { tier: it.tier, at })
            }
            AccountCommand::ChangeRole { role, at } => {
                // An admin by the settings alone is ordered to stay one.
                (self.role != role || self.ordered_role != role).then_some(AccountEvent::RoleChanged {
                    role,
                    source: RoleSource::Order,
                    at,
                })
            }
            AccountCommand::NameAsAdmin { named, at } => {
                let role = if named { Role::Admin } else { self.ordered_role };
                (self.role != role).then_some(AccountEvent::RoleChanged {
                    role,
                    source: RoleSource::Settings,
                    at,
                })
            }
            AccountCommand::Block { at } => self.decide_block(at),
            AccountCommand::Unblock { at } => self.blocked.then_some(AccountEvent::AccountUnblocked { at }),
            AccountCommand::EndBlock { at } => {
                let is_due = self.blocked && self.blocked_until.is_some_and(|until| until <= at);
                is_due.then_some(AccountEvent::AccountUnblocked { at })
            }
            AccountCommand::LogOut { login_id, .. }
                if self.exported.contains(&login_id) && !self.unlinked.contains(&login_id) =>
            {
                return Err(AccountError::HandedOver);
            }
            AccountCommand::LogOut { login_id, at } => {
                (!self.unlinked.contains(&login_id)).then_some(AccountEvent::LoggedOut { login_id, at })
            }
            AccountCommand::RevokeAuthorization { login_id, at } => (!self.unlinked.contains(&login_id))
                .then_some(AccountEvent::AuthorizationRevoked { login_id, at }),
            AccountCommand::ExportSession { login_id, .. } if self.unlinked.contains(&login_id) => {
                return Err(AccountError::NotLinked);
            }
            AccountCommand::ExportSession { login_id, at } => {
                (!self.exported.contains(&login_id)).then_some(AccountEvent::SessionExported { login_id, at })
            }
            AccountCommand::OrderRebuild { rebuild_id, .. } if self.rebuilds.contains(&rebuild_id) => None,
            AccountCommand::OrderRebuild { rebuild_id, view, dry_run, at } => {
                self.acts_as_admin()?;
                Some(AccountEvent::RebuildOrdered { rebuild_id, view, dry_run, at })
            }
            AccountCommand::CancelRebuild { rebuild_id, .. }
                if self.cancelled_rebuilds.contains(&rebuild_id) =>
            {
                None
            }
            AccountCommand::CancelRebuild { rebuild_id, at } => {
                self.acts_as_admin()?;
                Some(AccountEvent::RebuildCancelled { rebuild_id, at })
            }
            AccountCommand::OrderParkedReplay { replay_id, .. } if self.replays.contains(&replay_id) => None,
            AccountCommand::OrderParkedReplay { replay_id, view, row, cause, at } => {
                self.acts_as_admin()?;
                Some(AccountEvent::ParkedReplayOrdered { replay_id, view, row, cause, at })
            }
            AccountCommand::Erase { at } => Some(AccountEvent::AccountErased { at }),
        })
    }

    fn standing(&self) -> import::Standing<'_> {
        import::Standing {
            registered: self.registered,
            erased: self.erased,
            blocked: self.blocked,
            had_subscription: self.subscription.is_some()
                || !self.activated.is_empty()
                || !self.changed.is_empty(),
            unlinked: &self.unlinked,
            exported: &self.exported,
        }
    }

    /// A block without an end takes the place of one that would end by itself.
    fn decide_block(&self, at: Timestamp) -> Option<AccountEvent> {
        (!self.blocked || self.blocked_until.is_some())
            .then_some(AccountEvent::AccountBlocked { until: None, at })
    }
}

impl Aggregate for Account {
    const TYPE: &'static str = "account";
    type Command = AccountCommand;
    type Event = AccountEvent;
    type Error = AccountError;
    type Services = ();

    async fn handle(
        &mut self,
        command: AccountCommand,
        (): &(),
        sink: &EventSink<Self>,
    ) -> Result<(), AccountError> {
        for event in self.decide(command)? {
            sink.write(event, self).await;
        }
        Ok(())
    }

    fn apply(&mut self, event: AccountEvent) {
        match event {
            AccountEvent::AccountRegistered { profile, imported, .. } => {
                if imported.is_some() {
                    self.imported.registered();
                }
                self.registered = true;
                self.profile = Some(profile);
            }
            AccountEvent::ProfileChanged { profile, .. } => self.profile = Some(profile),
            AccountEvent::SubscriptionActivated {
                login_id,
                attempt,
                tier,
                started_at,
                expires_at,
                limits,
                ..
            } => {
                self.activated.insert((login_id, attempt));
                self.subscription = Some(Subscription { tier, started_at, expires_at, limits });
            }
            AccountEvent::SubscriptionChanged { tier, started_at, expires_at, limits, change_id, .. } => {
                self.changed.extend(change_id);
                self.subscription = Some(Subscription { tier, started_at, expires_at, limits });
            }
            AccountEvent::SubscriptionImported { tier, started_at, expires_at, limits, is_over, .. } => {
                self.imported.subscribed();
                self.subscription =
                    (!is_over).then_some(Subscription { tier, started_at, expires_at, limits });
            }
            AccountEvent::SubscriptionHistoryImported { change, .. } => self.imported.happened(change),
            AccountEvent::SubscriptionExpired { .. } | AccountEvent::SubscriptionRevoked { .. } => {
                self.subscription = None;
            }
            AccountEvent::RoleChanged { role, source, .. } => {
                self.role = role;
                if source == RoleSource::Order {
                    self.ordered_role = role;
                }
            }
            AccountEvent::AccountBlocked { until, .. } => {
                self.blocked = true;
                self.blocked_until = until;
            }
            AccountEvent::AccountUnblocked { .. } => {
                self.blocked = false;
                self.blocked_until = None;
            }
            AccountEvent::SessionImported { login_id, .. } => {
                self.imported.sessions.insert(login_id);
            }
            AccountEvent::LoggedOut { login_id, .. }
            | AccountEvent::AuthorizationRevoked { login_id, .. }
            | AccountEvent::SessionReturned { login_id, .. }
            | AccountEvent::SessionRejected { login_id, .. } => {
                self.unlinked.insert(login_id);
            }
            AccountEvent::SessionExported { login_id, .. } => {
                self.exported.insert(login_id);
            }
            AccountEvent::RebuildOrdered { rebuild_id, .. } => {
                self.rebuilds.insert(rebuild_id);
            }
            AccountEvent::RebuildCancelled { rebuild_id, .. } => {
                self.cancelled_rebuilds.insert(rebuild_id);
            }
            AccountEvent::ParkedReplayOrdered { replay_id, .. } => {
                self.replays.insert(replay_id);
            }
            AccountEvent::AccountErased { .. } => {
                self.erased = true;
                self.profile = None;
            }
        }
    }
}
