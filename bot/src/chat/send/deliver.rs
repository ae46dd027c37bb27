//! One call of the Bot API for one message, and what its answer means.

use std::time::Duration;

use teloxide::payloads::{EditMessageTextSetters, SendMessageSetters};
use teloxide::prelude::Requester;
use teloxide::types::{ForceReply, LinkPreviewOptions, MessageId};
use teloxide::{ApiError, RequestError};

use super::compose::OutgoingMessage;
use crate::chat::call::call;
use crate::chat::context::BotContext;
use crate::chat::reply::Body;

/// What became of a message.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Sent(Option<i64>),
    Later(Duration),
    /// It may have arrived. The next sender that claims it decides what to do (`compose`).
    Unclear(Duration),
    Never(&'static str),
    /// Nothing is to be sent: the card of the login says it.
    InCard,
}

impl Outcome {
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Sent(_) => "sent",
            Self::Later(_) => "later",
            Self::Unclear(_) => "unclear",
            Self::Never(_) => "given_up",
            Self::InCard => "in_card",
        }
    }
}

/// Sends a message, or edits the one that it takes the place of.
pub(super) async fn deliver(ctx: &BotContext, mut outgoing: OutgoingMessage) -> Outcome {
    if let Some(message) = outgoing.body.instead_of {
        match edit(ctx, &outgoing, MessageId(message)).await {
            Ok(()) => return Outcome::Sent(Some(i64::from(message))),
            Err(error) if is_gone(&error) && outgoing.edit_only => {
                ctx.api_health.answered();
                return Outcome::Never("the message is gone");
            }
            Err(error) if is_gone(&error) => outgoing.body.instead_of = None,
            Err(error) => return outcome_of(ctx, &outgoing, &error),
        }
    }
    let Body { text, entities, keyboard, ask, .. } = &outgoing.body;
    let request = ctx
        .bot
        .send_message(outgoing.chat, text)
        .entities(entities.clone())
        .link_preview_options(no_preview());
    let request = match (keyboard, ask) {
        (Some(keyboard), _) => request.reply_markup(keyboard.clone()),
        (None, Some(words)) => request.reply_markup(ForceReply::new().input_field_placeholder(words.clone())),
        (None, None) => request,
    };
    match call(request).await {
        Ok(sent) => {
            ctx.api_health.answered();
            Outcome::Sent(Some(i64::from(sent.id.0)))
        }
        Err(error) => outcome_of(ctx, &outgoing, &error),
    }
}

async fn edit(ctx: &BotContext, outgoing: &OutgoingMessage, message: MessageId) -> Result<(), RequestError> {
    let request = ctx
        .bot
        .edit_message_text(outgoing.chat, message, &outgoing.body.text)
        .entities(outgoing.body.entities.clone())
        .link_preview_options(no_preview());
    let request = match &outgoing.body.keyboard {
        Some(keyboard) => request.reply_markup(keyboard.clone()),
        None => request,
    };
    match call(request).await {
        Ok(_) | Err(RequestError::Api(ApiError::MessageNotModified)) => {
            ctx.api_health.answered();
            Ok(())
        }
        Err(error) => Err(error),
    }
}

/// The message that was to be edited does not exist.
fn is_gone(error: &RequestError) -> bool {
    matches!(
        error,
        RequestError::Api(
            ApiError::MessageToEditNotFound | ApiError::MessageCantBeEdited | ApiError::MessageIdInvalid
        )
    )
}

/// What a failure means for the message.
fn outcome_of(ctx: &BotContext, outgoing: &OutgoingMessage, error: &RequestError) -> Outcome {
    match error {
        RequestError::Api(ApiError::BotBlocked) => Outcome::Never("the person has stopped the bot"),
        RequestError::Api(ApiError::InvalidToken) => Outcome::Later(ctx.api_health.failed(error)),
        RequestError::Api(refused) if is_final(refused) => {
            ctx.api_health.refused(error);
            tracing::warn!(error = refused as &dyn std::error::Error, "Telegram refuses a message");
            Outcome::Never("Telegram refuses it")
        }
        RequestError::RetryAfter(_) | RequestError::Api(_) => Outcome::Later(ctx.api_health.refused(error)),
        // Telegram has accepted it. A newer Bot API writes the answer differently.
        RequestError::InvalidJson { raw, .. } if raw.starts_with("{\"ok\":true") => Outcome::Sent(None),
        RequestError::InvalidJson { .. } => Outcome::Later(ctx.api_health.refused(error)),
        RequestError::Network(network) if network.is_connect() => {
            Outcome::Later(ctx.api_health.failed(error))
        }
        // The answer had begun, so Telegram has accepted it.
        RequestError::Network(network) if network.is_body() || network.is_decode() => Outcome::Sent(None),
        RequestError::Network(_) | RequestError::Io(_) | RequestError::MigrateToChatId(_) => {
            let wait = ctx.api_health.failed(error);
            if outgoing.warning || outgoing.body.instead_of.is_some() {
                Outcome::Later(wait)
            } else {
                Outcome::Unclear(wait)
            }
        }
    }
}

/// Whether Telegram would refuse another try, too.
fn is_final(error: &ApiError) -> bool {
    let words = error.to_string();
    ["Bad Request", "Forbidden", "Unauthorized"].iter().any(|beginning| words.starts_with(beginning))
}

fn no_preview() -> LinkPreviewOptions {
    LinkPreviewOptions {
        is_disabled: true,
        url: None,
        prefer_small_media: false,
        prefer_large_media: false,
        show_above_text: false,
    }
}
