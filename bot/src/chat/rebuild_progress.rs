//! Shows an admin how far a rebuild is that they ordered in the chat, by edits of one message, and at last the outcome.
//!
//! What is shown is read from the run, which the database keeps: whichever process speaks with the Bot API goes on with the message.
//! One edit in a few seconds goes through the outbox, so it keeps Telegram's pace. One that comes too late is dropped, but for the
//! outcome. Somebody who is no admin any more is told nothing more.

use std::time::Duration;

use app::rebuilds::run::{in_chat, told_in_chat};
use app::rebuilds::{Run, RunStatus};
use domain::Role;
use eventlog::{DatabaseError, Outage, Topic};
use jiff::SignedDuration;
use projections::views::users;
use teloxide::types::InlineKeyboardButton;
use texts::Language;
use texts::chat::{RebuildState, RebuildStep, Texts};
use tokio::time::sleep;

use super::context::BotContext;
use super::reply::Reply;

/// Between two edits.
const PACE: Duration = Duration::from_secs(3);
/// Between two looks where nothing is to be shown, and no signal comes.
const IDLE: Duration = Duration::from_secs(30);
/// An edit that is still not sent after this is dropped: a newer one follows.
const STALE_AFTER: SignedDuration = SignedDuration::from_secs(10);

/// Looks for as long as it is polled.
pub(super) async fn run(ctx: &BotContext) {
    let mut projected = ctx.chat.app.db.wake().subscribe(Topic::Projected);
    let mut outage =
        Outage::new("how far rebuilds are cannot be shown now", "how far rebuilds are is shown again");
    loop {
        match look(ctx).await {
            Ok(0) => {
                outage.over();
                projected.wait(IDLE).await;
            }
            Ok(_) => outage.over(),
            Err(error) => outage.failed(&error),
        }
        sleep(PACE).await;
    }
}

/// Shows every run that a message shows. Returns how many there are.
async fn look(ctx: &BotContext) -> Result<usize, DatabaseError> {
    let runs = in_chat(&ctx.chat.app.db).await?;
    for run in &runs {
        if let (Some(message), Some((chat, texts))) = (run.chat_message, admin_of(ctx, run).await?) {
            show(ctx, chat, texts, run, message).await?;
            if run.status.is_live() {
                continue;
            }
        }
        told_in_chat(&ctx.chat.app.db, run.rebuild_id).await?;
    }
    Ok(runs.len())
}

/// The chat of the admin who ordered it, and their texts; None: they are no admin any more.
async fn admin_of(ctx: &BotContext, run: &Run) -> Result<Option<(i64, &'static Texts)>, DatabaseError> {
    let app = &ctx.chat.app;
    let account = app.store.load_account(run.asked_by).await?;
    if account.role() != Role::Admin || account.is_blocked() || account.is_erased() {
        return Ok(None);
    }
    let Some(subject) = app.vault.subject(run.asked_by).await? else { return Ok(None) };
    let language = users::by_account(&app.db, run.asked_by).await?.and_then(|user| user.language_code);
    Ok(Some((subject.telegram_id, Language::of(language.as_deref()).texts())))
}

/// Queues an edit of the message, unless it shows this already.
pub(super) async fn show(
    ctx: &BotContext,
    chat: i64,
    texts: &Texts,
    run: &Run,
    message: i32,
) -> Result<(), DatabaseError> {
    let state = format!("{}/{}", run.status.name(), run.position.unwrap_or(0));
    let reply = Reply::text(state_of(texts, run))
        .with_key(format!("rebuild/{}/{state}", run.rebuild_id))
        .instead_of(Some(message));
    let reply = match run.status.is_live() {
        true => reply
            .with_buttons(stop_button(texts, run))
            .edit_only()
            .not_after(ctx.chat.app.clock.now() + STALE_AFTER),
        false => reply,
    };
    ctx.queue(0, chat, reply).await
}

/// The button that stops a run, as rows.
pub(super) fn stop_button(texts: &Texts, run: &Run) -> Vec<Vec<InlineKeyboardButton>> {
    let data = format!("rebuild:stop:{}", run.rebuild_id.0.simple());
    vec![vec![InlineKeyboardButton::callback(texts.rebuild.stop, data)]]
}

/// How a run stands, in words.
pub(super) fn state_of(texts: &Texts, run: &Run) -> String {
    let count = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    let step = match run.status {
        RunStatus::Waiting => RebuildStep::Waiting,
        RunStatus::Running => match (run.position, run.end) {
            (Some(position), Some(end)) if position < end => {
                let events_per_second = run.events_per_second.unwrap_or_default().round() as i64;
                RebuildStep::Reading { position, end, events_per_second }
            }
            (Some(_), _) => RebuildStep::Writing,
            (None, _) => RebuildStep::Waiting,
        },
        RunStatus::Done => {
            let report = run.report.clone().unwrap_or_default();
            RebuildStep::Done {
                rows: count(report.rows),
                differ: count(report.differ),
                missing: count(report.missing),
                extra: count(report.extra),
            }
        }
        RunStatus::Failed => RebuildStep::Failed(run.error.as_deref().unwrap_or("?")),
        RunStatus::Cancelled => RebuildStep::Cancelled,
    };
    (texts.rebuild.state)(&RebuildState { view: &run.view, dry_run: run.dry_run, step })
}
