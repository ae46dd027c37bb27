//! The order to forget a person, by a button that asks first: in the chat, or on the person's page. What it does is told in [`crate::erasure`].
//!
//! 1. Who presses it? A person whom nobody knows here has pressed it before. They stay forgotten: a press registers nobody.
//! 2. May they? Everybody but the last admin may for themselves, an admin for everybody, a blocked person for nobody.
//! 3. Who is to be told? A person who is forgotten by somebody else. After the order nobody knows their chat any more, so
//!    the message goes out first.
//! 4. Order the erasure.

use domain::{AccountId, Role};
use eventlog::{Context, DatabaseError, StoreError};

use crate::app::App;
use crate::erasure::ErasureError;
use crate::error::UseCaseError;

/// Whether a person may order it (steps 1 to 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permission {
    /// They are forgotten already.
    AlreadyForgotten,
    /// They are blocked.
    Blocked,
    /// The account is not theirs, and they are no admin.
    NotAllowed,
    /// They are the last admin: another one has to be made first.
    LastAdmin,
    /// They want to be forgotten.
    Own,
    /// An admin orders it.
    Admin {
        /// The admin's account.
        admin: AccountId,
        /// The Telegram id of the person who is to be told first; None: they are forgotten already.
        tell: Option<i64>,
    },
}

/// Steps 1 to 3, for the person with this Telegram id; None: the id is out of range, and nobody's.
///
/// # Errors
/// The database failed.
pub async fn may_reset(
    app: &App,
    telegram_id: Option<i64>,
    account_id: AccountId,
) -> Result<Permission, DatabaseError> {
    // 1.
    let presser = match telegram_id {
        Some(telegram_id) => app.vault.subject_of(telegram_id).await?,
        None => None,
    };
    let Some(presser) = presser.map(|subject| subject.account_id) else {
        return Ok(Permission::AlreadyForgotten);
    };
    let account = app.store.load_account(presser).await?;
    if account.is_erased() {
        return Ok(Permission::AlreadyForgotten);
    }
    // 2.
    if account.is_blocked() {
        return Ok(Permission::Blocked);
    }
    if presser == account_id {
        let is_last = account.role() == Role::Admin && app.permissions().is_last_admin(presser).await?;
        return Ok(if is_last { Permission::LastAdmin } else { Permission::Own });
    }
    if account.role() != Role::Admin {
        return Ok(Permission::NotAllowed);
    }
    // 3.
    Ok(Permission::Admin { admin: presser, tell: reachable(app, account_id).await? })
}

/// Whether the person with this Telegram id is blocked.
///
/// # Errors
/// The database failed.
pub async fn is_blocked(app: &App, telegram_id: Option<i64>) -> Result<bool, DatabaseError> {
    let subject = match telegram_id {
        Some(telegram_id) => app.vault.subject_of(telegram_id).await?,
        None => None,
    };
    match subject {
        Some(subject) => Ok(app.store.load_account(subject.account_id).await?.is_blocked()),
        None => Ok(false),
    }
}

/// Step 4. Repeating it changes nothing.
///
/// # Errors
/// [`UseCaseError`]: nobody has this account, or the database failed.
pub async fn reset(app: &App, account_id: AccountId, context: Context) -> Result<(), UseCaseError> {
    match app.erasure().order(account_id, context).await {
        Ok(()) => Ok(()),
        Err(ErasureError::Database(error) | ErasureError::Account(StoreError::Database(error))) => {
            Err(error.into())
        }
        Err(error) => Err(UseCaseError::Refused(Box::new(error))),
    }
}

/// Where a person can be told something. An account that is registered never refuses the order; one that is erased already
/// is told nothing new.
async fn reachable(app: &App, account_id: AccountId) -> Result<Option<i64>, DatabaseError> {
    let account = app.store.load_account(account_id).await?;
    if !account.is_registered() || account.is_erased() {
        return Ok(None);
    }
    Ok(app.vault.subject(account_id).await?.map(|subject| subject.telegram_id))
}
