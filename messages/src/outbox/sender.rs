//! Sends the messages of the outbox. One process at a time sends, with a lease. Its holder takes over messages that a former
//! holder was sending. A former holder may still report what became of a message: that adds only what it has learned.

use std::time::Duration;

use domain::AccountId;
use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use serde_json::Value;

use eventlog::database::{Database, DatabaseError};
use eventlog::wake::Topic;
use vault::lease::Lease;

/// Sends for the holder of a lease. A cheap clone.
#[derive(Clone, Debug)]
pub struct Sender {
    db: Database,
    lease: String,
    epoch: i64,
}

/// A message to send now.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// Names it when it is settled.
    pub id: i64,
    /// Why it is sent: stored, unique.
    pub dedup_key: String,
    /// The recipient.
    pub to: To,
    /// The text of an answer, or a notice.
    pub body: Value,
    /// Telegram may have it already: its sender lost the lease while sending, or got no answer.
    pub unclear: bool,
    /// The message id at Telegram, if a former sender has learned that it arrived.
    pub arrived: Option<i64>,
}

/// The recipient of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum To {
    /// A chat.
    Chat(i64),
    /// A person; the vault knows the chat.
    Account(AccountId),
}

impl Sender {
    /// A sender with this lease. All senders of one outbox use the same lease.
    pub fn new(db: &Database, lease: &Lease) -> Self {
        Self { db: db.clone(), lease: lease.name.clone(), epoch: lease.epoch }
    }

    /// Claims up to `limit` messages to send now: one for each person, the longest due first, and answers to strangers after all
    /// others. Messages whose time ended before `now` are
    /// given up. The claim lasts until the message is settled, or the lease has another holder. Without the lease it claims
    /// nothing.
    ///
    /// # Errors
    /// The database failed.
    pub async fn claim(&self, limit: i64, now: Timestamp) -> Result<Vec<Message>, DatabaseError> {
        sqlx::query_file!("src/outbox/too_late.sql", now.to_sqlx() as _).execute(self.db.pool()).await?;
        let rows = sqlx::query_file!("src/outbox/claim.sql", self.lease, self.epoch, limit)
            .fetch_all(self.db.pool())
            .await?;
        let messages = rows.into_iter().map(|row| {
            let to = match (row.account_id, row.chat) {
                (Some(account), _) => To::Account(AccountId(account)),
                (None, Some(chat)) => To::Chat(chat),
                (None, None) => return Err(sqlx::Error::Protocol("a message has no recipient".to_owned())),
            };
            let (id, dedup_key, body, unclear) = (row.id, row.dedup_key, row.body, row.unclear);
            Ok(Message { id, dedup_key, to, body, unclear, arrived: row.message_id })
        });
        let mut messages = messages.collect::<Result<Vec<_>, _>>()?;
        messages.sort_by_key(|message| message.id);
        Ok(messages)
    }

    /// Reports that Telegram has the message, with its message id if that is known. If it was sent twice, this returns the id
    /// of the copy that does not count.
    ///
    /// 1. This sender still has it: the message is sent.
    /// 2. Another sender has it: that sender will see that the message has arrived.
    /// 3. Another sender has sent it: that copy counts.
    /// 4. Another sender gave it up, because it may have arrived: now it is sent.
    ///
    /// # Errors
    /// The database failed: it comes back as unclear.
    pub async fn sent(&self, id: i64, message_id: Option<i64>) -> Result<Option<i64>, DatabaseError> {
        let settled = sqlx::query!(
            r#"with before as (
               select id, message_id,
                      coalesce(state = 'sending' and epoch = $3, false) as mine,
                      state in ('waiting', 'sending') and not coalesce(state = 'sending' and epoch = $3, false) as anothers
                 from vault.outbox where id = $1 for update)
             update vault.outbox o
                set message_id = case when mine then coalesce($2, before.message_id)
                                      else coalesce(before.message_id, $2) end,
                    state = case when anothers then o.state else 'sent' end,
                    why = case when anothers then o.why end,
                    lane = case when anothers then o.lane end,
                    chat = case when anothers then o.chat end,
                    body = case when anothers then o.body end
               from before where o.id = before.id
             returning o.message_id as "counts?", before.message_id as "earlier?""#,
            id,
            message_id,
            self.epoch,
        )
        .fetch_optional(self.db.pool())
        .await?;
        self.db.wake().notify(Topic::Outbox);
        let Some(settled) = settled else { return Ok(None) };
        let known = [message_id, settled.earlier];
        Ok(known.into_iter().flatten().find(|number| Some(*number) != settled.counts))
    }

    /// Notes that the message has arrived, before it is settled: the next sender that claims it does not send it again.
    ///
    /// # Errors
    /// The database failed: it comes back as unclear.
    pub async fn arrived(&self, id: i64, message_id: i64) -> Result<(), DatabaseError> {
        sqlx::query!(
            "update vault.outbox set message_id = $2 where id = $1 and state = 'sending' and epoch = $3",
            id,
            message_id,
            self.epoch,
        )
        .execute(self.db.pool())
        .await?;
        Ok(())
    }

    /// Telegram did not accept the message now: it is tried again later. The messages behind it wait.
    ///
    /// # Errors
    /// The database failed: it comes back as unclear.
    pub async fn retry_after(&self, id: i64, wait: Duration) -> Result<(), DatabaseError> {
        self.put_back(id, wait, false).await
    }

    /// Telegram did not answer, and may have the message: it is tried again later, as unclear. The messages behind it wait.
    ///
    /// # Errors
    /// The database failed: it comes back as unclear all the same.
    pub async fn unclear(&self, id: i64, wait: Duration) -> Result<(), DatabaseError> {
        self.put_back(id, wait, true).await
    }

    async fn put_back(&self, id: i64, wait: Duration, unclear: bool) -> Result<(), DatabaseError> {
        sqlx::query!(
            "update vault.outbox
                set state = 'waiting', unclear = unclear or $4,
                    due_at = clock_timestamp() + make_interval(secs => $3)
              where id = $1 and state = 'sending' and epoch = $2",
            id,
            self.epoch,
            wait.as_secs_f64(),
            unclear,
        )
        .execute(self.db.pool())
        .await?;
        Ok(())
    }

    /// Gives the message up: it is not sent, or not again. `why` says nothing about the person.
    ///
    /// # Errors
    /// The database failed: it comes back as unclear.
    pub async fn gave_up(&self, id: i64, why: &str) -> Result<(), DatabaseError> {
        // A former sender may have learned meanwhile that the message has arrived.
        sqlx::query!(
            "update vault.outbox
                set state = case when message_id is null then 'gave_up' else 'sent' end,
                    why = case when message_id is null then $3 end,
                    lane = null, chat = null, body = null
              where id = $1 and state = 'sending' and epoch = $2",
            id,
            self.epoch,
            why,
        )
        .execute(self.db.pool())
        .await?;
        self.db.wake().notify(Topic::Outbox);
        Ok(())
    }
}
