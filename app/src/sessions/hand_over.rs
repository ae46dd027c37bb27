//! Handing a linked session over to another service, for good: Telegram ends a key that two places use. The bot asks Telegram
//! and writes the key down between these steps (`login_worker::export`).
//!
//! 1. [`take`]: borrow the session. One that was handed over before, and whose words never came, is given out once more.
//! 2. [`HandOver::keep`]: borrow it on, after Telegram was asked whether it lives.
//! 3. [`HandOver::record`]: record `SessionExported`, which tells the person, and
//! 4. mark the session. From now on this service neither uses it nor logs it out, also if the next step never comes. A person
//!    who has logged out meanwhile was faster: then nothing is given out.
//! 5. [`HandOver::finish`]: the key is out, so forget the session.
//!
//! So what is marked as handed over has its event, and the key of what is not marked is not given out.

use std::time::Duration;

use domain::{AccountCommand, AccountError, AccountId};
use eventlog::{Context, DatabaseError, StoreError};
use tokio::time::{Instant, sleep};
use vault::{Borrowed, Linked, Taken};

use crate::app::App;

/// How long a session that is in use is waited for.
const IN_USE_FOR: Duration = Duration::from_secs(40);
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// A linked session on its way to another service.
#[derive(Debug)]
pub struct HandOver {
    linked: Linked,
    /// None: it was handed over before.
    borrowed: Option<Borrowed>,
}

/// Why a session is not handed over.
#[derive(Debug, thiserror::Error)]
pub enum HandOverError {
    /// There is none.
    #[error("no session of this person is linked")]
    NotLinked,
    /// It is being checked, or linked, right now.
    #[error("the session is in use this very moment: try again in half a minute")]
    InUse,
    /// The account's answer.
    #[error(transparent)]
    Account(#[from] StoreError<AccountError>),
    /// The database failed.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

/// Step 1. A session that is in use is waited for: a check takes seconds, and a dead process's loan half a minute.
///
/// # Errors
/// [`HandOverError`]: there is no session, or it stays in use.
pub async fn take(app: &App, account_id: AccountId) -> Result<HandOver, HandOverError> {
    let until = Instant::now() + IN_USE_FOR;
    loop {
        match app.vault.take_linked(account_id).await? {
            Taken::InUse if Instant::now() < until => sleep(LOOK_EVERY).await,
            Taken::InUse => return Err(HandOverError::InUse),
            Taken::None => return Err(HandOverError::NotLinked),
            Taken::HandedOver(linked) => return Ok(HandOver { linked, borrowed: None }),
            Taken::Free(borrowed) => {
                return Ok(HandOver { linked: borrowed.linked.clone(), borrowed: Some(borrowed) });
            }
        }
    }
}

impl HandOver {
    /// The session, sealed.
    pub const fn linked(&self) -> &Linked {
        &self.linked
    }

    /// Whether it was handed over before. Then nobody asks Telegram about it any more.
    pub const fn is_repeated(&self) -> bool {
        self.borrowed.is_none()
    }

    /// Step 2.
    ///
    /// # Errors
    /// Somebody else has borrowed it since, or the database failed.
    pub async fn keep(&mut self, app: &App) -> Result<(), HandOverError> {
        if let Some(before) = &self.borrowed {
            self.borrowed = Some(app.vault.borrow_on(before).await?.ok_or(HandOverError::InUse)?);
        }
        Ok(())
    }

    /// Steps 3 and 4. Repeating it changes nothing.
    ///
    /// # Errors
    /// [`HandOverError`]: nothing may be given out.
    pub async fn record(&self, app: &App, context: Context) -> Result<(), HandOverError> {
        // 3.
        let Linked { account_id, login_id, .. } = &self.linked;
        let export = AccountCommand::ExportSession { login_id: login_id.clone(), at: app.clock.now() };
        let context = context.with_account(*account_id).with_login(login_id);
        app.store.account(*account_id, export, context).await?;
        // 4.
        if let Some(borrowed) = &self.borrowed
            && !app.vault.hand_over(borrowed).await?
        {
            let is_there = app.vault.linked(*account_id).await?.is_some();
            return Err(if is_there { HandOverError::InUse } else { HandOverError::NotLinked });
        }
        Ok(())
    }

    /// Gives it back, where it was not handed over after all.
    ///
    /// # Errors
    /// The database failed: it is free a little later.
    pub async fn release(&self, app: &App) -> Result<(), DatabaseError> {
        match &self.borrowed {
            Some(borrowed) => app.vault.release_linked(borrowed).await,
            None => Ok(()),
        }
    }

    /// Step 5.
    ///
    /// # Errors
    /// The database failed: the session stays marked as handed over.
    pub async fn finish(&self, app: &App) -> Result<(), DatabaseError> {
        app.vault.unlink(self.linked.account_id, &self.linked.login_id).await
    }
}
