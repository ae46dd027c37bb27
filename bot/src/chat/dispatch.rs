//! Takes updates from the inbox and handles each: in order within a chat, several chats at a time. An update is done once
//! its answer is in the outbox; until then it is handled again, which changes nothing twice.
//!
//! A chat is taken from the look that found its updates until the last of them is done. Meanwhile the look goes on for the
//! other chats: a handler that waits for Telegram, or for a person to be forgotten, holds up its own chat alone.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::panic::AssertUnwindSafe;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use eventlog::{DatabaseError, Outage, Topic};
use futures::future::join;
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use messages::inbox::Update;
use telemetry::traces::{InSpan as _, Span};
use teloxide::types::UpdateKind;
use tokio::sync::{Notify, mpsc};
use tracing::field::Empty;
use tracing::{Instrument, error_span};

use super::context::BotContext;
use super::failure::Failure;
use super::handler::{answer_broken, handle, read};

/// Updates looked at together.
const BATCH: i64 = 100;
/// Chats handled at a time: far more than wait for something slow at the same time.
const CHATS: usize = 32;
/// How often an update is tried that fails although the database works.
const TRIES: u32 = 3;
/// Between two looks into the inbox where no signal comes.
const IDLE: Duration = Duration::from_secs(1);
/// While the database fails.
const DATABASE_PAUSE: Duration = Duration::from_secs(1);

pub(super) async fn run(ctx: &BotContext) {
    let chats = Chats::new();
    let (found, taken) = mpsc::channel(1);
    join(chats.look(ctx, found), chats.handle(ctx, taken)).await;
}

/// The updates that wait in a chat.
struct Waiting {
    chat: Option<i64>,
    updates: Vec<Update>,
}

/// The chats whose updates are being handled.
struct Chats {
    /// The chats whose updates are being handled, or are about to be. Later updates of the same chats wait.
    taken: Mutex<BTreeSet<Option<i64>>>,
    freed: Notify,
    /// One outage of the database for all chats.
    outage: Outage,
}

impl Chats {
    fn new() -> Self {
        let outage = Outage::new("updates cannot be handled now, trying again", "updates are handled again");
        Self { taken: Mutex::default(), freed: Notify::new(), outage }
    }

    /// Takes the chats where updates wait.
    async fn look(&self, ctx: &BotContext, found: mpsc::Sender<Waiting>) {
        let mut news = ctx.chat.app.db.wake().subscribe(Topic::Inbox);
        let mut outage = self.outage.clone();
        loop {
            let taken: Vec<_> = self.taken(|taken| taken.iter().copied().collect());
            let look = || ctx.inbox.next(BATCH, &taken);
            let updates = outage.retry_until_ok(DATABASE_PAUSE, look).await;
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
        for update in &updates {
            // At the level of errors, so that the ids stand beside every line, whatever RUST_LOG says.
            let span =
                error_span!("update", update.id = update.update_id, account.id = Empty, login.id = Empty);
            let mut outage = self.outage.clone();
            let handled = outage.retry_until_ok(DATABASE_PAUSE, || handle_or_set_aside(ctx, update));
            handled.instrument(span).in_span(Span::new("handle update")).await;
        }
        self.taken(|taken| taken.remove(&chat));
        self.freed.notify_one();
    }

    fn taken<T>(&self, change: impl FnOnce(&mut BTreeSet<Option<i64>>) -> T) -> T {
        change(&mut self.taken.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Handles an update. Where no handler can read it, or every try fails although the database works, it is set aside.
async fn handle_or_set_aside(ctx: &BotContext, update: &Update) -> Result<(), DatabaseError> {
    match read(&update.body) {
        Some(kind) => handle_or_give_up(ctx, update.update_id, &kind).await,
        None => ctx.inbox.unreadable(update).await,
    }
}

async fn handle_or_give_up(ctx: &BotContext, update_id: i64, kind: &UpdateKind) -> Result<(), DatabaseError> {
    let mut last = None;
    for _ in 0..TRIES {
        match AssertUnwindSafe(handle(ctx, update_id, kind)).catch_unwind().await {
            Ok(Ok(())) => return ctx.inbox.done(update_id).await,
            // What this process cannot read now, it cannot read in another try.
            Ok(Err(Failure::Database(error))) if !matches!(error, DatabaseError::Unreadable(_)) => {
                return Err(error);
            }
            Ok(Err(failure)) => last = Some(failure),
            Err(_) => last = None,
        }
    }
    let why = last.as_ref().map_or_else(|| "the handler panicked".to_owned(), ToString::to_string);
    match &last {
        Some(failure) => {
            let error = failure as &dyn Error;
            tracing::error!(error, "an update cannot be handled and is put aside");
        }
        None => tracing::error!(reason = why, "an update cannot be handled and is put aside"),
    }
    answer_broken(ctx, update_id, kind).await?;
    ctx.inbox.failed(update_id, &why).await
}
