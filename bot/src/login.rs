//! The login workers: they log people in at Telegram over MTProto, on behalf of the logins that the log knows of.
//!
//! A login's attempt waits in the vault. A worker claims it (`pool`), talks to Telegram with a key of its own (`flow`,
//! `password`, `code`), and ends it one way or the other (`finish`); it learns from the log when the login is over
//! (`standing`). What it needs to go on after a crash is in the vault before it is used; what is left at Telegram when a
//! login is over is logged out until Telegram confirms it (`retire`).
//!
//! Deliberately absent: whatever the person reads or presses (that is [`chat`](crate::chat) and the page), and any decision
//! about a login, which the aggregates take.

use std::sync::Arc;
use std::time::Duration;

mod attempt;
mod authorization;
mod check;
mod code;
mod connection;
mod exchange;
pub mod export;
mod finish;
mod flow;
mod held_attempts;
mod log_out;
mod login_progress;
pub mod network;
pub mod number;
mod owner;
mod password;
mod pool;
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
mod workers;

pub use network::{Network, NetworkError, PrivateNetwork};
pub use pool::AT_MOST as MOST_LOGINS;
pub use telegram_app::TelegramApp;
pub use workers::LoginWorkers;

/// Runs the workers until dropped. Attempts that were running then are resumed by whoever runs them next.
pub async fn run(workers: LoginWorkers) {
    let files = async {
        if let Err(error) = session_files::update_all(&workers.vault, &workers.sessions_dir).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "Not every file in SESSIONS_DIR was looked at; the next start looks again"
            );
        }
    };
    tokio::join!(pool::run(Arc::new(workers.clone())), files);
}

/// Looks at every linked session once in `interval`, until dropped: whoever ended theirs in Telegram is not logged in here
/// any more. Any number of processes may run this together.
pub async fn check_sessions(workers: LoginWorkers, interval: Duration) {
    check::run(&workers, interval).await;
}
