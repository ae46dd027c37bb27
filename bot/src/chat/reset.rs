//! `/debug_reset [ID]`: forgets a person, after asking. What the button does is given out by `app::erasure`; here is
//! who may press it, and who is told.
//!
//! Whoever pressed it must not be met anew by that very press: a person who is forgotten stays so until they write again.
//!
//! Who is forgotten by somebody else is told so. After the order, nobody may know any more where to: the message is in the
//! outbox before it, as soon as nothing can refuse the order. It is all that names their chat, until it is sent.

use app::erasure::{Erasure, ErasureError};
use domain::{Account, AccountId};
use eventlog::{Context, StoreError};
use teloxide::types::{InlineKeyboardButton, User};

use super::BotContext;
use super::dispatch::{Failure, Request, put};
use super::person::texts_for;
use super::reply::Reply;
use super::status::find;
use super::texts::{Language, Texts};
use projections::views::users;

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

pub(super) async fn ask_first(
    ctx: &BotContext,
    request: &Request,
    id: Option<&str>,
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
    let Some(account) = account else { return Ok(Reply::text(texts.account.nobody)) };
    // A session that was handed over is not ours to end.
    ctx.catch_up().await?;
    let user = users::by_account(&ctx.chat.db, account).await?;
    let handed_over = user.is_some_and(|user| user.session_exported);
    Ok(Reply::text((texts.account.reset_question)(own, handed_over)).with_buttons(vec![
        vec![InlineKeyboardButton::callback(texts.account.reset, format!("{RESET}{account}"))],
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
    let Answer::Reset(account) = answer else { return Ok(say(texts.account.kept)) };
    let chat = &ctx.chat;
    let presser = match i64::try_from(user.id.0) {
        Ok(telegram_id) => chat.vault.subject_of(telegram_id).await?,
        Err(_) => None,
    };
    // Whoever is nobody here any more has pressed it before.
    let Some(presser) = presser.map(|subject| subject.account_id) else {
        return Ok(say(texts.account.reset_done));
    };
    let standing: Account = chat.store.load_account(presser).await?;
    if standing.is_erased() {
        return Ok(say(texts.account.reset_done));
    }
    if standing.is_blocked() {
        return Ok(say(&(texts.blocked)(chat.support_contact.as_deref())));
    }
    let own = presser == account;
    if !own && standing.role() != domain::Role::Admin {
        return Ok(say(texts.question_is_over));
    }
    if !own {
        tell_the_forgotten(ctx, update_id, account).await?;
    }
    let context = Context::by(presser).with_update(update_id);
    match erasure(ctx).order(account, context).await {
        Ok(()) => {}
        Err(ErasureError::Database(error) | ErasureError::Account(StoreError::Database(error))) => {
            return Err(error.into());
        }
        Err(error) => return Err(Failure::Command(error.to_string())),
    }
    if own {
        return Ok(say(texts.account.reset_done));
    }
    Ok(say(&(texts.account.reset_done_to_another)(&account.to_string())))
}

/// Before the order: an account that is registered never refuses it. One that is erased already hears nothing new.
async fn tell_the_forgotten(ctx: &BotContext, update_id: i64, account: AccountId) -> Result<(), Failure> {
    let chat = &ctx.chat;
    let standing: Account = chat.store.load_account(account).await?;
    if !standing.is_registered() || standing.is_erased() {
        return Ok(());
    }
    let Some(person) = chat.vault.subject(account).await? else { return Ok(()) };
    let told = Reply::text(texts_of(ctx, account).await?.account.reset_done);
    Ok(put(ctx, update_id, person.telegram_id, told.with_key(format!("update/{update_id}/2"))).await?)
}

fn erasure(ctx: &BotContext) -> Erasure {
    let chat = &ctx.chat;
    Erasure {
        db: chat.db.clone(),
        store: chat.store.clone(),
        vault: chat.vault.clone(),
        master: chat.master.clone(),
        clock: chat.clock.clone(),
    }
}

async fn texts_of(ctx: &BotContext, account: AccountId) -> Result<&'static Texts, Failure> {
    let user = users::by_account(&ctx.chat.db, account).await?;
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
