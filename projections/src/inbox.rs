//! The inbox: every update of the bot is stored before it is handled, so that a batch can be confirmed to Telegram
//! whatever the handlers do, and an update that comes twice is handled once.
//!
//! Once handled, only the number of the update is left.

use std::time::Duration;

use serde_json::Value;
use sqlx::Row;

use crate::database::{Database, DatabaseError};
use crate::wake::Topic;

/// The inbox of one database. A cheap clone.
#[derive(Clone, Debug)]
pub struct Inbox {
    db: Database,
}

/// An update that is not handled yet.
#[derive(Clone, Debug, PartialEq)]
pub struct Update {
    /// Telegram's number.
    pub update_id: i64,
    /// Where it came from, if it came from anywhere.
    pub chat: Option<i64>,
    /// As Telegram sent it.
    pub body: Value,
}

impl Inbox {
    /// The inbox of this database.
    pub fn new(db: &Database) -> Self {
        Self { db: db.clone() }
    }

    /// Store an update as Telegram sent it, whichever way it came: its number; None for what has none. A contact that a
    /// person shares with the Mini App also comes to the bot: its phone number, which nothing here needs, is not kept.
    ///
    /// # Errors
    /// The database failed: do not confirm it to Telegram.
    pub async fn receive(&self, update: &Value) -> Result<Option<i64>, DatabaseError> {
        let Some(update_id) = update.get("update_id").and_then(Value::as_i64) else { return Ok(None) };
        let mut update = update.clone();
        if let Some(number) = update.pointer_mut("/message/contact/phone_number") {
            *number = Value::String(String::new());
        }
        if self.put(update_id, chat_of(&update), &update).await? {
            metrics::counter!("bot_updates_total").increment(1);
        }
        Ok(Some(update_id))
    }

    /// Store an update. False: it was here before.
    ///
    /// # Errors
    /// The database failed: do not confirm it to Telegram.
    pub async fn put(&self, update_id: i64, chat: Option<i64>, body: &Value) -> Result<bool, DatabaseError> {
        let done = sqlx::query(
            "insert into vault.inbox (update_id, chat, body) values ($1, $2, $3) on conflict do nothing",
        )
        .bind(update_id)
        .bind(chat)
        .bind(body)
        .execute(self.db.pool())
        .await?;
        let new = done.rows_affected() == 1;
        if new {
            self.db.wake().notify(Topic::Inbox);
        }
        Ok(new)
    }

    /// The first `limit` updates that are not handled yet, in Telegram's order, but for those of these chats: what waits
    /// there, however much, hides nobody else's.
    ///
    /// # Errors
    /// The database failed.
    pub async fn next(&self, limit: i64, but: &[Option<i64>]) -> Result<Vec<Update>, DatabaseError> {
        let chats: Vec<i64> = but.iter().copied().flatten().collect();
        let rows = sqlx::query(
            "select update_id, chat, body from vault.inbox
              where state = 'waiting' and case when chat is null then $3 else chat <> all($2) end
              order by update_id limit $1",
        )
        .bind(limit)
        .bind(chats)
        .bind(!but.contains(&None))
        .fetch_all(self.db.pool())
        .await?;
        let updates = rows.iter().map(|row| {
            Ok::<_, sqlx::Error>(Update {
                update_id: row.try_get("update_id")?,
                chat: row.try_get("chat")?,
                body: row.try_get("body")?,
            })
        });
        Ok(updates.collect::<Result<_, _>>()?)
    }

    /// Whether it is still to be handled. Whoever looks at something first, and asks this afterwards, knows that what they
    /// saw did not begin after the update was handled by somebody else.
    ///
    /// # Errors
    /// The database failed.
    pub async fn is_waiting(&self, update_id: i64) -> Result<bool, DatabaseError> {
        let waits = "select exists (select from vault.inbox where update_id = $1 and state = 'waiting')";
        Ok(sqlx::query_scalar(waits).bind(update_id).fetch_one(self.db.pool()).await?)
    }

    /// It is handled.
    ///
    /// # Errors
    /// The database failed: the update is handled again.
    pub async fn done(&self, update_id: i64) -> Result<(), DatabaseError> {
        self.settle(update_id, "done", None).await
    }

    /// It cannot be handled, and is not tried again. `why` says nothing about the person.
    ///
    /// # Errors
    /// The database failed: the update is handled again.
    pub async fn failed(&self, update_id: i64, why: &str) -> Result<(), DatabaseError> {
        self.settle(update_id, "failed", Some(why)).await
    }

    /// Drop what was settled so long ago that Telegram does not deliver it again (it keeps updates for a day).
    ///
    /// # Errors
    /// The database failed.
    pub async fn prune(&self, older_than: Duration) -> Result<u64, DatabaseError> {
        let dropped = sqlx::query(
            "delete from vault.inbox
              where state <> 'waiting' and received_at < clock_timestamp() - make_interval(secs => $1)",
        )
        .bind(older_than.as_secs_f64())
        .execute(self.db.pool())
        .await?;
        Ok(dropped.rows_affected())
    }

    async fn settle(&self, update_id: i64, state: &str, why: Option<&str>) -> Result<(), DatabaseError> {
        sqlx::query(
            "update vault.inbox set state = $2, why = $3, chat = null, body = null
              where update_id = $1 and state = 'waiting'",
        )
        .bind(update_id)
        .bind(state)
        .bind(why)
        .execute(self.db.pool())
        .await?;
        Ok(())
    }
}

fn chat_of(update: &Value) -> Option<i64> {
    ["/message/chat/id", "/callback_query/message/chat/id", "/my_chat_member/chat/id"]
        .iter()
        .find_map(|path| update.pointer(path)?.as_i64())
}

#[cfg(test)]
mod tests;
