//! What happened to an account. The names are stored; they never change.

use cqrs_es::DomainEvent;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::past::{Origin, PastChange};
use super::role::{Role, RoleSource};
use crate::id::{AccountId, InviteId, LoginId, RebuildId, ReplayId, Sealed};
use crate::tier::{Limits, Tier};
use crate::upcast;

/// What happened to an account. Stored as `{"AccountRegistered": {…}}`. Personal data stands in it sealed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "ids and instants, named as everywhere")]
pub enum AccountEvent {
    /// A person wrote to the bot for the first time, or was taken over from another system.
    AccountRegistered {
        account_id: AccountId,
        /// Sealed: the Telegram id in decimal.
        telegram_id: Sealed,
        /// Sealed: `{"first_name", "last_name", "username", "language_code"}`, JSON.
        profile: Sealed,
        /// Where they were taken over. Left out of a first message.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        imported: Option<Origin>,
        at: Timestamp,
    },
    /// Name, username or language changed.
    ProfileChanged { profile: Sealed, at: Timestamp },
    /// A confirmed login with an invite started what the invite promised.
    SubscriptionActivated {
        login_id: LoginId,
        attempt: u32,
        invite_id: InviteId,
        tier: Tier,
        /// As they were on that day.
        limits: Limits,
        started_at: Timestamp,
        /// None: unlimited.
        expires_at: Option<Timestamp>,
        at: Timestamp,
    },
    /// An admin granted a tier.
    SubscriptionChanged {
        tier: Tier,
        limits: Limits,
        started_at: Timestamp,
        expires_at: Option<Timestamp>,
        /// What the admin did, told twice; None where nobody could tell.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        change_id: Option<String>,
        at: Timestamp,
    },
    /// The subscription of another system was taken over as it stood there. Nobody is told of it.
    SubscriptionImported {
        tier: Tier,
        /// The tier's of that day, but for what the person had there.
        limits: Limits,
        started_at: Timestamp,
        /// None: unlimited.
        expires_at: Option<Timestamp>,
        /// It had ended there already.
        is_over: bool,
        at: Timestamp,
    },
    /// What happened to a subscription in another system. It changes nothing here.
    SubscriptionHistoryImported {
        #[serde(flatten)]
        change: PastChange,
        at: Timestamp,
    },
    /// The subscription's time was over.
    SubscriptionExpired { tier: Tier, at: Timestamp },
    /// An admin or a service ended the subscription before its time.
    SubscriptionRevoked { tier: Tier, at: Timestamp },
    /// The person may do more, or less.
    RoleChanged {
        role: Role,
        /// Who decided it. Not stored where the settings did.
        #[serde(default, skip_serializing_if = "RoleSource::is_settings")]
        source: RoleSource,
        at: Timestamp,
    },
    /// The person is refused everywhere.
    AccountBlocked {
        /// When it ends by itself; None: never.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Timestamp>,
        at: Timestamp,
    },
    /// The person is let in again.
    AccountUnblocked { at: Timestamp },
    /// The person ended the linked session here.
    LoggedOut { login_id: LoginId, at: Timestamp },
    /// The person ended the linked session in Telegram.
    AuthorizationRevoked { login_id: LoginId, at: Timestamp },
    /// The linked session was handed over to another service.
    SessionExported { login_id: LoginId, at: Timestamp },
    /// A session of another system is linked here. The id stands for the login that there was none of here.
    SessionImported { login_id: LoginId, at: Timestamp },
    /// The session that was imported turned out to be another account's. It is not used here.
    SessionRejected { login_id: LoginId, at: Timestamp },
    /// The session that was imported went back to the other system. Nobody has used it here.
    SessionReturned { login_id: LoginId, at: Timestamp },
    /// The person, an admin, ordered that a view be built again from the log.
    RebuildOrdered {
        rebuild_id: RebuildId,
        view: String,
        /// Only look what would change.
        dry_run: bool,
        at: Timestamp,
    },
    /// The person, an admin, stopped a rebuild.
    RebuildCancelled { rebuild_id: RebuildId, at: Timestamp },
    /// The person, an admin, ordered that parked rows of a view be folded again.
    ParkedReplayOrdered {
        replay_id: ReplayId,
        view: String,
        /// The row of this key alone; None: all rows with the cause.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        row: Option<String>,
        /// Why they were parked, without the values of one row.
        cause: String,
        at: Timestamp,
    },
    /// Who the person is was forgotten.
    AccountErased { at: Timestamp },
}

impl AccountEvent {
    /// The stored names of all of them.
    pub const NAMES: [&'static str; 21] = [
        "AccountRegistered",
        "ProfileChanged",
        "SubscriptionActivated",
        "SubscriptionChanged",
        "SubscriptionImported",
        "SubscriptionHistoryImported",
        "SubscriptionExpired",
        "SubscriptionRevoked",
        "RoleChanged",
        "AccountBlocked",
        "AccountUnblocked",
        "LoggedOut",
        "AuthorizationRevoked",
        "SessionExported",
        "SessionImported",
        "SessionRejected",
        "SessionReturned",
        "RebuildOrdered",
        "RebuildCancelled",
        "ParkedReplayOrdered",
        "AccountErased",
    ];

    /// Its stored name.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::AccountRegistered { .. } => "AccountRegistered",
            Self::ProfileChanged { .. } => "ProfileChanged",
            Self::SubscriptionActivated { .. } => "SubscriptionActivated",
            Self::SubscriptionChanged { .. } => "SubscriptionChanged",
            Self::SubscriptionImported { .. } => "SubscriptionImported",
            Self::SubscriptionHistoryImported { .. } => "SubscriptionHistoryImported",
            Self::SubscriptionExpired { .. } => "SubscriptionExpired",
            Self::SubscriptionRevoked { .. } => "SubscriptionRevoked",
            Self::RoleChanged { .. } => "RoleChanged",
            Self::AccountBlocked { .. } => "AccountBlocked",
            Self::AccountUnblocked { .. } => "AccountUnblocked",
            Self::LoggedOut { .. } => "LoggedOut",
            Self::AuthorizationRevoked { .. } => "AuthorizationRevoked",
            Self::SessionExported { .. } => "SessionExported",
            Self::SessionImported { .. } => "SessionImported",
            Self::SessionRejected { .. } => "SessionRejected",
            Self::SessionReturned { .. } => "SessionReturned",
            Self::RebuildOrdered { .. } => "RebuildOrdered",
            Self::RebuildCancelled { .. } => "RebuildCancelled",
            Self::ParkedReplayOrdered { .. } => "ParkedReplayOrdered",
            Self::AccountErased { .. } => "AccountErased",
        }
    }

    /// The login whose linked session is not used here any more; None: no session has ended by it.
    pub const fn ended_session(&self) -> Option<&LoginId> {
        match self {
            Self::LoggedOut { login_id, .. }
            | Self::AuthorizationRevoked { login_id, .. }
            | Self::SessionExported { login_id, .. }
            | Self::SessionRejected { login_id, .. }
            | Self::SessionReturned { login_id, .. } => Some(login_id),
            Self::AccountRegistered { .. }
            | Self::ProfileChanged { .. }
            | Self::SubscriptionActivated { .. }
            | Self::SubscriptionChanged { .. }
            | Self::SubscriptionImported { .. }
            | Self::SubscriptionHistoryImported { .. }
            | Self::SessionImported { .. }
            | Self::SubscriptionExpired { .. }
            | Self::SubscriptionRevoked { .. }
            | Self::RoleChanged { .. }
            | Self::AccountBlocked { .. }
            | Self::AccountUnblocked { .. }
            | Self::RebuildOrdered { .. }
            | Self::RebuildCancelled { .. }
            | Self::ParkedReplayOrdered { .. }
            | Self::AccountErased { .. } => None,
        }
    }

    /// When it happened.
    pub const fn at(&self) -> Timestamp {
        match self {
            Self::AccountRegistered { at, .. }
            | Self::ProfileChanged { at, .. }
            | Self::SubscriptionActivated { at, .. }
            | Self::SubscriptionChanged { at, .. }
            | Self::SubscriptionImported { at, .. }
            | Self::SubscriptionHistoryImported { at, .. }
            | Self::SessionImported { at, .. }
            | Self::SessionRejected { at, .. }
            | Self::SessionReturned { at, .. }
            | Self::SubscriptionExpired { at, .. }
            | Self::SubscriptionRevoked { at, .. }
            | Self::RoleChanged { at, .. }
            | Self::AccountBlocked { at, .. }
            | Self::AccountUnblocked { at }
            | Self::LoggedOut { at, .. }
            | Self::AuthorizationRevoked { at, .. }
            | Self::SessionExported { at, .. }
            | Self::RebuildOrdered { at, .. }
            | Self::RebuildCancelled { at, .. }
            | Self::ParkedReplayOrdered { at, .. }
            | Self::AccountErased { at } => *at,
        }
    }
}

impl DomainEvent for AccountEvent {
    fn event_type(&self) -> String {
        self.name().to_owned()
    }

    fn event_version(&self) -> String {
        upcast::current_version(self.name()).to_string()
    }
}
