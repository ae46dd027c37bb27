//! The files in `SESSIONS_DIR` are what the vault holds. Workers and the tool that hands sessions over change both at the same
//! time, and any of them may die in between; so nobody writes what it remembers:
//!
//! - whoever has changed the vault shows what is there now, and looks again before it goes on ([`show`])
//! - whoever starts looks at every file that is there ([`show_all`])

use std::io;
use std::path::Path;

use domain::AccountId;
use projections::vault::Linked;
use projections::{DatabaseError, Vault};

use super::file::{self, SessionFile};

/// Why a file is not what the vault holds.
#[derive(Debug, thiserror::Error)]
pub enum ShowError {
    /// What it holds is not known.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The disk is full, the directory somebody else's, and the like.
    #[error("the session's file in SESSIONS_DIR cannot be kept")]
    File(#[from] io::Error),
}

/// Makes a person's file what the vault holds; that of somebody else, whose Telegram id a login of this person has met, holds
/// nothing of this person's. Whoever was the last to touch the file has looked at the vault since, and
/// whoever changes the vault touches the file afterwards: so what an older look led to does not stay.
///
/// # Errors
/// [`ShowError`]; the file is then as it was before, or as another one made it.
pub async fn show(
    vault: &Vault,
    directory: &Path,
    account: AccountId,
    telegram_id: i64,
) -> Result<(), ShowError> {
    let mut linked = linked_as(vault, account, telegram_id).await?;
    loop {
        let (directory, content) = (directory.to_owned(), linked.as_ref().map(SessionFile::of));
        let made =
            tokio::task::spawn_blocking(move || make(&directory, account, telegram_id, content.as_ref()));
        made.await.map_err(io::Error::other)??;
        let now = linked_as(vault, account, telegram_id).await?;
        if now == linked {
            return Ok(());
        }
        linked = now;
    }
}

/// Shows what became of whoever has a file: a process may have died, or a backup been restored, between the vault and them.
/// What is no session file stays, and is told.
///
/// # Errors
/// [`ShowError`].
pub async fn show_all(vault: &Vault, directory: &Path) -> Result<(), ShowError> {
    for telegram_id in file::people(directory)? {
        match file::read(directory, telegram_id) {
            Ok(Some(there)) => show(vault, directory, there.account_id, telegram_id).await?,
            Ok(None) => {}
            Err(error) => {
                let error: &dyn std::error::Error = &error;
                tracing::warn!(error, "A file in SESSIONS_DIR that is named like a session is none");
            }
        }
    }
    Ok(())
}

async fn linked_as(
    vault: &Vault,
    account: AccountId,
    telegram_id: i64,
) -> Result<Option<Linked>, DatabaseError> {
    match vault.subject(account).await? {
        Some(subject) if subject.telegram_id == telegram_id => vault.linked(account).await,
        // A stranger confirmed the login, or the person is forgotten.
        _ => Ok(None),
    }
}

fn make(
    directory: &Path,
    account: AccountId,
    telegram_id: i64,
    content: Option<&SessionFile>,
) -> io::Result<()> {
    let there = file::read(directory, telegram_id);
    match (content, there) {
        (Some(content), Ok(Some(there))) if there == *content => Ok(()),
        (Some(content), _) => file::write(directory, telegram_id, content),
        // Somebody who was forgotten has begun anew.
        (None, Ok(Some(there))) if there.account_id != account => Ok(()),
        (None, _) => file::remove(directory, telegram_id),
    }
}

#[cfg(test)]
mod tests;
