//! Files that could not be written: the disk is full, or SESSIONS_DIR is not there. They are written as soon as that is over.
//!
//! 1. At the start: of each linked session without a file. The process before may have died while there was no room for it.
//! 2. From then on: of each person whose file a worker could not keep ([`DueFiles::add`]).
//!
//! The login itself waits for none of this: the vault's copy of a session counts.

use std::collections::{BTreeSet, VecDeque};
use std::convert::Infallible;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::AccountId;
use eventlog::Outage;
use tokio::sync::Notify;
use vault::Vault;

use super::file;
use super::update::{SessionFileError, update};

/// Between two tries.
const AGAIN: Duration = Duration::from_secs(2);
/// People who are looked up at once.
const PEOPLE: usize = 10_000;

/// The files that are due. Clones are the same ones.
#[derive(Clone, Debug, Default)]
pub struct DueFiles(Arc<Due>);

#[derive(Debug, Default)]
struct Due {
    files: Mutex<VecDeque<(AccountId, i64)>>,
    added: Notify,
}

impl DueFiles {
    /// The file of this person could not be kept.
    pub fn add(&self, account: AccountId, telegram_id: i64) {
        self.files().push_back((account, telegram_id));
        self.0.added.notify_one();
    }

    fn files(&self) -> MutexGuard<'_, VecDeque<(AccountId, i64)>> {
        self.0.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn write(&self, vault: &Vault, directory: &Path) -> Result<(), SessionFileError> {
        loop {
            let Some((account, telegram_id)) = self.files().pop_front() else { return Ok(()) };
            if let Err(error) = update(vault, directory, account, telegram_id).await {
                // Behind the others: its path may be the only bad one.
                self.files().push_back((account, telegram_id));
                return Err(error);
            }
        }
    }
}

/// Writes what is due until it is there, for as long as it is polled. An outage is told once.
pub async fn write_due(vault: &Vault, directory: &Path, due: &DueFiles) -> Infallible {
    let mut outage = Outage::new(
        "the files of linked sessions cannot be written to SESSIONS_DIR; it is tried until they are there",
        "every linked session has its file again",
    );
    outage.retry_until_ok(AGAIN, || add_missing(vault, directory, due)).await;
    loop {
        outage.retry_until_ok(AGAIN, || due.write(vault, directory)).await;
        due.0.added.notified().await;
    }
}

/// Step 1.
async fn add_missing(vault: &Vault, directory: &Path, due: &DueFiles) -> Result<(), SessionFileError> {
    let accounts: BTreeSet<AccountId> =
        vault.sessions().await?.into_iter().map(|(account, _)| account).collect();
    let of = directory.to_owned();
    let there =
        tokio::task::spawn_blocking(move || file::telegram_ids(&of)).await.map_err(io::Error::other)??;
    let there: BTreeSet<i64> = there.into_iter().collect();
    let accounts: Vec<AccountId> = accounts.into_iter().collect();
    for some in accounts.chunks(PEOPLE) {
        for (account, subject) in vault.subjects(some).await? {
            if !there.contains(&subject.telegram_id) {
                due.add(account, subject.telegram_id);
            }
        }
    }
    Ok(())
}
