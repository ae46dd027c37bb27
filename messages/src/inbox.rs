//! The inbox: every update of the bot is stored before it is handled. So a batch can be confirmed to Telegram even if a
//! handler fails, and an update that comes twice is handled once.
//!
//! After an update is handled, only its number is kept. An update that cannot be read or stored is kept separately
//! ([`RefusedUpdates`]), and also confirmed: Telegram would send it again for ever, and all others would wait behind it.

use std::time::Duration;

use serde_json::Value;

use eventlog::database::{Database, DatabaseError};
use eventlog::wake::Topic;

mod refused;

pub use refused::{RefusedUpdate, RefusedUpdates, Source, Summary};

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
    /// The JSON that Telegram sent, but with U+FFFD for U+0000, which `jsonb` refuses. It is text, because `jsonb` takes
    /// numbers that cannot be parsed again; the handler deals with those.
    pub body: String,
}

impl Inbox {
    /// The inbox of this database.
    pub fn new(db: &Database) -> Self {
        Self { db: db.clone() }
    }

    /// Stores an update as Telegram sent it, or as a refused one if it cannot be read or stored. Returns its number, if it
    /// has one. A contact that a person shares with the Mini App also comes to the bot: its phone number is not needed, and
    /// is not stored.
    ///
    /// # Errors
    /// The database failed: do not confirm it to Telegram.
    pub async fn receive(&self, bytes: &[u8], source: Source) -> Result<Option<i64>, DatabaseError> {
        let refuse = async |update_id, why: &str| {
            let refused = RefusedUpdate { bytes, size_bytes: bytes.len(), update_id, source, why };
            self.refused().keep(&refused).await.map(|()| update_id)
        };
        let mut update: Value = match serde_json::from_slice(bytes) {
            Ok(update) => update,
            // The message of a syntax error says what and where, but repeats nothing of the text.
            Err(error) => return refuse(find_number(bytes), &format!("not JSON: {error}")).await,
        };
        let Some(update_id) = number(&update) else { return refuse(None, "no update_id").await };
        replace_nul(&mut update);
        if let Some(number) = update.pointer_mut("/message/contact/phone_number") {
            *number = Value::String(String::new());
        }
        match self.put(update_id, chat_of(&update), &update).await {
            Ok(true) => metrics::counter!("qrlogin_bot_updates_total").increment(1),
            Ok(false) => {}
            Err(error) if is_refused(&error) => {
                return refuse(Some(update_id), "the database refuses it").await;
            }
            Err(error) => return Err(error),
        }
        Ok(Some(update_id))
    }

    /// The updates that were refused.
    pub fn refused(&self) -> RefusedUpdates {
        RefusedUpdates::new(&self.db)
    }

    /// Stores an update. Returns false if it was stored before.
    ///
    /// # Errors
    /// The database failed: do not confirm it to Telegram.
    pub async fn put(&self, update_id: i64, chat: Option<i64>, body: &Value) -> Result<bool, DatabaseError> {
        let done = sqlx::query!(
            "insert into vault.inbox (update_id, chat, body) values ($1, $2, $3) on conflict do nothing",
            update_id,
            chat,
            body,
        )
        .execute(self.db.pool())
        .await?;
        let new = done.rows_affected() == 1;
        if new {
            self.db.wake().notify(Topic::Inbox);
        }
        Ok(new)
    }

    /// The first `limit` updates that are not handled yet, in Telegram's order, except those of these chats. So many updates
    /// of one chat do not hide those of others.
    ///
    /// # Errors
    /// The database failed.
    pub async fn next(&self, limit: i64, but: &[Option<i64>]) -> Result<Vec<Update>, DatabaseError> {
        let chats: Vec<i64> = but.iter().copied().flatten().collect();
        let updates = sqlx::query_as!(
            Update,
            r#"select update_id, chat, body::text as "body!" from vault.inbox
                where state = 'waiting' and case when chat is null then $3 else chat <> all($2) end
                order by update_id limit $1"#,
            limit,
            &chats,
            !but.contains(&None),
        );
        Ok(updates.fetch_all(self.db.pool()).await?)
    }

    /// Whether an update still waits. A handler that reads some state first, and calls this afterwards, knows that the state
    /// is not newer than the handling of the update by another process.
    ///
    /// # Errors
    /// The database failed.
    pub async fn is_waiting(&self, update_id: i64) -> Result<bool, DatabaseError> {
        let waits = sqlx::query_scalar!(
            r#"select exists (select from vault.inbox where update_id = $1 and state = 'waiting') as "waits!""#,
            update_id,
        );
        Ok(waits.fetch_one(self.db.pool()).await?)
    }

    /// Marks an update as handled.
    ///
    /// # Errors
    /// The database failed: the update is handled again.
    pub async fn done(&self, update_id: i64) -> Result<(), DatabaseError> {
        self.settle(update_id, "done", None).await
    }

    /// Marks an update that cannot be handled and is not tried again. `why` says nothing about the person.
    ///
    /// # Errors
    /// The database failed: the update is handled again.
    pub async fn failed(&self, update_id: i64, why: &str) -> Result<(), DatabaseError> {
        self.settle(update_id, "failed", Some(why)).await
    }

    /// Refuses an update that no handler can read. It is not tried again.
    ///
    /// # Errors
    /// The database failed: the update is handled again.
    pub async fn unreadable(&self, update: &Update) -> Result<(), DatabaseError> {
        let (update_id, why) = (update.update_id, "not an update");
        let bytes = update.body.as_bytes();
        let refused = RefusedUpdate {
            bytes,
            size_bytes: bytes.len(),
            update_id: Some(update_id),
            source: Source::Inbox,
            why,
        };
        self.refused().keep(&refused).await?;
        self.failed(update_id, why).await
    }

    /// Deletes updates that were handled so long ago that Telegram does not send them again (it keeps them for a day).
    ///
    /// # Errors
    /// The database failed.
    pub async fn prune(&self, older_than: Duration) -> Result<u64, DatabaseError> {
        let dropped = sqlx::query!(
            "delete from vault.inbox
              where state <> 'waiting' and received_at < clock_timestamp() - make_interval(secs => $1)",
            older_than.as_secs_f64(),
        )
        .execute(self.db.pool())
        .await?;
        Ok(dropped.rows_affected())
    }

    /// Deletes updates of people without an account that came so long ago, whether handled or not.
    ///
    /// # Errors
    /// The database failed.
    pub async fn prune_strangers(&self, older_than: Duration) -> Result<u64, DatabaseError> {
        let dropped = sqlx::query!(
            "delete from vault.inbox
              where state = 'waiting'
                and received_at < clock_timestamp() - make_interval(secs => $1)
                and not exists (select from vault.subjects where telegram_id = chat)",
            older_than.as_secs_f64(),
        )
        .execute(self.db.pool())
        .await?;
        Ok(dropped.rows_affected())
    }

    async fn settle(&self, update_id: i64, state: &str, why: Option<&str>) -> Result<(), DatabaseError> {
        sqlx::query!(
            "update vault.inbox set state = $2, why = $3, chat = null, body = null
              where update_id = $1 and state = 'waiting'",
            update_id,
            state,
            why,
        )
        .execute(self.db.pool())
        .await?;
        Ok(())
    }
}

/// Telegram's numbers are positive and have 32 bits. With another one, the confirmation to Telegram would be wrong.
fn number(update: &Value) -> Option<i64> {
    u32::try_from(update.get("update_id")?.as_u64()?).ok().map(i64::from)
}

/// The number in bytes that are no JSON. Telegram writes it first. Quotes in texts are escaped, so no text looks like it.
fn find_number(bytes: &[u8]) -> Option<i64> {
    const NAME: &[u8] = b"\"update_id\"";
    let at = bytes.windows(NAME.len()).position(|part| part == NAME)?;
    let rest = bytes[at + NAME.len()..].trim_ascii_start().strip_prefix(b":")?.trim_ascii_start();
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    std::str::from_utf8(&rest[..digits]).ok()?.parse::<u32>().ok().map(i64::from)
}

/// Replaces U+0000, which `jsonb` refuses, so that a person with it in a text or a name is answered like others.
fn replace_nul(value: &mut Value) {
    match value {
        Value::String(text) if text.contains('\0') => *text = text.replace('\0', "\u{fffd}"),
        Value::Array(values) => values.iter_mut().for_each(replace_nul),
        Value::Object(fields) => fields.values_mut().for_each(replace_nul),
        _ => {}
    }
}

/// Whether PostgreSQL would refuse the update again: a character or number that it cannot store (class 22), or too large (54).
fn is_refused(error: &DatabaseError) -> bool {
    match error {
        DatabaseError::Sql(sqlx::Error::Encode(_)) => true,
        DatabaseError::Sql(sqlx::Error::Database(error)) => {
            error.code().is_some_and(|code| code.starts_with("22") || code.starts_with("54"))
        }
        _ => false,
    }
}

fn chat_of(update: &Value) -> Option<i64> {
    ["/message/chat/id", "/callback_query/message/chat/id", "/my_chat_member/chat/id"]
        .iter()
        .find_map(|path| update.pointer(path)?.as_i64())
}

#[cfg(test)]
mod tests;
