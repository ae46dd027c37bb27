//! What follows from an event: pure, and told once for each event. The reactor carries it out, at least once; the
//! aggregates make that exactly once.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::account::{AccountEvent, Role, RoleSource};
use crate::event::Event;
use crate::id::{AccountId, InviteId, LoginId};
use crate::invite::{InviteEvent, InviteGrant};
use crate::login::{CancelReason, FailReason, LoginEvent};
use crate::tier::Tier;

#[cfg(test)]
mod tests;

/// What has to be done because something happened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "ids, named as everywhere")]
pub enum Reaction {
    /// Start the login that reserved an invite (the handler of `/login` did so already, unless it died in between).
    StartLogin { login_id: LoginId, account_id: AccountId, grant: InviteGrant, attempt: u32 },
    /// Let a worker take the attempt up.
    OpenAttempt { account_id: AccountId, login_id: LoginId, attempt: u32 },
    /// One live login a person: cancel every login of theirs that started before this one.
    CancelEarlier { account_id: AccountId, login_id: LoginId, attempt: u32 },
    /// Cancel whatever login of theirs is live.
    CancelLive { account_id: AccountId, reason: CancelReason },
    /// Give an invite's use back.
    Release { invite_id: InviteId, account_id: AccountId, login_id: LoginId, attempt: u32 },
    /// Start what the invite promised.
    Activate { account_id: AccountId, login_id: LoginId, attempt: u32, grant: InviteGrant },
    /// Tell the person in the chat, once.
    Notify { account_id: AccountId, notice: Notice },
    /// Bring the login's card in the chat up to date. The account is None where the event does not name it.
    ShowCard { account_id: Option<AccountId>, login_id: LoginId },
    /// Tell every admin of a change of this person's role, and the person; not the admin who made the change.
    TellAdmins { account_id: AccountId, role: Role, source: RoleSource },
}

/// What a person is told in the chat without having asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[expect(missing_docs, reason = "ids, named as everywhere")]
pub enum Notice {
    /// The login succeeded; the tier that it started, where it had an invite.
    Authorized { login_id: LoginId, tier: Option<Tier> },
    /// The deadline passed.
    Expired {
        login_id: LoginId,
        #[serde(default = "unknown_invite")]
        with_invite: bool,
    },
    /// Ended by the person, a newer login or a block.
    Cancelled {
        login_id: LoginId,
        reason: CancelReason,
        #[serde(default = "unknown_invite")]
        with_invite: bool,
    },
    /// Another account confirmed. A warning: sent again rather than not at all.
    Rejected {
        login_id: LoginId,
        #[serde(default = "unknown_invite")]
        with_invite: bool,
    },
    /// Something broke.
    Failed {
        login_id: LoginId,
        reason: FailReason,
        #[serde(default = "unknown_invite")]
        with_invite: bool,
    },
    /// The subscription's time is over.
    SubscriptionExpired { tier: Tier },
    /// The subscription was ended before its time.
    SubscriptionRevoked { tier: Tier },
    /// The subscription ends soon: in so many days, or less. Nobody is told where it was renewed meanwhile.
    SubscriptionEnds { tier: Tier, expires_at: Timestamp, days: u8 },
    /// An admin granted a tier.
    SubscriptionChanged { tier: Tier },
    /// The session was ended in Telegram.
    AuthorizationRevoked,
    /// The session was handed over to another service.
    SessionExported,
    /// The session that was imported for them is another account's, and is not used.
    SessionRejected,
    /// This person's account confirmed a login that somebody else had begun. A warning, like [`Self::Rejected`].
    ConfirmedAnothersLogin,
    /// Telegram knows a session of this service that nobody here holds. A warning: only the person can end it.
    UnownedSession {
        /// As the person's list of devices names it.
        device: String,
        created_at: Timestamp,
        /// When it was used last.
        active_at: Timestamp,
    },
    /// The login's card in the chat is out of date. It is no message of its own.
    CardChanged { login_id: LoginId },
    /// A person's role was changed; for admins and that person.
    RoleChanged {
        account_id: AccountId,
        role: Role,
        source: RoleSource,
        /// The admin who ordered it; None: the settings or an operator.
        by: Option<AccountId>,
    },
}

/// A notice that was stored before it said so: most logins have an invite.
const fn unknown_invite() -> bool {
    true
}

impl Notice {
    /// Its name in the outbox's key: stored, never changes.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Authorized { .. } => "authorized",
            Self::Expired { .. } => "expired",
            Self::Cancelled { .. } => "cancelled",
            Self::Rejected { .. } => "rejected",
            Self::Failed { .. } => "failed",
            Self::SubscriptionExpired { .. } => "subscription_expired",
            Self::SubscriptionRevoked { .. } => "subscription_revoked",
            Self::SubscriptionEnds { .. } => "subscription_ends",
            Self::SubscriptionChanged { .. } => "subscription_changed",
            Self::AuthorizationRevoked => "authorization_revoked",
            Self::SessionExported => "session_exported",
            Self::SessionRejected => "session_rejected",
            Self::ConfirmedAnothersLogin => "confirmed_anothers_login",
            Self::UnownedSession { .. } => "unowned_session",
            Self::CardChanged { .. } => "card_changed",
            Self::RoleChanged { .. } => "role_changed",
        }
    }
}

/// What follows from `event` of the stream `stream_id` (an account id, an invite id or a login id, by its kind).
pub fn react(stream_id: &str, event: &Event) -> Vec<Reaction> {
    match event {
        Event::Invite(event) => react_to_invite(event),
        Event::Login(event) => {
            stream_id.parse().map_or_else(|_| Vec::new(), |login| react_to_login(&login, event))
        }
        Event::Account(event) => {
            stream_id.parse().map_or_else(|_| Vec::new(), |account| react_to_account(account, event))
        }
        Event::Audit(_) | Event::Service(_) | Event::History(_) => Vec::new(),
    }
}

fn react_to_invite(event: &InviteEvent) -> Vec<Reaction> {
    match event {
        InviteEvent::InviteRedeemed { account_id, login_id, attempt, grant, .. } => {
            vec![Reaction::StartLogin {
                login_id: login_id.clone(),
                account_id: *account_id,
                grant: *grant,
                attempt: *attempt,
            }]
        }
        InviteEvent::InviteCreated { .. }
        | InviteEvent::InviteUsed { .. }
        | InviteEvent::InviteReleased { .. }
        | InviteEvent::InviteRevoked { .. } => Vec::new(),
    }
}

fn react_to_login(login_id: &LoginId, event: &LoginEvent) -> Vec<Reaction> {
    let login_id = login_id.clone();
    let mut warned = None;
    let (account_id, invite_id, attempt, notice) = match event {
        LoginEvent::LoginStarted { account_id, attempt, .. } => {
            let (account_id, attempt) = (*account_id, *attempt);
            let mut reactions = vec![
                Reaction::OpenAttempt { account_id, login_id: login_id.clone(), attempt },
                Reaction::CancelEarlier { account_id, login_id: login_id.clone(), attempt },
            ];
            // The card of a first attempt is the answer to /login.
            if attempt > 1 {
                reactions.push(Reaction::ShowCard { account_id: Some(account_id), login_id });
            }
            return reactions;
        }
        LoginEvent::AuthorizationConfirmed { account_id, invite, attempt, .. } => {
            let account_id = *account_id;
            return match invite {
                Some(grant) => {
                    vec![Reaction::Activate { account_id, login_id, attempt: *attempt, grant: *grant }]
                }
                None => authorized(account_id, login_id, None),
            };
        }
        LoginEvent::AuthorizationRejected { account_id, invite_id, attempt, confirmed_by, .. } => {
            warned = *confirmed_by;
            let notice = Notice::Rejected { login_id: login_id.clone(), with_invite: invite_id.is_some() };
            (*account_id, *invite_id, *attempt, notice)
        }
        LoginEvent::LoginExpired { account_id, invite_id, attempt, .. } => {
            let notice = Notice::Expired { login_id: login_id.clone(), with_invite: invite_id.is_some() };
            (*account_id, *invite_id, *attempt, notice)
        }
        LoginEvent::LoginCancelled { account_id, invite_id, attempt, reason, .. } => {
            let (login_id, with_invite) = (login_id.clone(), invite_id.is_some());
            (*account_id, *invite_id, *attempt, Notice::Cancelled { login_id, reason: *reason, with_invite })
        }
        LoginEvent::LoginFailed { account_id, invite_id, attempt, reason, .. } => {
            let (login_id, with_invite) = (login_id.clone(), invite_id.is_some());
            (*account_id, *invite_id, *attempt, Notice::Failed { login_id, reason: *reason, with_invite })
        }
        LoginEvent::CodeSent { .. } | LoginEvent::PasswordRequested { .. } => {
            return vec![Reaction::ShowCard { account_id: None, login_id }];
        }
        LoginEvent::QrIssued { .. }
        | LoginEvent::CodeRejected { .. }
        | LoginEvent::PasswordRejected { .. } => return Vec::new(),
    };
    // The other ends are told by the card alone: their notice is what changes it.
    let is_told_by_a_message =
        matches!(notice, Notice::Rejected { .. } | Notice::Cancelled { reason: CancelReason::Person, .. });
    let card = Reaction::ShowCard { account_id: Some(account_id), login_id: login_id.clone() };
    let card = is_told_by_a_message.then_some(card);
    let release = invite_id.map(|invite_id| Reaction::Release { invite_id, account_id, login_id, attempt });
    let warning =
        warned.map(|account_id| Reaction::Notify { account_id, notice: Notice::ConfirmedAnothersLogin });
    let told = Reaction::Notify { account_id, notice };
    release.into_iter().chain([told]).chain(card).chain(warning).collect()
}

fn authorized(account_id: AccountId, login_id: LoginId, tier: Option<Tier>) -> Vec<Reaction> {
    let card = Reaction::ShowCard { account_id: Some(account_id), login_id: login_id.clone() };
    vec![Reaction::Notify { account_id, notice: Notice::Authorized { login_id, tier } }, card]
}

fn react_to_account(account_id: AccountId, event: &AccountEvent) -> Vec<Reaction> {
    let notify = |notice| vec![Reaction::Notify { account_id, notice }];
    match event {
        AccountEvent::SubscriptionActivated { login_id, tier, .. } => {
            authorized(account_id, login_id.clone(), Some(*tier))
        }
        AccountEvent::SubscriptionChanged { tier, .. } => notify(Notice::SubscriptionChanged { tier: *tier }),
        AccountEvent::SubscriptionExpired { tier, .. } => notify(Notice::SubscriptionExpired { tier: *tier }),
        AccountEvent::SubscriptionRevoked { tier, .. } => notify(Notice::SubscriptionRevoked { tier: *tier }),
        AccountEvent::AuthorizationRevoked { .. } => notify(Notice::AuthorizationRevoked),
        AccountEvent::SessionExported { .. } => notify(Notice::SessionExported),
        AccountEvent::SessionRejected { .. } => notify(Notice::SessionRejected),
        AccountEvent::AccountBlocked { .. } => {
            vec![Reaction::CancelLive { account_id, reason: CancelReason::Blocked }]
        }
        AccountEvent::AccountErased { .. } => {
            vec![Reaction::CancelLive { account_id, reason: CancelReason::Erased }]
        }
        AccountEvent::RoleChanged { role, source, .. } => {
            vec![Reaction::TellAdmins { account_id, role: *role, source: *source }]
        }
        AccountEvent::AccountRegistered { .. }
        | AccountEvent::ProfileChanged { .. }
        | AccountEvent::AccountUnblocked { .. }
        | AccountEvent::LoggedOut { .. }
        | AccountEvent::SubscriptionImported { .. }
        | AccountEvent::SubscriptionHistoryImported { .. }
        | AccountEvent::SessionImported { .. }
        | AccountEvent::SessionReturned { .. }
        | AccountEvent::RebuildOrdered { .. }
        | AccountEvent::RebuildCancelled { .. }
        | AccountEvent::ParkedReplayOrdered { .. } => Vec::new(),
    }
}
