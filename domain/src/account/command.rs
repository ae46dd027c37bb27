//! Orders to an account.

use jiff::Timestamp;

use super::import::ImportCommand;
use super::role::Role;
use super::subscription::Subscription;
use crate::id::{AccountId, LoginId, RebuildId, ReplayId, Sealed};
use crate::invite::InviteGrant;
use crate::tier::{Limits, Tier};

/// An order to one account. `at` is when it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are those of the events they lead to")]
pub enum AccountCommand {
    /// The person wrote to us: register, or note what changed about them.
    Register { account_id: AccountId, telegram_id: Sealed, profile: Sealed, at: Timestamp },
    /// A confirmed login with an invite starts what the invite promised.
    Activate { login_id: LoginId, attempt: u32, grant: InviteGrant, limits: Limits, at: Timestamp },
    /// An admin grants a tier; `days` 0 is unlimited. The same `change_id` again is the same grant.
    ChangeSubscription { tier: Tier, days: u32, limits: Limits, change_id: Option<String>, at: Timestamp },
    /// A grant is taken back: this subscription runs again, exactly as it did. The same `change_id` again changes nothing.
    RestoreSubscription { subscription: Subscription, change_id: String, at: Timestamp },
    /// End a subscription whose time is over; before it, this changes nothing.
    ExpireSubscription { at: Timestamp },
    /// End a subscription before its time. Where none runs, this changes nothing.
    RevokeSubscription { at: Timestamp },
    /// Make somebody an admin, an auditor, or a user again, by an order of somebody who may.
    ChangeRole { role: Role, at: Timestamp },
    /// Whether the settings (`ADMIN_IDS`) name the person as an admin. Where they do no longer, the role is again what was last
    /// ordered.
    NameAsAdmin { named: bool, at: Timestamp },
    /// Refuse the person everywhere.
    Block { at: Timestamp },
    /// Let the person in again.
    Unblock { at: Timestamp },
    /// Let the person in again, where they were blocked until this moment or an earlier one.
    EndBlock { at: Timestamp },
    /// What comes from the system that this service replaces.
    Import(ImportCommand),
    /// The person ended the session that this login linked, here.
    LogOut { login_id: LoginId, at: Timestamp },
    /// The person ended the session that this login linked, in Telegram.
    RevokeAuthorization { login_id: LoginId, at: Timestamp },
    /// The session that this login linked was handed over.
    ExportSession { login_id: LoginId, at: Timestamp },
    /// As an admin: have a view built again from the log. The same id again is the same order.
    OrderRebuild { rebuild_id: RebuildId, view: String, dry_run: bool, at: Timestamp },
    /// As an admin: stop a rebuild, also another admin's.
    CancelRebuild { rebuild_id: RebuildId, at: Timestamp },
    /// As an admin: have parked rows folded again. The same id again is the same order.
    OrderParkedReplay { replay_id: ReplayId, view: String, row: Option<String>, cause: String, at: Timestamp },
    /// Forget who the person is.
    Erase { at: Timestamp },
}

impl AccountCommand {
    /// Whether it only takes something away: then an erased account is no contradiction.
    pub const fn ends(&self) -> bool {
        matches!(
            self,
            Self::Erase { .. }
                | Self::LogOut { .. }
                | Self::RevokeAuthorization { .. }
                | Self::ExpireSubscription { .. }
                | Self::RevokeSubscription { .. }
                | Self::EndBlock { .. }
        )
    }
}
