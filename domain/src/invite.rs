//! The invite: a promise of a tier, with a number of uses. A use is *reserved* by a login (`InviteRedeemed`), becomes a
//! *use* once Telegram confirmed (`InviteUsed`), or is given back (`InviteReleased`).
//!
//! ```text
//!               Redeem                 Use
//!   (free) ───────────────▶ reserved ──────▶ used
//!      ▲                     │  │ ▲           │
//!      └──────── Release ────┘  └─┘ Redeem by the same person for another login: moved
//!      └──────── Release ─────────────────────┘ the login ended all the same, before it was confirmed
//! ```
//! Reserved and used both count. A release or use that names any other login or attempt than the redemption's own
//! changes nothing. An attempt redeems once: what it has given back or lost to a newer login it does not get again,
//! however late its order is repeated.
//!
//! Both `InviteRedeemed` and `InviteUsed` name the login and the attempt. That is why `InviteUsed` exists: a cancellation
//! that races a scan cannot take back a use that Telegram has confirmed, and a confirmation cannot use what was given
//! back.

use std::collections::{BTreeMap, BTreeSet};

use cqrs_es::Aggregate;
use cqrs_es::event_sink::EventSink;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::{AccountId, LoginId};

mod command;
mod error;
mod event;
mod grant;
#[cfg(test)]
mod tests;

pub use command::{ImportedInvite, ImportedUse, InviteCommand};
pub use error::InviteError;
pub use event::InviteEvent;
pub use grant::InviteGrant;

/// An invite, folded from its events.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invite {
    terms: Option<Terms>,
    revoked: bool,
    redemptions: BTreeMap<AccountId, Redemption>,
    /// Every attempt that has ever redeemed it.
    seen: BTreeSet<(AccountId, LoginId, u32)>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Terms {
    grant: InviteGrant,
    max_uses: u32,
    valid_until: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Redemption {
    login_id: LoginId,
    attempt: u32,
    used: bool,
}

impl Invite {
    /// How many uses count now: reserved and used ones.
    pub fn uses(&self) -> usize {
        self.redemptions.len()
    }

    /// What it promises; None before it is made.
    pub fn grant(&self) -> Option<InviteGrant> {
        self.terms.as_ref().map(|terms| terms.grant)
    }

    /// Whether this person has used it, for good.
    pub fn used_by(&self, account: AccountId) -> bool {
        self.redemptions.get(&account).is_some_and(|redemption| redemption.used)
    }

    /// What follows from a command: events, nothing (it is done already), or why not. Only an import takes more than one.
    ///
    /// # Errors
    /// [`InviteError`], one for each reason a person is told.
    pub fn decide(&self, command: InviteCommand) -> Result<Vec<InviteEvent>, InviteError> {
        match command {
            InviteCommand::Import(invite) => Ok(self.decide_import(invite)),
            command => Ok(self.decide_one(command)?.into_iter().collect()),
        }
    }

    fn decide_one(&self, command: InviteCommand) -> Result<Option<InviteEvent>, InviteError> {
        match command {
            InviteCommand::Import(_) => Ok(None),
            InviteCommand::Create {
                invite_id,
                tier,
                max_uses,
                valid_until,
                subscription_days,
                created_by,
                at,
            } => {
                if self.terms.is_some() {
                    return Ok(None);
                }
                if max_uses == 0 {
                    return Err(InviteError::NoUses);
                }
                Ok(Some(InviteEvent::InviteCreated {
                    invite_id,
                    tier,
                    max_uses,
                    valid_until,
                    subscription_days,
                    created_by,
                    used_before: 0,
                    at,
                }))
            }
            InviteCommand::Redeem { account_id, login_id, attempt, at } => {
                self.decide_redeem(account_id, login_id, attempt, at)
            }
            InviteCommand::Use { account_id, login_id, attempt, at } => {
                match self.redemption(account_id, &login_id, attempt) {
                    Some(redemption) if redemption.used => Ok(None),
                    Some(_) => Ok(Some(InviteEvent::InviteUsed { account_id, login_id, attempt, at })),
                    None => Err(InviteError::NotReserved),
                }
            }
            InviteCommand::Release { account_id, login_id, attempt, at } => {
                // Also where it is used: a login may end in the moment between its use and its confirmation.
                let held = self.redemption(account_id, &login_id, attempt).is_some();
                Ok(held.then_some(InviteEvent::InviteReleased { account_id, login_id, attempt, at }))
            }
            InviteCommand::Revoke { at } => match &self.terms {
                None => Err(InviteError::Unknown),
                Some(_) => Ok((!self.revoked).then_some(InviteEvent::InviteRevoked { at })),
            },
        }
    }

    /// The invite and its use come together: in between, somebody else could redeem it. One that is used up has no use left
    /// from the start.
    fn decide_import(&self, invite: ImportedInvite) -> Vec<InviteEvent> {
        if self.terms.is_some() {
            return Vec::new();
        }
        let ImportedInvite { invite_id, tier, subscription_days, max_uses, valid_until, .. } = invite;
        let made = InviteEvent::InviteCreated {
            invite_id,
            tier,
            max_uses,
            valid_until,
            subscription_days,
            created_by: invite.created_by,
            used_before: invite.used_before,
            at: invite.at,
        };
        let used = invite.used_by.map(|ImportedUse { account_id, login_id, used_at }| {
            InviteEvent::InviteUsed { account_id, login_id, attempt: 1, at: used_at }
        });
        [Some(made), used].into_iter().flatten().collect()
    }

    fn decide_redeem(
        &self,
        account_id: AccountId,
        login_id: LoginId,
        attempt: u32,
        at: Timestamp,
    ) -> Result<Option<InviteEvent>, InviteError> {
        let terms = self.terms.as_ref().ok_or(InviteError::Unknown)?;
        if self.seen.contains(&(account_id, login_id.clone(), attempt)) {
            return Ok(None);
        }
        let own = self.redemptions.get(&account_id);
        if own.is_some_and(|redemption| redemption.used) {
            return Err(InviteError::AlreadyUsedByYou);
        }
        if self.revoked {
            return Err(InviteError::Revoked);
        }
        if at >= terms.valid_until {
            return Err(InviteError::Expired);
        }
        if own.is_none() && self.redemptions.len() >= terms.max_uses as usize {
            return Err(InviteError::UsedUp);
        }
        Ok(Some(InviteEvent::InviteRedeemed { account_id, login_id, attempt, grant: terms.grant, at }))
    }

    fn redemption(&self, account_id: AccountId, login_id: &LoginId, attempt: u32) -> Option<&Redemption> {
        self.redemptions.get(&account_id).filter(|it| it.login_id == *login_id && it.attempt == attempt)
    }
}

impl Aggregate for Invite {
    const TYPE: &'static str = "invite";
    type Command = InviteCommand;
    type Event = InviteEvent;
    type Error = InviteError;
    type Services = ();

    async fn handle(
        &mut self,
        command: InviteCommand,
        (): &(),
        sink: &EventSink<Self>,
    ) -> Result<(), InviteError> {
        for event in self.decide(command)? {
            sink.write(event, self).await;
        }
        Ok(())
    }

    fn apply(&mut self, event: InviteEvent) {
        match event {
            InviteEvent::InviteCreated {
                invite_id,
                tier,
                max_uses,
                valid_until,
                subscription_days,
                used_before,
                ..
            } => {
                let grant = InviteGrant { invite_id, tier, subscription_days };
                let max_uses = max_uses.saturating_sub(used_before);
                self.terms = Some(Terms { grant, max_uses, valid_until });
            }
            InviteEvent::InviteRedeemed { account_id, login_id, attempt, .. } => {
                self.seen.insert((account_id, login_id.clone(), attempt));
                self.redemptions.insert(account_id, Redemption { login_id, attempt, used: false });
            }
            InviteEvent::InviteUsed { account_id, login_id, attempt, .. } => {
                self.redemptions.insert(account_id, Redemption { login_id, attempt, used: true });
            }
            InviteEvent::InviteReleased { account_id, .. } => {
                self.redemptions.remove(&account_id);
            }
            InviteEvent::InviteRevoked { .. } => self.revoked = true,
        }
    }
}
