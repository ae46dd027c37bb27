//! `/debug_status [ID]`: what the tables and the last events say of a person. A chat shows the name, position and time of an
//! event, not what it holds.

use app::people::PersonId;
use domain::AccountId;
use eventlog::log::{Filter, Log};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use projections::views::login_status;
use projections::views::users::{self, SubscriptionStatus, User};
use texts::chat::{AccountStatus, day};

use super::context::BotContext;
use super::failure::Failure;
use super::reply::Reply;
use super::request::Request;

/// How many of the last events are shown.
const EVENTS: i64 = 12;

pub(super) async fn show(ctx: &BotContext, request: &Request, id: Option<&str>) -> Result<Reply, Failure> {
    let texts = request.person.texts;
    let account = match id {
        None => Some(request.person.account_id),
        Some(id) => find(ctx, id).await?,
    };
    if !request.person.is_admin() && account != Some(request.person.account_id) {
        return Ok(Reply::text(texts.admins_only));
    }
    ctx.chat.app.catch_up().await?;
    let user = match account {
        Some(account) => users::by_account(&ctx.chat.app.db, account).await?,
        None => None,
    };
    let Some(user) = user else { return Ok(Reply::text(texts.account.nobody)) };
    Ok(Reply::text((texts.account.status)(&account_status(ctx, &user).await?)))
}

/// The account of a person who is named by a Telegram id or an account id.
pub(super) async fn find(ctx: &BotContext, id: &str) -> Result<Option<AccountId>, Failure> {
    match PersonId::parse(id) {
        Some(id) => Ok(id.account(&ctx.chat.app.vault).await?),
        None => Ok(None),
    }
}

async fn account_status(ctx: &BotContext, user: &User) -> Result<AccountStatus, Failure> {
    let (chat, zone) = (&ctx.chat, &ctx.chat.display_timezone);
    let filter = Filter { account: Some(user.account_id), ..Filter::default() };
    let events = Log::new(&chat.app.db).last(&filter, EVENTS).await?;
    let live = login_status::live_of(&chat.app.db, user.account_id).await?;
    let name = [&user.first_name, &user.last_name].into_iter().flatten().cloned().collect::<Vec<_>>();
    Ok(AccountStatus {
        account: user.account_id.to_string(),
        telegram_id: user.telegram_id,
        name: name.join(" "),
        username: user.username.clone(),
        role: user.role.name(),
        blocked: user.is_blocked,
        tier: user.subscription_type,
        subscription: match user.subscription_status {
            SubscriptionStatus::None => "none",
            SubscriptionStatus::Active => "active",
            SubscriptionStatus::Expired => "expired",
        },
        until: user.subscription_expires_at.map(|end| day(end, zone)),
        authenticated: user.is_authenticated,
        exported: user.session_exported,
        linked: chat.app.vault.linked(user.account_id).await?.is_some(),
        live: live
            .iter()
            .map(|login| {
                format!("{}… {}, {}", login.login_id.short(), login.status, moment(login.deadline_at, zone))
            })
            .collect(),
        events: events
            .iter()
            .map(|event| format!("#{} {} {}", event.position, moment(event.recorded_at, zone), event.name))
            .collect(),
    })
}

fn moment(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone()).strftime("%d.%m %H:%M:%S").to_string()
}
