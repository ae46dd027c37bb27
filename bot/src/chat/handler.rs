//! Finds the handler of an update. An update may be handled again from its beginning, which changes nothing twice.

use std::time::Duration;

use app::logins::begin::Consent;
use domain::Account;
use eventlog::DatabaseError;
use teloxide::payloads::AnswerCallbackQuerySetters;
use teloxide::prelude::Requester;
use teloxide::types::{CallbackQuery, ChatKind, Message, UpdateKind, User};
use texts::chat::{Chapter, minutes_left};
use tokio::time::timeout;
use tracing::Span;
use tracing::field::display;

use super::budget::{Kind, Verdict};
use super::button::Button;
use super::call::call;
use super::commands::{Command, parse};
use super::context::BotContext;
use super::failure::Failure;
use super::person::{Person, register_or_update, texts_for};
use super::reply::Reply;
use super::request::Request;
use super::{
    admin, admin_invite, admin_page, admin_people, cancel, login, logout, permissions, rebuild, reset, start,
    status, subscription, take_back, test_phone,
};

/// How long Telegram has to take the answer to a pressed button. Without it the button spins a little longer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// An update, as teloxide reads it; None: it cannot read it.
pub(super) fn read(body: &str) -> Option<UpdateKind> {
    let update: teloxide::types::Update = serde_json::from_str(body).ok()?;
    (!matches!(update.kind, UpdateKind::Error(_))).then_some(update.kind)
}

pub(super) async fn handle(ctx: &BotContext, update_id: i64, kind: &UpdateKind) -> Result<(), Failure> {
    match kind {
        UpdateKind::Message(message) => on_message(ctx, update_id, message).await,
        UpdateKind::CallbackQuery(query) => {
            let handled = on_press(ctx, update_id, query).await;
            // Sent once: it only stops the button's spinning.
            let answer = ctx.bot.answer_callback_query(query.id.clone());
            let answer = match handled.as_ref().ok().copied().flatten() {
                Some(toast) => answer.text(toast),
                None => answer,
            };
            let _ = timeout(ANSWER_TIMEOUT, call(answer)).await;
            handled.map(drop)
        }
        _ => Ok(()),
    }
}

async fn on_message(ctx: &BotContext, update_id: i64, message: &Message) -> Result<(), Failure> {
    let (Some(user), Some(text)) = (&message.from, message.text()) else { return Ok(()) };
    if user.is_bot {
        return Ok(());
    }
    let Some(mut command) = parse(text, &ctx.username) else { return Ok(()) };
    let asked = message.reply_to_message().and_then(Message::text);
    if command == Command::Unknown && !text.starts_with('/') && asked.is_some_and(login::is_question) {
        command = Command::Login(Some(text.to_owned()));
    }
    let chat_id = message.chat.id.0;
    if !matches!(message.chat.kind, ChatKind::Private(_)) {
        let known = command != Command::Unknown;
        // Everybody in a group counts as a stranger: nobody there has business with the bot.
        let count = || ctx.budgets.count(chat_id, update_id, true, Kind::Unknown, ctx.chat.app.clock.now());
        let reply = (known && count() == Verdict::Answer).then(|| start::private_only(ctx, user));
        return queue(ctx, update_id, chat_id, reply, true).await;
    }
    let kind = if command == Command::Unknown { Kind::Unknown } else { Kind::Known };
    let known = known(ctx, user).await?;
    let is_stranger = known.is_none_or(|account| account.is_stranger());
    if let Budgeted::Over(refused) = count(ctx, update_id, user, is_stranger, kind) {
        return queue(ctx, update_id, chat_id, refused.map(|it| *it), is_stranger).await;
    }
    let person = sender(ctx, update_id, user).await?;
    let request = Request { update_id, chat_id, person, pressed: None };
    let reply = match (&request.person, command) {
        (person, _) if person.account.is_blocked() => Some(refusal(ctx, person)),
        (_, Command::Start) => Some(start::start(ctx, &request)),
        (_, Command::Help) => Some(start::help(ctx, &request, Chapter::Overview)),
        (_, Command::Login(Some(code))) => login::by_code(ctx, &request, &code, Consent::Unasked).await?,
        (_, Command::Login(None)) => login::without_code(ctx, &request).await?,
        (_, Command::Subscription) => Some(subscription::show(ctx, &request).await?),
        (_, Command::Me) => Some(status::me(ctx, &request).await?),
        (_, Command::Forget) => Some(reset::forget(ctx, &request).await?),
        (_, Command::Cancel) => cancel::cancel(ctx, &request).await?,
        (_, Command::LogOut) => logout::log_out(ctx, &request).await?,
        (_, Command::Status(id)) => Some(status::show(ctx, &request, id.as_deref()).await?),
        (_, Command::Reset(id)) => Some(reset::ask_first(ctx, &request, id.as_deref()).await?),
        (_, Command::TestPhone(phone)) => Some(test_phone::ask_first(ctx, &request, &phone).await?),
        (_, Command::AdminPage) => Some(admin_page::open(ctx, &request)),
        (_, Command::People(query)) => Some(admin_people::first(ctx, &request, query).await?),
        (_, Command::Person(id)) => Some(admin::person(ctx, &request, id.as_deref()).await?),
        (_, Command::Grant(arguments)) => Some(admin::grant(ctx, &request, &arguments).await?),
        (_, Command::Statistics) => Some(admin::statistics(ctx, &request).await?),
        (_, Command::AdminInvite(words)) => Some(admin_invite::begin(ctx, &request, &words).await?),
        (_, Command::Block(id)) => Some(permissions::block(ctx, &request, id.as_deref()).await?),
        (_, Command::Unblock(id)) => Some(permissions::unblock(ctx, &request, id.as_deref()).await?),
        (_, Command::Role(arguments)) => Some(permissions::role(ctx, &request, &arguments).await?),
        (_, Command::Rebuild(view)) => Some(rebuild::begin(ctx, &request, view.as_deref()).await?),
        (person, Command::Unknown) => Some(Reply::text(person.texts.unknown_command)),
    };
    queue(ctx, update_id, chat_id, reply, is_stranger).await
}

/// Handles a pressed button. Returns what a toast says, if anything.
async fn on_press(
    ctx: &BotContext,
    update_id: i64,
    query: &CallbackQuery,
) -> Result<Option<&'static str>, Failure> {
    let (Some(data), Some(message)) = (&query.data, query.regular_message()) else { return Ok(None) };
    if !matches!(message.chat.kind, ChatKind::Private(_)) {
        return Ok(None);
    }
    let chat_id = message.chat.id.0;
    let Some(button) = Button::parse(data) else { return Ok(Some(texts_for(&query.from).question_is_over)) };
    if let Button::Reset(answer) = button {
        let reply = reset::answered(ctx, update_id, &query.from, message.id.0, answer).await?;
        ctx.queue(update_id, chat_id, reply).await?;
        return Ok(None);
    }
    // A button is older than the erasure of a person whom nobody knows any more: a press registers nobody.
    let Some(account) = known(ctx, &query.from).await? else {
        return Ok(Some(texts_for(&query.from).question_is_over));
    };
    let is_stranger = account.is_stranger();
    if let Budgeted::Over(refused) = count(ctx, update_id, &query.from, is_stranger, Kind::Known) {
        queue(ctx, update_id, chat_id, refused.map(|it| *it), is_stranger).await?;
        return Ok(None);
    }
    let person = sender(ctx, update_id, &query.from).await?;
    let request = Request { update_id, chat_id, person, pressed: Some(message.id.0) };
    let reply = match button {
        _ if request.person.account.is_blocked() => Some(refusal(ctx, &request.person)),
        Button::Reset(_) => None,
        Button::Login(answer) => login::answered(ctx, &request, answer).await?,
        Button::Invite(step) => Some(admin_invite::go_on(ctx, &request, step).await?),
        Button::Phone(answer) => Some(test_phone::answered(ctx, &request, answer).await?),
        Button::Help(chapter) => Some(start::help(ctx, &request, chapter)),
        Button::History => Some(subscription::show_history(ctx, &request).await?),
        Button::Rebuild(answer) => rebuild::answered(ctx, &request, answer).await?,
        Button::People(place) => Some(admin_people::show(ctx, &request, place).await?),
        Button::Undo(undo) => match take_back::answered(ctx, &request, undo).await? {
            take_back::Answered::Reply(reply) => Some(*reply),
            take_back::Answered::TooLate => return Ok(Some(request.person.texts.admin.undo_is_late)),
        },
    };
    queue(ctx, update_id, chat_id, reply, is_stranger).await?;
    Ok(None)
}

/// The account of the sender; None: nobody knows them, or they are being forgotten.
async fn known(ctx: &BotContext, user: &User) -> Result<Option<Account>, Failure> {
    let Ok(telegram_id) = i64::try_from(user.id.0) else { return Ok(None) };
    let Some(subject) = ctx.chat.app.vault.subject_of(telegram_id).await? else { return Ok(None) };
    let account = ctx.chat.app.store.load_account(subject.account_id).await?;
    Ok((account.is_registered() && !account.is_erased()).then_some(account))
}

/// Whether the update is over a budget, and what the person is told then.
enum Budgeted {
    Within,
    Over(Option<Box<Reply>>),
}

/// Counts the update.
fn count(ctx: &BotContext, update_id: i64, user: &User, is_stranger: bool, kind: Kind) -> Budgeted {
    let (now, person) = (ctx.chat.app.clock.now(), i64::try_from(user.id.0).unwrap_or_default());
    match ctx.budgets.count(person, update_id, is_stranger, kind, now) {
        Verdict::Answer => Budgeted::Within,
        Verdict::Drop => Budgeted::Over(None),
        Verdict::TellToWait(retry_at) => {
            let minutes = minutes_left(now, retry_at);
            Budgeted::Over(Some(Reply::text((texts_for(user).too_many_tries)(minutes)).into()))
        }
    }
}

/// Registers the sender, whose account the update's span names from now on.
async fn sender(ctx: &BotContext, update_id: i64, user: &User) -> Result<Person, Failure> {
    let person = register_or_update(ctx, update_id, user).await?;
    Span::current().record("account.id", display(person.account_id));
    Ok(person)
}

fn refusal(ctx: &BotContext, person: &Person) -> Reply {
    Reply::text((person.texts.blocked)(ctx.chat.support_contact.as_deref()))
}

async fn queue(
    ctx: &BotContext,
    update_id: i64,
    chat_id: i64,
    reply: Option<Reply>,
    to_stranger: bool,
) -> Result<(), Failure> {
    match reply {
        Some(reply) => Ok(ctx.queue(update_id, chat_id, Reply { to_stranger, ..reply }).await?),
        None => Ok(()),
    }
}

/// Tells the sender that their update cannot be handled.
pub(super) async fn answer_broken(
    ctx: &BotContext,
    update_id: i64,
    kind: &UpdateKind,
) -> Result<(), DatabaseError> {
    match private_sender(kind) {
        Some((chat_id, user)) => ctx.queue(update_id, chat_id, Reply::text(texts_for(user).broken)).await,
        None => Ok(()),
    }
}

fn private_sender(kind: &UpdateKind) -> Option<(i64, &User)> {
    let (chat, user) = match kind {
        UpdateKind::Message(message) => (&message.chat, message.from.as_ref()?),
        UpdateKind::CallbackQuery(query) => (&query.regular_message()?.chat, &query.from),
        _ => return None,
    };
    matches!(chat.kind, ChatKind::Private(_)).then_some((chat.id.0, user))
}
