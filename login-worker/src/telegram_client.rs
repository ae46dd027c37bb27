//! The Telegram client of one login: its session with the keys, its connection, and when to try again.
//!
//! It knows neither the vault nor events. So its caller keeps a new key before anything uses it ([`TelegramClient::make_key`]),
//! and decides whether the login lasts until the next try ([`TelegramClient::back_off`]).

use std::sync::Arc;
use std::time::Duration;

use eventlog::Clock;
use grammers_client::tl::RemoteCall;
use jiff::{SignedDuration, Timestamp};
use telemetry::traces::{InSpan as _, Span};
use tokio::time::Instant;

use super::connection::{Answer, CallError, Connection, TelegramUpdate};
use super::exchange;
use super::log_out::{self, LogOut};
use super::session::LoginSession;
use super::telegram_app::TelegramApp;

/// The longest pause between two tries to reach Telegram.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// The first one.
const SHORTEST_PAUSE: Duration = Duration::from_millis(250);

/// The Telegram client of one login.
pub struct TelegramClient {
    app: TelegramApp,
    clock: Clock,
    session: Arc<LoginSession>,
    connection: Option<Connection>,
    /// How many calls in a row had to wait.
    failures: u32,
    /// When the first of those was made that found nobody since.
    unreachable_since: Option<Instant>,
}

/// The pause before the next try.
pub struct Pause {
    length: Duration,
    /// When it is over.
    pub until: Timestamp,
    /// Telegram asks for it.
    pub is_flood_wait: bool,
}

/// Why there is no new key.
#[derive(Debug)]
pub enum KeyError {
    /// Try again later.
    Unreachable(CallError),
    /// No address of this data centre is known.
    UnknownDataCentre,
    /// The session has another key for it already.
    HasKey,
}

impl TelegramClient {
    /// A client that is not connected yet.
    pub fn new(app: TelegramApp, clock: Clock, session: LoginSession) -> Self {
        Self {
            app,
            clock,
            session: Arc::new(session),
            connection: None,
            failures: 0,
            unreachable_since: None,
        }
    }

    /// The application in whose name it calls.
    pub const fn app(&self) -> &TelegramApp {
        &self.app
    }

    /// Its keys and data centres.
    pub fn session(&self) -> &LoginSession {
        &self.session
    }

    /// The data centre to which calls go.
    pub fn home(&self) -> i32 {
        self.session.home()
    }

    /// Whether there is a key for that data centre.
    pub fn has_home_key(&self) -> bool {
        self.session.has_key(self.session.home())
    }

    /// Calls a method that may be called again if it fails.
    pub async fn call<R: RemoteCall>(&mut self, dc_id: i32, request: &R) -> Answer<R::Return> {
        let called_at = Instant::now();
        let answer = self.connection().call(dc_id, request).await;
        match &answer {
            Err(CallError::Unreachable(_)) => self.not_reached(called_at),
            Err(error) if error.passes() => self.unreachable_since = None,
            _ => self.reached(),
        }
        answer
    }

    /// For how long nobody has answered. One connection that was lost is no outage: the next one may be answered.
    pub fn unreachable_for(&self) -> Duration {
        let since = self.unreachable_since.filter(|_| self.failures > 0);
        since.map_or(Duration::ZERO, |since| since.elapsed())
    }

    /// Calls a method that could do harm if it is called twice. After `Unreachable` it is unknown whether Telegram has done it.
    pub async fn call_once<R: RemoteCall>(&mut self, dc_id: i32, request: &R) -> Answer<R::Return> {
        let answer = self.connection().call(dc_id, request).await;
        if matches!(answer, Err(CallError::Unreachable(_))) {
            self.hang_up().await;
        }
        answer
    }

    /// The next update of Telegram that matters to a login. After `Closed`, hang up.
    pub async fn next_update(&mut self) -> TelegramUpdate {
        self.connection().next_update().await
    }

    /// Makes the key for a data centre. Keep it before anything uses it.
    ///
    /// # Errors
    /// [`KeyError`].
    pub async fn make_key(&mut self, dc_id: i32) -> Result<(), KeyError> {
        let address = self.session.address(dc_id).ok_or(KeyError::UnknownDataCentre)?;
        let called_at = Instant::now();
        let span = Span::call("mtproto", || "auth key exchange".into());
        let made = exchange::make_key(&self.app.network, address).in_span(span.clone()).await;
        let key = made.map_err(|error| {
            self.not_reached(called_at);
            span.failed("unreachable");
            let error = CallError::Unreachable(error.to_string());
            error.count();
            KeyError::Unreachable(error)
        })?;
        self.reached();
        if self.session.add_key(dc_id, key) { Ok(()) } else { Err(KeyError::HasKey) }
    }

    /// Hangs up and forgets every key: Telegram does not take them any more.
    pub async fn drop_keys(&mut self) {
        self.hang_up().await;
        if self.has_home_key() {
            self.session.forget_keys();
        }
    }

    /// Makes another data centre the home. Its connection has to be the only one, and a new one, so that grammers reports when
    /// it closes.
    pub async fn move_to(&mut self, dc_id: i32) {
        if self.home() != dc_id {
            self.hang_up().await;
            self.session.move_to(dc_id);
        }
    }

    /// How long to wait after a failure: as long as Telegram asks for, or longer with every failure in a row. The first of them
    /// is logged.
    pub async fn back_off(&mut self, error: &CallError) -> Pause {
        let (length, is_flood_wait) = match error {
            CallError::FloodWait(length) => (*length, true),
            _ => {
                self.hang_up().await;
                let doubled = SHORTEST_PAUSE * 2u32.pow(self.failures.min(10));
                (doubled.min(LONGEST_PAUSE), false)
            }
        };
        if self.failures == 0 {
            tracing::warn!(error = error as &dyn std::error::Error, "QR login has to wait for Telegram");
        }
        self.failures += 1;
        Pause { length, until: later(self.clock.now(), length), is_flood_wait }
    }

    /// Returns when the pause is over.
    pub async fn wait(&self, pause: &Pause) {
        if pause.is_flood_wait {
            self.clock.sleep_until(pause.until).await;
        } else {
            tokio::time::sleep(pause.length).await;
        }
    }

    /// Logs the session out wherever it has a key.
    pub async fn log_out(&mut self) -> LogOut {
        if self.session.keyed_dcs().is_empty() {
            return LogOut::Done;
        }
        let session = self.session.clone();
        log_out::log_out(self.connection(), &session).await
    }

    /// Hangs up, if connected.
    pub async fn hang_up(&mut self) {
        if let Some(connection) = self.connection.take() {
            connection.close().await;
        }
    }

    /// The open connection, or a new one.
    fn connection(&mut self) -> &mut Connection {
        self.connection.get_or_insert_with(|| Connection::open(&self.app, &self.session))
    }

    fn not_reached(&mut self, called_at: Instant) {
        self.unreachable_since = self.unreachable_since.or(Some(called_at));
    }

    fn reached(&mut self) {
        self.unreachable_since = None;
        if std::mem::take(&mut self.failures) > 0 {
            tracing::info!("Telegram answers the QR login again");
        }
    }
}

/// A moment after another.
pub fn later(moment: Timestamp, by: Duration) -> Timestamp {
    SignedDuration::try_from(by).ok().and_then(|by| moment.checked_add(by).ok()).unwrap_or(Timestamp::MAX)
}
