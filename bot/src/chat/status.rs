//! `/me` and `/debug_status [ID]`: what is known of a person, and what happened, in words. Admins are shown the latest events as
//! well: name, position and time of each, not what it holds. That an admin looked at somebody's is recorded.

use app::audit::note_read;
use app::people::PersonId;
use domain::{AccountId, AuditTarget};
use eventlog::log::{Filter, Log};
use projections::views::login_status;
use projections::views::users::{self, SubscriptionStatus, User};
use teloxide::types::{InlineKeyboardButton, WebAppInfo};
use texts::chat::{
    AccountStatus, ForAdmin, Known, Session, Texts, day, days_left, minutes_left, moment, zone_name,
};
use url::Url;

use super::context::{BotContext, Chat};
use super::failure::Failure;
use super::person::{Person, full_name};
use super::reply::Reply;
use super::request::Request;

/// How many events are looked at; most of a login's are of no interest to its person.
const LOOKED_AT: i64 = 80;
/// How many of them are told in words.
const TOLD: usize = 8;
/// How many of the latest events an admin is shown.
const RAW: i64 = 12;
/// The event of somebody who looked at a history.
const AUDIT_READ: &str = "AuditRead";

/// What is known of the person who asks, with a button to their own page.
pub(super) async fn me(ctx: &BotContext, request: &Request) -> Result<Reply, Failure> {
    let reply = show(ctx, request, None).await?;
    Ok(match own_page(&ctx.chat, request.person.texts) {
        Some(button) => reply.with_buttons(vec![vec![button]]),
        None => reply,
    })
}

/// The button to a person's own page; None where `AUTH_BASE_URL` is no URL, which the settings refuse.
pub(super) fn own_page(chat: &Chat, texts: &Texts) -> Option<InlineKeyboardButton> {
    let url = Url::parse(&format!("{}/me", chat.auth_base_url.trim_end_matches('/'))).ok()?;
    Some(InlineKeyboardButton::web_app(texts.account.open_me, WebAppInfo { url }))
}

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
    let Some(user) = user else {
        return Ok(Reply::text((texts.account.nobody)(id.unwrap_or_default())));
    };
    let is_shown_events = request.person.is_admin() && id.is_some();
    let note = async {
        if is_shown_events {
            let Person { account_id: reader, account, .. } = &request.person;
            note_read(&ctx.chat.app, *reader, account.role(), AuditTarget::Account(user.account_id)).await;
        }
    };
    let (status, ()) = tokio::join!(account_status(ctx, request, &user, is_shown_events), note);
    Ok(Reply::text((texts.account.status)(&status?)))
}

/// The account of a person who is named by a Telegram id, an account id or a @username.
pub(super) async fn find(ctx: &BotContext, id: &str) -> Result<Option<AccountId>, Failure> {
    if let Some(username) = id.strip_prefix('@') {
        ctx.chat.app.catch_up().await?;
        let user = users::by_username(&ctx.chat.app.db, username).await?;
        return Ok(user.map(|user| user.account_id));
    }
    match PersonId::parse(id) {
        Some(id) => Ok(id.account(&ctx.chat.app.vault).await?),
        None => Ok(None),
    }
}

async fn account_status(
    ctx: &BotContext,
    request: &Request,
    user: &User,
    is_shown_events: bool,
) -> Result<AccountStatus, Failure> {
    let (chat, zone, now) = (&ctx.chat, &ctx.chat.display_timezone, ctx.chat.app.clock.now());
    let log = Log::new(&chat.app.db);
    let of_person = Filter { account: Some(user.account_id), ..Filter::default() };
    // Of those who looked, the latest alone: they must not crowd out what happened.
    let others = Filter { not_names: vec![AUDIT_READ.to_owned()], ..of_person.clone() };
    let reads = Filter { name: Some(AUDIT_READ.to_owned()), ..of_person.clone() };
    let mut events = log.last(&others, LOOKED_AT).await?;
    events.extend(log.last(&reads, 1).await?);
    events.sort_by_key(|event| event.position);
    let event = request.person.texts.account.event;
    let told = events.iter().filter_map(|it| Some((moment(it.recorded_at, zone), event(&it.name)?)));
    let mut history: Vec<_> = told.collect();
    history.drain(..history.len().saturating_sub(TOLD));
    let latest = if is_shown_events { log.last(&of_person, RAW).await? } else { Vec::new() };
    let raw = latest.iter();
    let raw = raw.map(|it| format!("#{} {} {}", it.position, moment(it.recorded_at, zone), it.name));
    let live = login_status::live_of(&chat.app.db, user.account_id).await?;
    let is_linked = chat.app.vault.linked(user.account_id).await?.is_some();
    let username = user.username.as_ref().map(|name| format!(" (@{name})")).unwrap_or_default();
    let tier = user.subscription_type;
    let end = user.subscription_expires_at;
    Ok(AccountStatus {
        for_admin: is_shown_events.then(|| ForAdmin {
            account: user.account_id.to_string(),
            role: user.role,
            events: raw.collect(),
        }),
        telegram_id: user.telegram_id,
        name: format!("{}{username}", full_name(user)),
        blocked: user.is_blocked,
        subscription: match user.subscription_status {
            SubscriptionStatus::None => Known::Never,
            SubscriptionStatus::Active => {
                Known::Active(tier, end.map(|end| (day(end, zone), days_left(now, end))))
            }
            SubscriptionStatus::Expired => Known::Over(end.map(|end| day(end, zone))),
        },
        session: match user.session_exported {
            true => Session::HandedOver,
            false if is_linked => Session::Linked,
            false => Session::None,
        },
        login_minutes: live.iter().map(|login| login.deadline_at).max().map(|end| minutes_left(now, end)),
        history,
        zone: zone_name(now, zone),
    })
}
