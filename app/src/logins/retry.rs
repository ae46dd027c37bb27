//! `Try again` on the page: the next attempt of a login that ended without an authorisation.
//!
//! 1. How does the login stand? The log itself says so: a view may be behind the end of one attempt and the start of the next.
//! 2. The same checks as at the beginning: not blocked, not erased, not too many tries.
//! 3. Reserve the invite anew, where the login had one.
//! 4. Start the attempt. If this process dies before that, the reactor starts it.

use domain::{AccountId, InviteError, InviteId, LoginError, LoginId, LoginStatus};
use eventlog::StoreError;
use jiff::Timestamp;

use super::steps::{Attempt, Counted, Reservation};
use crate::app::App;
use crate::error::UseCaseError;

/// A person's order to try their login again.
#[derive(Clone, Copy, Debug)]
pub struct RetryOrder<'a> {
    /// Which login.
    pub login_id: &'a LoginId,
    /// Whose it is.
    pub account_id: AccountId,
    /// The same person at Telegram; None once they are forgotten.
    pub telegram_id: Option<i64>,
    /// The invite that the login began with.
    pub invite_id: Option<InviteId>,
}

/// What became of the order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Retried {
    /// This attempt is live, by this order or by one that came before it.
    Live {
        /// Its number.
        attempt: u32,
    },
    /// The login has succeeded.
    Authorized,
    /// The person is blocked.
    Blocked,
    /// The person was erased.
    Erased,
    /// There were too many tries.
    TooManyTries {
        /// When the next one counts again.
        retry_at: Timestamp,
    },
    /// The invite is not for this person any more.
    InviteRefused(InviteError),
    /// Nobody made the invite.
    NoInvite,
}

/// Tries a login again.
///
/// # Errors
/// [`UseCaseError`]: the same order goes on.
pub async fn retry(app: &App, order: RetryOrder<'_>) -> Result<Retried, UseCaseError> {
    // 1.
    let login = app.store.load_login(order.login_id).await?;
    let number = match login.status() {
        Some(LoginStatus::Authorized) => return Ok(Retried::Authorized),
        // Another order was quicker, perhaps this person's, whom its answer did not reach.
        Some(status) if status.is_live() => return Ok(Retried::Live { attempt: login.attempt() }),
        _ => login.attempt() + 1,
    };
    let RetryOrder { login_id, account_id, .. } = order;
    let attempt = Attempt { login_id, number, account_id, update_id: None };

    // 2.
    let account = app.store.load_account(account_id).await?;
    if account.is_erased() {
        return Ok(Retried::Erased);
    }
    if account.is_blocked() {
        return Ok(Retried::Blocked);
    }
    if let Some(telegram_id) = order.telegram_id
        && let Counted::TooMany(retry_at) = attempt.count(app, telegram_id).await?
    {
        return Ok(Retried::TooManyTries { retry_at });
    }

    // 3.
    let at = app.clock.now();
    let mut grant = None;
    if let Some(invite_id) = order.invite_id {
        if let Reservation::Refused(error) = attempt.reserve(app, invite_id, at).await? {
            return Ok(Retried::InviteRefused(error));
        }
        grant = app.store.load_invite(invite_id).await?.grant();
        if grant.is_none() {
            return Ok(Retried::NoInvite);
        }
    }

    // 4.
    match attempt.start(app, grant, at).await {
        Ok(()) | Err(StoreError::Refused(LoginError::StillLive)) => Ok(Retried::Live { attempt: number }),
        Err(error) => Err(error.into()),
    }
}
