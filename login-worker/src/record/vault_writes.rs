//! What the vault keeps for an attempt. Every write carries the attempt's fence.

use std::sync::atomic::Ordering;

use jiff::Timestamp;
use vault::limits::LoginLimits;
use vault::{Linked, PasswordChallenge, RetireReason, UserInput, key_id_of};

use super::AttemptRecord;
use crate::session_files::{self, SessionFileError};
use crate::stop::Stop;

impl AttemptRecord {
    /// The session that the worker before has saved, sealed, if this one may use it.
    ///
    /// # Errors
    /// [`Stop::Fenced`]; the database failed.
    pub async fn take_saved_session(&mut self) -> Result<Option<Vec<u8>>, Stop> {
        let saved = self.claimed.sealed_session.take();
        if self.claimed.holder_frozen {
            // Its worker may wake up and use the key: two at once would make Telegram kill it.
            tracing::warn!("QR login goes on with a new key, since its worker does not answer");
            self.retire_session(RetireReason::HolderFrozen).await?;
            return Ok(None);
        }
        Ok(saved)
    }

    /// Keeps the session for the worker that goes on after a crash.
    ///
    /// # Errors
    /// [`Stop::Fenced`]; the database failed.
    pub async fn save_session(&self, sealed: &[u8]) -> Result<(), Stop> {
        Ok(self.workers.vault.save_attempt_session(self.fence(), sealed).await?)
    }

    /// Puts the saved session aside, to be logged out at Telegram.
    ///
    /// # Errors
    /// [`Stop::Fenced`]; the database failed.
    pub async fn retire_session(&self, reason: RetireReason) -> Result<(), Stop> {
        Ok(self.workers.vault.retire(self.fence(), reason).await?)
    }

    /// Puts a login token where the page finds it.
    ///
    /// # Errors
    /// [`Stop::Fenced`]; the database failed.
    pub async fn put_token(&self, token: &[u8], expires_at: Timestamp) -> Result<(), Stop> {
        Ok(self.workers.vault.put_token(self.fence(), token, expires_at).await?)
    }

    /// Takes the login token away.
    ///
    /// # Errors
    /// The database failed.
    pub async fn drop_token(&self) -> Result<(), Stop> {
        Ok(self.workers.vault.drop_token(self.fence()).await?)
    }

    /// Puts a challenge where the page finds it, sealed.
    ///
    /// # Errors
    /// [`Stop::Fenced`]; the database failed.
    pub async fn put_challenge(&self, challenge: &PasswordChallenge) -> Result<(), Stop> {
        let workers = &self.workers;
        Ok(workers.vault.put_challenge(workers.master.derived(), self.fence(), challenge).await?)
    }

    /// Takes what the person gave in the page.
    ///
    /// # Errors
    /// [`Stop::Fenced`]; the database failed.
    pub async fn take_inputs(&self) -> Result<Vec<UserInput>, Stop> {
        let inputs = self.workers.vault.take_inputs(self.fence()).await?;
        let open = inputs.iter().filter_map(|input| input.open(&self.workers.master, self.login_id()));
        Ok(open.collect())
    }

    /// Telegram has told this person to wait with the next login code.
    ///
    /// # Errors
    /// The database failed.
    pub async fn codes_flooded(&self, until: Timestamp) -> Result<(), Stop> {
        Ok(LoginLimits::new(&self.workers.db).codes_flooded(self.account_id(), until, self.now()).await?)
    }

    /// No code was sent: the login may have another one.
    ///
    /// # Errors
    /// The database failed.
    pub async fn code_not_sent(&self) -> Result<(), Stop> {
        let workers = &self.workers;
        Ok(LoginLimits::new(&workers.db).code_not_sent(workers.master.derived(), self.login_id()).await?)
    }

    /// Telegram did not look at the proof of a password: it was no guess.
    ///
    /// # Errors
    /// The database failed.
    pub async fn forgive_password(&self) -> Result<(), Stop> {
        let workers = &self.workers;
        let Some(subject) = workers.vault.subject(self.account_id()).await? else { return Ok(()) };
        let limits = LoginLimits::new(&workers.db);
        Ok(limits.forgive_password(workers.master.derived(), self.login_id(), subject.telegram_id).await?)
    }

    /// A code was sent: what Telegram said to others is not meant for all.
    ///
    /// # Errors
    /// The database failed.
    pub async fn code_went_out(&self) -> Result<(), Stop> {
        Ok(LoginLimits::new(&self.workers.db).code_went_out().await?)
    }

    /// Links the session to the person, and shows it in the person's file.
    ///
    /// # Errors
    /// [`Stop::Fenced`]; the database failed.
    pub async fn link_session(&self, sealed: Vec<u8>, telegram_id: i64) -> Result<(), Stop> {
        let workers = &self.workers;
        let linked = Linked {
            account_id: self.account_id(),
            login_id: self.login_id().clone(),
            // Of this seal: the key may have been rotated since.
            key_id: key_id_of(&sealed).expect("the master key has sealed it"),
            sealed,
        };
        workers.vault.link_session(self.fence(), &linked).await?;
        let updated =
            session_files::update_linked(&workers.vault, &workers.sessions_dir, linked, telegram_id);
        self.file_is_updated(telegram_id, updated.await)
    }

    /// Undoes [`Self::link_session`] where it was done: the login ended while it was confirmed, by this worker or one before it.
    ///
    /// # Errors
    /// [`Stop::Fenced`]; the database failed.
    pub async fn unlink_session(&self) -> Result<(), Stop> {
        self.workers.vault.unlink_attempt(self.fence(), self.account_id()).await?;
        self.update_own_file().await
    }

    /// Retires the sessions that the person had before.
    ///
    /// # Errors
    /// [`Stop::Fenced`]; the database failed.
    pub async fn retire_replaced(&self) -> Result<(), Stop> {
        self.workers.vault.retire_replaced(self.fence(), self.account_id()).await?;
        self.update_own_file().await
    }

    /// Closes the attempt: nothing of it is left at Telegram that is not kept elsewhere. The worker has hung up.
    ///
    /// # Errors
    /// [`Stop::Fenced`]; the database failed.
    pub async fn close(&self) -> Result<(), Stop> {
        self.drop_token().await?;
        self.closing.store(true, Ordering::Relaxed);
        Ok(self.workers.vault.close_attempt(self.fence()).await?)
    }

    async fn update_own_file(&self) -> Result<(), Stop> {
        match self.workers.vault.subject(self.account_id()).await? {
            Some(subject) => self.update_session_file(subject.telegram_id).await,
            // The person was erased meanwhile, and the file with them.
            None => Ok(()),
        }
    }

    /// The person's file becomes what the vault holds: also where a worker died between the two, or where two logins overlap.
    async fn update_session_file(&self, telegram_id: i64) -> Result<(), Stop> {
        let (vault, directory) = (&self.workers.vault, &self.workers.sessions_dir);
        let updated = session_files::update(vault, directory, self.account_id(), telegram_id).await;
        self.file_is_updated(telegram_id, updated)
    }

    fn file_is_updated(&self, telegram_id: i64, updated: Result<(), SessionFileError>) -> Result<(), Stop> {
        match updated {
            Ok(()) => Ok(()),
            Err(SessionFileError::Database(error)) => Err(error.into()),
            // The vault's copy is the one that counts. The file is tried again, and that it fails is told there.
            Err(SessionFileError::File(_)) => {
                self.workers.due_files.add(self.account_id(), telegram_id);
                Ok(())
            }
        }
    }
}
