//! How an attempt ends. Telegram let somebody in:
//!
//! 8. check that the account which confirmed is the account which asked
//! 9. the invite's reservation becomes a use
//! 10. the session goes into the vault, and its sealed copy into a file
//! 11. record `AuthorizationConfirmed`: from here on the login cannot be taken back
//! 12. whatever session the person had before is retired, and the attempt closed
//!
//! Each step may be repeated, so a crash between two of them is mended by whoever takes the attempt up next.
//! If the login has ended meanwhile, or ends without anybody let in, the key is logged out at Telegram instead, and only
//! then forgotten.

use std::sync::atomic::Ordering;

use domain::login::{CancelReason, FailReason, Method};
use domain::{InviteCommand, LoginCommand, LoginStatus};
use vault::{Linked, RetireReason};

use super::attempt::Attempt;
use super::log_out::{LogOut, log_out};
use super::owner::Owner;
use super::session_files::{self, SessionFileError};
use super::step::Accepted;
use super::stop::Stop;

impl Attempt {
    /// Steps 8 to 12. Not to be dropped in between for the sake of the login's end: the events decide that.
    ///
    /// # Errors
    /// [`Stop`]: the session is not linked; the key is still there.
    pub async fn finish(&mut self, accepted: Accepted) -> Result<(), Stop> {
        self.confirm(accepted).await?;
        self.complete().await
    }

    /// Steps 8 to 11.
    ///
    /// # Errors
    /// The same.
    pub async fn confirm(&mut self, accepted: Accepted) -> Result<(), Stop> {
        tracing::info!("QR login authorised");
        let telegram_id = self.check_owner(accepted).await?;
        self.use_invite().await?;
        self.link(telegram_id).await?;
        let (attempt, at) = (self.number(), self.now());
        self.record(LoginCommand::Confirm { attempt, method: accepted.method, at }).await
    }

    /// Step 8.
    async fn check_owner(&mut self, accepted: Accepted) -> Result<i64, Stop> {
        let telegram_id = self.admit().await?;
        if telegram_id == accepted.user_id {
            return Ok(telegram_id);
        }
        tracing::warn!("QR login was confirmed by another account");
        // Out first, then say so: the stranger's account must not stay open while events are written.
        self.log_out().await;
        self.record(LoginCommand::Reject { attempt: self.number(), at: self.now() }).await?;
        Err(Stop::Over)
    }

    /// The Telegram id of the person who asked, unless they may not log in any more.
    ///
    /// # Errors
    /// [`Stop::Over`]: blocked or erased, and the login cancelled for that.
    pub async fn admit(&self) -> Result<i64, Stop> {
        let workers = &self.workers;
        let reason = match Owner::of(&workers.store, &workers.vault, self.claimed.account_id).await? {
            Owner::Is(telegram_id) => return Ok(telegram_id),
            Owner::Blocked => CancelReason::Blocked,
            Owner::Erased => CancelReason::Erased,
        };
        self.record(LoginCommand::Cancel { attempt: self.number(), reason, at: self.now() }).await?;
        Err(Stop::Over)
    }

    /// Step 9.
    async fn use_invite(&self) -> Result<(), Stop> {
        let Some(grant) = self.start.invite() else { return Ok(()) };
        let command = InviteCommand::Use {
            account_id: self.claimed.account_id,
            login_id: self.login_id().clone(),
            attempt: self.number(),
            at: self.now(),
        };
        Ok(self.workers.store.invite(grant.invite_id, command, self.context()).await?)
    }

    /// Step 10.
    async fn link(&self, telegram_id: i64) -> Result<(), Stop> {
        let workers = &self.workers;
        let linked = Linked {
            account_id: self.claimed.account_id,
            login_id: self.login_id().clone(),
            sealed: self.seal(),
            key_id: workers.master.id().to_owned(),
        };
        workers.vault.link_session(self.fence(), linked).await?;
        self.show_linked(telegram_id).await
    }

    /// The person's file becomes what the vault holds: also where a worker died between the two, or two logins overlap.
    async fn show_linked(&self, telegram_id: i64) -> Result<(), Stop> {
        let (vault, directory) = (&self.workers.vault, &self.workers.sessions_dir);
        match session_files::update(vault, directory, self.claimed.account_id, telegram_id).await {
            Ok(()) => {}
            Err(SessionFileError::Database(error)) => return Err(error.into()),
            // The vault's copy is the one that counts.
            Err(SessionFileError::File(error)) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "The session's file cannot be kept"
                );
            }
        }
        Ok(())
    }

    /// Step 10 undone, where it was done: the login ended while it was confirmed, by this worker or one before it.
    async fn unlink(&self) -> Result<(), Stop> {
        let vault = &self.workers.vault;
        vault.unlink_attempt(self.fence(), self.claimed.account_id).await?;
        match vault.subject(self.claimed.account_id).await? {
            Some(subject) => self.show_linked(subject.telegram_id).await,
            // Forgotten meanwhile, and their file with them.
            None => Ok(()),
        }
    }

    /// How a worker before this one has left the login; whether it has confirmed it, and died or frozen before it could close
    /// the attempt. To be known before the key is put aside or logged out, and asked of the events: the log may be behind
    /// them.
    ///
    /// # Errors
    /// The database failed.
    pub async fn take_over(&mut self) -> Result<bool, Stop> {
        if !self.claimed.taken_over {
            return Ok(false);
        }
        let login = self.workers.store.load_login(self.login_id()).await?;
        if login.attempt() != self.number() {
            return Ok(false);
        }
        self.extended_until = login.deadline_at().unwrap_or(self.extended_until);
        if login.status() == Some(LoginStatus::CodeRequired) {
            self.lost_code = true;
            self.method = Method::Code;
        }
        Ok(login.status() == Some(LoginStatus::Authorized))
    }

    /// Step 12. Also all that is left where a worker died right after step 11.
    ///
    /// # Errors
    /// [`Stop`]: whoever claims the attempt next does it again.
    pub async fn complete(&mut self) -> Result<(), Stop> {
        self.hang_up().await;
        let vault = &self.workers.vault;
        vault.retire_replaced(self.fence(), self.claimed.account_id).await?;
        if let Some(subject) = vault.subject(self.claimed.account_id).await? {
            self.show_linked(subject.telegram_id).await?;
        }
        self.close().await?;
        tracing::info!("QR login finished");
        Ok(())
    }

    /// The end of an attempt that nobody was let in by, or that came too late: its key is logged out.
    ///
    /// # Errors
    /// [`Stop`]: whoever claims the attempt next does it again.
    pub async fn give_up(&mut self) -> Result<(), Stop> {
        let done = self.log_out().await;
        self.hang_up().await;
        // Somebody may still be scanning the last code: a key that was not logged in is logged out once more later.
        let is_gone = done == LogOut::Done || (done == LogOut::WasNotIn && !self.showed_token);
        self.unlink().await?;
        if !is_gone {
            self.workers.vault.retire(self.fence(), RetireReason::LoginEnded).await?;
        }
        self.close().await?;
        tracing::info!("QR login ended without being linked");
        Ok(())
    }

    /// Nothing is left to do. The worker has hung up.
    async fn close(&self) -> Result<(), Stop> {
        self.workers.vault.drop_token(self.fence()).await?;
        self.closing.store(true, Ordering::Relaxed);
        Ok(self.workers.vault.close_attempt(self.fence()).await?)
    }

    /// Ends the login for a reason of ours.
    ///
    /// # Errors
    /// [`Stop`], where the vault or the log cannot take it.
    pub async fn fail(&self, reason: FailReason) -> Result<(), Stop> {
        let failed = self.record(LoginCommand::Fail { attempt: self.number(), reason, at: self.now() }).await;
        match failed {
            Err(Stop::Over) => Ok(()),
            other => other,
        }
    }

    async fn log_out(&mut self) -> LogOut {
        match &self.session {
            Some(session) if !session.keyed_dcs().is_empty() => {
                let session = session.clone();
                log_out(self.connection(), &session).await
            }
            _ => LogOut::Done,
        }
    }
}
