//! A session may end on another machine than the one that has its file. So each machine follows the log: the file of a session that
//! is over goes everywhere, as well as that of a person who is forgotten, and a file that is there gets the session of a new login.

use std::convert::Infallible;
use std::io;
use std::path::Path;
use std::time::Duration;

use domain::{AccountEvent, AccountId, Event, LoginEvent, LoginId};
use eventlog::{Log, LogEvent, Outage};
use tokio::time::{sleep, timeout};
use vault::Vault;

use super::file;
use super::update::{SessionFileError, update, update_all};

/// The event comes before the vault forgets the session: so long until the next look.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// What the file of an account should not hold any more.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Over {
    account: AccountId,
    /// The session of this login; None: any.
    login: Option<LoginId>,
}

impl Over {
    fn of(event: &LogEvent) -> Option<Self> {
        let Ok(Event::Account(account_event)) = &event.event else { return None };
        let login = account_event.ended_session().cloned();
        if login.is_none() && !matches!(account_event, AccountEvent::AccountErased { .. }) {
            return None;
        }
        Some(Self { account: event.stream_id.parse().ok()?, login })
    }
}

/// Keeps the files in this directory what the vault holds, for as long as it is polled.
pub async fn keep(vault: &Vault, log: &Log, directory: &Path) -> Infallible {
    let mut outage = Outage::new(
        "The files in SESSIONS_DIR cannot be kept now; it is tried again",
        "The files in SESSIONS_DIR are kept again",
    );
    loop {
        let Err(error) = follow(vault, log, directory, &mut outage).await;
        outage.failed(&error);
        sleep(LOOK_AGAIN).await;
    }
}

/// From a look at all files on.
async fn follow(
    vault: &Vault,
    log: &Log,
    directory: &Path,
    outage: &mut Outage,
) -> Result<Infallible, SessionFileError> {
    let mut follower = log.follow(log.end().await?);
    update_all(vault, directory).await?;
    outage.over();
    let mut over: Vec<Over> = Vec::new();
    loop {
        let events = match over.is_empty() {
            true => follower.next().await?,
            false => timeout(LOOK_AGAIN, follower.next()).await.unwrap_or(Ok(Vec::new()))?,
        };
        // A new login replaces the session before, also in the files of other machines.
        for event in &events {
            if let Ok(Event::Login(LoginEvent::AuthorizationConfirmed { account_id, .. })) = &event.event {
                for telegram_id in files_of(vault, directory, *account_id).await? {
                    update(vault, directory, *account_id, telegram_id).await?;
                }
            }
        }
        over.extend(events.iter().filter_map(Over::of));
        let mut left = Vec::new();
        for over in over {
            if !is_gone(vault, directory, &over).await? {
                left.push(over);
            }
        }
        over = left;
    }
}

/// Whether no file holds it any more.
async fn is_gone(vault: &Vault, directory: &Path, over: &Over) -> Result<bool, SessionFileError> {
    let mut gone = true;
    for telegram_id in files_of(vault, directory, over.account).await? {
        update(vault, directory, over.account, telegram_id).await?;
        let found = file::read(directory, telegram_id)?.filter(|found| found.account_id == over.account);
        // Another login's session is not over, whatever else is.
        gone &= found.is_none_or(|found| over.login.as_ref().is_some_and(|login| *login != found.login_id));
    }
    Ok(gone)
}

/// The files that are there of an account. Whose a file is that nobody can be asked about any more, the files themselves say.
async fn files_of(vault: &Vault, directory: &Path, account: AccountId) -> Result<Vec<i64>, SessionFileError> {
    if let Some(subject) = vault.subject(account).await? {
        let is_there = file::path(directory, subject.telegram_id).exists();
        return Ok(is_there.then_some(subject.telegram_id).into_iter().collect());
    }
    let directory = directory.to_owned();
    let look = move || -> io::Result<Vec<i64>> {
        let mut ids = file::telegram_ids(&directory)?;
        ids.retain(
            |id| matches!(file::read(&directory, *id), Ok(Some(found)) if found.account_id == account),
        );
        Ok(ids)
    };
    Ok(tokio::task::spawn_blocking(look).await.map_err(io::Error::other)??)
}
