//! Makes a file what the vault holds, now.

use std::io;
use std::path::Path;

use domain::AccountId;
use eventlog::DatabaseError;
use vault::{Linked, Vault};

use super::file::{self, SessionFile};

/// Why a file is not what the vault holds.
#[derive(Debug, thiserror::Error)]
pub enum SessionFileError {
    /// The vault cannot be read.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// For example, the disk is full, or the directory is another user's.
    #[error("the session's file in SESSIONS_DIR cannot be kept")]
    File(#[from] io::Error),
}

/// Makes a person's file what the vault holds. The account's session stands in no other file: not in that of a stranger whose
/// account confirmed a login of this person, and not in that of a person who was erased.
///
/// Every process that touches the file reads the vault afterwards, and every process that changes the vault touches the file
/// afterwards. So what was written after an older read does not stay.
///
/// # Errors
/// [`SessionFileError`]. The file is then as it was before, or as another process made it.
pub async fn update(
    vault: &Vault,
    directory: &Path,
    account: AccountId,
    telegram_id: i64,
) -> Result<(), SessionFileError> {
    let linked = vault.linked_as(account, telegram_id).await?;
    update_from(vault, directory, (account, telegram_id), linked).await
}

/// The same where the caller has just linked this session.
///
/// # Errors
/// [`SessionFileError`], as of [`update`].
pub async fn update_linked(
    vault: &Vault,
    directory: &Path,
    linked: Linked,
    telegram_id: i64,
) -> Result<(), SessionFileError> {
    update_from(vault, directory, (linked.account_id, telegram_id), Some(linked)).await
}

/// Writes what the vault held a moment ago, until it holds the same afterwards.
async fn update_from(
    vault: &Vault,
    directory: &Path,
    (account, telegram_id): (AccountId, i64),
    mut linked: Option<Linked>,
) -> Result<(), SessionFileError> {
    loop {
        let (directory, content) = (directory.to_owned(), linked.as_ref().map(SessionFile::of));
        let written =
            tokio::task::spawn_blocking(move || write_or_remove(&directory, account, telegram_id, content));
        written.await.map_err(io::Error::other)??;
        let now = vault.linked_as(account, telegram_id).await?;
        if now == linked {
            return Ok(());
        }
        linked = now;
    }
}

/// Writes the files of people whose sessions were linked together, by their Telegram ids. One that is linked no more, or not as it
/// was, is updated.
///
/// # Errors
/// [`SessionFileError`]: repeating it goes on.
pub async fn write_new(
    vault: &Vault,
    directory: &Path,
    sessions: &[(i64, Linked)],
) -> Result<(), SessionFileError> {
    let files: Vec<_> = sessions.iter().map(|(id, linked)| (*id, SessionFile::of(linked))).collect();
    let of = directory.to_owned();
    let written = tokio::task::spawn_blocking(move || file::write_many(&of, &files));
    written.await.map_err(io::Error::other)??;
    let accounts: Vec<_> = sessions.iter().map(|(_, linked)| linked.account_id).collect();
    let now = vault.linked_sessions_of(&accounts).await?;
    for (telegram_id, linked) in sessions {
        if !now.contains(linked) {
            update(vault, directory, linked.account_id, *telegram_id).await?;
        }
    }
    Ok(())
}

/// Updates every file that is there: a process may have died between the vault and the file, or a backup may have been
/// restored. A file that is no session file stays, and is logged.
///
/// # Errors
/// [`SessionFileError`].
pub async fn update_all(vault: &Vault, directory: &Path) -> Result<(), SessionFileError> {
    file::remove_all_drafts(directory)?;
    for telegram_id in file::telegram_ids(directory)? {
        match file::read(directory, telegram_id) {
            Ok(Some(found)) => update(vault, directory, found.account_id, telegram_id).await?,
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "A file in SESSIONS_DIR that is named like a session is none"
                );
            }
        }
    }
    Ok(())
}

/// Makes a person's file what the vault holds, after a change there: most often the session is over, or another service has it. A
/// failure is logged; the next start mends it. `telegram_id` is None where the session was never logged in, and has no file.
pub async fn update_ended(vault: &Vault, directory: &Path, account: AccountId, telegram_id: Option<i64>) {
    let Some(telegram_id) = telegram_id else { return };
    if let Err(error) = update(vault, directory, account, telegram_id).await {
        tracing::warn!(error = &error as &dyn std::error::Error, "The file of a session cannot be kept");
    }
}

fn write_or_remove(
    directory: &Path,
    account: AccountId,
    telegram_id: i64,
    content: Option<SessionFile>,
) -> io::Result<()> {
    match (content, file::read(directory, telegram_id)) {
        (Some(content), Ok(Some(found))) if found == content => Ok(()),
        (Some(content), _) => file::write(directory, telegram_id, content),
        // The person was erased and has begun anew, with another account.
        (None, Ok(Some(found))) if found.account_id != account => Ok(()),
        (None, _) => file::remove(directory, telegram_id),
    }
}
