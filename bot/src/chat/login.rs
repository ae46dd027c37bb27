//! `/login CODE` and `/login`, and the button under the question whether to replace a subscription. What the order does is told
//! in `app::logins::begin`; the answer is the login's card (`card`).
//!
//! A login's id comes from the update, so that a second delivery means the same login. The button under a question means one
//! login, however often it is pressed.

use app::logins::begin::{self, Begun, Consent, LoginOrder};
use domain::login::LOGIN_TTL;
use domain::{InviteError, InviteGrant, LoginId};
use jiff::Timestamp;
use teloxide::types::InlineKeyboardButton;
use texts::Language;
use texts::chat::{Replacement, minutes_left};
use tracing::Span;

use super::card;
use super::context::BotContext;
use super::failure::Failure;
use super::person::active;
use super::reply::{Reply, card_key};
use super::request::Request;

/// Before the code in the data of the button that agrees.
const REPLACE: &str = "replace:";
/// The data of the button that declines.
const KEEP: &str = "keep";

/// What a person pressed under the question whether to replace their subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Replace(String),
    Keep,
}

impl Answer {
    pub fn parse(data: &str) -> Option<Self> {
        match data.strip_prefix(REPLACE) {
            Some(code) => Some(Self::Replace(code.to_owned())),
            None => (data == KEEP).then_some(Self::Keep),
        }
    }
}

pub(super) async fn answered(
    ctx: &BotContext,
    request: &Request,
    answer: Answer,
) -> Result<Option<Reply>, Failure> {
    match answer {
        Answer::Keep => Ok(Some(Reply::text(request.person.texts.kept).instead_of(request.pressed))),
        Answer::Replace(code) => by_code(ctx, request, &code, Consent::Given).await,
    }
}

pub(super) async fn by_code(
    ctx: &BotContext,
    request: &Request,
    code: &str,
    consent: Consent,
) -> Result<Option<Reply>, Failure> {
    let login_id = login_id(ctx, request).await?;
    let begun = begin::by_code(&ctx.chat.app, order(request, &login_id), code, consent).await?;
    answer(ctx, request, &login_id, begun, code)
}

pub(super) async fn without_code(ctx: &BotContext, request: &Request) -> Result<Option<Reply>, Failure> {
    let login_id = login_id(ctx, request).await?;
    let begun = begin::without_code(&ctx.chat.app, order(request, &login_id)).await?;
    answer(ctx, request, &login_id, begun, "")
}

fn order<'a>(request: &'a Request, login_id: &'a LoginId) -> LoginOrder<'a> {
    LoginOrder {
        login_id,
        account_id: request.person.account_id,
        telegram_id: request.person.telegram_id,
        account: &request.person.account,
        update_id: request.update_id,
    }
}

/// The login that this update means.
async fn login_id(ctx: &BotContext, request: &Request) -> Result<LoginId, Failure> {
    let app = &ctx.chat.app;
    let order = app.vault.order(request.chat_id, &request.origin("login")).await?;
    let login_id = app.keys.login_id(&order);
    Span::current().record("login.id", login_id.short());
    Ok(login_id)
}

fn answer(
    ctx: &BotContext,
    request: &Request,
    login_id: &LoginId,
    begun: Begun,
    code: &str,
) -> Result<Option<Reply>, Failure> {
    let texts = request.person.texts;
    match begun {
        Begun::Live(grant) => Ok(Some(card(ctx, request, login_id, grant))),
        // The person was told how it ended: a card would only mislead.
        Begun::Ended => {
            let over = |_| Reply::text(texts.question_is_over).instead_of(request.pressed);
            Ok(request.pressed.map(over))
        }
        Begun::WouldReplace { running, tier } => {
            let question = Replacement { running: active(&running, &ctx.chat.display_timezone), tier };
            Ok(Some(ask_first(request, &question, code)))
        }
        Begun::UnknownCode { tries_left } => {
            Ok(Some(Reply::text((texts.unknown_code)(tries_left)).instead_of(request.pressed)))
        }
        Begun::InviteRefused(error) => refusal(ctx, request, error).map(Some),
        Begun::TooManyTries { retry_at } => Ok(Some(too_many(ctx, request, retry_at))),
        Begun::NoSubscription => Ok(Some(Reply::text(texts.login_usage).asking(texts.login_placeholder))),
    }
}

fn ask_first(request: &Request, question: &Replacement, code: &str) -> Reply {
    let texts = request.person.texts;
    Reply::text((texts.replace_question)(question)).with_buttons(vec![
        vec![InlineKeyboardButton::callback((texts.replace)(question.tier), format!("{REPLACE}{code}"))],
        vec![InlineKeyboardButton::callback(texts.keep, KEEP)],
    ])
}

fn refusal(ctx: &BotContext, request: &Request, error: InviteError) -> Result<Reply, Failure> {
    let chat = &ctx.chat;
    let active = request.person.active(chat.app.clock.now(), &chat.display_timezone);
    match request.person.texts.refusal(error, active.as_ref()) {
        Some(text) => Ok(Reply::text(text).instead_of(request.pressed)),
        None => Err(Failure::Command(error.into())),
    }
}

fn too_many(ctx: &BotContext, request: &Request, retry_at: Timestamp) -> Reply {
    let minutes = minutes_left(ctx.chat.app.clock.now(), retry_at);
    Reply::text((request.person.texts.too_many_tries)(minutes))
}

/// Whether this is the question for a code, in any language: what answers it is one, however it is written.
pub(super) fn is_question(text: &str) -> bool {
    Language::ALL.iter().any(|language| language.texts().login_usage == text)
}

/// The message whose button opens the page: one a login.
fn card(ctx: &BotContext, request: &Request, login_id: &LoginId, grant: Option<InviteGrant>) -> Reply {
    let deadline = ctx.chat.app.clock.now().checked_add(LOGIN_TTL).ok();
    let body = card::first(&ctx.chat, request.person.texts, login_id, grant);
    let reply = Reply::from(body).instead_of(request.pressed).with_key(card_key(login_id));
    deadline.into_iter().fold(reply, Reply::not_after)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_buttons_of_the_question_are_read_back() {
        assert_eq!(Answer::parse("replace:3HBP4Z3ECICZ"), Some(Answer::Replace("3HBP4Z3ECICZ".to_owned())));
        assert_eq!(Answer::parse("keep"), Some(Answer::Keep));
        assert_eq!(Answer::parse("keep:it"), None);
        assert_eq!(Answer::parse("invite:premium"), None);
    }
}
