//! What happened in a login. The names are stored; they never change.

use cqrs_es::DomainEvent;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::LoginStatus;
use crate::id::{AccountId, InviteId};
use crate::invite::InviteGrant;
use crate::upcast;

/// What happened in a login. Stored as `{"QrIssued": {…}}`. No token, code, password or number is in any of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "ids and instants, named as everywhere")]
pub enum LoginEvent {
    /// The attempt begins; the invite's use is reserved for it.
    LoginStarted {
        account_id: AccountId,
        invite: Option<InviteGrant>,
        attempt: u32,
        deadline_at: Timestamp,
        at: Timestamp,
    },
    /// Telegram gave a login token; its SHA-256 in hex tells two of them apart and reveals neither.
    QrIssued { attempt: u32, token_sha256: String, expires_at: Timestamp, at: Timestamp },
    /// Telegram sent a login code.
    CodeSent { attempt: u32, via: CodeVia, length: Option<u32>, deadline_at: Timestamp, at: Timestamp },
    /// The code, or the number that it was to be sent to, was not taken.
    CodeRejected { attempt: u32, reason: Refusal, at: Timestamp },
    /// The account has a 2-step password.
    PasswordRequested { attempt: u32, deadline_at: Timestamp, at: Timestamp },
    /// The password was not taken.
    PasswordRejected { attempt: u32, reason: Refusal, at: Timestamp },
    /// The account that asked has confirmed; its session is stored.
    AuthorizationConfirmed {
        account_id: AccountId,
        invite: Option<InviteGrant>,
        attempt: u32,
        method: Method,
        at: Timestamp,
    },
    /// Another account confirmed. Of somebody who is not known here, nothing is kept.
    AuthorizationRejected {
        account_id: AccountId,
        invite_id: Option<InviteId>,
        attempt: u32,
        /// Whose account confirmed; None where nobody here knows them.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        confirmed_by: Option<AccountId>,
        at: Timestamp,
    },
    /// The deadline passed.
    LoginExpired { account_id: AccountId, invite_id: Option<InviteId>, attempt: u32, at: Timestamp },
    /// It was cancelled.
    LoginCancelled {
        account_id: AccountId,
        invite_id: Option<InviteId>,
        attempt: u32,
        reason: CancelReason,
        at: Timestamp,
    },
    /// Something broke.
    LoginFailed {
        account_id: AccountId,
        invite_id: Option<InviteId>,
        attempt: u32,
        reason: FailReason,
        at: Timestamp,
    },
}

/// Who ended it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CancelReason {
    /// The person, in the bot or on the page.
    Person,
    /// A newer `/login` of the same person.
    NewerLogin,
    /// The person was blocked meanwhile.
    Blocked,
    /// The person was erased meanwhile.
    Erased,
}

/// What broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailReason {
    /// Telegram could not be reached until the deadline.
    TelegramUnreachable,
    /// Telegram asked everybody, or this number, to wait longer than the login lasts.
    FloodWait,
    /// The phone number has no Telegram account.
    NotRegistered,
    /// Telegram ended the key while the login ran.
    SessionLost,
    /// The reservation of the invite had gone elsewhere when Telegram confirmed.
    InviteGone,
    /// A fault of ours; the log tells more.
    Internal,
}

/// Why Telegram did not take what a person entered. The login goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// It was wrong.
    #[default]
    Wrong,
    /// Its time was over: another code has to be sent, or the password proven once more.
    Stale,
    /// There is no such phone number.
    NumberInvalid,
    /// The phone number is banned from Telegram.
    NumberBanned,
    /// Telegram asks to wait before the next try.
    TooMany,
    /// Telegram sends no code of digits to this number.
    NoCode,
    /// Telegram did not answer, or not to the point: nobody knows, and another try may do it.
    Unclear,
}

/// How Telegram delivered the login code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the constructors of Telegram's auth.SentCodeType")]
pub enum CodeVia {
    App,
    Sms,
    Call,
    FlashCall,
    MissedCall,
    Email,
    Fragment,
    Other,
}

/// By which way the person confirmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// A scanned QR code (or its link).
    Qr,
    /// A login code, on one phone.
    Code,
}

impl LoginEvent {
    /// The stored names of all of them.
    pub const NAMES: [&'static str; 11] = [
        "LoginStarted",
        "QrIssued",
        "CodeSent",
        "CodeRejected",
        "PasswordRequested",
        "PasswordRejected",
        "AuthorizationConfirmed",
        "AuthorizationRejected",
        "LoginExpired",
        "LoginCancelled",
        "LoginFailed",
    ];

    /// Its stored name.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::LoginStarted { .. } => "LoginStarted",
            Self::QrIssued { .. } => "QrIssued",
            Self::CodeSent { .. } => "CodeSent",
            Self::CodeRejected { .. } => "CodeRejected",
            Self::PasswordRequested { .. } => "PasswordRequested",
            Self::PasswordRejected { .. } => "PasswordRejected",
            Self::AuthorizationConfirmed { .. } => "AuthorizationConfirmed",
            Self::AuthorizationRejected { .. } => "AuthorizationRejected",
            Self::LoginExpired { .. } => "LoginExpired",
            Self::LoginCancelled { .. } => "LoginCancelled",
            Self::LoginFailed { .. } => "LoginFailed",
        }
    }

    /// The attempt it belongs to.
    pub const fn attempt(&self) -> u32 {
        match self {
            Self::LoginStarted { attempt, .. }
            | Self::QrIssued { attempt, .. }
            | Self::CodeSent { attempt, .. }
            | Self::CodeRejected { attempt, .. }
            | Self::PasswordRequested { attempt, .. }
            | Self::PasswordRejected { attempt, .. }
            | Self::AuthorizationConfirmed { attempt, .. }
            | Self::AuthorizationRejected { attempt, .. }
            | Self::LoginExpired { attempt, .. }
            | Self::LoginCancelled { attempt, .. }
            | Self::LoginFailed { attempt, .. } => *attempt,
        }
    }

    /// When it happened.
    pub const fn at(&self) -> Timestamp {
        match self {
            Self::LoginStarted { at, .. }
            | Self::QrIssued { at, .. }
            | Self::CodeSent { at, .. }
            | Self::CodeRejected { at, .. }
            | Self::PasswordRequested { at, .. }
            | Self::PasswordRejected { at, .. }
            | Self::AuthorizationConfirmed { at, .. }
            | Self::AuthorizationRejected { at, .. }
            | Self::LoginExpired { at, .. }
            | Self::LoginCancelled { at, .. }
            | Self::LoginFailed { at, .. } => *at,
        }
    }

    /// The person, where the event itself names one.
    pub const fn account_id(&self) -> Option<AccountId> {
        match self {
            Self::LoginStarted { account_id, .. }
            | Self::AuthorizationConfirmed { account_id, .. }
            | Self::AuthorizationRejected { account_id, .. }
            | Self::LoginExpired { account_id, .. }
            | Self::LoginCancelled { account_id, .. }
            | Self::LoginFailed { account_id, .. } => Some(*account_id),
            _ => None,
        }
    }

    /// How a login that stood at `before` stands after this event.
    pub const fn status_after(&self, before: LoginStatus) -> LoginStatus {
        match self {
            Self::LoginStarted { .. } | Self::QrIssued { .. } => LoginStatus::Waiting,
            Self::CodeSent { .. } => LoginStatus::CodeRequired,
            Self::PasswordRequested { .. } => LoginStatus::PasswordRequired,
            Self::CodeRejected { .. } | Self::PasswordRejected { .. } => before,
            Self::AuthorizationConfirmed { .. } => LoginStatus::Authorized,
            Self::AuthorizationRejected { .. } => LoginStatus::Rejected,
            Self::LoginExpired { .. } => LoginStatus::Expired,
            Self::LoginCancelled { .. } => LoginStatus::Cancelled,
            Self::LoginFailed { .. } => LoginStatus::Failed,
        }
    }
}

impl DomainEvent for LoginEvent {
    fn event_type(&self) -> String {
        self.name().to_owned()
    }

    fn event_version(&self) -> String {
        upcast::current_version(self.name()).to_string()
    }
}
