//! Sends what is in the outbox: first in, first out for each person, several people at a time, no faster than Telegram
//! allows. 429s are waited out.
//!
//! 1. Once one more may be sent, claim the message that is most urgent now, and put it into words (`compose`). So an answer
//!    waits for no reminder but those that are under way.
//! 2. Send it (`deliver`).
//! 3. Record what became of it. A message may have arrived although no answer came: its sender lost the lease over it, or
//!    Telegram was too slow. Then it is claimed again, as unclear. A card that is sent again takes the button of the copy
//!    before it: that one's message id is not known, but it is one of the last in this chat that the outbox does not know
//!    (Telegram numbers all private messages of a bot in one row). A sender may also learn after it has lost the lease that its
//!    message had arrived; where two are in the chat then, one loses its button.

use std::num::NonZeroU32;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use domain::AccountId;
use eventlog::{DatabaseError, Outage, Topic};
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use messages::outbox::{Message, Sender, To};
use teloxide::RequestError;
use teloxide::prelude::Requester;
use teloxide::types::{ChatId, MessageId};
use tokio::time::{Instant, sleep};
use tracing::{Instrument, Span, error_span};

mod compose;
mod deliver;
mod refresh;

use compose::{Call, Composed, OutgoingMessage, compose};
use deliver::Outcome;
use refresh::refresh;

use super::call::call;
use super::context::BotContext;
use super::menu;
use super::reply::card_of;

/// Messages under way at a time.
const AT_A_TIME: usize = 16;
/// Telegram allows a bot about thirty messages a second. Both together are below that.
const PER_SECOND: NonZeroU32 = NonZeroU32::new(25).expect("not zero");
const AT_ONCE: NonZeroU32 = NonZeroU32::new(2).expect("not zero");
/// Between two looks into the outbox where no signal comes.
const IDLE: Duration = Duration::from_secs(1);
/// While the database fails.
const DATABASE_PAUSE: Duration = Duration::from_secs(1);
/// How long the sender tries to record what became of a message. By then the holder of the lease has claimed it.
const SETTLE_FOR: Duration = Duration::from_secs(600);
/// How often the sender tries to remove the button of a second card.
const BUTTON_TRIES: u32 = 5;
/// How many message ids before a card that was sent again may be that of its lost copy.
const LOST_WITHIN: i64 = 40;

/// The outages of the database, one for each step. Clones share them.
#[derive(Clone)]
struct Outages {
    claim: Outage,
    compose: Outage,
    record: Outage,
}

impl Outages {
    fn new() -> Self {
        Self {
            claim: Outage::new(
                "no message can be taken from the outbox now, trying again",
                "messages are sent again",
            ),
            compose: Outage::new("a message cannot be written yet", "messages are written again"),
            record: Outage::new(
                "what became of a message cannot be recorded yet",
                "what becomes of messages is recorded again",
            ),
        }
    }
}

pub(super) async fn run(ctx: &Arc<BotContext>, sender: &Sender) {
    let pace = Arc::new(RateLimiter::direct(Quota::per_second(PER_SECOND).allow_burst(AT_ONCE)));
    let mut news = ctx.chat.app.db.wake().subscribe(Topic::Outbox);
    let mut under_way = FuturesUnordered::new();
    let mut outages = Outages::new();
    let mut may_send = false;
    loop {
        if under_way.len() == AT_A_TIME {
            under_way.next().await;
        }
        // 1.
        let look = async {
            ctx.api_health.wait_until_usable().await;
            if !may_send {
                pace.until_ready().await;
            }
            sender.claim(1, ctx.chat.app.clock.now()).await
        };
        let claimed = while_polling(&mut under_way, look).await;
        may_send = true;
        match claimed {
            Ok(messages) if messages.is_empty() => {
                outages.claim.over();
                while_polling(&mut under_way, news.wait(IDLE)).await;
            }
            Ok(messages) => {
                outages.claim.over();
                may_send = false;
                under_way.extend(messages.into_iter().map(|message| {
                    let span = span(&message);
                    send_message(ctx, sender, &pace, message, outages.clone()).instrument(span)
                }));
            }
            Err(error) => {
                outages.claim.failed(&error);
                while_polling(&mut under_way, sleep(DATABASE_PAUSE)).await;
            }
        }
    }
}

/// Does something while the messages under way go on. If they stood still, they might hold a connection that it waits for.
async fn while_polling<T>(
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

/// The span of a message, with the login whose card it is. At the level of errors, so that `RUST_LOG` does not hide the ids.
fn span(message: &Message) -> Span {
    let account: Option<AccountId> = match message.to {
        To::Account(account) => Some(account),
        To::Chat(_) => None,
    };
    let login = card_of(&message.dedup_key);
    error_span!(
        "message",
        outbox.id = message.id,
        account.id = account.map(tracing::field::display),
        login.id = login.as_ref().map(|login| login.short()),
    )
}

async fn send_message(
    ctx: &Arc<BotContext>,
    sender: &Sender,
    pace: &Arc<DefaultDirectRateLimiter>,
    message: Message,
    mut outages: Outages,
) {
    let (id, ctx, sender) = (message.id, ctx.clone(), sender.clone());
    if let Some(arrived) = message.arrived {
        // Its sender may have died before it had taken the button from the copy before.
        if let (true, Some(_), To::Chat(chat)) = (message.unclear, card_of(&message.dedup_key), message.to) {
            remove_lost_copies(&ctx, pace, &mut outages.record, ChatId(chat), arrived).await;
        }
        return record(&ctx, &sender, &mut outages.record, id, None, Outcome::Sent(message.arrived)).await;
    }
    let call = match outages.compose.retry_until_ok(DATABASE_PAUSE, || compose(&ctx, &message)).await {
        Composed::Call(call) => *call,
        Composed::InCard => {
            return record(&ctx, &sender, &mut outages.record, id, None, Outcome::InCard).await;
        }
        Composed::GivenUp(why) => {
            return record(&ctx, &sender, &mut outages.record, id, None, Outcome::Never(why)).await;
        }
    };
    // 2. and 3. In a task of its own, so that a sender that loses its lease still records what became of the message.
    let (pace, is_unclear) = (Arc::clone(pace), message.unclear);
    let task = async move {
        let (chat, menu, new_role, outcome) = match call {
            Call::Message(outgoing) => {
                let (chat, menu, role) = (outgoing.chat, outgoing.body.menu.clone(), outgoing.new_role);
                let outcome =
                    send_once(&ctx, &sender, &pace, &mut outages.record, id, outgoing, is_unclear).await;
                (Some(chat), menu, role, outcome)
            }
            Call::Card(card) => (None, None, None, refresh(&ctx, &pace, &mut outages.compose, card).await),
        };
        let is_sent = matches!(outcome, Outcome::Sent(_));
        record(&ctx, &sender, &mut outages.record, id, chat, outcome).await;
        // After it is recorded: the message is not sent twice for the sake of its menu button.
        if let (Some(chat), Some(menu), true) = (chat, menu, is_sent) {
            menu::set(&ctx, chat, Some(menu)).await;
        }
        if let (Some(chat), Some(role), true) = (chat, new_role, is_sent) {
            menu::publish_for(&ctx, chat.0, role).await;
        }
    };
    if let Err(error) = tokio::spawn(task.in_current_span()).await
        && let Ok(panic) = error.try_into_panic()
    {
        std::panic::resume_unwind(panic);
    }
}

/// Sends a message. Returns what became of it.
async fn send_once(
    ctx: &BotContext,
    sender: &Sender,
    pace: &DefaultDirectRateLimiter,
    outage: &mut Outage,
    id: i64,
    outgoing: OutgoingMessage,
    is_unclear: bool,
) -> Outcome {
    let (chat, is_card) = (outgoing.chat, outgoing.is_card);
    let outcome = deliver::deliver(ctx, outgoing).await;
    // Before it is recorded. A sender that dies here leaves a card that has arrived: the next one sends no other, and does this again.
    if let (true, true, Outcome::Sent(Some(card))) = (is_card, is_unclear, &outcome) {
        outage.retry_until_ok(DATABASE_PAUSE, || sender.arrived(id, *card)).await;
        remove_lost_copies(ctx, pace, outage, chat, *card).await;
    }
    outcome
}

/// Records what became of a message. `chat`: the chat that it was just sent to.
async fn record(
    ctx: &BotContext,
    sender: &Sender,
    outage: &mut Outage,
    id: i64,
    chat: Option<ChatId>,
    outcome: Outcome,
) {
    metrics::counter!("qrlogin_bot_messages_total", "outcome" => outcome.name()).increment(1);
    if let Outcome::Never(why) = outcome {
        tracing::info!(reason = why, "a message is given up");
    }
    let deadline = Instant::now() + SETTLE_FOR;
    let another = loop {
        match settle(sender, id, &outcome).await {
            Ok(another) => break another,
            Err(error) => {
                outage.failed(&error);
                if Instant::now() > deadline {
                    return;
                }
                sleep(DATABASE_PAUSE).await;
            }
        }
    };
    outage.over();
    if let (Some(chat), Some(another)) = (chat, another) {
        remove_button(ctx, chat, another).await;
    }
}

/// Returns the number of a second copy in the chat, where there is one.
async fn settle(sender: &Sender, id: i64, outcome: &Outcome) -> Result<Option<i64>, DatabaseError> {
    match outcome {
        Outcome::Sent(message_id) => return sender.sent(id, *message_id).await,
        Outcome::Later(wait) => sender.retry_after(id, *wait).await?,
        Outcome::Unclear(wait) => sender.unclear(id, *wait).await?,
        Outcome::Never(why) => sender.gave_up(id, why).await?,
        Outcome::InCard => sender.gave_up(id, "the card of its login says it").await?,
    }
    Ok(None)
}

/// Removes the buttons of earlier copies of a card whose message ids nobody knows.
async fn remove_lost_copies(
    ctx: &BotContext,
    pace: &DefaultDirectRateLimiter,
    outage: &mut Outage,
    chat: ChatId,
    card: i64,
) {
    let before = (card - LOST_WITHIN).max(1)..=card - 1;
    let known = outage.retry_until_ok(DATABASE_PAUSE, || ctx.outbox.known_messages(before.clone())).await;
    for message in before.rev().filter(|message| !known.contains(message)) {
        pace.until_ready().await;
        remove_button(ctx, chat, message).await;
    }
}

/// Removes the button of a second copy. Two buttons do no harm, so the tries are few.
async fn remove_button(ctx: &BotContext, chat: ChatId, message: i64) {
    let Ok(message) = i32::try_from(message) else { return };
    for _ in 0..BUTTON_TRIES {
        match call(ctx.bot.edit_message_reply_markup(chat, MessageId(message))).await {
            Err(error) if !matches!(error, RequestError::Api(_)) => {
                sleep(ctx.api_health.failed(&error)).await
            }
            // Done; or it has no button, is gone, or the person has stopped the bot.
            Ok(_) | Err(_) => return,
        }
    }
}
