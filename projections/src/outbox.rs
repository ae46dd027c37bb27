//! The outbox: every message to a person is stored under a key that names why it is sent, and sent once for each key.
//!
//! ```text
//!            claim               sent
//!   waiting ───────▶ sending ─────────▶ sent
//!     ▲ │               │ │
//!     │ │  retry_after  │ └───────────▶ gave_up (also from waiting, when not_after has passed)
//!     └─┼───────────────┘ gave_up
//!       │  unclear: no answer came, Telegram may have it already
//!       │        its sender died: claimed again, and as unclear
//! ```
//! First in, first out for each person: a message waits for the ones before it.

use std::time::Duration;

use domain::AccountId;
use domain::policy::Notice;
use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use serde_json::Value;
use sqlx::Row;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use crate::database::{Database, DatabaseError};
use crate::wake::Topic;

/// After this long, a message that is being sent counts as one whose sender has died. Far above any request's timeout.
const CLAIM_TTL: Duration = Duration::from_secs(60);

/// The outbox of one database. A cheap clone; clones are one sender.
#[derive(Clone, Debug)]
pub struct Outbox {
    db: Database,
    sender: String,
}

/// A message to send now.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// What to settle it with.
    pub id: i64,
    /// Why it is sent: stored, unique.
    pub dedup_key: String,
    /// To whom.
    pub to: To,
    /// What a [`Outbox::reply`] or [`Outbox::notice`] was given.
    pub body: Value,
    /// Its sender died while it was being sent, or was not answered: Telegram may have it already.
    pub unclear: bool,
}

/// To whom a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum To {
    /// To a chat.
    Chat(i64),
    /// To a person; the vault knows the chat.
    Account(AccountId),
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
        Self { db: db.clone(), sender: Uuid::new_v4().to_string() }
    }

    /// Send in the name of `holder`, whose [`Presence`](crate::presence::Presence) is announced: what it was sending
    /// is claimed by the next sender as soon as it dies, instead of after a minute.
    #[must_use]
    pub fn with_sender(self, holder: &str) -> Self {
        Self { sender: holder.to_owned(), ..self }
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
        sqlx::query(
            "with waits as materialized (
               select set_config('synchronous_commit',
                                 case when $6 then current_setting('synchronous_commit') else 'off' end, true))
             insert into vault.outbox (dedup_key, lane, chat, account_id, body, not_after)
             select $1,
                    coalesce($3::text, (select account_id::text from vault.subjects where telegram_id = $2),
                             $2::text),
                    $2, $3, $4, $5
               from waits
             on conflict do nothing",
        )
        .bind(dedup_key)
        .bind(chat)
        .bind(account.map(|account| account.0))
        .bind(body)
        .bind(not_after.map(|moment| moment.to_sqlx()))
        .bind(confirmed == Confirmed::ByTheDisk)
        .execute(self.db.pool())
        .await?;
        self.db.wake().notify(Topic::Outbox);
        Ok(())
    }

    /// Up to `limit` messages to send now, one a person, oldest first; what should have gone out before `now` is given
    /// up. They are this sender's until they are settled, at most for a minute.
    ///
    /// # Errors
    /// The database failed.
    pub async fn claim(&self, limit: i64, now: Timestamp) -> Result<Vec<Message>, DatabaseError> {
        sqlx::query(
            "update vault.outbox
                set state = 'gave_up', why = 'too late', lane = null, chat = null, body = null
              where state = 'waiting' and not_after < $1",
        )
        .bind(now.to_sqlx())
        .execute(self.db.pool())
        .await?;
        let rows = sqlx::query(
            "with present as materialized (select vault.present() as id),
             due as (
               select id, state = 'sending' as unclear
                 from vault.outbox o
                where not exists (select from vault.outbox earlier
                                   where earlier.state in ('waiting', 'sending')
                                     and earlier.lane = o.lane and earlier.id < o.id)
                  and (state = 'waiting' and due_at <= clock_timestamp()
                    or state = 'sending' and (claimed_at < clock_timestamp() - make_interval(secs => $2)
                                           or announced_as is not null and announced_as not in (select id from present)))
                order by id
                limit $3
                  for update skip locked)
             update vault.outbox o
                set state = 'sending', unclear = o.unclear or due.unclear, sender = $1,
                    announced_as = (select id from present where id = vault.presence_id($1)),
                    claimed_at = clock_timestamp()
               from due where o.id = due.id
             returning o.id, o.dedup_key, o.chat, o.account_id, o.body, o.unclear",
        )
        .bind(&self.sender)
        .bind(CLAIM_TTL.as_secs_f64())
        .bind(limit)
        .fetch_all(self.db.pool())
        .await?;
        let mut messages = rows.iter().map(message).collect::<Result<Vec<_>, _>>()?;
        messages.sort_by_key(|message| message.id);
        Ok(messages)
    }

    /// Telegram has it.
    ///
    /// # Errors
    /// The database failed: it comes back as unclear.
    pub async fn sent(&self, id: i64, message_id: Option<i64>) -> Result<(), DatabaseError> {
        sqlx::query(
            "update vault.outbox set state = 'sent', message_id = $2, lane = null, chat = null, body = null
              where id = $1 and state = 'sending'",
        )
        .bind(id)
        .bind(message_id)
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
        let sent =
            sqlx::query_scalar("select message_id from vault.outbox where dedup_key = $1 and state = 'sent'")
                .bind(dedup_key)
                .fetch_optional(self.db.pool())
                .await?;
        Ok(sent.flatten())
    }

    /// Telegram has not taken it and will later: try again then. The messages behind it wait.
    ///
    /// # Errors
    /// The database failed: it comes back as unclear.
    pub async fn retry_after(&self, id: i64, wait: Duration) -> Result<(), DatabaseError> {
        self.put_back(id, wait, false).await
    }

    /// Telegram did not answer, and may have it: it comes back then, as unclear. The messages behind it wait.
    ///
    /// # Errors
    /// The database failed: it comes back as unclear all the same.
    pub async fn unclear(&self, id: i64, wait: Duration) -> Result<(), DatabaseError> {
        self.put_back(id, wait, true).await
    }

    async fn put_back(&self, id: i64, wait: Duration, unclear: bool) -> Result<(), DatabaseError> {
        sqlx::query(
            "update vault.outbox
                set state = 'waiting', unclear = unclear or $4,
                    due_at = clock_timestamp() + make_interval(secs => $3)
              where id = $1 and state = 'sending' and sender = $2",
        )
        .bind(id)
        .bind(&self.sender)
        .bind(wait.as_secs_f64())
        .bind(unclear)
        .execute(self.db.pool())
        .await?;
        Ok(())
    }

    /// Drop what was settled so long ago that nothing asks for it again: neither a repeated reaction nor a login's card.
    ///
    /// # Errors
    /// The database failed.
    pub async fn prune(&self, older_than: Duration) -> Result<u64, DatabaseError> {
        let dropped = sqlx::query(
            "delete from vault.outbox
              where state in ('sent', 'gave_up') and queued_at < clock_timestamp() - make_interval(secs => $1)",
        )
        .bind(older_than.as_secs_f64())
        .execute(self.db.pool())
        .await?;
        Ok(dropped.rows_affected())
    }

    /// It will never be sent. `why` says nothing about the person.
    ///
    /// # Errors
    /// The database failed: it comes back as unclear.
    pub async fn gave_up(&self, id: i64, why: &str) -> Result<(), DatabaseError> {
        sqlx::query(
            "update vault.outbox set state = 'gave_up', why = $2, lane = null, chat = null, body = null
              where id = $1 and state = 'sending'",
        )
        .bind(id)
        .bind(why)
        .execute(self.db.pool())
        .await?;
        self.db.wake().notify(Topic::Outbox);
        Ok(())
    }
}

fn message(row: &PgRow) -> Result<Message, sqlx::Error> {
    let account: Option<Uuid> = row.try_get("account_id")?;
    Ok(Message {
        id: row.try_get("id")?,
        dedup_key: row.try_get("dedup_key")?,
        to: match account {
            Some(account) => To::Account(AccountId(account)),
            None => To::Chat(row.try_get("chat")?),
        },
        body: row.try_get("body")?,
        unclear: row.try_get("unclear")?,
    })
}

#[cfg(test)]
mod tests;
