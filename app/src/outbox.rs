//! The outbox: every message to a person is stored under a key that names why it is sent, and sent once for each key.
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
//! First in, first out for each person: a message waits for the ones before it. Here is what queues messages; [`Sender`] is
//! what sends them.

use std::time::Duration;

use domain::AccountId;
use domain::policy::Notice;
use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use serde_json::Value;

use eventlog::database::{Database, DatabaseError};
use eventlog::wake::Topic;

mod sender;

pub use sender::{Message, Sender, To};

/// The outbox of one database. A cheap clone.
#[derive(Clone, Debug)]
pub struct Outbox {
    db: Database,
}

/// When the disk has it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Confirmed {
    ByTheDisk,
    WithTheClaim,
}

impl Outbox {
    /// The outbox of this database.
    pub fn new(db: &Database) -> Self {
        Self { db: db.clone() }
    }

    /// Queue an answer to a chat, keyed `update/<id>/<n>`. A key that was used before changes nothing.
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
        self.put(dedup_key, Some(chat), None, body, not_after, Confirmed::ByTheDisk).await
    }

    /// Queue a notice to a person, keyed `login/<id>/<seq>/<kind>`. A key that was used before changes nothing. Without
    /// waiting for the disk: what is lost with PostgreSQL is queued anew, because the reactor's checkpoint was lost with it; and
    /// whoever claims it waits for the disk before it goes out.
    ///
    /// # Errors
    /// The database failed.
    pub async fn notice(
        &self,
        dedup_key: &str,
        account: AccountId,
        notice: &Notice,
        not_after: Option<Timestamp>,
    ) -> Result<(), DatabaseError> {
        let body = serde_json::to_value(notice).expect("a notice is plain data");
        self.put(dedup_key, None, Some(account), &body, not_after, Confirmed::WithTheClaim).await
    }

    async fn put(
        &self,
        dedup_key: &str,
        chat: Option<i64>,
        account: Option<AccountId>,
        body: &Value,
        not_after: Option<Timestamp>,
        confirmed: Confirmed,
    ) -> Result<(), DatabaseError> {
        // Answers and notices to one person wait for each other: both go by the account, where there is one.
        sqlx::query!(
            "with waits as materialized (
               select set_config('synchronous_commit',
                                 case when $6 then current_setting('synchronous_commit') else 'off' end, true))
             insert into vault.outbox (dedup_key, lane, chat, account_id, body, not_after)
             select $1,
                    coalesce($3::uuid::text, (select account_id::text from vault.subjects where telegram_id = $2),
                             $2::text),
                    $2, $3, $4, $5
               from waits
             on conflict do nothing",
            dedup_key,
            chat,
            account.map(|account| account.0),
            body,
            not_after.map(|moment| moment.to_sqlx()) as _,
            confirmed == Confirmed::ByTheDisk,
        )
        .execute(self.db.pool())
        .await?;
        self.db.wake().notify(Topic::Outbox);
        Ok(())
    }

    /// Telegram's number of the message that was sent under this key.
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

    /// Drop what was settled so long ago that nothing asks for it again: neither a repeated reaction nor a login's card.
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
