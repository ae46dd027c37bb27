//! Ends the linked session: `/logout`, and the person's page.
//!
//! 1. Which session? One that a confirmed login has linked, or that this very update has ended before a crash. A login that
//!    goes on has linked nothing yet, whatever its worker has put into the vault; `/cancel` ends it.
//! 2. Has another process handled the update? Then the session may have been linked afterwards, and stays.
//! 3. Record `LoggedOut`. Repeated, it changes nothing; it is refused where the session is on its way to another service.
//! 4. Take the session out of the vault. The bot logs its key out at Telegram until Telegram confirms it.

use domain::{AccountCommand, AccountError, AccountEvent, AccountId, Event, LoginId, StreamKind};
use eventlog::{Context, DatabaseError, Log, StoreError};
use projections::views::users;
use vault::RetireReason;

use crate::app::App;
use crate::error::UseCaseError;
use crate::sessions::linked;
use messages::inbox::Inbox;

/// What became of the order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoggedOut {
    /// The session that this login linked has ended.
    LoggedOut(LoginId),
    /// No session is linked.
    NotLinked,
    /// Another service has it.
    HandedOver,
    /// Another process has handled the update.
    HandledElsewhere,
}

/// Logs a person out, because of this update of the bot; None: because they ask for it now, which nothing delivers again.
///
/// # Errors
/// [`UseCaseError`]: the same order goes on.
pub async fn log_out(
    app: &App,
    account_id: AccountId,
    update_id: Option<i64>,
) -> Result<LoggedOut, UseCaseError> {
    // 1.
    app.catch_up().await?;
    let before = match update_id {
        Some(update_id) => logged_out_by(app, account_id, update_id).await?,
        None => None,
    };
    let login_id = match before {
        Some(before) => Some(before),
        None => linked::confirmed(app, account_id).await?,
    };

    // 2.
    if let Some(update_id) = update_id
        && !Inbox::new(&app.db).is_waiting(update_id).await?
    {
        return Ok(LoggedOut::HandledElsewhere);
    }
    let Some(login_id) = login_id else {
        let user = users::by_account(&app.db, account_id).await?;
        let elsewhere = user.is_some_and(|user| user.session_exported);
        return Ok(if elsewhere { LoggedOut::HandedOver } else { LoggedOut::NotLinked });
    };

    tracing::Span::current().record("login.id", login_id.short());

    // 3.
    let log_out = AccountCommand::LogOut { login_id: login_id.clone(), at: app.clock.now() };
    let context = Context { update_id, ..Context::by(account_id).with_login(&login_id) };
    match app.store.account(account_id, log_out, context).await {
        Ok(()) => {}
        Err(StoreError::Refused(AccountError::HandedOver)) => return Ok(LoggedOut::HandedOver),
        Err(error) => return Err(error.into()),
    }

    // 4.
    app.vault.retire_linked(account_id, &login_id, RetireReason::LoggedOut).await?;
    tracing::info!("A person logged out");
    Ok(LoggedOut::LoggedOut(login_id))
}

/// The login whose session this very update has ended, where it is handled once more.
async fn logged_out_by(
    app: &App,
    account_id: AccountId,
    update_id: i64,
) -> Result<Option<LoginId>, DatabaseError> {
    let events = Log::new(&app.db).stream(StreamKind::Account, &account_id.to_string()).await?;
    let mut own = events.into_iter().filter(|event| event.metadata.update_id == Some(update_id));
    Ok(own.find_map(|event| match event.event {
        Ok(Event::Account(AccountEvent::LoggedOut { login_id, .. })) => Some(login_id),
        _ => None,
    }))
}
