//! The commands of admins in the chat: `/admin_user ID`, `/admin_grant ID TIER [DAYS]`, `/admin_stats`. The admins' app shows
//! more.

use app::subscriptions::{self, Grant, change_id_of_update};
use domain::{AccountId, Tier};
use eventlog::Context;
use jiff::SignedDuration;
use projections::statistics;
use projections::totals::totals;
use projections::views::hourly_counts::Counts;
use projections::views::users;
use texts::chat::{Fault, Granted, Happened, Statistics, day};

use super::context::BotContext;
use super::failure::Failure;
use super::person::who;
use super::reply::Reply;
use super::request::Request;
use super::status::{self, find};
use super::undo::{Order, Undo};

pub(super) async fn person(ctx: &BotContext, request: &Request, id: Option<&str>) -> Result<Reply, Failure> {
    let texts = request.person.texts;
    if !request.person.is_admin() {
        return Ok(Reply::text(texts.admins_only));
    }
    match id {
        Some(id) => status::show(ctx, request, Some(id)).await,
        None => Ok(Reply::text(texts.admin.person_usage)),
    }
}

pub(super) async fn grant(
    ctx: &BotContext,
    request: &Request,
    arguments: &[String],
) -> Result<Reply, Failure> {
    let texts = request.person.texts;
    if !request.person.is_admin() {
        return Ok(Reply::text(texts.admins_only));
    }
    let usage = texts.admin.grant_usage;
    let Written { id, tier, days } = match read_grant(arguments) {
        Ok(Some(written)) => written,
        Ok(None) => return Ok(Reply::text(usage)),
        Err(fault) => return Ok(Reply::text(format!("{}\n\n{usage}", (texts.admin.fault)(&fault)))),
    };
    let Some(account_id) = find(ctx, id).await? else {
        return Ok(Reply::text((texts.account.nobody)(id)));
    };
    let Request { update_id, person, .. } = request;
    let (app, now) = (&ctx.chat.app, ctx.chat.app.clock.now());
    // Before the order: its own event need not be waited for.
    let who = name_of(ctx, account_id, id).await?;
    let context = Context::by(person.account_id).with_update(*update_id);
    if tier == Tier::Free {
        subscriptions::revoke(app, account_id, context).await?;
        return Ok(Reply::text((texts.admin.subscription_ended)(&who)));
    }
    let order = Grant { account_id, tier, days, change_id: change_id_of_update(*update_id), context };
    let granted = subscriptions::grant(app, order).await?;
    let until = granted.expires_at.map(|end| (day(end, &ctx.chat.display_timezone), granted.days));
    let reply = Reply::text((texts.admin.granted)(&Granted { who: &who, tier, until }));
    let undo = Undo::new(Order::Grant { account_id, update_id: *update_id }, now);
    Ok(reply.with_buttons(undo.buttons(texts)))
}

/// How an admin is told who a person is; where nobody has registered, as the admin wrote it.
pub(super) async fn name_of(ctx: &BotContext, account: AccountId, id: &str) -> Result<String, Failure> {
    ctx.chat.app.catch_up().await?;
    let user = users::by_account(&ctx.chat.app.db, account).await?;
    Ok(user.as_ref().map_or_else(|| id.to_owned(), who))
}

pub(super) async fn statistics(ctx: &BotContext, request: &Request) -> Result<Reply, Failure> {
    let texts = request.person.texts;
    if !request.person.is_admin() {
        return Ok(Reply::text(texts.admins_only));
    }
    let app = &ctx.chat.app;
    app.catch_up().await?;
    let now = app.clock.now();
    let it = totals(&app.db, now).await?;
    // Where a zone is half an hour apart, its day begins with the hour of UTC that is under way.
    let today = now.to_zoned(ctx.chat.display_timezone.clone()).start_of_day();
    let today = today.map_or(now, |midnight| midnight.timestamp());
    let week = today.checked_sub(SignedDuration::from_hours(6 * 24)).unwrap_or(today);
    Ok(Reply::text((texts.admin.statistics)(&Statistics {
        people: it.people,
        authenticated: it.authenticated,
        blocked: it.blocked,
        subscriptions: it
            .subscriptions
            .iter()
            .map(|(tier, count)| (tier.name().to_owned(), *count))
            .collect(),
        ending_in_1_day: it.ending_in_1_day,
        ending_in_7_days: it.ending_in_7_days,
        live_logins: it.live_logins,
        open_invites: it.open_invites,
        today: happened(&statistics::since(&app.db, today).await?),
        week: happened(&statistics::since(&app.db, week).await?),
    })))
}

fn happened(counts: &Counts) -> Happened {
    let unsuccessful = [
        ("expired", counts.logins_expired),
        ("cancelled", counts.logins_cancelled),
        ("rejected", counts.logins_rejected),
        ("failed", counts.logins_failed),
    ];
    let seconds = &counts.seconds_to_log_in;
    Happened {
        registered: counts.registered,
        authorized: counts.logins_authorized,
        by_qr: counts.by_qr,
        by_phone: counts.by_phone,
        unsuccessful: unsuccessful
            .into_iter()
            .filter(|(_, count)| *count > 0)
            .map(|(status, count)| (status.to_owned(), count))
            .collect(),
        seconds: seconds.percentile(0.5).zip(seconds.percentile(0.9)),
        subscriptions_started: counts.subscriptions_started.total(),
        subscriptions_ended: counts.subscriptions_ended.total(),
        invites_used: counts.invites_used,
    }
}

/// What an admin wrote to grant a subscription.
#[derive(Debug, PartialEq, Eq)]
struct Written<'a> {
    id: &'a str,
    tier: Tier,
    days: Option<u32>,
}

/// Reads `ID TIER [DAYS]`, or `ID free`, which ends a subscription; None: something is missing.
fn read_grant(arguments: &[String]) -> Result<Option<Written<'_>>, Fault<'_>> {
    let [id, tier, rest @ ..] = arguments else { return Ok(None) };
    let ends = tier.eq_ignore_ascii_case(Tier::Free.name());
    let tier = if ends { Tier::Free } else { read_tier(tier)? };
    match rest {
        [days, ..] if ends => Err(Fault::TooMany(days)),
        [] => Ok(Some(Written { id, tier, days: None })),
        [days] => {
            let days = Some(days.parse().map_err(|_| Fault::NotDays(days))?);
            Ok(Some(Written { id, tier, days }))
        }
        [_, more, ..] => Err(Fault::TooMany(more)),
    }
}

/// A tier that can be granted. A free subscription would be none.
pub(super) fn read_tier(word: &str) -> Result<Tier, Fault<'_>> {
    let tier = word.to_ascii_lowercase().parse().ok().filter(|tier| *tier != Tier::Free);
    tier.ok_or(Fault::NoTier(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn a_grant_is_an_id_a_tier_and_perhaps_days() {
        let (premium, basic) = (words("7 premium"), words("@ilya Basic 0"));
        let written = |id, tier, days| Ok(Some(Written { id, tier, days }));
        assert_eq!(read_grant(&premium), written("7", Tier::Premium, None));
        assert_eq!(read_grant(&basic), written("@ilya", Tier::Basic, Some(0)));
        assert_eq!(read_grant(&words("7 free")), written("7", Tier::Free, None));
        assert_eq!((read_grant(&[]), read_grant(&words("7"))), (Ok(None), Ok(None)));
    }

    #[test]
    fn what_is_wrong_with_a_grant_is_named() {
        for (text, fault) in [
            ("7 gold", Fault::NoTier("gold")),
            ("7 free 5", Fault::TooMany("5")),
            ("7 basic x", Fault::NotDays("x")),
            ("7 basic -1", Fault::NotDays("-1")),
            ("7 basic 1 2", Fault::TooMany("2")),
        ] {
            assert_eq!(read_grant(&words(text)), Err(fault), "{text}");
        }
    }
}
