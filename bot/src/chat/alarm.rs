//! Tells the admins what they have to repair: a row of a view, or an event that the reactor cannot read, was parked; an
//! update of the bot cannot be read or stored; messages to a webhook were given up, or its receiver is gone; the log is not
//! signed any more; or a witness has seen another history of it.
//!
//! An admin gets one message for all that happens within the same ten minutes, however many processes look or die: the key in
//! the outbox is made of the ten minutes and the admin. A message that may have been sent already is sent again, since nothing
//! else tells them.

use std::collections::BTreeSet;
use std::time::Duration;

use eventlog::{DatabaseError, Topic};
use jiff::Timestamp;
use projections::lag::{self, Parked};
use projections::views::users;
use texts::Language;
use texts::chat::{Alarm, Texts};
use tokio::time::{Instant, sleep};
use transparency::StoredTree;
use webhooks::Troubles;

use super::context::BotContext;
use super::reply::Reply;

/// The shortest and the longest time between two looks; webhooks are looked at once in the longer one.
const SOON: Duration = Duration::from_secs(1);
const IDLE: Duration = Duration::from_secs(30);
/// What happens within so many seconds is one message.
const TOGETHER_SECONDS: i64 = 600;

/// Looks for as long as it is polled.
pub(super) async fn run(ctx: &BotContext) {
    let mut projected = ctx.chat.app.db.wake().subscribe(Topic::Projected);
    let mut received = ctx.chat.app.db.wake().subscribe(Topic::Inbox);
    let mut told = Told::default();
    loop {
        if let Err(error) = look(ctx, &mut told).await {
            let error = &error as &dyn std::error::Error;
            tracing::debug!(error, "whether the admins have to be told anything could not be asked");
        }
        tokio::select! {
            () = projected.wait(IDLE) => {}
            () = received.wait(IDLE) => {}
        }
        sleep(SOON).await;
    }
}

/// The latest ten minutes that this process has queued messages for.
#[derive(Default)]
struct Told {
    /// When webhooks were looked at last: this reads all messages to them that are parked.
    webhooks_seen: Option<Instant>,
    parked: Option<i64>,
    refused: Option<i64>,
    webhook_messages: Option<i64>,
    webhooks: Option<i64>,
    unsigned: Option<i64>,
    witness: Option<i64>,
}

async fn look(ctx: &BotContext, told: &mut Told) -> Result<(), DatabaseError> {
    let parked = lag::parked(&ctx.chat.app.db).await?;
    if let Some(newest) = parked.iter().map(|it| it.since).max() {
        let alarm = alarm(&parked);
        tell(ctx, "parked", newest, &mut told.parked, |texts| (texts.admin.parked)(&alarm)).await?;
    }
    if let Some(refused) = ctx.inbox.refused().summary().await? {
        let text = |texts: &Texts| (texts.admin.refused)(refused.count);
        tell(ctx, "refused", refused.newest, &mut told.refused, text).await?;
    }
    if told.webhooks_seen.is_none_or(|at| at.elapsed() >= IDLE) {
        let Troubles { parked, gone } = webhooks::troubles(&ctx.chat.app.db).await?;
        if let Some((count, newest)) = parked {
            let text = |texts: &Texts| (texts.admin.webhook_messages_parked)(count);
            tell(ctx, "webhook-messages", newest, &mut told.webhook_messages, text).await?;
        }
        if let Some((count, newest)) = gone {
            let text = |texts: &Texts| (texts.admin.webhooks_gone)(count);
            tell(ctx, "webhooks", newest, &mut told.webhooks, text).await?;
        }
        told.webhooks_seen = Some(Instant::now());
    }
    if let Some((fault, since)) = StoredTree::new(&ctx.chat.app.db).fault().await? {
        let text = |texts: &Texts| (texts.admin.unsigned)(&fault);
        tell(ctx, "unsigned", since, &mut told.unsigned, text).await?;
    }
    if let Some((fault, since)) = StoredTree::new(&ctx.chat.app.db).witness_fault().await? {
        let text = |texts: &Texts| (texts.admin.witness_disagrees)(&fault);
        tell(ctx, "witness", since, &mut told.witness, text).await?;
    }
    Ok(())
}

/// Tells every admin, unless they were told for the same ten minutes.
async fn tell(
    ctx: &BotContext,
    what: &str,
    newest: Timestamp,
    told: &mut Option<i64>,
    text: impl Fn(&Texts) -> String,
) -> Result<(), DatabaseError> {
    let moment = newest.as_second() / TOGETHER_SECONDS;
    if *told == Some(moment) {
        return Ok(());
    }
    for (admin, language) in admins(ctx).await? {
        let body = Reply::text(text(language.texts())).warning().body;
        let body = serde_json::to_value(&body).expect("a message is plain data");
        ctx.outbox.reply(&format!("{what}/{moment}/{admin}"), admin, &body, not_after(newest)).await?;
    }
    *told = Some(moment);
    Ok(())
}

/// The admins that the settings name, and those who were made admins since, each with their language.
pub(super) async fn admins(ctx: &BotContext) -> Result<Vec<(i64, Language)>, DatabaseError> {
    let appointed = users::admins(&ctx.chat.app.db).await?;
    let known: BTreeSet<i64> = appointed.iter().map(|user| user.telegram_id).collect();
    let named = ctx.chat.admins.iter().filter(|id| !known.contains(id));
    let unmet = named.map(|id| (*id, Language::of(None)));
    let met = appointed.iter().map(|it| (it.telegram_id, Language::of(it.language_code.as_deref())));
    Ok(met.chain(unmet).collect())
}

/// The rows and events that are parked, as one message.
fn alarm(parked: &[Parked]) -> Alarm {
    let views: BTreeSet<&String> = parked.iter().map(|it| &it.view).collect();
    Alarm {
        count: parked.len(),
        views: views.into_iter().cloned().collect(),
        position: parked.iter().map(|it| it.position).min().unwrap_or(0),
    }
}

/// After a day the message helps nobody: a backup that is restored later makes a new one.
fn not_after(newest: Timestamp) -> Option<Timestamp> {
    newest.checked_add(jiff::SignedDuration::from_hours(24)).ok()
}
