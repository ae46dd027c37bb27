//! `/logout`: ends the linked session.
//!
//! 1. which session a confirmed login has linked, or was ended by this very update before a crash; a login that goes on
//!    has not linked anything yet, whatever its worker has put into the vault, and `/cancel` ends it
//! 2. nobody else has handled the update: else it may have been linked afterwards
//! 3. record `LoggedOut`: repeated, it changes nothing; refused where the session is on its way to another service
//! 4. take the session out of the vault; its key is logged out at Telegram until Telegram confirms it, and its file goes
//!    (`login::retire`)
//! 5. say so

use domain::{
    AccountCommand, AccountError, AccountEvent, AccountId, Event, LoginId, LoginStatus, StreamKind,
};
use eventlog::{Context, DatabaseError, Log, StoreError};
use projections::views::users;
use vault::RetireReason;

use super::BotContext;
use super::dispatch::{Failure, Request};
use super::reply::Reply;

pub(super) async fn log_out(ctx: &BotContext, request: &Request) -> Result<Option<Reply>, Failure> {
    let (chat, account, texts) = (&ctx.chat, request.person.account_id, request.person.texts.account);
    ctx.catch_up().await?;
    let login_id = match logged_out_by(ctx, request).await? {
        Some(before) => Some(before),
        None => confirmed(ctx, account).await?,
    };
    if !ctx.inbox.is_waiting(request.update_id).await? {
        return Ok(None);
    }
    let Some(login_id) = login_id else {
        let user = users::by_account(&chat.db, account).await?;
        let elsewhere = user.is_some_and(|user| user.session_exported);
        let text = if elsewhere { texts.session_is_elsewhere } else { texts.not_linked };
        return Ok(Some(Reply::text(text)));
    };
    let order = AccountCommand::LogOut { login_id: login_id.clone(), at: chat.clock.now() };
    let context = Context::by(account).with_login(&login_id).with_update(request.update_id);
    match chat.store.account(account, order, context).await {
        Ok(()) => {}
        Err(StoreError::Refused(AccountError::HandedOver)) => {
            return Ok(Some(Reply::text(texts.session_is_elsewhere)));
        }
        Err(error) => return Err(error.into()),
    }
    chat.vault.retire_linked(account, &login_id, RetireReason::LoggedOut).await?;
    tracing::info!(login.id = login_id.short(), "A person logged out");
    Ok(Some(Reply::text(texts.logged_out)))
}

/// The latest login of this person that has linked a session for good. The events say so: the log may be behind them.
async fn confirmed(ctx: &BotContext, account: AccountId) -> Result<Option<LoginId>, DatabaseError> {
    for login_id in ctx.chat.vault.linked_by(account).await? {
        if ctx.chat.store.load_login(&login_id).await?.status() == Some(LoginStatus::Authorized) {
            return Ok(Some(login_id));
        }
    }
    Ok(None)
}

/// The login whose session this very update has ended, where it is handled once more.
async fn logged_out_by(ctx: &BotContext, request: &Request) -> Result<Option<LoginId>, DatabaseError> {
    let account = request.person.account_id.to_string();
    let events = Log::new(&ctx.chat.db).stream(StreamKind::Account, &account).await?;
    let mut own = events.into_iter().filter(|event| event.metadata.update_id == Some(request.update_id));
    Ok(own.find_map(|event| match event.event {
        Ok(Event::Account(AccountEvent::LoggedOut { login_id, .. })) => Some(login_id),
        _ => None,
    }))
}
