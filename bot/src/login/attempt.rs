//! One attempt of a login in the hands of its worker: what it holds, and the three ways in which it acts: it asks
//! Telegram, keeps things in the vault, and records events. Everything it writes carries its fence.
//!
//! The order in which it does so is [`flow`](super::flow) and [`finish`](super::finish).

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use domain::login::{FailReason, Method};
use domain::{Login, LoginCommand, LoginId};
use eventlog::{Context, Fence};
use grammers_client::tl::RemoteCall;
use jiff::{SignedDuration, Timestamp};
use vault::{Claimed, UserInput};

use super::connection::{CallError, Connection};
use super::exchange;
use super::held_attempts::InputSignal;
use super::login_progress::Watch;
use super::seal;
use super::session::LoginSession;
use super::stop::Stop;
use super::workers::LoginWorkers;

/// The longest pause between two tries to reach Telegram.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// The first one.
const SHORTEST_PAUSE: Duration = Duration::from_millis(250);

/// One attempt in the hands of its worker.
pub struct Attempt {
    pub workers: Arc<LoginWorkers>,
    pub claimed: Claimed,
    pub watch: Watch,
    /// How the login stood when this worker took it up.
    pub start: Login,
    /// Whose login it is, for the log.
    pub person: String,
    pub session: Option<Arc<LoginSession>>,
    saved_generation: u64,
    connection: Option<Connection>,
    failures: u32,
    /// Whether a token was, or may have been, shown that somebody might still accept.
    pub showed_token: bool,
    /// By how much our clock is ahead of Telegram's, where that had to be found out.
    pub ahead: Option<SignedDuration>,
    /// How the person lets us in.
    pub method: Method,
    /// Whether the person has a login code that only the worker before could have handed on.
    pub lost_code: bool,
    /// When the login ends by itself, as its events say where the log may be behind them.
    pub extended_until: Timestamp,
    /// Whether the attempt may be gone because its worker has closed it.
    pub closing: Arc<AtomicBool>,
    /// Rings when somebody gave something in a page.
    input_signal: InputSignal,
    given: VecDeque<UserInput>,
}

impl Attempt {
    /// An attempt that was just claimed, and how its login stands.
    pub fn new(
        workers: Arc<LoginWorkers>,
        claimed: Claimed,
        watch: Watch,
        input_signal: InputSignal,
        start: Login,
        person: String,
    ) -> Self {
        let method = if start.is_by_code() { Method::Code } else { Method::Qr };
        let lost_code = start.is_code_lost();
        Self {
            workers,
            claimed,
            watch,
            start,
            person,
            session: None,
            saved_generation: 0,
            connection: None,
            failures: 0,
            showed_token: false,
            ahead: None,
            method,
            lost_code,
            extended_until: Timestamp::MIN,
            closing: Arc::default(),
            input_signal,
            given: VecDeque::new(),
        }
    }

    /// What every write carries.
    pub const fn fence(&self) -> &Fence {
        &self.claimed.fence
    }

    /// Which login.
    pub const fn login_id(&self) -> &LoginId {
        &self.claimed.fence.login_id
    }

    /// Its number.
    pub const fn number(&self) -> u32 {
        self.claimed.fence.attempt
    }

    /// What an event of this worker says of itself.
    pub fn context(&self) -> Context {
        Context::system().with_account(self.claimed.account_id).with_fence(self.fence())
    }

    /// The time.
    pub fn now(&self) -> Timestamp {
        self.workers.clock.now()
    }

    /// When the login ends by itself; a password or code asked for moves it.
    pub fn deadline_at(&self) -> Timestamp {
        let logged = self.watch.now().deadline_at().unwrap_or(self.extended_until);
        logged.max(self.extended_until)
    }

    /// Whether the login still lasts at a moment. The events are asked before that is denied: the log may be behind them.
    async fn lasts_until(&mut self, moment: Timestamp) -> Result<bool, Stop> {
        if moment < self.deadline_at() {
            return Ok(true);
        }
        let login = self.workers.store.load_login(self.login_id()).await?;
        if login.attempt() == self.number() {
            self.extended_until = login.deadline_at().unwrap_or(self.extended_until);
        }
        Ok(moment < self.deadline_at())
    }

    /// Records something in the login.
    ///
    /// # Errors
    /// [`Stop::Over`] where the login does not take it any more.
    pub async fn record(&self, command: LoginCommand) -> Result<(), Stop> {
        Ok(self.workers.store.login(self.login_id(), command, self.context()).await?)
    }

    /// Ends the login if its time is over: while no worker ran, it may have been.
    ///
    /// # Errors
    /// [`Stop::Over`] then.
    pub async fn in_time(&mut self) -> Result<(), Stop> {
        let at = self.now();
        if self.lasts_until(at).await? {
            return Ok(());
        }
        self.record(LoginCommand::Expire { attempt: self.number(), at }).await?;
        Err(Stop::Over)
    }

    /// The session; the flow makes one before anything else.
    pub fn session(&self) -> &Arc<LoginSession> {
        self.session.as_ref().expect("an attempt is restored before anything else")
    }

    /// Keeps the session in the vault if it has changed.
    ///
    /// # Errors
    /// [`Stop::Fenced`]; the database failed.
    pub async fn save(&mut self) -> Result<(), Stop> {
        let generation = self.session().generation();
        if generation != self.saved_generation {
            let sealed = self.seal();
            self.workers.vault.save_attempt_session(self.fence(), &sealed).await?;
            self.saved_generation = generation;
        }
        Ok(())
    }

    /// The session, sealed for its owner.
    pub fn seal(&self) -> Vec<u8> {
        seal::seal(&self.workers.master, self.claimed.account_id, self.login_id(), self.session())
    }

    /// Makes the key for a data centre that has none, and keeps it before anything uses it.
    ///
    /// # Errors
    /// The login ends before Telegram can be reached.
    pub async fn make_key(&mut self, dc_id: i32) -> Result<(), Stop> {
        if self.session().has_key(dc_id) {
            return Ok(());
        }
        let Some(address) = self.session().address(dc_id) else {
            tracing::error!(dc_id, "Telegram names a data centre that nobody knows");
            return Err(Stop::Fail(FailReason::Internal));
        };
        let key = loop {
            match exchange::make_key(&self.workers.telegram.network, address).await {
                Ok(key) => break key,
                Err(error) => self.wait_out(&CallError::Unreachable(error.to_string())).await?,
            }
        };
        self.reached();
        if !self.session().add_key(dc_id, key) {
            return Err(Stop::Fail(FailReason::Internal));
        }
        self.save().await
    }

    /// Asks Telegram until there is an answer: an unreachable Telegram and its FLOOD_WAITs are waited out for as long as
    /// the login lasts.
    ///
    /// # Errors
    /// Outside: the login ends before that. Inside: what Telegram answered instead.
    pub async fn ask<R: RemoteCall>(
        &mut self,
        dc_id: i32,
        request: &R,
    ) -> Result<Result<R::Return, CallError>, Stop> {
        loop {
            match self.connection().call(dc_id, request).await {
                Err(error @ (CallError::Unreachable(_) | CallError::FloodWait(_) | CallError::Restart)) => {
                    self.wait_out(&error).await?;
                }
                answer => {
                    self.reached();
                    return Ok(answer);
                }
            }
        }
    }

    /// Asks Telegram once, where asking twice could do harm. `Unreachable` then means that nobody knows what happened.
    pub async fn ask_once<R: RemoteCall>(&mut self, dc_id: i32, request: &R) -> Result<R::Return, CallError> {
        let answer = self.connection().call(dc_id, request).await;
        if matches!(answer, Err(CallError::Unreachable(_))) {
            self.hang_up().await;
        }
        answer
    }

    /// What the person gave in the page, one at a time; each is answered once, whoever holds the attempt.
    pub async fn next_input(&mut self) -> Result<Option<UserInput>, Stop> {
        if self.given.is_empty() && self.input_signal.is_raised() {
            let requests = self.workers.vault.take_inputs(self.fence()).await?;
            let (master, login_id) = (&self.workers.master, &self.claimed.fence.login_id);
            self.given.extend(requests.iter().filter_map(|request| request.open(master, login_id)));
        }
        Ok(self.given.pop_front())
    }

    /// The open connection, or a new one.
    pub fn connection(&mut self) -> &mut Connection {
        self.connection_and_signal().0
    }

    /// Where news come from: the connection, open or new, and the bell of the wishes.
    pub fn connection_and_signal(&mut self) -> (&mut Connection, &mut InputSignal) {
        let (app, session) = (&self.workers.telegram, self.session.as_ref());
        let session = session.expect("an attempt is restored before anything else");
        (self.connection.get_or_insert_with(|| Connection::open(app, session)), &mut self.input_signal)
    }

    /// Hangs up, if connected.
    pub async fn hang_up(&mut self) {
        if let Some(connection) = self.connection.take() {
            connection.close().await;
        }
    }

    /// Pauses before the next try, as long as the error asks for; says so once.
    pub async fn wait_out(&mut self, error: &CallError) -> Result<(), Stop> {
        let (pause, reason) = match error {
            CallError::FloodWait(pause) => (*pause, FailReason::FloodWait),
            _ => {
                self.hang_up().await;
                let doubled = SHORTEST_PAUSE * 2u32.pow(self.failures.min(10));
                (doubled.min(LONGEST_PAUSE), FailReason::TelegramUnreachable)
            }
        };
        if self.failures == 0 {
            tracing::warn!(error = error as &dyn std::error::Error, "QR login has to wait for Telegram");
        }
        self.failures += 1;
        let until = later(self.now(), pause);
        if !self.lasts_until(until).await? {
            return Err(Stop::Fail(reason));
        }
        match reason {
            FailReason::FloodWait => self.workers.clock.sleep_until(until).await,
            _ => tokio::time::sleep(pause).await,
        }
        Ok(())
    }

    fn reached(&mut self) {
        if std::mem::take(&mut self.failures) > 0 {
            tracing::info!("Telegram answers the QR login again");
        }
    }
}

/// A moment after another.
pub fn later(moment: Timestamp, by: Duration) -> Timestamp {
    SignedDuration::try_from(by).ok().and_then(|by| moment.checked_add(by).ok()).unwrap_or(Timestamp::MAX)
}
