//! How many there are now: people, logins, subscriptions, invites. No rows are counted for it: with each change of a view's rows
//! triggers change `slots.tallies` (migration 0054), in the same transaction. `replay verify` compares them with the rows.
//!
//! What depends on the clock is kept by the hour; only what ends within one hour is looked up in an index.

use domain::Tier;
use jiff::{SignedDuration, Timestamp};
use jiff_sqlx::ToSqlx;

use crate::views::hourly_counts::{beginning_of, hour_of};
use eventlog::database::{Database, DatabaseError};

/// How many there are now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// People who are not erased.
    pub people: i64,
    /// People with a linked session.
    pub authenticated: i64,
    /// People who are blocked.
    pub blocked: i64,
    /// Active subscriptions of each tier of which there is one, the smallest tier first.
    pub subscriptions: Vec<(Tier, i64)>,
    /// Subscriptions that end within a day.
    pub ending_in_1_day: i64,
    /// Subscriptions that end within seven days.
    pub ending_in_7_days: i64,
    /// Logins that may still become authorized.
    pub live_logins: i64,
    /// Invites that can still be redeemed.
    pub open_invites: i64,
}

/// Everything at once, as the views show it.
///
/// # Errors
/// The database's.
pub async fn totals(db: &Database, now: Timestamp) -> Result<Totals, DatabaseError> {
    let rows = sqlx::query!(
        r#"select tally, value, count from slots.tallies t
             join checkpoints c on c.consumer = t.view and c.slot = t.slot
            where tally in ('people', 'authenticated', 'blocked', 'active')"#
    )
    .fetch_all(db.pool())
    .await?;
    let mut totals = Totals::default();
    for row in rows {
        match row.tally.as_str() {
            "people" => totals.people = row.count,
            "authenticated" => totals.authenticated = row.count,
            "blocked" => totals.blocked = row.count,
            _ => totals.subscriptions.extend(row.value.parse().ok().map(|tier: Tier| (tier, row.count))),
        }
    }
    totals.subscriptions.retain(|(_, count)| *count > 0);
    totals.subscriptions.sort_by_key(|(tier, _)| Tier::ALL.iter().position(|known| known == tier));
    totals.ending_in_1_day = ending_before(db, now + SignedDuration::from_hours(24)).await?;
    totals.ending_in_7_days = ending_before(db, now + SignedDuration::from_hours(7 * 24)).await?;
    totals.live_logins = live_logins(db).await?;
    totals.open_invites = open_invites(db, now).await?;
    Ok(totals)
}

/// How many logins may still become authorized.
///
/// # Errors
/// The database's.
pub async fn live_logins(db: &Database) -> Result<i64, DatabaseError> {
    let count =
        sqlx::query_scalar!(r#"select count(*) as "count!" from login_status where ended_at is null"#);
    Ok(count.fetch_one(db.pool()).await?)
}

/// Active subscriptions that end before this instant: of all hours before its own, and the rest by the index.
async fn ending_before(db: &Database, end: Timestamp) -> Result<i64, DatabaseError> {
    let hour = hour_of(end);
    let beginning = beginning_of(&hour).unwrap_or(end);
    let ending = sqlx::query_scalar!(
        r#"select (select coalesce(sum(count), 0)::bigint from slots.tallies t
                     join checkpoints c on c.consumer = t.view and c.slot = t.slot
                    where t.view = 'users' and tally = 'ends' and value < $1)
                + (select count(*) from subscriptions
                    where status = 'active' and expires_at >= $2 and expires_at < $3) as "ending!""#,
        hour,
        beginning.to_sqlx() as _,
        end.to_sqlx() as _,
    );
    Ok(ending.fetch_one(db.pool()).await?)
}

/// Invites with a use left whose time is not over: of this hour and all after it, but for those whose time was over in this hour.
async fn open_invites(db: &Database, now: Timestamp) -> Result<i64, DatabaseError> {
    let hour = hour_of(now);
    let beginning = beginning_of(&hour).unwrap_or(now);
    let open = sqlx::query_scalar!(
        r#"select (select coalesce(sum(count), 0)::bigint from slots.tallies t
                     join checkpoints c on c.consumer = t.view and c.slot = t.slot
                    where t.view = 'invites' and tally = 'open' and value >= $1)
                - (select count(*) from invites
                    where valid_until >= $2 and valid_until <= $3
                      and not revoked and reserved + used < max_uses) as "open!""#,
        hour,
        beginning.to_sqlx() as _,
        now.to_sqlx() as _,
    );
    Ok(open.fetch_one(db.pool()).await?)
}
