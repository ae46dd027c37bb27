//! `/subscription`: the tier that runs, its limits, its end; and whether a login goes on. Buttons show what was granted before, and lead to
//! the person's own page.

use app::subscriptions::history::history;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use projections::views::login_status;
use projections::views::subscriptions::{self, SubscriptionRow, SubscriptionState};
use teloxide::types::InlineKeyboardButton;
use texts::chat::{End, SubscriptionCard, day, days_left, minutes_left};

use super::context::BotContext;
use super::failure::Failure;
use super::reply::Reply;
use super::request::Request;
use super::status::own_page;

/// The data of the button.
const HISTORY: &str = "history";
/// How much of a history is shown: the latest. A message holds 4096 characters.
const SHOWN: usize = 40;

pub(super) async fn show(ctx: &BotContext, request: &Request) -> Result<Reply, Failure> {
    let (texts, account, now) = (request.person.texts, request.person.account_id, ctx.chat.app.clock.now());
    ctx.chat.app.catch_up().await?;
    let row = subscriptions::by_account(&ctx.chat.app.db, account).await?;
    let has_history = row.is_some();
    let mut text = match row {
        Some(row) => (texts.subscription)(&card(&row, now, &ctx.chat.display_timezone)),
        None if request.person.is_new => texts.no_subscription_yet.to_owned(),
        None => texts.no_subscription.to_owned(),
    };
    let live = login_status::live_of(&ctx.chat.app.db, account).await?;
    if let Some(deadline_at) = live.iter().map(|login| login.deadline_at).max() {
        let goes_on = (texts.login_goes_on)(minutes_left(now, deadline_at));
        text.push_str(&format!("\n\n{goes_on}"));
    }
    let reply = Reply::text(text);
    let history = has_history.then(|| InlineKeyboardButton::callback(texts.history.button, HISTORY));
    let buttons: Vec<_> =
        [history, own_page(&ctx.chat, texts)].into_iter().flatten().map(|it| vec![it]).collect();
    Ok(if buttons.is_empty() { reply } else { reply.with_buttons(buttons) })
}

/// Whether the data of a button asks for the history.
pub(super) fn asks_for_history(data: &str) -> bool {
    data == HISTORY
}

/// What happened to the person's subscriptions, under a message of its own.
pub(super) async fn show_history(ctx: &BotContext, request: &Request) -> Result<Reply, Failure> {
    let (texts, zone) = (request.person.texts, &ctx.chat.display_timezone);
    ctx.chat.app.catch_up().await?;
    let steps = history(&ctx.chat.app, request.person.account_id).await?;
    let latest = &steps[steps.len().saturating_sub(SHOWN)..];
    Ok(Reply::text(match latest {
        [] => texts.no_subscription.to_owned(),
        latest => (texts.history.all)(latest, zone),
    }))
}

/// The card of a subscription. It counts as over from its end on, also before the end is recorded.
fn card(row: &SubscriptionRow, now: Timestamp, zone: &TimeZone) -> SubscriptionCard {
    let active = row.status == SubscriptionState::Active && row.expires_at.is_none_or(|end| end > now);
    let end = match row.expires_at {
        None if active => End::Unlimited,
        None => End::Unknown,
        Some(end) if active => End::In(day(end, zone), days_left(now, end)),
        Some(end) => End::Passed(day(end, zone)),
    };
    let started = Some(day(row.started_at, zone));
    SubscriptionCard { tier: row.tier, limits: row.limits, active, started, end }
}
