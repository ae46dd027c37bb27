//! A session that has ended, or was handed over, stays so through a restored backup. The key of an ended one opens nothing, but the
//! person would read that they are linked; that of one which another service has would be used in two places, and Telegram
//! kills such a key.
//!
//! - [`record`] writes each end into a [`Ledger`] beside the database, as the log tells it.
//! - [`apply`] drops, before anything uses a session, each one whose end is in the ledger and not in the log.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use domain::{AccountCommand, AccountId, Event, LoginId};
use eventlog::log::{Filter, LogEvent};
use eventlog::{Context, DatabaseError, Log, Outage, StoreError};

use crate::app::App;
use crate::error::UseCaseError;
use crate::ledger::Ledger;

/// The name of the ledger's file.
pub const LEDGER: &str = "ended-sessions.log";

/// The events that end a session here.
const ENDS: [&str; 5] =
    ["LoggedOut", "SessionExported", "AuthorizationRevoked", "SessionRejected", "SessionReturned"];
/// Events in one read.
const PAGE: i64 = 1_000;
/// How often the log is asked. Not at each event: nobody waits for the ledger, and the log may be busy.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A session that is not used here any more: whose it was, and the login that linked it. A line of the ledger.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EndedSession {
    /// Whose.
    pub account_id: AccountId,
    /// Which.
    pub login_id: LoginId,
}

/// Why a session's end could not be recorded.
#[derive(Debug, thiserror::Error)]
enum RecordError {
    #[error(transparent)]
    Database(#[from] DatabaseError),
    #[error("the ledger of ended sessions cannot be written")]
    Ledger(#[from] std::io::Error),
}

impl fmt::Display for EndedSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.account_id, self.login_id)
    }
}

impl FromStr for EndedSession {
    type Err = ();

    fn from_str(line: &str) -> Result<Self, ()> {
        let (account, login) = line.split_once(' ').ok_or(())?;
        let (account_id, login_id) = (account.parse().map_err(|_| ())?, login.parse().map_err(|_| ())?);
        Ok(Self { account_id, login_id })
    }
}

impl EndedSession {
    fn of(event: &LogEvent) -> Option<Self> {
        let Ok(Event::Account(account_event)) = &event.event else { return None };
        let login_id = account_event.ended_session()?.clone();
        Some(Self { account_id: event.stream_id.parse().ok()?, login_id })
    }
}

/// Drops the sessions that a restored backup has brought back. Returns how many.
///
/// # Errors
/// [`UseCaseError`]: call it again.
pub async fn apply(app: &App, ledger: &Ledger<EndedSession>) -> Result<usize, UseCaseError> {
    let mut dropped = 0;
    for (account_id, login_id) in app.vault.sessions().await? {
        let session = EndedSession { account_id, login_id };
        if ledger.holds(&session) && drop_if_restored(app, session).await? {
            dropped += 1;
        }
    }
    if dropped > 0 {
        tracing::warn!(
            sessions = dropped,
            "sessions that had ended came back with a backup, and were dropped"
        );
    }
    Ok(dropped)
}

async fn drop_if_restored(app: &App, session: EndedSession) -> Result<bool, UseCaseError> {
    let EndedSession { account_id, login_id } = session;
    let log_out = AccountCommand::LogOut { login_id: login_id.clone(), at: app.clock.now() };
    let account = app.store.load_account(account_id).await?;
    // The log knows its end: the process that recorded it takes the session out of the vault, too.
    if !account.decide(log_out.clone()).is_ok_and(|events| !events.is_empty()) {
        return Ok(false);
    }
    let context = Context::system().with_account(account_id).with_login(&login_id);
    match app.store.account(account_id, log_out, context).await {
        Ok(()) | Err(StoreError::Refused(_)) => {}
        Err(error) => return Err(error.into()),
    }
    // Not logged out at Telegram: the key is dead already, or another service's.
    app.vault.unlink(account_id, &login_id).await?;
    Ok(true)
}

/// Records the end of every session, for as long as it is polled. Any number of machines may do it, each in its own ledger.
pub async fn record(app: &App, ledger: &mut Ledger<EndedSession>) -> Infallible {
    let mut positions = [0; ENDS.len()];
    let mut outage = Outage::new(
        "the end of a session cannot be recorded yet; it is tried again",
        "the ends of sessions are recorded again",
    );
    loop {
        match record_page(app, ledger, &mut positions).await {
            Ok(found) => {
                outage.over();
                if !found {
                    tokio::time::sleep(LOOK_EVERY).await;
                }
            }
            Err(error) => {
                outage.failed(&error);
                tokio::time::sleep(LOOK_EVERY).await;
            }
        }
    }
}

async fn record_page(
    app: &App,
    ledger: &mut Ledger<EndedSession>,
    positions: &mut [i64; ENDS.len()],
) -> Result<bool, RecordError> {
    let mut found = false;
    for (name, position) in ENDS.into_iter().zip(positions) {
        let filter = Filter { name: Some(name.to_owned()), ..Filter::default() };
        let events = Log::new(&app.db).history(&filter, *position, PAGE).await?;
        let Some(last) = events.last() else { continue };
        ledger.add(events.iter().filter_map(EndedSession::of))?;
        *position = last.position;
        found = true;
    }
    Ok(found)
}

#[cfg(test)]
mod tests;
