//! `/forget` and `/debug_reset [ID]`: forgets a person, after asking. What the button does is told in `app::people::reset`.
//!
//! The press registers nobody: a person who is forgotten stays so until they write again. A person who is forgotten by somebody
//! else is told so. That message is in the outbox before the order, and is all that names their chat until it is sent.

use app::people::reset::{self, Permission};
use domain::AccountId;
use eventlog::Context;
use projections::views::users;
use teloxide::types::{InlineKeyboardButton, User};
use texts::Language;
use texts::chat::Texts;

use super::context::BotContext;
use super::failure::Failure;
use super::person::{texts_for, who};
use super::reply::Reply;
use super::request::Request;
use super::status::find;

/// Before the account in the data of the button that agrees.
const RESET: &str = "reset:";
/// The data of the button that declines.
const KEEP: &str = "reset-not";

/// What a person pressed under the question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Reset(AccountId),
    Keep,
}

impl Answer {
    pub fn parse(data: &str) -> Option<Self> {
        match data.strip_prefix(RESET) {
            Some(account) => account.parse().ok().map(Self::Reset),
            None => (data == KEEP).then_some(Self::Keep),
        }
    }
}

/// `/forget`.
pub(super) async fn forget(ctx: &BotContext, request: &Request) -> Result<Reply, Failure> {
    question(ctx, request, None, request.person.texts.account.forget).await
}

/// `/debug_reset [ID]`.
pub(super) async fn ask_first(
    ctx: &BotContext,
    request: &Request,
    id: Option<&str>,
) -> Result<Reply, Failure> {
    question(ctx, request, id, request.person.texts.account.reset).await
}

async fn question(
    ctx: &BotContext,
    request: &Request,
    id: Option<&str>,
    agree: &str,
) -> Result<Reply, Failure> {
    let texts = request.person.texts;
    let account = match id {
        None => Some(request.person.account_id),
        Some(id) => find(ctx, id).await?,
    };
    let own = account == Some(request.person.account_id);
    if !own && !request.person.is_admin() {
        return Ok(Reply::text(texts.admins_only));
    }
    let Some(account) = account else {
        return Ok(Reply::text((texts.account.nobody)(id.unwrap_or_default())));
    };
    // This service cannot end a session that it handed over.
    ctx.chat.app.catch_up().await?;
    let user = users::by_account(&ctx.chat.app.db, account).await?;
    let handed_over = user.as_ref().is_some_and(|user| user.session_exported);
    let question = if own {
        (texts.account.forget_question)(handed_over)
    } else {
        let who = user.as_ref().map_or_else(|| account.to_string(), who);
        (texts.account.reset_question)(&who, handed_over)
    };
    Ok(Reply::text(question).with_buttons(vec![
        vec![InlineKeyboardButton::callback(agree, format!("{RESET}{account}"))],
        vec![InlineKeyboardButton::callback(texts.account.keep, KEEP)],
    ]))
}

pub(super) async fn answered(
    ctx: &BotContext,
    update_id: i64,
    user: &User,
    pressed: i32,
    answer: Answer,
) -> Result<Reply, Failure> {
    let texts = texts_for(user);
    let say = |text: &str| Reply::text(text).instead_of(Some(pressed));
    let (app, telegram_id) = (&ctx.chat.app, i64::try_from(user.id.0).ok());
    let Answer::Reset(account) = answer else {
        let is_blocked = reset::is_blocked(app, telegram_id).await?;
        let blocked = || (texts.blocked)(ctx.chat.support_contact.as_deref());
        return Ok(if is_blocked { say(&blocked()) } else { say(texts.account.kept) });
    };
    match reset::may_reset(app, telegram_id, account).await? {
        Permission::AlreadyForgotten => Ok(say(texts.account.reset_done)),
        Permission::Blocked => Ok(say(&(texts.blocked)(ctx.chat.support_contact.as_deref()))),
        Permission::NotAllowed => Ok(say(texts.question_is_over)),
        Permission::LastAdmin => Ok(say(texts.admin.last_admin)),
        Permission::Own => {
            reset::reset(app, account, Context::by(account).with_update(update_id)).await?;
            Ok(say(texts.account.reset_done))
        }
        Permission::Admin { admin, tell } => {
            if let Some(telegram_id) = tell {
                let told = Reply::text(texts_of(ctx, account).await?.account.reset_done);
                let told = told.with_key(format!("update/{update_id}/2"));
                ctx.queue(update_id, telegram_id, told).await?;
            }
            reset::reset(app, account, Context::by(admin).with_update(update_id)).await?;
            Ok(say(&(texts.account.reset_done_to_another)(&account.to_string())))
        }
    }
}

async fn texts_of(ctx: &BotContext, account: AccountId) -> Result<&'static Texts, Failure> {
    let user = users::by_account(&ctx.chat.app.db, account).await?;
    Ok(Language::of(user.and_then(|user| user.language_code).as_deref()).texts())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_buttons_of_the_question_are_read_back() {
        let account = AccountId(uuid::Uuid::from_u128(7));
        assert_eq!(Answer::parse(&format!("{RESET}{account}")), Some(Answer::Reset(account)));
        assert_eq!(Answer::parse(KEEP), Some(Answer::Keep));
        assert_eq!(Answer::parse("reset:me"), None);
        assert!(format!("{RESET}{account}").len() <= 64, "Telegram takes 64 bytes of data");
    }
}
