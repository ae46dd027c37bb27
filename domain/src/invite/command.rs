//! Orders to an invite.

use jiff::Timestamp;

use crate::id::{AccountId, InviteId, LoginId};
use crate::tier::Tier;

/// An invite, as another system had it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportedInvite {
    /// Its id here.
    pub invite_id: InviteId,
    /// What it promises.
    pub tier: Tier,
    /// For how many days; 0 is unlimited.
    pub subscription_days: u32,
    /// How many may use it in all, those before included.
    pub max_uses: u32,
    /// How many have used it whom nobody can name.
    pub used_before: u32,
    /// Who has used it, where that is known.
    pub used_by: Option<ImportedUse>,
    /// From then on it cannot be redeemed.
    pub valid_until: Timestamp,
    /// Who made it.
    pub created_by: Option<AccountId>,
    /// When it is taken over.
    pub at: Timestamp,
}

/// A use of an invite in another system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportedUse {
    /// By whom.
    pub account_id: AccountId,
    /// Stands for the login that there was none of here.
    pub login_id: LoginId,
    /// When.
    pub used_at: Timestamp,
}

/// An order to one invite. `at` is when it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are those of the events of the same name")]
pub enum InviteCommand {
    /// Make it.
    Create {
        invite_id: InviteId,
        tier: Tier,
        max_uses: u32,
        valid_until: Timestamp,
        subscription_days: u32,
        created_by: Option<AccountId>,
        at: Timestamp,
    },
    /// Take it over from another system.
    Import(ImportedInvite),
    /// Reserve a use for an attempt of a login, or move the person's reservation there.
    Redeem { account_id: AccountId, login_id: LoginId, attempt: u32, at: Timestamp },
    /// Turn the reservation into a use: Telegram has confirmed.
    Use { account_id: AccountId, login_id: LoginId, attempt: u32, at: Timestamp },
    /// Give back what this attempt holds, reserved or used: its login has ended without authorisation.
    Release { account_id: AccountId, login_id: LoginId, attempt: u32, at: Timestamp },
    /// Let nobody redeem it any more.
    Revoke { at: Timestamp },
}
