//! What the bot says to admins.

use domain::{Role, Tier};

use crate::Styled;

mod en;
mod ru;

pub(super) use en::{EN, role as role_en};
pub(super) use ru::{RU, role as role_ru};

/// One language.
pub struct AdminTexts {
    /// Above the button that opens the admins' app.
    pub page: &'static str,
    pub open_page: &'static str,

    pub people: fn(&PeoplePage) -> Styled,
    pub newer: &'static str,
    pub older: &'static str,
    pub person_usage: &'static str,

    pub grant_usage: &'static str,
    pub granted: fn(&Granted<'_>) -> String,
    pub subscription_ended: fn(who: &str) -> String,
    pub block_usage: &'static str,
    pub unblock_usage: &'static str,
    pub role_usage: &'static str,
    pub invite_usage: &'static str,
    pub blocked: fn(who: &str) -> String,
    pub unblocked: fn(who: &str) -> String,
    pub role_given: fn(who: &str, role: Role) -> String,
    /// What is wrong with what an admin wrote.
    pub fault: fn(&Fault<'_>) -> String,

    /// On the button that takes an order back within a minute.
    pub undo: &'static str,
    /// What holds now that an order was taken back.
    pub undone: fn(what: &str) -> String,
    pub undo_is_late: &'static str,
    pub invite_revoked: fn(code: &str) -> String,
    /// A grant was taken back, and there was no subscription before it.
    pub no_subscription: fn(who: &str) -> String,

    pub last_admin: &'static str,
    pub named_in_settings: &'static str,
    pub role_changed: fn(&RoleChange) -> String,
    pub statistics: fn(&Statistics) -> Styled,
    pub parked: fn(&Alarm) -> String,
    pub refused: fn(count: i64) -> String,
    /// Messages to webhooks were given up.
    pub webhook_messages_parked: fn(count: i64) -> String,
    /// Webhooks were switched off because their receivers are gone.
    pub webhooks_gone: fn(count: i64) -> String,
    pub unsigned: fn(fault: &str) -> String,
    /// The last signed checkpoint of a day: a note of some lines.
    pub checkpoint: fn(note: &str) -> Styled,
    /// A witness has seen another history of the log.
    pub witness_disagrees: fn(fault: &str) -> String,

    pub phone_usage: &'static str,
    pub phone_by_session: &'static str,
    pub phone_by_code: &'static str,
    pub phone_ask: &'static str,
    pub phone_found: &'static str,
    pub phone_not_found: &'static str,
    pub phone_takes_codes: &'static str,
    pub phone_invalid: &'static str,
    pub phone_banned: &'static str,
    pub phone_flood: fn(minutes: u64) -> String,
    pub phone_unreachable: &'static str,
    pub phone_no_session: &'static str,
    pub phone_refused: &'static str,
}

/// A page of the list of people.
pub struct PeoplePage {
    /// How many there are; None: not all of them were asked for.
    pub total: Option<i64>,
    /// What was looked for.
    pub query: Option<String>,
    pub lines: Vec<String>,
    /// There are more, and no button leads to them.
    pub cut: bool,
}

/// A subscription that an admin granted.
pub struct Granted<'a> {
    /// The person's name and id.
    pub who: &'a str,
    pub tier: Tier,
    /// Its end and how many days that is; None: unlimited.
    pub until: Option<(String, u32)>,
}

/// What is wrong with what an admin wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault<'a> {
    NoTier(&'a str),
    /// No whole number of days.
    NotDays(&'a str),
    /// No whole number of uses from 1 on.
    NotUses(&'a str),
    NoRole(&'a str),
    /// More words than the command takes.
    TooMany(&'a str),
}

/// A change of a person's role.
pub struct RoleChange {
    /// The person.
    pub who: String,
    pub role: Role,
    pub by: ChangedBy,
}

/// Who changed a role.
pub enum ChangedBy {
    Admin(String),
    /// `ADMIN_IDS`.
    Settings,
    /// An operator at the terminal.
    Operator,
}

/// What was parked. No row says whom it is about.
pub struct Alarm {
    /// How many rows and events are parked.
    pub count: usize,
    /// The views that they belong to, or `reactor`.
    pub views: Vec<String>,
    /// The first event that was parked.
    pub position: i64,
}

/// What `/admin_stats` tells.
pub struct Statistics {
    pub people: i64,
    pub authenticated: i64,
    pub blocked: i64,
    /// Active ones, by tier.
    pub subscriptions: Vec<(String, i64)>,
    pub ending_in_1_day: i64,
    pub ending_in_7_days: i64,
    pub live_logins: i64,
    pub open_invites: i64,
    pub today: Happened,
    pub week: Happened,
}

/// What happened in a stretch of time.
#[derive(Clone, Default)]
pub struct Happened {
    pub registered: i64,
    pub authorized: i64,
    pub by_qr: i64,
    pub by_phone: i64,
    /// The logins that did not succeed, by their status; those of which there is none are left out.
    pub unsuccessful: Vec<(String, i64)>,
    /// Half of the logins took at most so many seconds, and nine of ten so many; None: there was none.
    pub seconds: Option<(f64, f64)>,
    pub subscriptions_started: i64,
    pub subscriptions_ended: i64,
    pub invites_used: i64,
}

/// `basic 1, premium 2`, each name as `word` has it.
fn listed(counts: &[(String, i64)], word: impl Fn(&str) -> String) -> String {
    let items: Vec<String> = counts.iter().map(|(name, count)| format!("{} {count}", word(name))).collect();
    if items.is_empty() { "–".to_owned() } else { items.join(", ") }
}
