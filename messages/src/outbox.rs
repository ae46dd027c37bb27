//! The outbox: every message to a person is stored under a key that says why it is sent. Each key is sent once.
//!
//! ```text
//!            claim               sent
//!   waiting ───────▶ sending ─────────▶ sent
//!     ▲ │               │ │
//!     │ │  retry_after  │ └───────────▶ gave_up (also from waiting, when not_after has passed)
//!     └─┼───────────────┘ gave_up
//!       │  unclear: no answer came, Telegram may have it already
//!       │        its sender lost its lease: claimed again, and as unclear
//! ```
//! Each person's messages are sent in order: a message waits for the ones before it. This file queues messages; [`Sender`]
//! sends them.

use std::collections::HashSet;
use std::ops::RangeInclusive;
use std::time::Duration;

use domain::AccountId;
use domain::policy::Notice;
use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use serde_json::Value;
use sqlx::{Executor, Postgres};

use eventlog::database::{Connection, Database, DatabaseError};
use eventlog::wake::Topic;

mod sender;

pub use sender::{Message, Sender, To};

/// The outbox of one database. A cheap clone.
#[derive(Clone, Debug)]
pub struct Outbox {
    db: Database,
}

/// A notice to a person.
#[derive(Clone, Debug)]
pub struct NewNotice {
    /// Why it is sent: `login/<id>/<sequence>/<kind>`. A key that was used before changes nothing.
    pub key: String,
    /// Whom it is for.
    pub account: AccountId,
    /// What it says.
    pub notice: Notice,
    /// By then it is of no use.
    pub not_after: Option<Timestamp>,
}

/// Queues reminders, in the transaction of this connection. They are sent where nothing else is due.
///
/// # Errors
/// The database's.
pub async fn queue_reminders(
    connection: &mut Connection,
    reminders: &[NewNotice],
) -> Result<(), DatabaseError> {
    queue(connection, reminders, Priority::Reminder, Durable::AtOnce).await
}

/// Queues notices in their order, with one statement.
async fn queue<'c>(
    executor: impl Executor<'c, Database = Postgres>,
    notices: &[NewNotice],
    priority: Priority,
    durable: Durable,
) -> Result<(), DatabaseError> {
    let body = |notice| serde_json::to_value(notice).expect("a notice is plain data");
    let keys: Vec<_> = notices.iter().map(|it| it.key.clone()).collect();
    let accounts: Vec<_> = notices.iter().map(|it| it.account.0).collect();
    let bodies: Vec<_> = notices.iter().map(|it| body(&it.notice)).collect();
    let ends: Vec<_> = notices.iter().map(|it| it.not_after.map(|moment| moment.to_sqlx())).collect();
    sqlx::query!(
        "with waits as materialized (
           select set_config('synchronous_commit',
                             case when $6 then current_setting('synchronous_commit') else 'off' end, true))
         insert into vault.outbox (dedup_key, lane, account_id, body, not_after, priority)
         select key, account::text, account, body, not_after, $5
           from waits,
                unnest($1::text[], $2::uuid[], $3::jsonb[], $4::timestamptz[])
                with ordinality as n (key, account, body, not_after, place)
          order by place
         on conflict do nothing",
        &keys,
        &accounts,
        &bodies,
        &ends as _,
        priority as i16,
        durable == Durable::AtOnce,
    )
    .execute(executor)
    .await?;
    Ok(())
}

/// When a message is safe on the disk.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Durable {
    /// With its transaction.
    AtOnce,
    /// When the message is claimed.
    WithTheClaim,
}

/// What is sent first, as stored.
#[derive(Clone, Copy)]
pub(crate) enum Priority {
    Normal = 0,
    /// For strangers.
    Low = 1,
    /// Nobody waits for it.
    Reminder = 2,
}

impl Priority {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Low => "stranger",
            Self::Reminder => "reminder",
        }
    }
}

/// An answer with nothing but a text in it.
pub fn text_alone(text: &str) -> Value {
    serde_json::json!({"text": text})
}

impl Outbox {
    /// The outbox of this database.
    pub fn new(db: &Database) -> Self {
        Self { db: db.clone() }
    }

    /// Queues an answer to a chat, keyed `update/<id>/<n>`. A key that was used before changes nothing.
    ///
    /// # Errors
    /// The database failed.
    pub async fn reply(
        &self,
        dedup_key: &str,
        chat: i64,
        body: &Value,
        not_after: Option<Timestamp>,
    ) -> Result<(), DatabaseError> {
        self.put(dedup_key, chat, body, not_after, Priority::Normal).await
    }

    /// The same for somebody who has no business here yet: it is sent where nothing else is due, so that thousands of strangers
    /// delay nobody.
    ///
    /// # Errors
    /// The database failed.
    pub async fn reply_to_stranger(
        &self,
        dedup_key: &str,
        chat: i64,
        body: &Value,
        not_after: Option<Timestamp>,
    ) -> Result<(), DatabaseError> {
        self.put(dedup_key, chat, body, not_after, Priority::Low).await
    }

    /// Queues notices in their order. They do not wait for the disk: a notice that is lost in a crash of PostgreSQL is queued again,
    /// because the reactor's checkpoint was lost with it. The sender that claims a notice waits for the disk before it sends.
    ///
    /// # Errors
    /// The database failed.
    pub async fn notices(&self, notices: &[NewNotice]) -> Result<(), DatabaseError> {
        queue(self.db.pool(), notices, Priority::Normal, Durable::WithTheClaim).await?;
        self.db.wake().notify(Topic::Outbox);
        Ok(())
    }

    async fn put(
        &self,
        dedup_key: &str,
        chat: i64,
        body: &Value,
        not_after: Option<Timestamp>,
        priority: Priority,
    ) -> Result<(), DatabaseError> {
        // Answers and notices to one person wait for each other: both use the account as their lane, if there is one.
        sqlx::query!(
            "insert into vault.outbox (dedup_key, lane, chat, body, not_after, priority)
             select $1,
                    coalesce((select account_id::text from vault.subjects where telegram_id = $2), $2::text),
                    $2, $3, $4, $5
             on conflict do nothing",
            dedup_key,
            chat,
            body,
            not_after.map(|moment| moment.to_sqlx()) as _,
            priority as i16,
        )
        .execute(self.db.pool())
        .await?;
        self.db.wake().notify(Topic::Outbox);
        Ok(())
    }

    /// The Telegram message id of the message that was sent under this key.
    ///
    /// # Errors
    /// The database failed.
    pub async fn message_of(&self, dedup_key: &str) -> Result<Option<i64>, DatabaseError> {
        let sent = sqlx::query_scalar!(
            "select message_id from vault.outbox where dedup_key = $1 and state = 'sent'",
            dedup_key,
        )
        .fetch_optional(self.db.pool())
        .await?;
        Ok(sent.flatten())
    }

    /// Those of these message ids at Telegram that are known to the outbox.
    ///
    /// # Errors
    /// The database failed.
    pub async fn known_messages(&self, ids: RangeInclusive<i64>) -> Result<HashSet<i64>, DatabaseError> {
        let known = sqlx::query_scalar!(
            r#"select message_id as "id!" from vault.outbox where message_id between $1 and $2"#,
            ids.start(),
            ids.end(),
        )
        .fetch_all(self.db.pool())
        .await?;
        Ok(known.into_iter().collect())
    }

    /// Deletes messages that were settled so long ago that nothing needs them: neither a repeated reaction nor a login's card.
    ///
    /// # Errors
    /// The database failed.
    pub async fn prune(&self, older_than: Duration) -> Result<u64, DatabaseError> {
        let dropped = sqlx::query!(
            "delete from vault.outbox
              where state in ('sent', 'gave_up') and queued_at < clock_timestamp() - make_interval(secs => $1)",
            older_than.as_secs_f64(),
        )
        .execute(self.db.pool())
        .await?;
        Ok(dropped.rows_affected())
    }
}

#[cfg(test)]
mod tests;
