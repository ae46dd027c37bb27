//! Which sessions of a person the log explains. Telegram's number for a session says nothing of its key, so the time decides: a
//! login that was confirmed around the time when a session came to be has made it, whatever became of it since. It may have been
//! handed over, and then it is another service's.
//!
//! The login of the session that asks explains that one alone. So a login that was lost right before it is found, although
//! the person has repeated it at once.

use app::Ledger;
use app::sessions::stay_ended::EndedSession;
use domain::{Event, LoginId};
use eventlog::{DatabaseError, Filter, Log, LogEvent};
use jiff::{SignedDuration, Timestamp};
use vault::Linked;

use super::other_session::OtherSession;
use crate::workers::LoginWorkers;

/// How long after the account let a session in its login is confirmed at the latest.
const LOGIN_TAKES: SignedDuration = SignedDuration::from_hours(1);
/// How far our clock and Telegram's may be apart.
const CLOCKS_APART: SignedDuration = SignedDuration::from_mins(10);
/// More logins than this are not looked through: then it is unclear.
const MOST_LOGINS: i64 = 1_000;

/// Why that could not be found out.
#[derive(Debug, thiserror::Error)]
pub enum LookupError {
    /// The database failed.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The ledger of ended sessions cannot be read.
    #[error("the ledger of ended sessions cannot be read")]
    Ledger(#[from] std::io::Error),
}

/// Those that nothing in the log explains.
///
/// # Errors
/// [`LookupError`]: nobody is told of anything.
pub async fn unaccounted(
    workers: &LoginWorkers,
    linked: &Linked,
    mut sessions: Vec<OtherSession>,
) -> Result<Vec<OtherSession>, LookupError> {
    let log = Log::new(&workers.db);
    let Some(latest) = sessions.iter().map(|session| session.created_at).max() else { return Ok(sessions) };
    // An event that has no position yet is not seen here.
    if log.unplaced().await?.since.is_some_and(|since| since <= latest + LOGIN_TAKES) {
        return Ok(Vec::new());
    }
    let own = |name: &str| Filter {
        account: Some(linked.account_id),
        name: Some(name.to_owned()),
        ..Filter::default()
    };
    let confirmed = log.history(&own("AuthorizationConfirmed"), 0, MOST_LOGINS).await?;
    sessions.retain(|session| {
        let others = confirmed.iter().filter(|event| event.stream_id != linked.login_id.as_str());
        !others.map(at).any(|confirmed_at| explains(confirmed_at, session))
    });
    if sessions.is_empty() || is_too_many(&confirmed) || has_lost_login(workers, linked, &confirmed)? {
        return Ok(Vec::new());
    }
    let registered = log.history(&own("AccountRegistered"), 0, 1).await?;
    let registered_at = registered.first().map_or(Timestamp::MAX, at);
    let mut unaccounted = Vec::new();
    for session in sessions {
        if session.created_at >= registered_at || !erased_person_may_own(workers, &log, &session).await? {
            unaccounted.push(session);
        }
    }
    Ok(unaccounted)
}

/// Whether a session of this person has ended, or was handed over, whose login the log does not know: it has lost that login,
/// and the ledger of ended sessions has not. It may be the one that was found.
fn has_lost_login(
    workers: &LoginWorkers,
    linked: &Linked,
    confirmed: &[LogEvent],
) -> Result<bool, std::io::Error> {
    let ledger = Ledger::<EndedSession>::open(&workers.ended_sessions)?;
    let is_known = |login: &LoginId| confirmed.iter().any(|event| event.stream_id == login.as_str());
    Ok(ledger
        .entries()
        .iter()
        .any(|ended| ended.account_id == linked.account_id && !is_known(&ended.login_id)))
}

/// Whether somebody who was erased since may have made it. A person who comes back is a new one here, and a session that they
/// had handed over before is still in use.
async fn erased_person_may_own(
    workers: &LoginWorkers,
    log: &Log,
    session: &OtherSession,
) -> Result<bool, DatabaseError> {
    let then = Filter {
        name: Some("AuthorizationConfirmed".to_owned()),
        since: Some(session.created_at - CLOCKS_APART),
        until: Some(session.created_at + LOGIN_TAKES),
        ..Filter::default()
    };
    let confirmed = log.history(&then, 0, MOST_LOGINS).await?;
    let accounts: Vec<_> = confirmed.iter().filter_map(|event| event.metadata.account_id).collect();
    let known = workers.vault.subjects(&accounts).await?;
    Ok(is_too_many(&confirmed) || accounts.iter().any(|account| !known.contains_key(account)))
}

fn explains(confirmed_at: Timestamp, session: &OtherSession) -> bool {
    let since = confirmed_at.duration_since(session.created_at);
    -CLOCKS_APART <= since && since <= LOGIN_TAKES
}

fn is_too_many(events: &[LogEvent]) -> bool {
    i64::try_from(events.len()).is_ok_and(|found| found >= MOST_LOGINS)
}

/// When it happened, as the event says. Of one that cannot be read: when it was recorded.
fn at(event: &LogEvent) -> Timestamp {
    match &event.event {
        Ok(Event::Login(event)) => event.at(),
        Ok(Event::Account(event)) => event.at(),
        Ok(Event::Invite(_) | Event::Audit(_) | Event::Service(_) | Event::History(_)) | Err(_) => {
            event.recorded_at
        }
    }
}
