//! `/logout`: ends the linked session.
//!
//! 1. which session is linked
//! 2. nobody else has handled the update: else it may have been linked afterwards
//! 3. record `LoggedOut`: repeated, it changes nothing
//! 4. take the session out of the vault; its key is logged out at Telegram until Telegram confirms it, and its file goes
//!    (`login::retire`)
//! 5. say so

use domain::{AccountCommand, AccountId, Event, StreamKind};
use projections::vault::RetireReason;
use projections::views::users;
use projections::{Context, DatabaseError, Log};

use super::Desk;
use super::dispatch::{Ask, Failure};
use super::reply::Reply;

pub(super) async fn log_out(desk: &Desk, ask: &Ask) -> Result<Option<Reply>, Failure> {
    let (chat, account, texts) = (&desk.chat, ask.person.account_id, ask.person.texts.account);
    let linked = chat.vault.linked(account).await?;
    if !desk.inbox.is_waiting(ask.update_id).await? {
        return Ok(None);
    }
    let Some(linked) = linked else {
        if was_done(desk, ask).await? {
            return Ok(Some(Reply::text(texts.logged_out)));
        }
        desk.catch_up().await?;
        let user = users::by_account(&chat.db, account).await?;
        let elsewhere = user.is_some_and(|user| user.session_exported);
        let text = if elsewhere { texts.session_is_elsewhere } else { texts.not_linked };
        return Ok(Some(Reply::text(text)));
    };
    let order = AccountCommand::LogOut { login_id: linked.login_id.clone(), at: chat.clock.now() };
    let context = Context::by(account).with_login(&linked.login_id).with_update(ask.update_id);
    chat.store.account(account, order, context).await?;
    chat.vault.retire_linked(account, &linked.login_id, RetireReason::LoggedOut).await?;
    tracing::info!(login.id = linked.login_id.short(), "A person logged out");
    Ok(Some(Reply::text(texts.logged_out)))
}

/// This very update has logged the person out, and is delivered once more.
async fn was_done(desk: &Desk, ask: &Ask) -> Result<bool, DatabaseError> {
    let events = Log::new(&desk.chat.db).stream(StreamKind::Account, &stream(ask.person.account_id)).await?;
    Ok(events.iter().any(|event| {
        event.metadata.update_id == Some(ask.update_id)
            && matches!(event.event, Ok(Event::Account(domain::AccountEvent::LoggedOut { .. })))
    }))
}

fn stream(account: AccountId) -> String {
    account.to_string()
}
