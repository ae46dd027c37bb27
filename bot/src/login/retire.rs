//! Keys whose login is over: they are logged out at Telegram until Telegram confirms it, and only then forgotten.
//!
//! `auth.logOut` may be repeated. AUTH_KEY_UNREGISTERED says that the key is not logged in *now*; a QR code of it may
//! still be under somebody's camera, so that answer counts the second time, when the code is dead. The file of a session
//! that was linked goes first.

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

/// When a key that was not confirmed is tried again; longer than a QR code lives.
const AGAIN_AFTER: Duration = Duration::from_secs(40);
/// How often somebody looks for keys that are due, without a signal.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// How many are logged out at once.
const AT_ONCE: i64 = 8;

/// Logs retired keys out, for ever.
pub async fn run(workers: &LoginWorkers) {
    let mut news = workers.db.wake().subscribe(Topic::Retired);
    let mut outage = Outage::new("Retired keys cannot be read", "Retired keys are read again");
    loop {
        match workers.vault.claim_retired(AGAIN_AFTER, AT_ONCE).await {
            Ok(keys) => {
                outage.over();
                futures::future::join_all(keys.iter().map(|key| retire(workers, key).instrument(span(key))))
                    .await;
                if i64::try_from(keys.len()) == Ok(AT_ONCE) {
                    continue;
                }
            }
            Err(error) => outage.failed(&error),
        }
        news.wait(LOOK_EVERY).await;
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
    session_files::update_ended(&workers.vault, &workers.sessions_dir, key.account_id, &session).await;
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
        Err(error) => {
            // It comes back, and is found logged out.
            tracing::warn!(error = &error as &dyn std::error::Error, "A retired key cannot be forgotten");
        }
    }
}
