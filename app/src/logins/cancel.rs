//! Cancelling: one login from its page, all live ones from the chat. The reactor's notice tells the person that it has ended,
//! as for every other end.
//!
//! From the chat (`/cancel`):
//!
//! 1. Which logins are live?
//! 2. Has another process handled the update? Then they may have begun afterwards, and nothing is cancelled.
//! 3. End these, but for one that this very update has ended before a crash, and that was begun anew since.

use domain::login::CancelReason;
use domain::{AccountId, Event, LoginCommand, LoginEvent, LoginId, StreamKind};
use eventlog::{Context, DatabaseError, Log, LogEvent, StoreError};
use projections::views::login_status;

use crate::app::App;
use crate::error::UseCaseError;
use messages::inbox::Inbox;

/// "Nothing to cancel" is said of what is known: this many times the views may be found behind.
const LOOKS: u32 = 10;

/// What became of an order to cancel all live logins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CancelledAll {
    /// They have ended.
    Cancelled,
    /// There was none.
    NothingLive,
    /// Another process has handled the update.
    HandledElsewhere,
}

/// Cancels one attempt of a login. One that has ended already stays as it is.
///
/// # Errors
/// [`UseCaseError`].
pub async fn cancel(
    app: &App,
    login_id: &LoginId,
    account_id: AccountId,
    attempt: u32,
) -> Result<(), UseCaseError> {
    let context = Context::by(account_id).with_login(login_id);
    match app.store.login(login_id, by_person(app, attempt), context).await {
        Ok(()) | Err(StoreError::Refused(_)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Cancels every live login of a person, because of this update of the bot.
///
/// # Errors
/// [`UseCaseError`].
pub async fn cancel_all(
    app: &App,
    account_id: AccountId,
    update_id: i64,
) -> Result<CancelledAll, UseCaseError> {
    // 1.
    let mut live = Vec::new();
    for _ in 0..LOOKS {
        let caught_up = app.catch_up().await?;
        live = login_status::live_of(&app.db, account_id).await?;
        if caught_up || !live.is_empty() {
            break;
        }
    }

    // 2.
    if !Inbox::new(&app.db).is_waiting(update_id).await? {
        return Ok(CancelledAll::HandledElsewhere);
    }

    // 3.
    for login in &live {
        if was_ended_by(app, &login.login_id, update_id).await? {
            continue;
        }
        let attempt = u32::try_from(login.attempt).unwrap_or_default();
        let context = Context::by(account_id).with_login(&login.login_id).with_update(update_id);
        app.store.login(&login.login_id, by_person(app, attempt), context).await?;
    }
    Ok(if live.is_empty() { CancelledAll::NothingLive } else { CancelledAll::Cancelled })
}

fn by_person(app: &App, attempt: u32) -> LoginCommand {
    LoginCommand::Cancel { attempt, reason: CancelReason::Person, at: app.clock.now() }
}

async fn was_ended_by(app: &App, login_id: &LoginId, update_id: i64) -> Result<bool, DatabaseError> {
    let events = Log::new(&app.db).stream(StreamKind::Login, login_id.as_str()).await?;
    let is_end =
        |event: &LogEvent| matches!(event.event, Ok(Event::Login(LoginEvent::LoginCancelled { .. })));
    Ok(events.iter().any(|event| event.metadata.update_id == Some(update_id) && is_end(event)))
}
