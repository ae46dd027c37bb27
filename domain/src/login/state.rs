//! How a login stands, folded from its events: here and nowhere else. The aggregate decides by it; the row of
//! `login_status`, the API's live logins and the worker's watch derive from it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{CancelReason, CodeVia, FailReason, LoginEvent, LoginStatus, Refusal};
use crate::id::{AccountId, InviteId};

/// How a login's latest attempt stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoginState {
    /// Whose it is.
    pub account_id: AccountId,
    /// From 1; a retry is the next.
    pub attempt: u32,
    /// How it stands.
    pub status: LoginStatus,
    /// The invite whose use is reserved.
    pub invite_id: Option<InviteId>,
    /// When the attempt began.
    pub started_at: Timestamp,
    /// When it expires, unless it ends before.
    pub deadline_at: Timestamp,
    /// When the latest QR code dies; None before the first.
    pub qr_expires_at: Option<Timestamp>,
    /// How Telegram sent the latest login code; None before the first.
    pub code_via: Option<CodeVia>,
    /// That code's number of digits, where known.
    pub code_length: Option<u32>,
    /// The last code, or number, was refused.
    pub code_rejected: bool,
    /// The last password was refused.
    pub password_rejected: bool,
    /// Why it was cancelled or failed; while it is live, why the last input was refused.
    pub reason: Option<Reason>,
    /// When it ended; None while it is live.
    pub ended_at: Option<Timestamp>,
}

/// Why a login ended, or why an input was refused. Stored by its name alone; no two of them share one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Reason {
    /// Telegram refused what the person entered.
    Refused(Refusal),
    /// Somebody ended it.
    Cancelled(CancelReason),
    /// Something broke.
    Failed(FailReason),
}

impl LoginState {
    /// The state after an event; None before the start.
    pub fn after(before: Option<Self>, event: &LoginEvent) -> Option<Self> {
        match event {
            LoginEvent::LoginStarted { account_id, invite, attempt, deadline_at, at } => Some(Self {
                account_id: *account_id,
                attempt: *attempt,
                status: LoginStatus::Waiting,
                invite_id: invite.map(|grant| grant.invite_id),
                started_at: *at,
                deadline_at: *deadline_at,
                qr_expires_at: None,
                code_via: None,
                code_length: None,
                code_rejected: false,
                password_rejected: false,
                reason: None,
                ended_at: None,
            }),
            _ => before.map(|mut state| {
                state.apply(event);
                state
            }),
        }
    }

    fn apply(&mut self, event: &LoginEvent) {
        self.reason = None;
        self.status = event.status_after(self.status);
        if !self.status.is_live() {
            self.ended_at = Some(event.at());
        }
        match event {
            LoginEvent::QrIssued { expires_at, .. } => {
                self.qr_expires_at = Some(*expires_at);
                self.code_rejected = false;
            }
            LoginEvent::CodeSent { via, length, deadline_at, .. } => {
                self.code_via = Some(*via);
                self.code_length = *length;
                self.code_rejected = false;
                self.password_rejected = false;
                self.deadline_at = *deadline_at;
            }
            LoginEvent::CodeRejected { reason, .. } => {
                self.code_rejected = true;
                self.reason = Some(Reason::Refused(*reason));
            }
            LoginEvent::PasswordRequested { deadline_at, .. } => {
                self.code_rejected = false;
                self.password_rejected = false;
                self.deadline_at = *deadline_at;
            }
            LoginEvent::PasswordRejected { reason, .. } => {
                self.password_rejected = true;
                self.reason = Some(Reason::Refused(*reason));
            }
            LoginEvent::LoginCancelled { reason, .. } => self.reason = Some(Reason::Cancelled(*reason)),
            LoginEvent::LoginFailed { reason, .. } => self.reason = Some(Reason::Failed(*reason)),
            LoginEvent::LoginStarted { .. }
            | LoginEvent::AuthorizationConfirmed { .. }
            | LoginEvent::AuthorizationRejected { .. }
            | LoginEvent::LoginExpired { .. } => {}
        }
    }
}
