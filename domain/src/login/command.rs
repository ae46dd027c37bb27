//! Orders to a login.

use jiff::Timestamp;

use super::event::{CancelReason, CodeVia, FailReason, Method, Refusal};
use crate::id::AccountId;
use crate::invite::InviteGrant;

/// An order to one login. Every order names the attempt that it is meant for, and `at`, when it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are those of the events they lead to")]
pub enum LoginCommand {
    /// Begin, or begin anew with the next attempt.
    Start { account_id: AccountId, invite: Option<InviteGrant>, attempt: u32, at: Timestamp },
    /// Telegram gave a login token.
    IssueQr { attempt: u32, token_sha256: String, expires_at: Timestamp, at: Timestamp },
    /// Telegram sent a login code.
    RecordCode { attempt: u32, via: CodeVia, length: Option<u32>, at: Timestamp },
    /// The code, or the number for it, was not taken.
    RejectCode { attempt: u32, reason: Refusal, at: Timestamp },
    /// The account has a 2-step password.
    RequestPassword { attempt: u32, at: Timestamp },
    /// The password was not taken.
    RejectPassword { attempt: u32, reason: Refusal, at: Timestamp },
    /// The account that asked has confirmed, and its session is stored.
    Confirm { attempt: u32, method: Method, at: Timestamp },
    /// Another account confirmed: this one, where its person is known here.
    Reject { attempt: u32, confirmed_by: Option<AccountId>, at: Timestamp },
    /// The deadline has passed; before it, this changes nothing.
    Expire { attempt: u32, at: Timestamp },
    /// Cancel it.
    Cancel { attempt: u32, reason: CancelReason, at: Timestamp },
    /// End it because something broke.
    Fail { attempt: u32, reason: FailReason, at: Timestamp },
}

impl LoginCommand {
    /// The attempt it is meant for.
    pub const fn attempt(&self) -> u32 {
        match self {
            Self::Start { attempt, .. }
            | Self::IssueQr { attempt, .. }
            | Self::RecordCode { attempt, .. }
            | Self::RejectCode { attempt, .. }
            | Self::RequestPassword { attempt, .. }
            | Self::RejectPassword { attempt, .. }
            | Self::Confirm { attempt, .. }
            | Self::Reject { attempt, .. }
            | Self::Expire { attempt, .. }
            | Self::Cancel { attempt, .. }
            | Self::Fail { attempt, .. } => *attempt,
        }
    }

    /// Whether it only wants the attempt to be over: then an ended one is no contradiction.
    pub const fn ends(&self) -> bool {
        matches!(self, Self::Expire { .. } | Self::Cancel { .. } | Self::Fail { .. } | Self::Reject { .. })
    }
}
