//! Keys whose login is over: they are logged out at Telegram until Telegram confirms it, and only then forgotten.
//!
//! `auth.logOut` may be repeated. AUTH_KEY_UNREGISTERED says that the key is not logged in *now*. Somebody may be scanning a QR
//! code of it right now, so that answer counts the second time, when the code is dead. Before the logout, the file of a session
//! that was linked is removed.

use std::sync::Arc;
use std::time::Duration;

use eventlog::{Outage, Topic};
use tracing::Instrument;
use vault::RetiredKey;

use super::connection::Connection;
use super::log_out::{LogOut, log_out};
use super::seal;
use super::session_files;
use super::workers::LoginWorkers;

/// When a key is tried again whose logout was not confirmed: longer than a QR code lives.
const RETRY_AFTER: Duration = Duration::from_secs(40);
/// How often the vault is asked for keys that are due, without a signal.
const POLL_EVERY: Duration = Duration::from_secs(5);
/// How many are logged out at once.
const BATCH_SIZE: i64 = 8;

/// Logs retired keys out, for ever.
pub async fn run(workers: &LoginWorkers) {
    let mut keys_retired = workers.db.wake().subscribe(Topic::Retired);
    let mut outage = Outage::new("Retired keys cannot be read", "Retired keys are read again");
    loop {
        match workers.vault.claim_retired(RETRY_AFTER, BATCH_SIZE).await {
            Ok(keys) => {
                outage.over();
                futures::future::join_all(keys.iter().map(|key| retire(workers, key).instrument(span(key))))
                    .await;
                if i64::try_from(keys.len()) == Ok(BATCH_SIZE) {
                    continue;
                }
            }
            Err(error) => outage.failed(&error),
        }
        keys_retired.wait(POLL_EVERY).await;
    }
}

/// At the level of errors, so that the ids stand beside every line, whatever `RUST_LOG` says.
fn span(key: &RetiredKey) -> tracing::Span {
    tracing::error_span!("retired_key", login.id = key.login_id.short(), account.id = %key.account_id, tries = key.tries)
}

async fn retire(workers: &LoginWorkers, key: &RetiredKey) {
    let network = &workers.telegram.network;
    let session = match seal::open(&workers.master, key.account_id, &key.login_id, network, &key.sealed) {
        Ok(session) => Arc::new(session),
        Err(error) => {
            if key.tries <= 1 {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "A retired key cannot be logged out"
                );
            }
            return;
        }
    };
    session_files::update_ended(&workers.vault, &workers.sessions_dir, key.account_id, session.user_id())
        .await;
    let connection = Connection::open(&workers.telegram, &session);
    let outcome = log_out(&connection, &session).await;
    connection.close().await;
    match outcome {
        LogOut::WasNotIn if key.tries <= 1 => return,
        LogOut::Done | LogOut::WasNotIn => {}
        LogOut::Unclear => {
            tracing::debug!("A retired key is not logged out yet");
            return;
        }
    }
    match workers.vault.confirm_retired(key.id).await {
        Ok(()) => tracing::info!("A retired key is logged out"),
        // The key is claimed again later, and found logged out.
        Err(error) => {
            tracing::warn!(error = &error as &dyn std::error::Error, "A retired key cannot be forgotten");
        }
    }
}
