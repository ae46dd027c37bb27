//! Orders to an invite.

use jiff::Timestamp;

use crate::id::{AccountId, InviteId, LoginId};
use crate::tier::Tier;

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
    /// Reserve a use for an attempt of a login, or move the person's reservation there.
    Redeem { account_id: AccountId, login_id: LoginId, attempt: u32, at: Timestamp },
    /// Turn the reservation into a use: Telegram has confirmed.
    Use { account_id: AccountId, login_id: LoginId, attempt: u32, at: Timestamp },
    /// Give back what this attempt holds, reserved or used: its login has ended without authorisation.
    Release { account_id: AccountId, login_id: LoginId, attempt: u32, at: Timestamp },
    /// Let nobody redeem it any more.
    Revoke { at: Timestamp },
}
