//! The view `hourly_counts`: what happened in each hour. What is told over time is a sum of its rows, or of those of
//! [`daily_counts`](super::daily_counts).
//!
//! A row is an hour in UTC, fed by events of all streams, by the time that is in them. It holds sums alone, so the order of the
//! events of an hour does not matter, and an erasure changes nothing. How long a login took is not in its last event: the start of
//! its attempt is looked up in the log ([`Starts`](super::lookups::Starts)).
//!
//! An event that cannot be decoded has no time, so it parks no hour; it is not counted. After a fix the view is rebuilt.

use std::borrow::Cow;

use domain::login::Method;
use domain::{AccountEvent, Event, InviteEvent, LoginEvent};
use jiff::Timestamp;
use jiff::tz::Offset;
use serde::{Deserialize, Serialize};

use super::columns::{Columns as _, columns};
use super::lookups::Lookups;
use super::shape::Shape;
use super::view::{FoldError, Interest, LookupKind, RowsBy, View};
use eventlog::database::{Database, DatabaseError};
use eventlog::log::Fact;

mod seconds;
mod tiers;

pub use seconds::SecondsToLogIn;
pub use tiers::TierCounts;

columns! {
    /// What happened in an hour, or in several.
    #[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
    pub struct Counts {
        /// The hour in UTC: `2026-11-29T09`. Of several: the first.
        pub hour: String,
        /// People who wrote to the bot for the first time; stays when they are erased.
        pub registered: i64,
        /// Attempts that began; a retry is one more.
        pub logins_started: i64,
        /// Attempts that the person confirmed.
        pub logins_authorized: i64,
        /// Attempts whose time passed.
        pub logins_expired: i64,
        /// Attempts that were cancelled.
        pub logins_cancelled: i64,
        /// Attempts that another account confirmed.
        pub logins_rejected: i64,
        /// Attempts in which something broke.
        pub logins_failed: i64,
        /// Confirmed by a QR code or its link.
        pub by_qr: i64,
        /// Confirmed by a code on one phone.
        pub by_phone: i64,
        /// Final uses of invites.
        pub invites_used: i64,
        /// Activated, granted or renewed.
        pub subscriptions_started: TierCounts,
        /// Expired or revoked.
        pub subscriptions_ended: TierCounts,
        /// From the start of an attempt to its confirmation.
        pub seconds_to_log_in: SecondsToLogIn,
    }
}

impl Counts {
    /// Adds those of another hour.
    pub fn add(&mut self, other: &Self) {
        let Self {
            hour: _,
            registered,
            logins_started,
            logins_authorized,
            logins_expired,
            logins_cancelled,
            logins_rejected,
            logins_failed,
            by_qr,
            by_phone,
            invites_used,
            subscriptions_started,
            subscriptions_ended,
            seconds_to_log_in,
        } = self;
        *registered += other.registered;
        *logins_started += other.logins_started;
        *logins_authorized += other.logins_authorized;
        *logins_expired += other.logins_expired;
        *logins_cancelled += other.logins_cancelled;
        *logins_rejected += other.logins_rejected;
        *logins_failed += other.logins_failed;
        *by_qr += other.by_qr;
        *by_phone += other.by_phone;
        *invites_used += other.invites_used;
        subscriptions_started.add(&other.subscriptions_started);
        subscriptions_ended.add(&other.subscriptions_ended);
        seconds_to_log_in.add(&other.seconds_to_log_in);
    }

    pub(super) fn count(&mut self, fact: &Fact<'_>, event: &Event, lookups: &Lookups) {
        match event {
            Event::Account(AccountEvent::AccountRegistered { .. }) => self.registered += 1,
            Event::Account(
                AccountEvent::SubscriptionActivated { tier, .. }
                | AccountEvent::SubscriptionChanged { tier, .. },
            ) => self.subscriptions_started.count(*tier),
            Event::Account(
                AccountEvent::SubscriptionExpired { tier, .. }
                | AccountEvent::SubscriptionRevoked { tier, .. },
            ) => self.subscriptions_ended.count(*tier),
            Event::Login(LoginEvent::LoginStarted { .. }) => self.logins_started += 1,
            Event::Login(LoginEvent::AuthorizationConfirmed { attempt, method, at, .. }) => {
                self.logins_authorized += 1;
                match method {
                    Method::Qr => self.by_qr += 1,
                    Method::Code => self.by_phone += 1,
                }
                if let Some(started_at) = lookups.starts.of(fact.stream_id, *attempt) {
                    self.seconds_to_log_in.count(at.duration_since(started_at));
                }
            }
            Event::Login(LoginEvent::AuthorizationRejected { .. }) => self.logins_rejected += 1,
            Event::Login(LoginEvent::LoginExpired { .. }) => self.logins_expired += 1,
            Event::Login(LoginEvent::LoginCancelled { .. }) => self.logins_cancelled += 1,
            Event::Login(LoginEvent::LoginFailed { .. }) => self.logins_failed += 1,
            Event::Invite(InviteEvent::InviteUsed { .. }) => self.invites_used += 1,
            _ => {}
        }
    }
}

/// The hour of an instant, as the view spells it. Texts of hours are in the order of time.
pub fn hour_of(at: Timestamp) -> String {
    let at = Offset::UTC.to_datetime(at);
    format!("{:04}-{:02}-{:02}T{:02}", at.year(), at.month(), at.day(), at.hour())
}

/// The instant at which an hour begins; None: the text is no hour.
pub fn beginning_of(hour: &str) -> Option<Timestamp> {
    format!("{hour}:00:00Z").parse().ok()
}

/// The rows of a view of counts that a statement in a file gives, from one key on, up to another one, in their order.
macro_rules! counts_between {
    ($db:expr, $file:literal, $from:expr, $to:expr) => {{
        use sqlx::types::Json;

        use $crate::views::hourly_counts::{Counts, TierCounts};

        let rows = sqlx::query_file!($file, $from, $to).fetch_all($db.pool()).await?;
        let counts = rows.into_iter().map(|row| Counts {
            hour: row.hour,
            registered: row.registered,
            logins_started: row.logins_started,
            logins_authorized: row.logins_authorized,
            logins_expired: row.logins_expired,
            logins_cancelled: row.logins_cancelled,
            logins_rejected: row.logins_rejected,
            logins_failed: row.logins_failed,
            by_qr: row.by_qr,
            by_phone: row.by_phone,
            invites_used: row.invites_used,
            subscriptions_started: row.subscriptions_started.0,
            subscriptions_ended: row.subscriptions_ended.0,
            seconds_to_log_in: row.seconds_to_log_in.into(),
        });
        counts.collect::<Vec<_>>()
    }};
}
pub(super) use counts_between;

/// The hours from one instant on, up to another one, in which something happened.
///
/// # Errors
/// The database's.
pub async fn between(db: &Database, from: Timestamp, to: Timestamp) -> Result<Vec<Counts>, DatabaseError> {
    Ok(counts_between!(db, "src/views/hours_between.sql", hour_of(from), hour_of(to)))
}

/// The events that are counted.
pub(super) const INTEREST: Interest = Interest {
    rows_by: RowsBy::Time,
    events: &[
        "InviteUsed",
        "LoginStarted",
        "AuthorizationConfirmed",
        "AuthorizationRejected",
        "LoginExpired",
        "LoginCancelled",
        "LoginFailed",
        "AccountRegistered",
        "SubscriptionActivated",
        "SubscriptionChanged",
        "SubscriptionExpired",
        "SubscriptionRevoked",
    ],
    lookups: LookupKind::Starts,
};

/// The view `hourly_counts`.
pub(super) struct HourlyCounts;

impl View for HourlyCounts {
    type Row = Counts;

    const SHAPE: Shape =
        Shape { name: "hourly_counts", key: "hour", key_type: "text", columns: Counts::NAMES, version: 1 };

    const INTEREST: Interest = INTEREST;

    fn key<'a>(fact: &Fact<'a>) -> Option<Cow<'a, str>> {
        let event = fact.event.as_ref().ok()?;
        Self::INTEREST.events.contains(&event.name()).then(|| Cow::Owned(hour_of(event.at())))
    }

    fn fold(row: Option<Counts>, fact: &Fact<'_>, lookups: &Lookups) -> Result<Option<Counts>, FoldError> {
        let Ok(event) = fact.event else { return Ok(row) };
        let mut row = row.unwrap_or_else(|| Counts { hour: hour_of(event.at()), ..Counts::default() });
        row.count(fact, event, lookups);
        Ok(Some(row))
    }
}
