//! Asks Telegram for updates and stores them. Confirming comes last: an update that is not stored is delivered again.

use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

use teloxide::prelude::Requester;
use teloxide::requests::{JsonRequest, Payload, Request};
use tokio::time::sleep;

use super::Desk;

/// How long Telegram holds a request that has nothing to answer. Below the client's own timeout of 17 s.
const LONG_POLL_SECONDS: u32 = 12;
/// What the handlers can do something with.
const ALLOWED: [&str; 3] = ["message", "callback_query", "my_chat_member"];
/// While the database does not take updates.
const DATABASE_PAUSE: Duration = Duration::from_secs(1);

/// `getUpdates`, answered with the updates as they came: one that no type here fits is stored like the others.
#[derive(Clone, Serialize)]
struct GetUpdates {
    #[serde(skip_serializing_if = "Option::is_none")]
    offset: Option<i64>,
    timeout: u32,
    allowed_updates: [&'static str; 3],
}

impl Payload for GetUpdates {
    type Output = Vec<Value>;
    const NAME: &'static str = "getUpdates";
}

pub(super) async fn run(desk: &Desk) {
    // A webhook that somebody has set would refuse every getUpdates. What is pending stays.
    while let Err(error) = desk.bot.delete_webhook().await {
        sleep(desk.line.failed(&error)).await;
    }
    let mut offset = None;
    loop {
        let ask = GetUpdates { offset, timeout: LONG_POLL_SECONDS, allowed_updates: ALLOWED };
        match JsonRequest::new(desk.bot.clone(), ask).send().await {
            Ok(updates) => {
                desk.line.works();
                for update in updates {
                    let Some(update_id) = store(desk, &update).await else { continue };
                    offset = Some(update_id + 1);
                }
            }
            Err(error) => sleep(desk.line.failed(&error)).await,
        }
    }
}

/// Stores an update, however long that takes: its number, where it has one.
async fn store(desk: &Desk, update: &Value) -> Option<i64> {
    let mut waiting = false;
    loop {
        match desk.inbox.receive(update).await {
            Ok(update_id) => return update_id,
            Err(error) if std::mem::replace(&mut waiting, true) => drop(error),
            Err(error) => tracing::error!(%error, "an update cannot be stored yet, Telegram keeps it"),
        }
        sleep(DATABASE_PAUSE).await;
    }
}
