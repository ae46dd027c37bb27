//! The sending side of the outbox. One process at a time sends, by a lease: its holder takes at once what former holders
//! were sending, and what a former holder says about a message afterwards changes only what is known of it.

use std::time::Duration;

use domain::AccountId;
use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use serde_json::Value;

use eventlog::database::{Database, DatabaseError};
use eventlog::wake::Topic;
use vault::lease::Lease;

/// Sends in the name of a lease. A cheap clone.
#[derive(Clone, Debug)]
pub struct Sender {
    db: Database,
    lease: String,
    epoch: i64,
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
    /// What a [`Outbox::reply`](super::Outbox::reply) or [`Outbox::notice`](super::Outbox::notice) was given.
    pub body: Value,
    /// Its sender lost the lease while it was being sent, or was not answered: Telegram may have it already.
    pub unclear: bool,
    /// Telegram has it, under this number: a former sender has learned so since.
    pub arrived: Option<i64>,
}

/// To whom a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum To {
    /// To a chat.
    Chat(i64),
    /// To a person; the vault knows the chat.
    Account(AccountId),
}

impl Sender {
    /// Sends while this lease, of which every sender of this outbox takes the same, is held.
    pub fn new(db: &Database, lease: &Lease) -> Self {
        Self { db: db.clone(), lease: lease.name.clone(), epoch: lease.epoch }
    }

    /// Up to `limit` messages to send now, one a person, oldest first; what should have gone out before `now` is given
    /// up. They are this sender's until they are settled, or the lease has another holder. None, once the lease is lost.
    ///
    /// # Errors
    /// The database failed.
    pub async fn claim(&self, limit: i64, now: Timestamp) -> Result<Vec<Message>, DatabaseError> {
        sqlx::query!(
            "update vault.outbox
                set state = 'gave_up', why = 'too late', lane = null, chat = null, body = null
              where state = 'waiting' and not_after < $1 and message_id is null",
            now.to_sqlx() as _,
        )
        .execute(self.db.pool())
        .await?;
        let rows = sqlx::query!(
            r#"with due as (
               select id, state = 'sending' as unclear
                 from vault.outbox o
                where exists (select from vault.leases
                               where name = $1 and epoch = $2 and expires_at > clock_timestamp())
                  and not exists (select from vault.outbox earlier
                                   where earlier.state in ('waiting', 'sending')
                                     and earlier.lane = o.lane and earlier.id < o.id)
                  and (state = 'waiting' and due_at <= clock_timestamp()
                    or state = 'sending' and epoch is distinct from $2)
                order by id
                limit $3
                  for update skip locked)
             update vault.outbox o
                set state = 'sending', unclear = o.unclear or due.unclear, epoch = $2,
                    sender = null, announced_as = null, claimed_at = clock_timestamp()
               from due where o.id = due.id
             returning o.id, o.dedup_key, o.chat, o.account_id, o.body as "body!", o.unclear, o.message_id"#,
            self.lease,
            self.epoch,
            limit,
        )
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

    /// Telegram has it, under this number where that is known. Where it was sent twice, the number of one that stands in
    /// the chat beside the one that counts from now on.
    ///
    /// 1. It is still this sender's: it is sent.
    /// 2. Another sender has it: it will see that the message has arrived, before it sends it or afterwards.
    /// 3. Another sender has sent it: that one counts.
    /// 4. Another sender gave it up, because it may have arrived: it has.
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

    /// It will not be sent, or not again. `why` says nothing about the person.
    ///
    /// # Errors
    /// The database failed: it comes back as unclear.
    pub async fn gave_up(&self, id: i64, why: &str) -> Result<(), DatabaseError> {
        // A former sender may have learned meanwhile that it has arrived.
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
