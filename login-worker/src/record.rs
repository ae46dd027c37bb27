//! An attempt as the log and the vault know it: its events, its deadline, and what is kept for it ([`vault_writes`]). Everything
//! that it writes carries the fence of its worker's lease, so a worker that has lost the lease cannot write.
//!
//! It knows nothing of MTProto: a session is sealed bytes here.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use domain::login::{CancelReason, FailReason};
use domain::{AccountId, InviteCommand, Login, LoginCommand, LoginId, LoginStatus};
use eventlog::{Clock, Context, Fence};
use jiff::Timestamp;
use vault::{Claimed, processes};

use super::login_progress::LoginWatch;
use super::owner::Owner;
use super::stop::Stop;
use super::workers::LoginWorkers;

mod vault_writes;

/// An attempt as the log and the vault know it.
pub struct AttemptRecord {
    workers: Arc<LoginWorkers>,
    claimed: Claimed,
    watch: LoginWatch,
    /// The login as it was when this worker claimed the attempt.
    start: Login,
    /// When the login ends by itself, as its events say where the log may be behind them.
    extended_until: Timestamp,
    /// Set before the attempt is closed: a lease that is gone then was not lost.
    closing: Arc<AtomicBool>,
}

impl AttemptRecord {
    /// The record of an attempt that was just claimed.
    pub fn new(
        workers: Arc<LoginWorkers>,
        claimed: Claimed,
        watch: LoginWatch,
        start: Login,
        closing: Arc<AtomicBool>,
    ) -> Self {
        Self { workers, claimed, watch, start, extended_until: Timestamp::MIN, closing }
    }

    /// What every write carries.
    pub const fn fence(&self) -> &Fence {
        &self.claimed.fence
    }

    /// The id of the login.
    pub const fn login_id(&self) -> &LoginId {
        &self.claimed.fence.login_id
    }

    /// The number of the attempt.
    pub const fn attempt(&self) -> u32 {
        self.claimed.fence.attempt
    }

    /// The account of the person who asked for the login.
    pub const fn account_id(&self) -> AccountId {
        self.claimed.account_id
    }

    /// Whether another worker had the attempt before.
    pub const fn is_taken_over(&self) -> bool {
        self.claimed.taken_over
    }

    /// The login as it was when this worker claimed the attempt.
    pub const fn start(&self) -> &Login {
        &self.start
    }

    /// The clock of deadlines and tokens.
    pub fn clock(&self) -> &Clock {
        &self.workers.clock
    }

    /// Whether there is another process that runs logins.
    ///
    /// # Errors
    /// The database failed.
    pub async fn others_run(&self) -> Result<bool, Stop> {
        Ok(processes::others_run(&self.workers.db).await?)
    }

    /// The time.
    pub fn now(&self) -> Timestamp {
        self.workers.clock.now()
    }

    /// When the login ends by itself. To ask for a password or a code moves it.
    pub fn deadline_at(&self) -> Timestamp {
        let logged = self.watch.now().deadline_at().unwrap_or(self.extended_until);
        logged.max(self.extended_until)
    }

    /// Whether the login still lasts at a moment. Before this says no, it reads the events: the log may be behind them.
    ///
    /// # Errors
    /// The database failed.
    pub async fn lasts_until(&mut self, moment: Timestamp) -> Result<bool, Stop> {
        if moment < self.deadline_at() {
            return Ok(true);
        }
        let login = self.workers.store.load_login(self.login_id()).await?;
        if login.attempt() == self.attempt() {
            self.extended_until = login.deadline_at().unwrap_or(self.extended_until);
        }
        Ok(moment < self.deadline_at())
    }

    /// Ends the login if its time is over. It may have ended while no worker ran.
    ///
    /// # Errors
    /// [`Stop::Over`] then.
    pub async fn expire_if_late(&mut self) -> Result<(), Stop> {
        let at = self.now();
        if self.lasts_until(at).await? {
            return Ok(());
        }
        self.execute(LoginCommand::Expire { attempt: self.attempt(), at }).await?;
        Err(Stop::Over)
    }

    /// How the worker before this one left the login, if there was one. The events are read, since the log may be behind them.
    ///
    /// # Errors
    /// The database failed.
    pub async fn status_at_takeover(&mut self) -> Result<Option<LoginStatus>, Stop> {
        if !self.claimed.taken_over {
            return Ok(None);
        }
        let login = self.workers.store.load_login(self.login_id()).await?;
        if login.attempt() != self.attempt() {
            return Ok(None);
        }
        self.extended_until = login.deadline_at().unwrap_or(self.extended_until);
        Ok(login.status())
    }

    /// Whether an account has confirmed this attempt, as the events have it now.
    ///
    /// # Errors
    /// The database failed.
    pub async fn is_confirmed(&self) -> Result<bool, Stop> {
        let login = self.workers.store.load_login(self.login_id()).await?;
        Ok(login.attempt() == self.attempt() && login.status() == Some(LoginStatus::Authorized))
    }

    /// Executes a command of the login.
    ///
    /// # Errors
    /// [`Stop::Over`] where the login does not take it any more.
    pub async fn execute(&self, command: LoginCommand) -> Result<(), Stop> {
        Ok(self.workers.store.login(self.login_id(), command, self.context()).await?)
    }

    /// Ends the login for a reason of ours.
    ///
    /// # Errors
    /// [`Stop`], where the vault or the log cannot take it.
    pub async fn fail(&self, reason: FailReason) -> Result<(), Stop> {
        let at = self.now();
        match self.execute(LoginCommand::Fail { attempt: self.attempt(), reason, at }).await {
            Err(Stop::Over) => Ok(()),
            other => other,
        }
    }

    /// The Telegram id of the person who asked, unless that person may not log in any more.
    ///
    /// # Errors
    /// [`Stop::Over`]: the person is blocked or erased, and the login was cancelled for that.
    pub async fn admit(&self) -> Result<i64, Stop> {
        let workers = &self.workers;
        let reason = match Owner::of(&workers.store, &workers.vault, self.account_id()).await? {
            Owner::MayLogIn(telegram_id) => return Ok(telegram_id),
            Owner::Blocked => CancelReason::Blocked,
            Owner::Erased => CancelReason::Erased,
        };
        self.execute(LoginCommand::Cancel { attempt: self.attempt(), reason, at: self.now() }).await?;
        Err(Stop::Over)
    }

    /// The account of another person, where they are known here.
    ///
    /// # Errors
    /// The database failed.
    pub async fn account_of(&self, telegram_id: i64) -> Result<Option<AccountId>, Stop> {
        let subject = self.workers.vault.subject_of(telegram_id).await?;
        Ok(subject.map(|subject| subject.account_id))
    }

    /// The invite's reservation, if the login has one, becomes a use.
    ///
    /// # Errors
    /// [`Stop::Fail`] where the invite does not take it.
    pub async fn use_invite(&self) -> Result<(), Stop> {
        let Some(grant) = self.start.invite() else { return Ok(()) };
        let command = InviteCommand::Use {
            account_id: self.account_id(),
            login_id: self.login_id().clone(),
            attempt: self.attempt(),
            at: self.now(),
        };
        Ok(self.workers.store.invite(grant.invite_id, command, self.context()).await?)
    }

    /// What an event of this worker carries.
    fn context(&self) -> Context {
        Context::system().with_account(self.account_id()).with_fence(self.fence())
    }
}
