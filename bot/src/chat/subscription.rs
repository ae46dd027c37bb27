//! `/subscription`: the tier that runs, its limits, its end; and whether a login goes on.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use projections::views::login_status;
use projections::views::subscriptions::{self, SubscriptionRow, SubscriptionState};
use texts::chat::{End, SubscriptionCard, day, days_left, minutes_left};

use super::context::BotContext;
use super::failure::Failure;
use super::reply::Reply;
use super::request::Request;

pub(super) async fn show(ctx: &BotContext, request: &Request) -> Result<Reply, Failure> {
    let (texts, account, now) = (request.person.texts, request.person.account_id, ctx.chat.app.clock.now());
    ctx.chat.app.catch_up().await?;
    let row = subscriptions::by_account(&ctx.chat.app.db, account).await?;
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
    Ok(Reply::text(text))
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
