//! Sends what is in the outbox: first in, first out for each person, several people at a time, no faster than Telegram
//! allows. 429s are waited out.
//!
//! A message may have arrived although no answer came: its sender lost the lease over it, or Telegram was too slow. It is not
//! sent again then: twice would be worse than not at all, and who misses an answer asks again. Two kinds are:
//!
//! - the card of a login that goes on, whose button is the only way into it. One card counts; another one loses its button as
//!   soon as its number is known, which a sender may learn after it has lost the lease;
//! - a warning, to the person or to the admins.
//!
//! What has a message of its own to stand in is written there, where it cannot stand twice (`notice::Again`).

use std::num::NonZeroU32;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use app::outbox::{Message, Sender, To};
use domain::policy::Notice;
use domain::{AccountId, LoginId};
use eventlog::{DatabaseError, Topic};
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use projections::views::users;
use teloxide::payloads::{EditMessageTextSetters, SendMessageSetters};
use teloxide::prelude::Requester;
use teloxide::types::{ChatId, LinkPreviewOptions, MessageId};
use teloxide::{ApiError, RequestError};
use tokio::time::{Instant, sleep};

use super::BotContext;
use super::notice::{Again, again, render};
use super::reply::{Body, card_key, card_of};
use super::texts::Language;

/// Messages under way at a time.
const AT_A_TIME: usize = 16;
/// Telegram allows a bot about thirty messages a second.
const PER_SECOND: NonZeroU32 = NonZeroU32::new(25).expect("not zero");
/// Between two looks into an outbox that nobody has announced news of.
const IDLE: Duration = Duration::from_secs(1);
/// While the database fails.
const DATABASE_PAUSE: Duration = Duration::from_secs(1);
/// Before a message is tried again that Telegram has not taken.
const AGAIN: Duration = Duration::from_secs(1);
/// How long is tried to record what became of a message: after that, the holder of the lease has taken it long ago.
const SETTLE_FOR: Duration = Duration::from_secs(600);
/// How often is tried to remove the button of a card that stands beside another.
const BUTTON_TRIES: u32 = 5;

/// What became of a message.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Sent(Option<i64>),
    Later(Duration),
    /// It may have arrived. What may still be done about it is decided when it is taken again.
    Unclear(Duration),
    Never(&'static str),
}

impl Outcome {
    const fn name(&self) -> &'static str {
        match self {
            Self::Sent(_) => "sent",
            Self::Later(_) => "later",
            Self::Unclear(_) => "unclear",
            Self::Never(_) => "given_up",
        }
    }
}

/// A message as it goes out.
struct OutgoingMessage {
    chat: ChatId,
    body: Body,
    /// May be sent twice rather than not at all.
    warning: bool,
    /// Only changes a message: where that is gone, there is nothing to do.
    edit_only: bool,
}

pub(super) async fn run(ctx: &Arc<BotContext>, sender: &Sender) {
    let pace = RateLimiter::direct(Quota::per_second(PER_SECOND));
    let mut news = ctx.chat.db.wake().subscribe(Topic::Outbox);
    let mut under_way = FuturesUnordered::new();
    let mut failing = false;
    loop {
        let room = AT_A_TIME - under_way.len();
        let look = async {
            ctx.api_health.usable().await;
            claim(ctx, sender, room).await
        };
        match beside(&mut under_way, look).await {
            Ok(messages) => {
                if std::mem::take(&mut failing) {
                    tracing::info!("messages are sent again");
                }
                under_way.extend(messages.into_iter().map(|message| deliver(ctx, sender, &pace, message)));
            }
            Err(error) => {
                if !std::mem::replace(&mut failing, true) {
                    tracing::error!(%error, "no message can be taken from the outbox now, trying again");
                }
                beside(&mut under_way, sleep(DATABASE_PAUSE)).await;
            }
        }
        tokio::select! {
            Some(()) = under_way.next(), if !under_way.is_empty() => {}
            () = news.wait(IDLE), if under_way.len() < AT_A_TIME => {}
        }
    }
}

/// Does something while what is under way goes on: one that stands still may hold a connection for which the other waits.
async fn beside<T>(
    under_way: &mut FuturesUnordered<impl Future<Output = ()>>,
    work: impl Future<Output = T>,
) -> T {
    let mut work = pin!(work);
    loop {
        tokio::select! {
            done = &mut work => return done,
            Some(()) = under_way.next() => {}
        }
    }
}

async fn claim(ctx: &BotContext, sender: &Sender, room: usize) -> Result<Vec<Message>, DatabaseError> {
    if room == 0 {
        return Ok(Vec::new());
    }
    sender.claim(i64::try_from(room).unwrap_or(1), ctx.chat.clock.now()).await
}

async fn deliver(ctx: &Arc<BotContext>, sender: &Sender, pace: &DefaultDirectRateLimiter, message: Message) {
    let (id, ctx, sender) = (message.id, ctx.clone(), sender.clone());
    if message.arrived.is_some() {
        return record(&ctx, &sender, id, None, Outcome::Sent(message.arrived)).await;
    }
    let outgoing = loop {
        match write(&ctx, &message).await {
            Ok(Ok(outgoing)) => break outgoing,
            Ok(Err(why)) => return record(&ctx, &sender, id, None, Outcome::Never(why)).await,
            Err(error) => {
                tracing::warn!(%error, outbox.id = id, "a message cannot be written yet");
                sleep(DATABASE_PAUSE).await;
            }
        }
    };
    pace.until_ready().await;
    // In a task of its own: also a sender that loses its lease in the middle learns what became of the message.
    let sent = tokio::spawn(async move {
        let chat = outgoing.chat;
        let outcome = send(&ctx, outgoing).await;
        record(&ctx, &sender, id, Some(chat), outcome).await;
    });
    if let Err(error) = sent.await
        && let Ok(panic) = error.try_into_panic()
    {
        std::panic::resume_unwind(panic);
    }
}

/// Records what became of a message. `chat`: where it went just now.
async fn record(ctx: &BotContext, sender: &Sender, id: i64, chat: Option<ChatId>, outcome: Outcome) {
    metrics::counter!("bot_messages_total", "outcome" => outcome.name()).increment(1);
    if let Outcome::Never(why) = outcome {
        tracing::info!(outbox.id = id, reason = why, "a message is given up");
    }
    let deadline = Instant::now() + SETTLE_FOR;
    let another = loop {
        match settle(sender, id, &outcome).await {
            Ok(another) => break another,
            Err(error) => {
                tracing::warn!(%error, outbox.id = id, "what became of a message cannot be recorded yet");
                if Instant::now() > deadline {
                    return;
                }
                sleep(DATABASE_PAUSE).await;
            }
        }
    };
    if let (Some(chat), Some(another)) = (chat, another) {
        remove_button(ctx, chat, another).await;
    }
}

/// The number of another copy of it in the chat, where there is one.
async fn settle(sender: &Sender, id: i64, outcome: &Outcome) -> Result<Option<i64>, DatabaseError> {
    match outcome {
        Outcome::Sent(message_id) => return sender.sent(id, *message_id).await,
        Outcome::Later(wait) => sender.retry_after(id, *wait).await?,
        Outcome::Unclear(wait) => sender.unclear(id, *wait).await?,
        Outcome::Never(why) => sender.gave_up(id, why).await?,
    }
    Ok(None)
}

/// Removes the button of a message that stands beside another one like it. Two would do no harm, so it is not tried for ever.
async fn remove_button(ctx: &BotContext, chat: ChatId, message: i64) {
    let Ok(message) = i32::try_from(message) else { return };
    for _ in 0..BUTTON_TRIES {
        match ctx.bot.edit_message_reply_markup(chat, MessageId(message)).await {
            Err(error) if !matches!(error, RequestError::Api(_)) => {
                sleep(ctx.api_health.failed(&error)).await
            }
            // It has none, is gone, or the person has stopped the bot.
            Ok(_) | Err(_) => return,
        }
    }
}

/// Puts a message into words, or says why it is not to be sent.
async fn write(
    ctx: &BotContext,
    message: &Message,
) -> Result<Result<OutgoingMessage, &'static str>, DatabaseError> {
    match message.to {
        To::Chat(chat) => {
            let Ok(body) = serde_json::from_value::<Body>(message.body.clone()) else {
                return Ok(Err("not a message"));
            };
            let mut outgoing =
                OutgoingMessage { chat: ChatId(chat), warning: body.warning, body, edit_only: false };
            if message.unclear && !outgoing.warning {
                match card_of(&message.dedup_key) {
                    Some(login) if is_live(ctx, &login).await? => {}
                    Some(_) => return Ok(Err("its login is over")),
                    None if outgoing.body.instead_of.is_some() => outgoing.edit_only = true,
                    None => return Ok(Err("it may have been sent already")),
                }
            }
            Ok(Ok(outgoing))
        }
        To::Account(account) => write_notice(ctx, account, message).await,
    }
}

async fn write_notice(
    ctx: &BotContext,
    account: AccountId,
    message: &Message,
) -> Result<Result<OutgoingMessage, &'static str>, DatabaseError> {
    let chat = &ctx.chat;
    let Ok(notice) = serde_json::from_value::<Notice>(message.body.clone()) else {
        return Ok(Err("not a notice"));
    };
    let Some(subject) = chat.vault.subject(account).await? else {
        return Ok(Err("nobody is there to be told"));
    };
    let language = users::by_account(&chat.db, account).await?.and_then(|user| user.language_code);
    let texts = Language::of(language.as_deref()).texts();
    let text = render(&notice, texts, &chat.tiers, chat.support_contact.as_deref());
    let mut outgoing = OutgoingMessage {
        chat: ChatId(subject.telegram_id),
        body: Body { text, keyboard: None, instead_of: None, warning: false },
        warning: again(&notice) == Again::Send,
        edit_only: false,
    };
    if message.unclear {
        match again(&notice) {
            Again::Send => {}
            Again::Drop => return Ok(Err("it may have been sent already")),
            Again::EditCard(login) => {
                let card = ctx.outbox.message_of(&card_key(&login)).await?;
                let Some(card) = card.and_then(|id| i32::try_from(id).ok()) else {
                    return Ok(Err("it may have been sent already"));
                };
                // Its button is the way into the login that goes on.
                if is_live(ctx, &login).await? {
                    return Ok(Err("the login was begun anew"));
                }
                outgoing.body.instead_of = Some(card);
                outgoing.edit_only = true;
            }
        }
    }
    Ok(Ok(outgoing))
}

async fn is_live(ctx: &BotContext, login: &LoginId) -> Result<bool, DatabaseError> {
    let status = ctx.chat.store.load_login(login).await?.status();
    Ok(status.is_some_and(|status| status.is_live()))
}

async fn send(ctx: &BotContext, mut outgoing: OutgoingMessage) -> Outcome {
    if let Some(message) = outgoing.body.instead_of {
        match edit(ctx, &outgoing, MessageId(message)).await {
            Ok(()) => return Outcome::Sent(Some(i64::from(message))),
            Err(error) if is_gone(&error) && !outgoing.edit_only => outgoing.body.instead_of = None,
            Err(error) => return judge(ctx, &outgoing, &error),
        }
    }
    let request = ctx.bot.send_message(outgoing.chat, &outgoing.body.text).link_preview_options(no_preview());
    let request = match &outgoing.body.keyboard {
        Some(keyboard) => request.reply_markup(keyboard.clone()),
        None => request,
    };
    match request.await {
        Ok(sent) => {
            ctx.api_health.works();
            Outcome::Sent(Some(i64::from(sent.id.0)))
        }
        Err(error) => judge(ctx, &outgoing, &error),
    }
}

async fn edit(ctx: &BotContext, outgoing: &OutgoingMessage, message: MessageId) -> Result<(), RequestError> {
    let request = ctx
        .bot
        .edit_message_text(outgoing.chat, message, &outgoing.body.text)
        .link_preview_options(no_preview());
    let request = match &outgoing.body.keyboard {
        Some(keyboard) => request.reply_markup(keyboard.clone()),
        None => request,
    };
    match request.await {
        Ok(_) | Err(RequestError::Api(ApiError::MessageNotModified)) => {
            ctx.api_health.works();
            Ok(())
        }
        Err(error) => Err(error),
    }
}

/// The message to be edited is no more, or was never there.
fn is_gone(error: &RequestError) -> bool {
    matches!(
        error,
        RequestError::Api(
            ApiError::MessageToEditNotFound | ApiError::MessageCantBeEdited | ApiError::MessageIdInvalid
        )
    )
}

/// What a failure means for the message.
fn judge(ctx: &BotContext, outgoing: &OutgoingMessage, error: &RequestError) -> Outcome {
    match error {
        RequestError::RetryAfter(seconds) => Outcome::Later(seconds.duration()),
        RequestError::Api(ApiError::BotBlocked) => Outcome::Never("the person has stopped the bot"),
        RequestError::Api(ApiError::InvalidToken) => Outcome::Later(ctx.api_health.failed(error)),
        RequestError::Api(refused) if is_final(refused) => {
            tracing::warn!(reason = %refused, "Telegram refuses a message");
            Outcome::Never("Telegram refuses it")
        }
        RequestError::Api(_) => Outcome::Later(AGAIN),
        // A message that was taken, in an answer that a newer Bot API writes differently.
        RequestError::InvalidJson { raw, .. } if raw.starts_with("{\"ok\":true") => Outcome::Sent(None),
        RequestError::InvalidJson { .. } => Outcome::Later(AGAIN),
        RequestError::Network(network) if network.is_connect() => {
            Outcome::Later(ctx.api_health.failed(error))
        }
        // The answer had begun: it was carried out.
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

/// Whether trying again would be refused again.
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
