//! The login workers: they log people in at Telegram over MTProto, on behalf of the logins that the log knows of.
//!
//! A login's attempt waits in the vault. A worker claims it (`pool`), talks to Telegram with a key of its own (`flow`,
//! `password`, `code`), and ends it one way or the other (`finish`); it learns from the log when the login is over
//! (`standing`). What it needs to go on after a crash is in the vault before it is used; what is left at Telegram when a
//! login is over is logged out until Telegram confirms it (`retire`).
//!
//! Deliberately absent: whatever the person reads or presses (that is [`chat`](crate::chat) and the page), and any decision
//! about a login, which the aggregates take.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use eventlog::{Clock, Database, Store};
use secrecy::SecretString;
use vault::{MasterKey, Vault};

mod attempt;
mod check;
mod code;
mod connection;
mod exchange;
pub mod export;
pub mod file;
mod finish;
mod flow;
mod held_attempts;
mod login_progress;
pub mod network;
pub mod number;
mod owner;
mod password;
mod pool;
mod renewal;
mod retire;
pub mod seal;
pub mod session;
mod session_files;
#[cfg(test)]
mod tests;

pub use network::{Network, NetworkError, PrivateNetwork};
pub use pool::AT_MOST as MOST_LOGINS;

/// What the workers need.
#[derive(Clone)]
pub struct LoginWorkers {
    /// Where everything is.
    pub db: Database,
    /// Records what happens.
    pub store: Store,
    /// Keeps keys and tokens.
    pub vault: Vault,
    /// Seals them.
    pub master: Arc<MasterKey>,
    /// Tells when a token or a login is over.
    pub clock: Clock,
    /// Which Telegram, and as whom.
    pub telegram: TelegramApp,
    /// Where the sealed copies of linked sessions go.
    pub sessions_dir: PathBuf,
    /// Whether the log names Telegram ids; else account ids.
    pub log_telegram_ids: bool,
}

/// The application that logs in, as registered at my.telegram.org, and where.
#[derive(Clone, Debug)]
pub struct TelegramApp {
    /// Its number.
    pub api_id: i32,
    /// Its secret.
    pub api_hash: SecretString,
    /// What a person's list of devices calls it.
    pub device_name: String,
    /// Which Telegram.
    pub network: Network,
}

/// Runs the workers until dropped. Attempts that were running then are resumed by whoever runs them next.
pub async fn run(workers: LoginWorkers) {
    let files = async {
        if let Err(error) = session_files::update_all(&workers.vault, &workers.sessions_dir).await {
            let error: &dyn std::error::Error = &error;
            tracing::warn!(error, "Not every file in SESSIONS_DIR was looked at; the next start looks again");
        }
    };
    tokio::join!(pool::run(Arc::new(workers.clone())), files);
}

/// Looks at every linked session once in `interval`, until dropped: whoever ended theirs in Telegram is not logged in here
/// any more. Any number of processes may run this together.
pub async fn check_sessions(workers: LoginWorkers, interval: Duration) {
    check::run(&workers, interval).await;
}
