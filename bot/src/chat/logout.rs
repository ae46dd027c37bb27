//! `/logout`: ends the linked session.
//!
//! 1. record `LoggedOut`: repeated, it changes nothing
//! 2. take the session out of the vault; its key is logged out at Telegram until Telegram confirms it, and its file goes
//!    (`login::retire`)
//! 3. say so

use domain::{AccountCommand, AccountId, Event, StreamKind};
use projections::vault::RetireReason;
use projections::views::users;
use projections::{Context, DatabaseError, Log};

use super::Desk;
use super::dispatch::{Ask, Failure};
use super::reply::Reply;

pub(super) async fn log_out(desk: &Desk, ask: &Ask) -> Result<Reply, Failure> {
    let (chat, account, texts) = (&desk.chat, ask.person.account_id, ask.person.texts.account);
    let Some(linked) = chat.vault.linked(account).await? else {
        if was_done(desk, ask).await? {
            return Ok(Reply::text(texts.logged_out));
        }
        desk.catch_up().await?;
        let user = users::by_account(&chat.db, account).await?;
        let elsewhere = user.is_some_and(|user| user.session_exported);
        return Ok(Reply::text(if elsewhere { texts.session_is_elsewhere } else { texts.not_linked }));
    };
    let order = AccountCommand::LogOut { login_id: linked.login_id.clone(), at: chat.clock.now() };
    let context = Context::by(account).with_login(&linked.login_id).with_update(ask.update_id);
    chat.store.account(account, order, context).await?;
    chat.vault.retire_linked(account, &linked.login_id, RetireReason::LoggedOut).await?;
    tracing::info!(login.id = linked.login_id.short(), "A person logged out");
    Ok(Reply::text(texts.logged_out))
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
