//! Reminders: [`DAYS`] days before a subscription ends its person is told, once for each.
//!
//! 1. Ends of subscriptions are gone through in their order. `vault.reminders` says how far, for each number of days.
//! 2. What is due ends after that moment, and within so many days from now. Where the leader was away for so long that two
//!    reminders are due to one person, they get the later one alone.
//! 3. The messages and the new moment commit together, a batch at a time. A message has a key of its own as well, so it is queued
//!    once even where the clock was set back.
//!
//! Who has a subscription that is shorter than a reminder's days gets no such reminder. Whether the subscription was renewed or
//! ended meanwhile is asked again when the message is sent. Reminders are sent where nothing else is due.

use domain::policy::Notice;
use domain::{AccountId, Tier};
use eventlog::database::{Database, DatabaseError};
use eventlog::wake::Topic;
use jiff::{SignedDuration, Timestamp};
use jiff_sqlx::ToSqlx;

use messages::outbox::{self, NewNotice};

/// How many days before the end, the latest reminder first.
const DAYS: [u8; 2] = [1, 3];
/// How many messages are queued in one transaction; more, where several subscriptions end in the same moment.
pub(super) const BATCH: i64 = 500;

/// Queues what is due at this moment. Returns when the next reminder is due, if one is.
///
/// # Errors
/// The database's.
pub(super) async fn queue_due(
    db: &Database,
    now: Timestamp,
    batch: i64,
) -> Result<Option<Timestamp>, DatabaseError> {
    let mut next = None;
    let mut from = now;
    for days in DAYS {
        let until = later(now, days);
        while queue_batch(db, days, (from, until), batch).await? {}
        if let Some(end) = first_end_after(db, until).await? {
            let due = end - length(days);
            next = Some(next.map_or(due, |next: Timestamp| next.min(due)));
        }
        from = until;
    }
    Ok(next)
}

/// Queues a batch of those that end after `from`, until `until`. Whether there may be more.
async fn queue_batch(
    db: &Database,
    days: u8,
    (from, until): (Timestamp, Timestamp),
    batch: i64,
) -> Result<bool, DatabaseError> {
    let mut transaction = db.begin("begin").await?;
    let told_until = sqlx::query_scalar!(
        r#"select told_until as "told_until: jiff_sqlx::Timestamp" from vault.reminders where days = $1 for update"#,
        i16::from(days),
    )
    .fetch_optional(&mut *transaction)
    .await?;
    // Beyond what can have been told: the clock was ahead then.
    let told_until = told_until.map(jiff_sqlx::Timestamp::to_jiff).filter(|told| *told <= until);
    let after = told_until.map_or(from, |told| told.max(from));
    let due = sqlx::query!(
        r#"select s.account_id as "account_id!", s.tier as "tier!",
                  s.expires_at as "expires_at!: jiff_sqlx::Timestamp"
             from subscriptions s
             join users u using (account_id)
            where s.status = 'active'
              and s.expires_at > $1
              and s.expires_at <= $2
              and s.expires_at - s.started_at > make_interval(days => $3)
              and not u.is_blocked
            order by s.expires_at
            fetch first $4 rows with ties"#,
        after.to_sqlx() as _,
        until.to_sqlx() as _,
        i32::from(days),
        batch,
    )
    .fetch_all(&mut *transaction)
    .await?;
    let reminders = due.iter().map(|row| {
        let expires_at = row.expires_at.to_jiff();
        let tier: Tier =
            row.tier.parse().map_err(|_| DatabaseError::Unreadable(format!("the tier {}", row.tier)))?;
        Ok(NewNotice {
            account: AccountId(row.account_id),
            notice: Notice::SubscriptionEnds { tier, expires_at, days },
            key: format!("subscription_ends/{}/{}/{days}", row.account_id, expires_at.as_microsecond()),
            not_after: Some(expires_at),
        })
    });
    let reminders = reminders.collect::<Result<Vec<_>, DatabaseError>>()?;
    outbox::queue_reminders(&mut transaction, &reminders).await?;
    let is_full = i64::try_from(due.len()).is_ok_and(|found| found >= batch);
    let told_until = match due.last() {
        Some(last) if is_full => last.expires_at.to_jiff(),
        _ => until,
    };
    sqlx::query!(
        "insert into vault.reminders (days, told_until) values ($1, $2)
         on conflict (days) do update set told_until = excluded.told_until",
        i16::from(days),
        told_until.to_sqlx() as _,
    )
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await?;
    if !due.is_empty() {
        db.wake().notify(Topic::Outbox);
    }
    Ok(is_full)
}

/// The first end of a subscription after this moment.
async fn first_end_after(db: &Database, moment: Timestamp) -> Result<Option<Timestamp>, DatabaseError> {
    let end = sqlx::query_scalar!(
        r#"select expires_at as "expires_at!: jiff_sqlx::Timestamp" from subscriptions
            where status = 'active' and expires_at > $1 order by expires_at limit 1"#,
        moment.to_sqlx() as _,
    )
    .fetch_optional(db.pool())
    .await?;
    Ok(end.map(jiff_sqlx::Timestamp::to_jiff))
}

fn length(days: u8) -> SignedDuration {
    SignedDuration::from_hours(i64::from(days) * 24)
}

fn later(moment: Timestamp, days: u8) -> Timestamp {
    moment.checked_add(length(days)).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests;
