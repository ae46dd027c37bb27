//! Whether a process is alive: a session-level advisory lock on a connection of its own. The kernel closes the connection
//! of a process that dies, and PostgreSQL releases the lock. A process that is only frozen keeps the lock, and its leases
//! end by time.
//!
//! A process that is not present need not be dead: a restart of PostgreSQL or of a pooler also cuts the connection, and the
//! process notices that later. A lease that fences its writes may be taken at once. An attempt may not: its process uses the
//! login's key at Telegram until the lease is over.

use std::convert::Infallible;
use std::time::Duration;

use sqlx::Executor;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use eventlog::Outage;
use eventlog::database::{Database, DatabaseError};

const CHECK_EVERY: Duration = Duration::from_secs(2);
const CHECK_TIMEOUT: Duration = Duration::from_secs(5);
/// Between two tries to announce the presence.
const ANNOUNCE_EVERY: Duration = Duration::from_millis(500);

/// As long as this lives, `holder` is present.
#[derive(Debug)]
pub struct Presence {
    connected: watch::Receiver<()>,
    keeper: JoinHandle<()>,
}

/// Why the work begins anew under another name.
#[derive(Debug, thiserror::Error)]
#[error("the connection that shows that this process lives was lost")]
struct PresenceLost;

impl Presence {
    /// Announces that `holder` is alive. Each run of a process has a new name.
    ///
    /// # Errors
    /// The database failed.
    pub async fn announce(db: &Database, holder: &str) -> Result<Self, DatabaseError> {
        let mut connection = db.direct().await?;
        // The transaction stays open and holds no snapshot: a pooler in transaction mode reserves a connection for it, and
        // closes that connection when this process ends.
        connection.execute("begin; set local idle_in_transaction_session_timeout = 0").await?;
        sqlx::query!("select vault.announce($1)", holder).execute(&mut connection).await?;
        let (alive, connected) = watch::channel(());
        let keeper = tokio::spawn(async move {
            while let Ok(Ok(())) = timeout(CHECK_TIMEOUT, connection.ping()).await {
                sleep(CHECK_EVERY).await;
            }
            drop(alive);
        });
        Ok(Self { connected, keeper })
    }

    /// Does `work` while this process is present, and begins anew under another name whenever the presence is lost or the
    /// work ends.
    pub async fn keep<F>(
        db: &Database,
        outage: &mut Outage,
        name: impl Fn() -> String,
        mut work: impl FnMut(String) -> F,
    ) -> Infallible
    where
        F: Future<Output = ()>,
    {
        loop {
            // A new name for each try: an announcement that failed may still hold the name before.
            let holder = name();
            match Self::announce(db, &holder).await {
                Ok(presence) => {
                    outage.over();
                    tokio::select! {
                        () = work(holder) => {}
                        () = presence.lost() => outage.failed(&PresenceLost),
                    }
                }
                Err(error) => outage.failed(&error),
            }
            sleep(ANNOUNCE_EVERY).await;
        }
    }

    /// Returns once the holder is not present any more: other processes may take its leases.
    pub async fn lost(&self) {
        let mut connected = self.connected.clone();
        while connected.changed().await.is_ok() {}
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        self.keeper.abort();
    }
}

#[cfg(test)]
mod tests;
