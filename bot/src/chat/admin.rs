//! The commands of admins in the chat: `/admin_users`, `/admin_user ID`, `/admin_grant ID TIER [DAYS]`,
//! `/admin_stats`. The admin's Mini App shows more.

use app::subscriptions::{self, Grant};
use domain::Tier;
use projections::counts::counts;
use projections::views::users::{self, SubscriptionStatus, User};
use texts::chat::{Granted, Statistics};

use super::context::BotContext;
use super::failure::Failure;
use super::reply::Reply;
use super::request::Request;
use super::status::{self, find};

/// How many of the latest people are listed: a message holds 4096 characters.
const LISTED: i64 = 20;
/// A name longer than this is cut in a list.
const NAME_LENGTH: usize = 40;

pub(super) async fn people(ctx: &BotContext, request: &Request) -> Result<Reply, Failure> {
    let texts = request.person.texts;
    if !request.person.is_admin() {
        return Ok(Reply::text(texts.admins_only));
    }
    ctx.chat.app.catch_up().await?;
    let total = users::count(&ctx.chat.app.db).await?;
    let lines: Vec<String> = users::list(&ctx.chat.app.db, LISTED, 0).await?.iter().map(line).collect();
    Ok(Reply::text((texts.admin.people)(total, &lines)))
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
    let Some((id, tier, days)) = read_grant(arguments) else {
        return Ok(Reply::text(texts.admin.grant_usage));
    };
    let Some(account_id) = find(ctx, id).await? else { return Ok(Reply::text(texts.account.nobody)) };
    let Request { update_id, person, .. } = request;
    let order = Grant { granted_by: person.account_id, account_id, tier, days, update_id: *update_id };
    let days = subscriptions::grant(&ctx.chat.app, order).await?;
    Ok(Reply::text((texts.admin.granted)(&Granted { id, tier, term: (texts.days)(days) })))
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

/// Reads `ID TIER [DAYS]`. A free subscription would be none.
fn read_grant(arguments: &[String]) -> Option<(&str, Tier, Option<u32>)> {
    let (id, tier, days) = match arguments {
        [id, tier] => (id, tier, None),
        [id, tier, days] => (id, tier, Some(days.parse().ok()?)),
        _ => return None,
    };
    let tier = tier.to_ascii_lowercase().parse().ok().filter(|tier| *tier != Tier::Free)?;
    Some((id, tier, days))
}

fn line(user: &User) -> String {
    let name = [&user.first_name, &user.last_name].into_iter().flatten().cloned().collect::<Vec<_>>();
    let name: String = name.join(" ").chars().take(NAME_LENGTH).collect();
    let tier = match user.subscription_status {
        SubscriptionStatus::Active => user.subscription_type.name(),
        SubscriptionStatus::None | SubscriptionStatus::Expired => "–",
    };
    let linked = if user.is_authenticated { " 🔗" } else { "" };
    let blocked = if user.is_blocked { " ⛔" } else { "" };
    format!("{} {name}: {tier}{linked}{blocked}", user.telegram_id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_is_an_id_a_tier_and_perhaps_days() {
        let read = |text: &str| {
            let words: Vec<String> = text.split(' ').map(str::to_owned).collect();
            read_grant(&words).map(|(id, tier, days)| (id.to_owned(), tier, days))
        };
        assert_eq!(read("7 premium"), Some(("7".to_owned(), Tier::Premium, None)));
        assert_eq!(read("7 Basic 0"), Some(("7".to_owned(), Tier::Basic, Some(0))));
        for bad in ["7", "7 gold", "7 free", "7 basic x", "7 basic 1 2"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
