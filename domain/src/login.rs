//! The login: one attempt to link a Telegram account, from `/login` to its end. A retry starts the same login anew, with
//! the next attempt number and a new deadline. Commands for an earlier attempt change nothing.
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
mod state;
mod status;
#[cfg(test)]
mod tests;

pub use command::LoginCommand;
pub use error::LoginError;
pub use event::{CancelReason, CodeVia, FailReason, LoginEvent, Method, Refusal};
pub use state::{LoginState, Reason};
pub use status::LoginStatus;

/// How long a login may take, from its start.
pub const LOGIN_TTL: SignedDuration = SignedDuration::from_mins(5);
/// How long a person has at least once a password or code is asked for. Granted once a login.
pub const EXTENSION: SignedDuration = SignedDuration::from_mins(3);

/// A login, as its latest attempt stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Login {
    latest: Option<Attempt>,
}

/// The latest attempt, with what only the rules and the worker need.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Attempt {
    state: LoginState,
    invite: Option<InviteGrant>,
    extended: bool,
    qr_sha256: Option<String>,
    by_code: bool,
    code_lost: bool,
}

impl Login {
    /// How it stands; None before its start.
    pub fn status(&self) -> Option<LoginStatus> {
        self.latest.as_ref().map(|attempt| attempt.state.status)
    }

    /// Whose it is; None before its start.
    pub fn account_id(&self) -> Option<AccountId> {
        self.latest.as_ref().map(|attempt| attempt.state.account_id)
    }

    /// The number of the latest attempt, from 1; 0 before the start.
    pub fn attempt(&self) -> u32 {
        self.latest.as_ref().map_or(0, |attempt| attempt.state.attempt)
    }

    /// When the latest attempt ends by itself; None before the start.
    pub fn deadline_at(&self) -> Option<Timestamp> {
        self.latest.as_ref().map(|attempt| attempt.state.deadline_at)
    }

    /// What the latest attempt redeems.
    pub fn invite(&self) -> Option<InviteGrant> {
        self.latest.as_ref().and_then(|attempt| attempt.invite)
    }

    /// Whether a login code was sent since the last QR code.
    pub fn is_by_code(&self) -> bool {
        self.latest.as_ref().is_some_and(|attempt| attempt.by_code)
    }

    /// Whether a QR code took the place of a login code, and the person was not told yet that the code is of no use.
    pub fn is_code_lost(&self) -> bool {
        self.latest.as_ref().is_some_and(|attempt| attempt.code_lost)
    }

    /// Whether this attempt is over: it has ended, or a newer one runs.
    pub fn is_over(&self, attempt: u32) -> bool {
        let is_live = self.status().is_some_and(LoginStatus::is_live);
        self.attempt() > attempt || (self.attempt() == attempt && !is_live)
    }

    /// What follows from a command: an event, nothing (it is done already), or why not.
    ///
    /// # Errors
    /// [`LoginError`]: the caller gives up what it holds for the login.
    pub fn decide(&self, command: LoginCommand) -> Result<Option<LoginEvent>, LoginError> {
        if let LoginCommand::Start { account_id, invite, attempt, at } = command {
            return self.decide_start(account_id, invite, attempt, at);
        }
        let latest = self.latest.as_ref().ok_or(LoginError::Unknown)?;
        let number = command.attempt();
        if number != latest.state.attempt {
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
        if let Some(Attempt { state: latest, .. }) = &self.latest {
            if latest.account_id != account_id {
                return Err(LoginError::NotYours);
            }
            if attempt <= latest.attempt {
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
    const fn new(state: LoginState, invite: Option<InviteGrant>) -> Self {
        Self { state, invite, extended: false, qr_sha256: None, by_code: false, code_lost: false }
    }

    fn decide(&self, command: LoginCommand) -> Result<Option<LoginEvent>, LoginError> {
        let LoginState { account_id, invite_id, status, deadline_at, .. } = self.state;
        if !status.is_live() {
            let repeated = command.ends()
                || (matches!(command, LoginCommand::Confirm { .. }) && status == LoginStatus::Authorized);
            return if repeated { Ok(None) } else { Err(LoginError::Ended(status)) };
        }
        Ok(match command {
            LoginCommand::Start { .. } => None,
            LoginCommand::IssueQr { attempt, token_sha256, expires_at, at } => {
                let repeated =
                    status == LoginStatus::Waiting && self.qr_sha256.as_ref() == Some(&token_sha256);
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
            LoginCommand::RequestPassword { attempt, at } => {
                (status != LoginStatus::PasswordRequired).then(|| LoginEvent::PasswordRequested {
                    attempt,
                    deadline_at: self.extended_deadline(at),
                    at,
                })
            }
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
            LoginCommand::Reject { attempt, confirmed_by, at } => {
                Some(LoginEvent::AuthorizationRejected { account_id, invite_id, attempt, confirmed_by, at })
            }
            LoginCommand::Expire { attempt, at } => {
                (at >= deadline_at).then_some(LoginEvent::LoginExpired { account_id, invite_id, attempt, at })
            }
            LoginCommand::Cancel { attempt, reason, at } => {
                Some(LoginEvent::LoginCancelled { account_id, invite_id, attempt, reason, at })
            }
            LoginCommand::Fail { attempt, reason, at } => {
                Some(LoginEvent::LoginFailed { account_id, invite_id, attempt, reason, at })
            }
        })
    }

    fn extended_deadline(&self, at: Timestamp) -> Timestamp {
        let deadline_at = self.state.deadline_at;
        if self.extended { deadline_at } else { deadline_at.max(at + EXTENSION) }
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
        let latest = self.latest.take();
        if let LoginEvent::LoginStarted { invite, .. } = &event {
            self.latest = LoginState::after(None, &event).map(|state| Attempt::new(state, *invite));
            return;
        }
        let Some(mut latest) = latest else { return };
        let waited_for_code = latest.state.status == LoginStatus::CodeRequired;
        let Some(state) = LoginState::after(Some(latest.state), &event) else { return };
        latest.state = state;
        match event {
            LoginEvent::QrIssued { token_sha256, .. } => {
                latest.qr_sha256 = Some(token_sha256);
                latest.code_lost |= waited_for_code;
                latest.by_code = false;
            }
            LoginEvent::CodeSent { .. } => {
                latest.extended = true;
                (latest.by_code, latest.code_lost) = (true, false);
            }
            LoginEvent::CodeRejected { .. } => latest.code_lost = false,
            LoginEvent::PasswordRequested { .. } => latest.extended = true,
            _ => {}
        }
        self.latest = Some(latest);
    }
}
