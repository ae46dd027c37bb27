//! The login workers: they log people in at Telegram over MTProto, for the logins that are in the log.
//!
//! A login's attempt waits in the vault. A worker claims it (`pool`, `held_attempts`) and runs it to its end (`run`). It asks
//! Telegram with a key of its own (`telegram_client`), keeps what a crash must not lose (`record`), and takes the steps of a
//! login over both (`flow`, `authorization`, `code`, `password`, `finish`). It watches its login in the log (`login_progress`).
//! What is left at Telegram when a login is over is logged out until Telegram confirms it (`retire`).
//!
//! Linked sessions are checked (`check`), taken over from another program (`imported`), handed over (`export`), and copied to files (`session_files`). Those that Telegram
//! knows and nobody here holds are told to their person (`unowned`). An admin's question about a phone number is asked in
//! `number`, an operator's whether Telegram answers at all in `probe`.
//!
//! Not here: what the person reads or presses (that is `bot` and the page), and the decisions about a login,
//! which the aggregates take.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use domain::AccountId;
use eventlog::Log;
use vault::{Linked, Vault};

mod attempt;
mod authorization;
mod check;
mod code;
mod connection;
mod exchange;
pub mod export;
mod finish;
mod flow;
#[cfg(fuzzing)]
pub mod fuzzing;
mod held_attempts;
pub mod imported;
mod log_out;
mod login_progress;
pub mod network;
pub mod number;
mod owner;
mod password;
mod pool;
pub mod probe;
mod record;
mod renewal;
mod retire;
mod run;
mod seal;
mod session;
mod session_files;
mod step;
mod stop;
mod telegram_app;
mod telegram_client;
#[cfg(test)]
mod tests;
mod unowned;
mod workers;

pub use network::{Network, NetworkError, PrivateNetwork};
pub use pool::MAX_ATTEMPTS as MOST_LOGINS;
pub use session::AuthKey;
pub use session_files::{DueFiles, SessionFileError};
pub use telegram_app::TelegramApp;
pub use workers::LoginWorkers;

/// Runs the workers until dropped. The next process that runs workers resumes the attempts that were running then.
pub async fn run(workers: LoginWorkers) {
    let log = Log::new(&workers.db);
    let files = session_files::keep(&workers.vault, &log, &workers.sessions_dir);
    let due = session_files::write_due(&workers.vault, &workers.sessions_dir, &workers.due_files);
    tokio::join!(pool::run(Arc::new(workers.clone())), files, due);
}

/// Makes every file in `SESSIONS_DIR` what the vault holds.
///
/// # Errors
/// [`SessionFileError`]: the vault cannot be read, or a file cannot be written.
pub async fn update_session_files(vault: &Vault, directory: &Path) -> Result<(), SessionFileError> {
    session_files::update_all(vault, directory).await
}

/// Writes the files of people whose sessions were linked together, by their Telegram ids.
///
/// # Errors
/// [`SessionFileError`]: repeating it goes on.
pub async fn write_session_files(
    vault: &Vault,
    directory: &Path,
    sessions: &[(i64, Linked)],
) -> Result<(), SessionFileError> {
    session_files::write_new(vault, directory, sessions).await
}

/// Makes one person's file in `SESSIONS_DIR` what the vault holds.
///
/// # Errors
/// [`SessionFileError`]: the vault cannot be read, or the file cannot be written.
pub async fn update_session_file(
    vault: &Vault,
    directory: &Path,
    account: AccountId,
    telegram_id: i64,
) -> Result<(), SessionFileError> {
    session_files::update(vault, directory, account, telegram_id).await
}

/// Checks every linked session once in `interval`, until dropped: a person who has ended it in Telegram is not logged in here
/// any more. Any number of processes may run this together.
pub async fn check_sessions(workers: LoginWorkers, interval: Duration) {
    check::run(&workers, interval).await;
}
