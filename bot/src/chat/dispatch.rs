//! Takes updates from the inbox and hands each to its handler: in order within a chat, several chats at a time. An
//! update is done once its answer is in the outbox; until then it is handled again, which changes nothing twice.
//!
//! A chat is taken from the look that found its updates until the last of them is done. Those of the other chats are
//! looked for meanwhile: a handler that waits for Telegram, or for somebody to be forgotten, holds up its own chat alone.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use app::inbox::Update;
use eventlog::{DatabaseError, StoreError, Topic};
use futures::future::join;
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use teloxide::payloads::AnswerCallbackQuerySetters;
use teloxide::prelude::Requester;
use teloxide::types::{CallbackQuery, ChatKind, Message, UpdateKind, User};
use tokio::sync::{Notify, mpsc};
use tokio::time::{sleep, timeout};

use super::commands::{Command, parse};
use super::person::{Person, register_or_update, texts_for};
use super::reply::Reply;
use super::{
    BotContext, admin, admin_invite, cancel, login, logout, reset, start, status, subscription, test_phone,
};

/// Updates looked at together.
const BATCH: i64 = 100;
/// Chats handled at a time: far more than wait for something slow together.
const CHATS: usize = 32;
/// How often an update is tried that fails for a reason of its own.
const TRIES: u32 = 3;
/// Between two looks into an inbox that nobody has announced news of.
const IDLE: Duration = Duration::from_secs(1);
/// While the database fails.
const DATABASE_PAUSE: Duration = Duration::from_secs(1);
/// A button that is not told "done" for longer only spins a little.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// What a person asks, and where the answer goes.
pub(super) struct Request {
    pub update_id: i64,
    pub chat_id: i64,
    pub person: Person,
    /// The message whose button was pressed.
    pub pressed: Option<i32>,
}

/// Why an update could not be handled.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// Tried again for as long as it takes.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// A command was refused that should not have been.
    #[error("{0}")]
    Command(String),
    /// Telegram sent what it never sends.
    #[error("{0}")]
    Malformed(&'static str),
}

impl<E: std::error::Error + 'static> From<StoreError<E>> for Failure {
    fn from(error: StoreError<E>) -> Self {
        match error {
            StoreError::Database(error) => Self::Database(error),
            other => Self::Command(other.to_string()),
        }
    }
}

pub(super) async fn run(ctx: &BotContext) {
    let chats = Chats::default();
    let (found, taken) = mpsc::channel(1);
    join(chats.look(ctx, found), chats.handle(ctx, taken)).await;
}

/// The updates that wait in a chat.
struct Waiting {
    chat: Option<i64>,
    updates: Vec<Update>,
}

/// What is under way.
#[derive(Default)]
struct Chats {
    /// Where updates are being handled, or are about to be: the next ones there wait for them.
    taken: Mutex<BTreeSet<Option<i64>>>,
    freed: Notify,
    /// How many of us the database fails.
    failing: AtomicUsize,
}

impl Chats {
    /// Takes the chats where updates wait.
    async fn look(&self, ctx: &BotContext, found: mpsc::Sender<Waiting>) {
        let mut news = ctx.chat.db.wake().subscribe(Topic::Inbox);
        loop {
            let taken: Vec<_> = self.taken(|taken| taken.iter().copied().collect());
            let updates = self.retry_until_ok(|| ctx.inbox.next(BATCH, &taken)).await;
            if updates.is_empty() {
                tokio::select! {
                    () = news.wait(IDLE) => {}
                    () = self.freed.notified() => {}
                }
                continue;
            }
            let mut chats: BTreeMap<_, Vec<_>> = BTreeMap::new();
            for update in updates {
                chats.entry(update.chat).or_default().push(update);
            }
            self.taken(|taken| taken.extend(chats.keys()));
            for (chat, updates) in chats {
                if found.send(Waiting { chat, updates }).await.is_err() {
                    return;
                }
            }
        }
    }

    /// Handles what waits in the chats that are taken, some at a time.
    async fn handle(&self, ctx: &BotContext, mut taken: mpsc::Receiver<Waiting>) {
        let mut under_way = FuturesUnordered::new();
        loop {
            tokio::select! {
                Some(waiting) = taken.recv(), if under_way.len() < CHATS => {
                    under_way.push(self.handle_chat(ctx, waiting));
                }
                Some(()) = under_way.next(), if !under_way.is_empty() => {}
                else => return,
            }
        }
    }

    async fn handle_chat(&self, ctx: &BotContext, Waiting { chat, updates }: Waiting) {
        for update in updates {
            match read(&update.body) {
                Some(kind) => self.retry_until_ok(|| handle_or_set_aside(ctx, update.update_id, &kind)).await,
                None => self.retry_until_ok(|| ctx.inbox.unreadable(&update)).await,
            }
        }
        self.taken(|taken| taken.remove(&chat));
        self.freed.notify_one();
    }

    /// Tries for as long as the database fails. The log says so when it begins, and when it is over for all.
    async fn retry_until_ok<T, F>(&self, attempt: impl Fn() -> F) -> T
    where
        F: Future<Output = Result<T, DatabaseError>>,
    {
        let mut failing = false;
        loop {
            match attempt().await {
                Ok(done) => {
                    if failing && self.failing.fetch_sub(1, Ordering::Relaxed) == 1 {
                        tracing::info!("updates are handled again");
                    }
                    return done;
                }
                Err(error) => {
                    if !std::mem::replace(&mut failing, true)
                        && self.failing.fetch_add(1, Ordering::Relaxed) == 0
                    {
                        tracing::error!(%error, "updates cannot be handled now, trying again");
                    }
                    sleep(DATABASE_PAUSE).await;
                }
            }
        }
    }

    fn taken<T>(&self, change: impl FnOnce(&mut BTreeSet<Option<i64>>) -> T) -> T {
        change(&mut self.taken.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// An update as teloxide reads it; None: it is none that can be read.
pub(super) fn read(body: &str) -> Option<UpdateKind> {
    let update: teloxide::types::Update = serde_json::from_str(body).ok()?;
    (!matches!(update.kind, UpdateKind::Error(_))).then_some(update.kind)
}

/// Handles an update or, where it fails for a reason of its own, puts it aside and says so to the person.
async fn handle_or_set_aside(
    ctx: &BotContext,
    update_id: i64,
    kind: &UpdateKind,
) -> Result<(), DatabaseError> {
    let mut why = String::new();
    for _ in 0..TRIES {
        match AssertUnwindSafe(handle(ctx, update_id, kind)).catch_unwind().await {
            Ok(Ok(())) => return ctx.inbox.done(update_id).await,
            // What cannot be read now can be read by no other try of this process.
            Ok(Err(Failure::Database(error))) if !matches!(error, DatabaseError::Unreadable(_)) => {
                return Err(error);
            }
            Ok(Err(failure)) => why = failure.to_string(),
            Err(_) => why = "the handler panicked".to_owned(),
        }
    }
    tracing::error!(update.id = update_id, reason = why, "an update cannot be handled and is put aside");
    if let Some((chat_id, user)) = private_sender(kind) {
        put(ctx, update_id, chat_id, Reply::text(texts_for(user).broken)).await?;
    }
    ctx.inbox.failed(update_id, &why).await
}

pub(super) async fn handle(ctx: &BotContext, update_id: i64, kind: &UpdateKind) -> Result<(), Failure> {
    match kind {
        UpdateKind::Message(message) => on_message(ctx, update_id, message).await,
        UpdateKind::CallbackQuery(query) => {
            let handled = on_press(ctx, update_id, query).await;
            // At most once, and only to stop the button's spinning: nothing hangs on whether it arrives.
            let answer = ctx.bot.answer_callback_query(query.id.clone());
            let answer = match handled.as_ref().ok().copied().flatten() {
                Some(toast) => answer.text(toast),
                None => answer,
            };
            let _ = timeout(ANSWER_TIMEOUT, answer).await;
            handled.map(drop)
        }
        _ => Ok(()),
    }
}

async fn on_message(ctx: &BotContext, update_id: i64, message: &Message) -> Result<(), Failure> {
    let (Some(user), Some(text)) = (&message.from, message.text()) else { return Ok(()) };
    if user.is_bot {
        return Ok(());
    }
    let Some(command) = parse(text, &ctx.username) else { return Ok(()) };
    let chat_id = message.chat.id.0;
    if !matches!(message.chat.kind, ChatKind::Private(_)) {
        let known = command != Command::Unknown;
        let reply = known.then(|| start::private_only(ctx, user));
        return settle(ctx, update_id, chat_id, reply).await;
    }
    let request = Request {
        update_id,
        chat_id,
        person: register_or_update(ctx, update_id, user).await?,
        pressed: None,
    };
    let reply = match (&request.person, command) {
        (person, _) if person.account.is_blocked() => Some(refusal(ctx, person)),
        (_, Command::Help) => Some(start::help(ctx, &request)),
        (_, Command::Login(Some(code))) => {
            login::by_code(ctx, &request, &code, login::Consent::Unasked).await?
        }
        (_, Command::Login(None)) => login::without_code(ctx, &request).await?,
        (_, Command::Subscription) => Some(subscription::show(ctx, &request).await?),
        (_, Command::Cancel) => cancel::cancel(ctx, &request).await?,
        (_, Command::LogOut) => logout::log_out(ctx, &request).await?,
        (_, Command::Status(id)) => Some(status::show(ctx, &request, id.as_deref()).await?),
        (_, Command::Reset(id)) => Some(reset::ask_first(ctx, &request, id.as_deref()).await?),
        (_, Command::TestPhone(phone)) => Some(test_phone::ask_first(ctx, &request, &phone).await?),
        (_, Command::People) => Some(admin::people(ctx, &request).await?),
        (_, Command::Person(id)) => Some(admin::person(ctx, &request, id.as_deref()).await?),
        (_, Command::Grant(arguments)) => Some(admin::grant(ctx, &request, &arguments).await?),
        (_, Command::Statistics) => Some(admin::statistics(ctx, &request).await?),
        (_, Command::AdminInvite) => Some(admin_invite::begin(&request)),
        (person, Command::Unknown) => Some(Reply::text(person.texts.unknown_command)),
    };
    settle(ctx, update_id, chat_id, reply).await
}

/// A pressed button. What it says in a toast, if anything.
async fn on_press(
    ctx: &BotContext,
    update_id: i64,
    query: &CallbackQuery,
) -> Result<Option<&'static str>, Failure> {
    let (Some(data), Some(message)) = (&query.data, query.regular_message()) else { return Ok(None) };
    if !matches!(message.chat.kind, ChatKind::Private(_)) {
        return Ok(None);
    }
    let chat_id = message.chat.id.0;
    if let Some(answer) = reset::Answer::parse(data) {
        let reply = reset::answered(ctx, update_id, &query.from, message.id.0, answer).await?;
        put(ctx, update_id, chat_id, reply).await?;
        return Ok(None);
    }
    let person = register_or_update(ctx, update_id, &query.from).await?;
    let request = Request { update_id, chat_id, person, pressed: Some(message.id.0) };
    let reply = if request.person.account.is_blocked() {
        Some(refusal(ctx, &request.person))
    } else if let Some(answer) = login::Answer::parse(data) {
        login::answered(ctx, &request, answer).await?
    } else if let Some(step) = admin_invite::Step::parse(data) {
        Some(admin_invite::go_on(ctx, &request, step).await?)
    } else if let Some(answer) = test_phone::Answer::parse(data) {
        Some(test_phone::answered(ctx, &request, answer).await?)
    } else {
        return Ok(Some(request.person.texts.question_is_over));
    };
    settle(ctx, update_id, request.chat_id, reply).await?;
    Ok(None)
}

fn refusal(ctx: &BotContext, person: &Person) -> Reply {
    Reply::text((person.texts.blocked)(ctx.chat.support_contact.as_deref()))
}

async fn settle(ctx: &BotContext, update_id: i64, chat_id: i64, reply: Option<Reply>) -> Result<(), Failure> {
    match reply {
        Some(reply) => Ok(put(ctx, update_id, chat_id, reply).await?),
        None => Ok(()),
    }
}

/// Queues a message for a chat; a second time under the same key, it is none.
pub(super) async fn put(
    ctx: &BotContext,
    update_id: i64,
    chat_id: i64,
    reply: Reply,
) -> Result<(), DatabaseError> {
    let key = reply.key.unwrap_or_else(|| format!("update/{update_id}/1"));
    let body = serde_json::to_value(&reply.body).expect("a message is plain data");
    ctx.outbox.reply(&key, chat_id, &body, reply.not_after).await
}

fn private_sender(kind: &UpdateKind) -> Option<(i64, &User)> {
    let (chat, user) = match kind {
        UpdateKind::Message(message) => (&message.chat, message.from.as_ref()?),
        UpdateKind::CallbackQuery(query) => (&query.regular_message()?.chat, &query.from),
        _ => return None,
    };
    matches!(chat.kind, ChatKind::Private(_)).then_some((chat.id.0, user))
}
