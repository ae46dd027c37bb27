//! `/subscription`: the tier that runs, its limits, its end.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use projections::views::subscriptions::{self, SubscriptionRow, SubscriptionState};
use texts::chat::{End, SubscriptionCard, day, days_left};

use super::context::BotContext;
use super::failure::Failure;
use super::reply::Reply;
use super::request::Request;

pub(super) async fn show(ctx: &BotContext, request: &Request) -> Result<Reply, Failure> {
    let texts = request.person.texts;
    ctx.chat.app.catch_up().await?;
    let row = subscriptions::by_account(&ctx.chat.app.db, request.person.account_id).await?;
    Ok(Reply::text(match row {
        Some(row) => (texts.subscription)(&card(&row, ctx.chat.app.clock.now(), &ctx.chat.display_timezone)),
        None if request.person.is_new => texts.no_subscription_yet.to_owned(),
        None => texts.no_subscription.to_owned(),
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
