//! What the bot says, in both languages. People read these texts to the letter.

use domain::login::{CancelReason, FailReason};
use domain::{InviteError, Limits, Tier};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::{Language, Styled};

mod account;
mod admin;
mod card;
mod en;
mod help;
mod history;
pub(crate) mod plural;
mod rebuild;
mod ru;
mod term;
#[cfg(test)]
mod tests;

pub use account::{AccountStatus, AccountTexts, ForAdmin, Known, Session};
pub use admin::{AdminTexts, Alarm, ChangedBy, Fault, Granted, Happened, PeoplePage, RoleChange, Statistics};
pub use card::CardTexts;
pub use help::{About, Chapter, HelpTexts};
pub use history::HistoryTexts;
pub(crate) use history::past_change;
pub use rebuild::{RebuildLine, RebuildQuestion, RebuildState, RebuildStep, RebuildTexts};

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
    pub help: &'static HelpTexts,
    /// Asks for an invite code.
    pub login_usage: &'static str,
    /// In the input field, where it is asked for.
    pub login_placeholder: &'static str,
    pub open_page: &'static str,
    pub card: &'static CardTexts,

    pub unknown_code: fn(tries_left: u32) -> String,
    pub invite_expired: &'static str,
    pub invite_used_up: &'static str,
    pub invite_revoked: &'static str,
    pub invite_already_yours: fn(Option<&Active>) -> String,
    pub blocked: fn(support: Option<&str>) -> String,
    pub too_many_tries: fn(minutes: i64) -> String,

    pub replace_question: fn(&Replacement) -> String,
    pub replace: fn(Tier) -> String,
    pub keep: &'static str,
    pub kept: &'static str,
    /// A button whose question is over.
    pub question_is_over: &'static str,

    pub history: &'static HistoryTexts,
    pub subscription: fn(&SubscriptionCard) -> String,
    /// A login that is not finished ends in so many minutes.
    pub login_goes_on: fn(minutes: i64) -> String,
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
    pub invite_made: fn(&MadeInvite<'_>) -> Styled,
    pub copy_code: &'static str,
    /// On the button that revokes an invite within a minute.
    pub take_back: &'static str,
    pub invite_stopped: &'static str,
    pub stop: &'static str,

    pub authorized: fn(Option<Tier>) -> String,
    pub login_expired: fn(BeganWith) -> String,
    pub login_cancelled: fn(CancelReason, BeganWith, support: Option<&str>) -> String,
    /// None: the login goes on.
    pub login_rejected: fn(Option<BeganWith>) -> String,
    pub confirmed_anothers_login: &'static str,
    pub login_failed: fn(FailReason, BeganWith) -> String,
    pub subscription_changed: fn(Tier) -> String,
    pub subscription_revoked: fn(Tier, support: Option<&str>) -> String,
    pub subscription_ends: fn(&Ending<'_>) -> String,
    pub authorization_revoked: &'static str,
    pub session_exported: &'static str,
    pub session_rejected: &'static str,
    pub unowned_session: fn(&UnownedSession<'_>) -> String,

    pub account: &'static AccountTexts,
    pub admin: &'static AdminTexts,
    pub rebuild: &'static RebuildTexts,
    pub commands: Commands,
    /// What stands in an empty chat with the bot, up to 512 characters.
    pub description: &'static str,
    /// What stands in the bot's profile, up to 120 characters.
    pub short_description: &'static str,
}

/// The descriptions in the list of commands.
pub struct Commands {
    pub login: &'static str,
    pub subscription: &'static str,
    pub me: &'static str,
    pub cancel: &'static str,
    pub logout: &'static str,
    pub forget: &'static str,
    pub help: &'static str,
    pub admin: &'static str,
    pub admin_invite: &'static str,
    pub admin_users: &'static str,
    pub admin_user: &'static str,
    pub admin_grant: &'static str,
    pub admin_stats: &'static str,
    pub admin_block: &'static str,
    pub admin_unblock: &'static str,
    pub admin_role: &'static str,
    pub admin_rebuild: &'static str,
    pub debug_status: &'static str,
    pub debug_reset: &'static str,
    pub debug_test_phone: &'static str,
}

impl Texts {
    /// Why an invite was refused; None for a reason that only a bug can lead to.
    pub fn refusal(&self, error: InviteError, active: Option<&Active>) -> Option<String> {
        match error {
            InviteError::Expired => Some(self.invite_expired.to_owned()),
            InviteError::UsedUp => Some(self.invite_used_up.to_owned()),
            InviteError::Revoked => Some(self.invite_revoked.to_owned()),
            InviteError::AlreadyUsedByYou => Some((self.invite_already_yours)(active)),
            InviteError::Unknown | InviteError::NotReserved | InviteError::NoUses => None,
        }
    }
}

/// The number of ways to log in that the Mini App offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ways {
    /// QR code, link, token.
    Three,
    /// The same, and a code on the same phone.
    Four,
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
    /// With its zone.
    pub time: String,
}

impl Moment {
    pub fn of(at: Timestamp, zone: &TimeZone) -> Self {
        let time = at.to_zoned(zone.clone()).strftime("%H:%M %Z").to_string();
        Self { day: day(at, zone), time }
    }
}

/// A subscription that ends soon.
pub struct Ending<'a> {
    pub tier: Tier,
    /// In how many days, at most.
    pub days: u8,
    pub end: Moment,
    pub support: Option<&'a str>,
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

/// A day and a time of day, without the year.
pub fn moment(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone()).strftime("%d.%m %H:%M").to_string()
}

/// The zone of such a moment, as people call it: `MSK`.
pub fn zone_name(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone()).strftime("%Z").to_string()
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
