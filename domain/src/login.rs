//! The login: one attempt to link a Telegram account, from `/login` to its end. A retry starts the same login anew, with
//! the next attempt number and a new deadline; whatever still speaks for an earlier attempt is not listened to.
//!
//! ```text
//!   Start ──▶ waiting ──▶ code_required ──▶ password_required
//!                │              │                   │
//!                └──────────────┴─────────┬─────────┘
//!        authorized · expired · cancelled · rejected · failed
//!                          └── Start with attempt + 1 ──▶ waiting
//! ```

use cqrs_es::Aggregate;
use cqrs_es::event_sink::EventSink;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::id::AccountId;
use crate::invite::InviteGrant;

mod command;
mod error;
mod event;
mod status;
#[cfg(test)]
mod tests;

pub use command::LoginCommand;
pub use error::LoginError;
pub use event::{CancelReason, CodeVia, FailReason, LoginEvent, Method, Refusal};
pub use status::LoginStatus;

/// How long a login may take, from its start.
pub const LOGIN_TTL: SignedDuration = SignedDuration::from_mins(5);
/// How long a person has at least once a password or code is asked for. Granted once a login.
pub const EXTENSION: SignedDuration = SignedDuration::from_mins(3);

/// A login's state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Login {
    live: Option<Attempt>,
}

/// The latest attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Attempt {
    account_id: AccountId,
    invite: Option<InviteGrant>,
    number: u32,
    status: LoginStatus,
    deadline_at: Timestamp,
    extended: bool,
    qr_sha256: Option<String>,
}

impl Login {
    /// How it stands; None before its start.
    pub fn status(&self) -> Option<LoginStatus> {
        self.live.as_ref().map(|attempt| attempt.status)
    }

    /// The number of the latest attempt, from 1; 0 before the start.
    pub fn attempt(&self) -> u32 {
        self.live.as_ref().map_or(0, |attempt| attempt.number)
    }

    /// When the latest attempt ends by itself; None before the start.
    pub fn deadline_at(&self) -> Option<Timestamp> {
        self.live.as_ref().map(|attempt| attempt.deadline_at)
    }

    /// What follows from a command: an event, nothing (it is done already), or why not.
    ///
    /// # Errors
    /// [`LoginError`]: whoever gave the order has to give up what it holds.
    pub fn decide(&self, command: LoginCommand) -> Result<Option<LoginEvent>, LoginError> {
        if let LoginCommand::Start { account_id, invite, attempt, at } = command {
            return self.decide_start(account_id, invite, attempt, at);
        }
        let latest = self.live.as_ref().ok_or(LoginError::Unknown)?;
        let number = command.attempt();
        if number != latest.number {
            return if command.ends() { Ok(None) } else { Err(LoginError::Superseded) };
        }
        latest.decide(command)
    }

    fn decide_start(
        &self,
        account_id: AccountId,
        invite: Option<InviteGrant>,
        attempt: u32,
        at: Timestamp,
    ) -> Result<Option<LoginEvent>, LoginError> {
        if let Some(latest) = &self.live {
            if latest.account_id != account_id {
                return Err(LoginError::NotYours);
            }
            if attempt <= latest.number {
                return Ok(None);
            }
            match latest.status {
                LoginStatus::Authorized => return Err(LoginError::Ended(latest.status)),
                status if status.is_live() => return Err(LoginError::StillLive),
                _ => {}
            }
        }
        if attempt != self.attempt() + 1 {
            return Err(LoginError::OutOfOrder);
        }
        Ok(Some(LoginEvent::LoginStarted { account_id, invite, attempt, deadline_at: at + LOGIN_TTL, at }))
    }
}

impl Attempt {
    fn decide(&self, command: LoginCommand) -> Result<Option<LoginEvent>, LoginError> {
        let (account_id, invite_id) = (self.account_id, self.invite.map(|grant| grant.invite_id));
        if !self.status.is_live() {
            let repeated = command.ends()
                || (matches!(command, LoginCommand::Confirm { .. })
                    && self.status == LoginStatus::Authorized);
            return if repeated { Ok(None) } else { Err(LoginError::Ended(self.status)) };
        }
        Ok(match command {
            LoginCommand::Start { .. } => None,
            LoginCommand::IssueQr { attempt, token_sha256, expires_at, at } => {
                let repeated =
                    self.status == LoginStatus::Waiting && self.qr_sha256.as_ref() == Some(&token_sha256);
                (!repeated).then_some(LoginEvent::QrIssued { attempt, token_sha256, expires_at, at })
            }
            LoginCommand::RecordCode { attempt, via, length, at } => Some(LoginEvent::CodeSent {
                attempt,
                via,
                length,
                deadline_at: self.extended_deadline(at),
                at,
            }),
            LoginCommand::RejectCode { attempt, reason, at } => {
                Some(LoginEvent::CodeRejected { attempt, reason, at })
            }
            LoginCommand::RequestPassword { attempt, at } => (self.status != LoginStatus::PasswordRequired)
                .then(|| LoginEvent::PasswordRequested {
                    attempt,
                    deadline_at: self.extended_deadline(at),
                    at,
                }),
            LoginCommand::RejectPassword { attempt, reason, at } => {
                Some(LoginEvent::PasswordRejected { attempt, reason, at })
            }
            LoginCommand::Confirm { attempt, method, at } => Some(LoginEvent::AuthorizationConfirmed {
                account_id,
                invite: self.invite,
                attempt,
                method,
                at,
            }),
            LoginCommand::Reject { attempt, at } => {
                Some(LoginEvent::AuthorizationRejected { account_id, invite_id, attempt, at })
            }
            LoginCommand::Expire { attempt, at } => (at >= self.deadline_at)
                .then_some(LoginEvent::LoginExpired { account_id, invite_id, attempt, at }),
            LoginCommand::Cancel { attempt, reason, at } => {
                Some(LoginEvent::LoginCancelled { account_id, invite_id, attempt, reason, at })
            }
            LoginCommand::Fail { attempt, reason, at } => {
                Some(LoginEvent::LoginFailed { account_id, invite_id, attempt, reason, at })
            }
        })
    }

    fn extended_deadline(&self, at: Timestamp) -> Timestamp {
        if self.extended { self.deadline_at } else { self.deadline_at.max(at + EXTENSION) }
    }
}

impl Aggregate for Login {
    const TYPE: &'static str = "login";
    type Command = LoginCommand;
    type Event = LoginEvent;
    type Error = LoginError;
    type Services = ();

    async fn handle(
        &mut self,
        command: LoginCommand,
        (): &(),
        sink: &EventSink<Self>,
    ) -> Result<(), LoginError> {
        if let Some(event) = self.decide(command)? {
            sink.write(event, self).await;
        }
        Ok(())
    }

    fn apply(&mut self, event: LoginEvent) {
        if let LoginEvent::LoginStarted { account_id, invite, attempt, deadline_at, .. } = event {
            self.live = Some(Attempt {
                account_id,
                invite,
                number: attempt,
                status: LoginStatus::Waiting,
                deadline_at,
                extended: false,
                qr_sha256: None,
            });
            return;
        }
        let Some(latest) = &mut self.live else { return };
        latest.status = event.status_after(latest.status);
        match event {
            LoginEvent::QrIssued { token_sha256, .. } => latest.qr_sha256 = Some(token_sha256),
            LoginEvent::CodeSent { deadline_at, .. } | LoginEvent::PasswordRequested { deadline_at, .. } => {
                latest.deadline_at = deadline_at;
                latest.extended = true;
            }
            _ => {}
        }
    }
}
