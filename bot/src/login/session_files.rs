//! The files in `SESSIONS_DIR` are what the vault holds. Workers and the tool that hands sessions over change both at the same
//! time, and any of them may die in between; so nobody writes what it remembers:
//!
//! - whoever has changed the vault shows what is there now, and looks again before it goes on ([`show`])
//! - whoever starts looks at every file that is there ([`show_all`])

use std::io;
use std::path::Path;

use domain::{AccountId, LoginId};
use eventlog::DatabaseError;
use vault::Vault;

use super::file::{self, SessionFile};
use super::session::LoginSession;

/// Why a file is not what the vault holds.
#[derive(Debug, thiserror::Error)]
pub enum SessionFileError {
    /// What it holds is not known.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The disk is full, the directory somebody else's, and the like.
    #[error("the session's file in SESSIONS_DIR cannot be kept")]
    File(#[from] io::Error),
}

/// Makes a person's file what the vault holds; that of somebody else, whose Telegram id a login of this person has met, and that
/// of somebody forgotten hold nothing of this person's. Whoever was the last to touch the file has looked at the vault since, and
/// whoever changes the vault touches the file afterwards: so what an older look led to does not stay.
///
/// # Errors
/// [`SessionFileError`]; the file is then as it was before, or as another one made it.
pub async fn update(
    vault: &Vault,
    directory: &Path,
    account: AccountId,
    telegram_id: i64,
) -> Result<(), SessionFileError> {
    let mut linked = vault.linked_as(account, telegram_id).await?;
    loop {
        let (directory, content) = (directory.to_owned(), linked.as_ref().map(SessionFile::of));
        let made =
            tokio::task::spawn_blocking(move || make(&directory, account, telegram_id, content.as_ref()));
        made.await.map_err(io::Error::other)??;
        let now = vault.linked_as(account, telegram_id).await?;
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
/// [`SessionFileError`].
pub async fn update_all(vault: &Vault, directory: &Path) -> Result<(), SessionFileError> {
    for telegram_id in file::people(directory)? {
        match file::read(directory, telegram_id) {
            Ok(Some(there)) => update(vault, directory, there.account_id, telegram_id).await?,
            Ok(None) => {}
            Err(error) => {
                let error: &dyn std::error::Error = &error;
                tracing::warn!(error, "A file in SESSIONS_DIR that is named like a session is none");
            }
        }
    }
    Ok(())
}

/// Shows that a session, which may have been linked, is not here any more: it is over, or went to another service. That its file could not be removed is told, and mended by
/// whoever starts next.
pub async fn update_ended(
    vault: &Vault,
    directory: &Path,
    account: AccountId,
    login_id: &LoginId,
    session: &LoginSession,
) {
    let Some(telegram_id) = session.user_id() else { return };
    if let Err(error) = update(vault, directory, account, telegram_id).await {
        let error: &dyn std::error::Error = &error;
        tracing::warn!(
            login.id = login_id.short(),
            error,
            "The file of a session that is not here any more cannot be removed"
        );
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
