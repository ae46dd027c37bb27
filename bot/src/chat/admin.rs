//! The commands of admins in the chat: `/admin_users`, `/admin_user ID`, `/admin_grant ID TIER [DAYS]`,
//! `/admin_stats`. The admin's Mini App shows more.

use app::subscriptions::{self, Grant, change_id_of_update};
use domain::{AccountId, Tier};
use eventlog::Context;
use projections::counts::counts;
use projections::views::users::{self, SubscriptionStatus, User};
use teloxide::types::InlineKeyboardButton;
use texts::chat::{Fault, Granted, PeoplePage, Statistics, day};

use super::context::BotContext;
use super::failure::Failure;
use super::person::{full_name, who};
use super::reply::Reply;
use super::request::Request;
use super::status::{self, find};
use super::undo::{Order, Undo};

/// How many of the latest people are listed: a message holds 4096 characters.
const LISTED: i64 = 20;
/// Before the page in the data of a button.
const PEOPLE: &str = "people:";
/// A name longer than this is cut in a list.
const NAME_LENGTH: usize = 40;

pub(super) async fn people(ctx: &BotContext, request: &Request, page: i64) -> Result<Reply, Failure> {
    let texts = request.person.texts;
    if !request.person.is_admin() {
        return Ok(Reply::text(texts.admins_only));
    }
    ctx.chat.app.catch_up().await?;
    let total = users::count(&ctx.chat.app.db).await?;
    let pages = (total + LISTED - 1) / LISTED;
    // There may be fewer pages than when the button was made.
    let page = page.clamp(1, pages.max(1));
    let users = users::list(&ctx.chat.app.db, LISTED, (page - 1) * LISTED).await?;
    let lines = users.iter().map(line).collect();
    let button = |label: &str, page: i64| InlineKeyboardButton::callback(label, format!("{PEOPLE}{page}"));
    let newer = (page > 1).then(|| button(texts.admin.newer, page - 1));
    let older = (page < pages).then(|| button(texts.admin.older, page + 1));
    let buttons: Vec<_> = newer.into_iter().chain(older).collect();
    let text = (texts.admin.people)(&PeoplePage { total, page, pages, lines });
    let reply = Reply::text(text).instead_of(request.pressed);
    Ok(if buttons.is_empty() { reply } else { reply.with_buttons(vec![buttons]) })
}

/// The page in the data of a button.
pub(super) fn page(data: &str) -> Option<i64> {
    data.strip_prefix(PEOPLE)?.parse().ok().filter(|page| *page > 0)
}

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
    ctx.chat.app.catch_up().await?;
    let it = counts(&ctx.chat.app.db).await?;
    Ok(Reply::text((texts.admin.statistics)(&Statistics {
        people: it.people,
        authenticated: it.authenticated,
        blocked: it.blocked,
        subscriptions: it.subscriptions,
        logins: it.logins,
        open_invites: it.open_invites,
        uses: it.uses,
    })))
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

fn line(user: &User) -> String {
    let name: String = full_name(user).chars().take(NAME_LENGTH).collect();
    let username = user.username.as_ref().map(|name| format!(" @{name}")).unwrap_or_default();
    let tier = match user.subscription_status {
        SubscriptionStatus::Active => user.subscription_type.name(),
        SubscriptionStatus::None | SubscriptionStatus::Expired => "–",
    };
    let linked = if user.is_authenticated { " 🔗" } else { "" };
    let blocked = if user.is_blocked { " ⛔" } else { "" };
    format!("{} {name}{username}: {tier}{linked}{blocked}", user.telegram_id)
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

    #[test]
    fn the_page_in_a_button_is_a_number_from_one_on() {
        assert_eq!(page("people:3"), Some(3));
        assert_eq!([page("people:0"), page("people:-1"), page("people:x"), page("keep")], [None; 4]);
    }
}
