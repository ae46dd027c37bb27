//! Updates by webhook: Telegram brings them to the HTTP server (`POST /qr-auth/telegram`), which stores them in the inbox.
//! This file sets the webhook, and watches whether it is still set and whether Telegram reaches it.

use std::time::Duration;

use secrecy::ExposeSecret;
use teloxide::payloads::SetWebhookSetters;
use teloxide::prelude::Requester;
use teloxide::types::AllowedUpdate;
use tokio::time::sleep;

use super::call::call;
use super::context::{BotContext, Webhook};

/// Between two looks whether the webhook is still set.
const LOOK_EVERY: Duration = Duration::from_secs(60);

pub(super) async fn run(ctx: &BotContext, webhook: &Webhook) {
    let mut last_error_at = None;
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
            if info.last_error_date != last_error_at {
                last_error_at = info.last_error_date;
                let why = info.last_error_message.unwrap_or_default();
                tracing::warn!(reason = why, "Telegram could not bring an update to AUTH_BASE_URL");
            }
            // Another program has set another one, or removed it.
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
            // One connection, so that updates arrive in the order in which they were sent.
            .max_connections(1);
        match call(request).await {
            Ok(_) => break ctx.api_health.answered(),
            Err(error) => sleep(ctx.api_health.failed(&error)).await,
        }
    }
    tracing::info!("updates come by webhook");
}
