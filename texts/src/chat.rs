//! What the bot says, in both languages. People read these texts to the letter. They are sent without a parse mode, so nothing
//! that a person wrote can become markup.

use domain::login::{CancelReason, FailReason};
use domain::{InviteError, Limits, Tier};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::Language;

mod account;
mod admin;
mod en;
mod ru;
#[cfg(test)]
mod tests;

pub use account::{AccountStatus, AccountTexts};
pub use admin::{AdminTexts, Alarm, ChangedBy, Granted, RoleChange, Statistics};

impl Language {
    /// Its texts of the chat.
    pub const fn texts(self) -> &'static Texts {
        match self {
            Self::Russian => &ru::TEXTS,
            Self::English => &en::TEXTS,
        }
    }
}

/// The texts of one language, and functions that make a text from values. Each language must have them all to compile.
pub struct Texts {
    pub help: fn(&About<'_>) -> String,
    pub admin_help: &'static str,
    pub login_usage: &'static str,
    pub invite_accepted: fn(&LoginCard) -> String,
    pub login_again: fn(ways: Ways) -> String,
    pub open_page: &'static str,

    pub unknown_code: &'static str,
    pub invite_expired: &'static str,
    pub invite_used_up: &'static str,
    pub invite_revoked: &'static str,
    pub invite_already_yours: fn(Option<&Active>) -> String,
    pub blocked: fn(support: Option<&str>) -> String,
    pub too_many_tries: fn(&RetryTime) -> String,

    pub replace_question: fn(&Replacement) -> String,
    pub replace: fn(Tier) -> String,
    pub keep: &'static str,
    pub kept: &'static str,
    pub question_is_over: &'static str,

    pub subscription: fn(&SubscriptionCard) -> String,
    pub no_subscription: &'static str,
    pub no_subscription_yet: &'static str,
    pub nothing_to_cancel: &'static str,
    pub unknown_command: &'static str,
    pub private_only: &'static str,
    pub open_chat: &'static str,
    pub admins_only: &'static str,
    pub broken: &'static str,

    pub invite_tier: &'static str,
    pub invite_days: fn(Tier) -> String,
    pub invite_uses: fn(Tier, days: u32) -> String,
    pub days: fn(u32) -> String,
    pub uses: fn(u32) -> String,
    pub invite_made: fn(&MadeInvite<'_>) -> String,
    pub copy_code: &'static str,
    pub invite_stopped: &'static str,
    pub stop: &'static str,

    pub authorized: fn(Option<Tier>) -> String,
    pub login_expired: fn(BeganWith) -> String,
    pub login_cancelled: fn(CancelReason, BeganWith, support: Option<&str>) -> String,
    pub login_rejected: fn(BeganWith) -> String,
    pub confirmed_anothers_login: &'static str,
    pub login_failed: fn(FailReason, BeganWith) -> String,
    pub subscription_changed: fn(Tier) -> String,
    pub authorization_revoked: &'static str,
    pub session_exported: &'static str,
    pub unowned_session: fn(&UnownedSession<'_>) -> String,

    pub account: &'static AccountTexts,
    pub admin: &'static AdminTexts,
    pub commands: Commands,
}

/// The descriptions in the list of commands.
pub struct Commands {
    pub login: &'static str,
    pub subscription: &'static str,
    pub cancel: &'static str,
    pub logout: &'static str,
    pub debug_status: &'static str,
    pub debug_reset: &'static str,
    pub help: &'static str,
    pub admin_invite: &'static str,
    pub admin_users: &'static str,
    pub admin_user: &'static str,
    pub admin_grant: &'static str,
    pub admin_stats: &'static str,
    pub admin_block: &'static str,
    pub admin_unblock: &'static str,
    pub admin_role: &'static str,
    pub debug_test_phone: &'static str,
}

impl Texts {
    /// Why an invite was refused; None for a reason that only a bug can lead to.
    pub fn refusal(&self, error: InviteError, active: Option<&Active>) -> Option<String> {
        match error {
            InviteError::Unknown => Some(self.unknown_code.to_owned()),
            InviteError::Expired => Some(self.invite_expired.to_owned()),
            InviteError::UsedUp => Some(self.invite_used_up.to_owned()),
            InviteError::Revoked => Some(self.invite_revoked.to_owned()),
            InviteError::AlreadyUsedByYou => Some((self.invite_already_yours)(active)),
            InviteError::NotReserved | InviteError::NoUses => None,
        }
    }
}

/// What `/help` tells about the service.
pub struct About<'a> {
    /// The name of the linked session in Telegram's list of devices.
    pub device_name: &'a str,
    pub first_name: &'a str,
}

/// The number of ways to log in that the Mini App offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ways {
    /// QR code, link, token.
    Three,
    /// The same, and a code on the same phone.
    Four,
}

/// The answer to `/login CODE`.
pub struct LoginCard {
    pub tier: Tier,
    pub limits: Limits,
    pub ways: Ways,
}

/// A subscription that runs, as people read it.
#[derive(Clone, Debug)]
pub struct Active {
    pub tier: Tier,
    /// Its end; None is never.
    pub until: Option<String>,
}

/// What a login that ended began with: the next one begins with the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BeganWith {
    /// An invite code, which the person sends once more.
    Invite,
    /// A running subscription, with which a person logs in without a code.
    Subscription,
}

impl BeganWith {
    /// By whether the login had an invite.
    pub const fn of(with_invite: bool) -> Self {
        if with_invite { Self::Invite } else { Self::Subscription }
    }

    /// Whether it began with an invite.
    pub fn is_invite(self) -> bool {
        self == Self::Invite
    }
}

/// A running subscription that an invite of another tier would end.
pub struct Replacement {
    pub running: Active,
    pub tier: Tier,
}

/// When to try again.
pub struct RetryTime {
    /// The time of day.
    pub at: String,
    /// In how many minutes, 1 at least.
    pub minutes: i64,
}

/// The answer to `/subscription`.
pub struct SubscriptionCard {
    pub tier: Tier,
    pub limits: Limits,
    pub active: bool,
    pub started: Option<String>,
    pub end: End,
}

/// How a subscription ends.
pub enum End {
    Unlimited,
    /// On this day, in so many days.
    In(String, i64),
    /// On this day, which has passed.
    Passed(String),
    /// Not known.
    Unknown,
}

/// A session of this service that Telegram knows and nobody here holds.
pub struct UnownedSession<'a> {
    /// The name of the device in Telegram's list.
    pub device: &'a str,
    /// When the person logged it in.
    pub created: Moment,
    /// When it was used last.
    pub active: Moment,
}

/// A moment as people read it.
pub struct Moment {
    pub day: String,
    pub time: String,
}

impl Moment {
    pub fn of(at: Timestamp, zone: &TimeZone) -> Self {
        Self { day: day(at, zone), time: time_of_day(at, zone) }
    }
}

/// An invite that was just made.
pub struct MadeInvite<'a> {
    pub code: &'a str,
    pub link: &'a str,
    pub tier: Tier,
    pub days: u32,
    pub uses: u32,
    pub valid_until: String,
}

/// A day as people read it, in their time zone.
pub fn day(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone()).strftime("%d.%m.%Y").to_string()
}

/// A time of day.
pub fn time_of_day(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone()).strftime("%H:%M").to_string()
}

/// How many days are left. A day that has begun counts as a whole one: thirty are left right after thirty were granted.
pub fn days_left(now: Timestamp, end: Timestamp) -> i64 {
    whole(end.duration_since(now), 24 * 60 * 60)
}

/// How many minutes are left, at least one. A minute that has begun counts as a whole one.
pub fn minutes_left(now: Timestamp, end: Timestamp) -> i64 {
    whole(end.duration_since(now), 60).max(1)
}

fn whole(span: SignedDuration, unit_seconds: i64) -> i64 {
    let seconds = span.as_secs() + i64::from(span.subsec_nanos() > 0);
    (seconds + unit_seconds - 1).div_euclid(unit_seconds).max(0)
}
