//! Asks Telegram for updates and stores them. Confirming comes last: an update that is not stored is delivered again.
//!
//! 1. An answer is read as bytes, and split into its updates, which are not read here (`answer`). So an update that cannot be
//!    read holds up no other. The inbox sets it aside.
//! 2. An answer that cannot be split is asked for again, one update at a time. The update that makes the trouble is set
//!    aside with the answer around it, and confirmed.
//! 3. An update without a number that can be found is confirmed by the numbers of later ones. If it is alone, the offset moves
//!    by one: Telegram numbers updates in order, so that skips this update at most.

use std::sync::Arc;
use std::time::Duration;

use eventlog::Outage;
use messages::inbox::Source;
use serde::Serialize;
use teloxide::RequestError;
use teloxide::prelude::Requester;
use tokio::time::sleep;

use super::context::BotContext;

mod answer;

use answer::Answer;

/// How long Telegram holds a request that has nothing to answer. Below the client's own timeout of 17 s.
const LONG_POLL_SECONDS: u32 = 12;
/// The kinds of updates that have handlers.
const ALLOWED: [&str; 3] = ["message", "callback_query", "my_chat_member"];
/// Updates in an answer: the most that Telegram gives.
const BATCH: u32 = 100;
/// While the database fails.
const DATABASE_PAUSE: Duration = Duration::from_secs(1);
/// After updates of which none has a number.
const PAUSE: Duration = Duration::from_secs(1);

/// `getUpdates`.
#[derive(Serialize)]
struct GetUpdates {
    #[serde(skip_serializing_if = "Option::is_none")]
    offset: Option<i64>,
    limit: u32,
    timeout: u32,
    allowed_updates: [&'static str; 3],
}

pub(super) async fn run(ctx: &BotContext) {
    // With a webhook set, Telegram refuses every getUpdates. Updates that are pending stay.
    while let Err(error) = ctx.bot.delete_webhook().await {
        sleep(ctx.api_health.failed(&error)).await;
    }
    let mut outage =
        Outage::new("an update cannot be stored yet, Telegram keeps it", "updates are stored again");
    let (mut offset, mut limit) = (None, BATCH);
    loop {
        let request = GetUpdates { offset, limit, timeout: LONG_POLL_SECONDS, allowed_updates: ALLOWED };
        let body = match get_updates(ctx, &request).await {
            Ok(body) => body,
            Err(error) => {
                sleep(ctx.api_health.failed(&error)).await;
                continue;
            }
        };
        let updates = match answer::split(&body) {
            Answer::Updates(updates) => {
                // 2. The update that could not be split is confirmed.
                if updates.is_empty() {
                    limit = BATCH;
                }
                updates
            }
            Answer::Unreadable if limit > 1 => {
                limit = 1;
                continue;
            }
            Answer::Unreadable => {
                limit = BATCH;
                vec![&body[..]]
            }
            Answer::Refused(error) => {
                sleep(ctx.api_health.failed(&error)).await;
                continue;
            }
        };
        ctx.api_health.answered();
        let mut last = None;
        for update in &updates {
            last = store(ctx, &mut outage, update).await.or(last);
        }
        match last {
            Some(update_id) => offset = Some(update_id + 1),
            None if updates.is_empty() => {}
            // 3.
            None => {
                offset = offset.map(|offset| offset + 1);
                sleep(PAUSE).await;
            }
        }
    }
}

/// The answer as it came. teloxide would make text of it, and lose bytes that are not UTF-8.
async fn get_updates(ctx: &BotContext, request: &GetUpdates) -> Result<Vec<u8>, RequestError> {
    let mut url = ctx.bot.api_url();
    url.path_segments_mut()
        .map_err(|()| std::io::Error::other("BOT_API_URL cannot be a base"))
        .map_err(|error| RequestError::Io(Arc::new(error)))?
        .push(&format!("bot{}", ctx.bot.token()))
        .push("getUpdates");
    let request = serde_json::to_vec(request).expect("a request is plain data");
    let request = ctx.bot.client().post(url).header("Content-Type", "application/json").body(request);
    Ok(request.send().await?.bytes().await?.to_vec())
}

/// Stores an update, and tries until that works. Returns its number, where it can be found.
async fn store(ctx: &BotContext, outage: &mut Outage, update: &[u8]) -> Option<i64> {
    outage.retry_until_ok(DATABASE_PAUSE, || ctx.inbox.receive(update, Source::Polling)).await
}
