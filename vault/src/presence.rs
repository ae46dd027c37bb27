//! Whether a process lives: a session-level advisory lock on a connection of its own. The kernel closes the connection
//! of a process that dies, and PostgreSQL drops its lock. A process that is only frozen keeps the lock and loses its
//! leases by time. That somebody is not present does not say that they are dead: a restart of PostgreSQL or of a pooler cuts
//! the connection, too, and they have not noticed yet. What fences its writes may be taken from them at once; the keys of
//! logins, with which they speak to Telegram, only when their lease is over.

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
/// Between two tries to be seen.
const ANNOUNCE_EVERY: Duration = Duration::from_secs(1);

/// As long as this lives, `holder` is present.
#[derive(Debug)]
pub struct Presence {
    connected: watch::Receiver<()>,
    keeper: JoinHandle<()>,
}

impl Presence {
    /// Tell everybody that `holder` lives. Names are drawn anew for each run of a process.
    ///
    /// # Errors
    /// The database failed.
    pub async fn announce(db: &Database, holder: &str) -> Result<Self, DatabaseError> {
        let mut connection = db.direct().await?;
        // Open for as long as it lives, holding no snapshot: a pooler that hands connections out by the transaction leaves
        // this one to us, and ends it when we end.
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

    /// Does `work` while this process is present under a name of its own, and begins anew under another name whenever its
    /// presence is lost or the work ends.
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
            let holder = name();
            let presence = outage.retry_until_ok(ANNOUNCE_EVERY, || Self::announce(db, &holder)).await;
            tokio::select! {
                () = work(holder) => {}
                () = presence.lost() => {
                    tracing::warn!("the connection that shows this process lives was lost, beginning anew");
                }
            }
            sleep(ANNOUNCE_EVERY).await;
        }
    }

    /// Returns once the others cannot see the holder any more: what it held, they may take.
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
