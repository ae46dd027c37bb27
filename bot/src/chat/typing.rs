//! Shows that the bot is at work while Telegram is waited for.

use std::pin::pin;
use std::time::Duration;

use teloxide::prelude::Requester;
use teloxide::types::{ChatAction, ChatId};
use tokio::time::sleep;

use super::call::call;
use super::context::BotContext;

/// Telegram shows an action for five seconds.
const AGAIN: Duration = Duration::from_millis(4500);

/// Does something, and shows the bot as typing in the meantime. Whether that is shown does not matter.
pub(super) async fn meanwhile<T>(ctx: &BotContext, chat: i64, work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    loop {
        let shown = async {
            let _ = call(ctx.bot.send_chat_action(ChatId(chat), ChatAction::Typing)).await;
            sleep(AGAIN).await;
        };
        tokio::select! {
            done = &mut work => return done,
            () = shown => {}
        }
    }
}
