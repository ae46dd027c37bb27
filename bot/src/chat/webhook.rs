//! Updates by webhook: Telegram brings them to the HTTP server (`POST /qr-auth/telegram`), which stores them in the inbox.
//! Here is only what tells Telegram so, and what looks whether it can.

use std::time::Duration;

use secrecy::ExposeSecret;
use teloxide::payloads::SetWebhookSetters;
use teloxide::prelude::Requester;
use teloxide::types::AllowedUpdate;
use tokio::time::sleep;

use super::context::{BotContext, Webhook};

/// How often is looked whether the webhook still stands.
const LOOK_EVERY: Duration = Duration::from_secs(60);

pub(super) async fn run(ctx: &BotContext, webhook: &Webhook) {
    let mut told = None;
    loop {
        set(ctx, webhook).await;
        loop {
            sleep(LOOK_EVERY).await;
            let info = match ctx.bot.get_webhook_info().await {
                Ok(info) => info,
                Err(error) => {
                    sleep(ctx.api_health.failed(&error)).await;
                    continue;
                }
            };
            if info.last_error_date != told {
                told = info.last_error_date;
                let why = info.last_error_message.unwrap_or_default();
                tracing::warn!(reason = why, "Telegram could not bring an update to AUTH_BASE_URL");
            }
            // Somebody else has set another, or taken it away.
            if info.url.as_ref() != Some(&webhook.url) {
                break;
            }
        }
    }
}

async fn set(ctx: &BotContext, webhook: &Webhook) {
    loop {
        let request = ctx
            .bot
            .set_webhook(webhook.url.clone())
            .secret_token(webhook.secret.expose_secret())
            .allowed_updates([
                AllowedUpdate::Message,
                AllowedUpdate::CallbackQuery,
                AllowedUpdate::MyChatMember,
            ])
            // One after the other: a chat's updates are handled in the order in which they were sent.
            .max_connections(1);
        match request.await {
            Ok(_) => break ctx.api_health.works(),
            Err(error) => sleep(ctx.api_health.failed(&error)).await,
        }
    }
    tracing::info!("updates come by webhook");
}
