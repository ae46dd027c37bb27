//! One attempt of a login in the hands of its worker: Telegram ([`TelegramClient`]), the log and the vault ([`AttemptRecord`]),
//! and how far the login has come. What needs both sides in any step is here: to restore and save the session, and to wait.
//!
//! The steps are in [`flow`](super::flow), [`authorization`](super::authorization), [`code`](super::code),
//! [`password`](super::password) and [`finish`](super::finish).

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use domain::LoginStatus;
use domain::login::{FailReason, Method};
use grammers_client::tl::RemoteCall;
use jiff::{SignedDuration, Timestamp};
use telemetry::traces::LoginTrace;
use vault::{MasterKey, RetireReason, UserInput};

use super::connection::{Answer, CallError, TelegramUpdate};
use super::held_attempts::InputSignal;
use super::record::AttemptRecord;
use super::seal;
use super::session::LoginSession;
use super::step::Wakeup;
use super::stop::Stop;
use super::telegram_client::{KeyError, TelegramClient};
use super::workers::LoginWorkers;

/// After so long without Telegram another process goes on with the attempt.
const OUT_OF_REACH: Duration = Duration::from_secs(10);

/// One attempt in the hands of its worker.
pub struct Attempt {
    pub telegram: TelegramClient,
    pub record: AttemptRecord,
    master: Arc<MasterKey>,
    /// The generation of the session that the vault has.
    saved_generation: u64,
    input_signal: InputSignal,
    /// What the person gave in the page and no step has used yet.
    inputs: VecDeque<UserInput>,
    /// Whether a token was, or may have been, on a screen, so that somebody may still accept it.
    pub showed_token: bool,
    /// By how much our clock is ahead of Telegram's. None: it was not needed.
    pub clock_ahead: Option<SignedDuration>,
    /// How the person confirms.
    pub method: Method,
    /// Whether the person has a login code that only the worker before could have handed on.
    pub lost_code: bool,
    /// Its trace, from the moment at which a phone accepts the token.
    pub trace: LoginTrace,
}

impl Attempt {
    /// Step 1: an attempt with the session that was saved, if it may be used. `status` is that at the takeover, if it was taken
    /// over. Not to be dropped half-way.
    ///
    /// # Errors
    /// [`Stop::Fenced`]; the database failed.
    pub async fn restore(
        workers: &LoginWorkers,
        mut record: AttemptRecord,
        status: Option<LoginStatus>,
        input_signal: InputSignal,
    ) -> Result<Self, Stop> {
        let (master, network) = (&workers.master, &workers.telegram.network);
        let restored = record
            .take_saved_session()
            .await?
            .map(|sealed| seal::open(master, record.account_id(), record.login_id(), network, &sealed));
        let session = match restored {
            Some(Ok(session)) => session,
            Some(Err(error)) => {
                tracing::error!(error = &error as &dyn std::error::Error, "QR login cannot be resumed");
                // It may open again with the master key that sealed it, and can be logged out then.
                record.retire_session(RetireReason::LoginEnded).await?;
                LoginSession::new(network)
            }
            None => LoginSession::new(network),
        };
        let telegram = TelegramClient::new(workers.telegram.clone(), workers.clock.clone(), session);
        let has_code = status == Some(LoginStatus::CodeRequired);
        Ok(Self {
            master: master.clone(),
            saved_generation: 0,
            input_signal,
            inputs: VecDeque::new(),
            // The worker that had the key before has shown its tokens.
            showed_token: telegram.has_home_key(),
            clock_ahead: None,
            method: if has_code || record.start().is_by_code() { Method::Code } else { Method::Qr },
            lost_code: has_code || record.start().is_code_lost(),
            trace: LoginTrace::default(),
            telegram,
            record,
        })
    }

    /// Begins the trace of the confirmation.
    pub fn begin_trace(&mut self) {
        self.trace = LoginTrace::of(self.record.login_id().as_str(), self.record.attempt());
    }

    /// Keeps the session in the vault if it has changed.
    ///
    /// # Errors
    /// [`Stop::Fenced`]; the database failed.
    pub async fn save(&mut self) -> Result<(), Stop> {
        let generation = self.telegram.session().generation();
        if generation != self.saved_generation {
            self.record.save_session(&self.seal()).await?;
            self.saved_generation = generation;
        }
        Ok(())
    }

    /// The session, sealed for its owner.
    pub fn seal(&self) -> Vec<u8> {
        let (account, login_id) = (self.record.account_id(), self.record.login_id());
        seal::seal(&self.master, account, login_id, self.telegram.session())
    }

    /// Makes the key for a data centre that has none, and keeps it before anything uses it.
    ///
    /// # Errors
    /// The login ends before Telegram can be reached.
    pub async fn make_key(&mut self, dc_id: i32) -> Result<(), Stop> {
        if self.telegram.session().has_key(dc_id) {
            return Ok(());
        }
        loop {
            match self.telegram.make_key(dc_id).await {
                Ok(()) => return self.save().await,
                Err(KeyError::Unreachable(error)) => self.wait_out(&error).await?,
                Err(KeyError::UnknownDataCentre) => {
                    tracing::error!(dc_id, "Telegram names a data centre that nobody knows");
                    return Err(Stop::Fail(FailReason::Internal));
                }
                Err(KeyError::HasKey) => return Err(Stop::Fail(FailReason::Internal)),
            }
        }
    }

    /// Asks Telegram until there is an answer: it waits for an unreachable Telegram, and as long as Telegram asks for, while
    /// the login lasts.
    ///
    /// # Errors
    /// [`Stop::Fail`]: the login ends before that.
    pub async fn ask<R: RemoteCall>(&mut self, dc_id: i32, request: &R) -> Result<Answer<R::Return>, Stop> {
        loop {
            match self.telegram.call(dc_id, request).await {
                Err(error) if error.passes() => self.wait_out(&error).await?,
                answer => return Ok(answer),
            }
        }
    }

    /// Waits before the next try, as long as the error asks for.
    ///
    /// # Errors
    /// [`Stop::Fail`]: the login does not last that long; [`Stop::OutOfReach`]: another process had better go on.
    pub async fn wait_out(&mut self, error: &CallError) -> Result<(), Stop> {
        if self.telegram.unreachable_for() >= OUT_OF_REACH && self.record.others_run().await? {
            return Err(Stop::OutOfReach);
        }
        let pause = self.telegram.back_off(error).await;
        if !self.record.lasts_until(pause.until).await? {
            let reason =
                if pause.is_flood_wait { FailReason::FloodWait } else { FailReason::TelegramUnreachable };
            return Err(Stop::Fail(reason));
        }
        self.telegram.wait(&pause).await;
        Ok(())
    }

    /// Waits until the person gives something in the page, Telegram sends an update, or the time is over.
    ///
    /// # Errors
    /// [`Stop::Over`]: the login's own time is over.
    pub async fn wait_for_input_or_telegram(&mut self, until: Timestamp) -> Result<Wakeup, Stop> {
        let clock = self.record.clock().clone();
        // By how long it is until then, not by the time of day: the clock may be set back meanwhile.
        let left = Duration::try_from(until.duration_since(clock.now())).unwrap_or_default();
        let mut over = pin!(clock.sleep(left));
        loop {
            if let Some(input) = self.next_input().await? {
                return Ok(Wakeup::Input(input));
            }
            let deadline = self.record.deadline_at();
            let update = tokio::select! {
                update = self.telegram.next_update() => update,
                () = &mut over => {
                    self.record.expire_if_late().await?;
                    return Ok(Wakeup::Timeout);
                }
                () = clock.sleep_until(deadline) => {
                    self.record.expire_if_late().await?;
                    continue;
                }
                () = self.input_signal.raised() => continue,
            };
            if update == TelegramUpdate::Closed {
                self.telegram.hang_up().await;
            }
            return Ok(Wakeup::Telegram(update));
        }
    }

    /// The next thing that the person gave in the page. Each is taken once, by the worker that holds the attempt.
    async fn next_input(&mut self) -> Result<Option<UserInput>, Stop> {
        if self.inputs.is_empty() && self.input_signal.is_raised() {
            self.inputs.extend(self.record.take_inputs().await?);
        }
        Ok(self.inputs.pop_front())
    }

    /// Ends the login for what Telegram says to it.
    pub fn refused(&self, error: &CallError) -> Stop {
        tracing::error!(error = error as &dyn std::error::Error, "Telegram refuses the QR login");
        Stop::Fail(FailReason::Internal)
    }
}
