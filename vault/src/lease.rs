//! Leases: things that one process at a time may do, such as polling the Bot API or leading the projections. By the
//! database's clock; each new holder has a higher epoch.

use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::{Instant, sleep, timeout_at};

use eventlog::database::{Database, DatabaseError};

/// The leases of one holder. A cheap clone.
#[derive(Clone, Debug)]
pub struct Leases {
    db: Database,
    holder: String,
}

/// A lease that is held, for as long as it is renewed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Of what.
    pub name: String,
    /// Grows with every change of hands.
    pub epoch: i64,
    ttl: Duration,
}

impl Leases {
    /// Leases in the name of `holder`, which no other process, and no earlier run of this one, goes by.
    pub fn new(db: &Database, holder: String) -> Self {
        Self { db: db.clone(), holder }
    }

    /// The lease, where nobody else holds it: never taken, over, given back, or its holder's process has died.
    ///
    /// # Errors
    /// The database failed.
    pub async fn acquire(&self, name: &str, ttl: Duration) -> Result<Option<Lease>, DatabaseError> {
        let epoch = sqlx::query_scalar!(
            "insert into vault.leases as l (name, holder, announced_as, epoch, expires_at)
             values ($1, $2, (select id from vault.present() id where id = vault.presence_id($2)),
                     nextval('vault.epoch'), clock_timestamp() + make_interval(secs => $3))
             on conflict (name) do update
                set holder = excluded.holder, announced_as = excluded.announced_as,
                    epoch = excluded.epoch, expires_at = excluded.expires_at
              where l.expires_at < clock_timestamp()
                 or l.announced_as is not null and l.announced_as not in (select id from vault.present() id)
             returning epoch",
            name,
            &self.holder,
            ttl.as_secs_f64()
        )
        .fetch_optional(self.db.pool())
        .await?;
        Ok(epoch.map(|epoch| Lease { name: name.to_owned(), epoch, ttl }))
    }

    /// Hold on for its time to live from now. False: it is somebody else's.
    ///
    /// # Errors
    /// The database failed: the lease runs on meanwhile.
    pub async fn renew(&self, lease: &Lease) -> Result<bool, DatabaseError> {
        let done = sqlx::query!(
            "update vault.leases set expires_at = clock_timestamp() + make_interval(secs => $3)
              where name = $1 and epoch = $2",
            &lease.name,
            lease.epoch,
            lease.ttl.as_secs_f64()
        )
        .execute(self.db.pool())
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Give it back.
    ///
    /// # Errors
    /// The database failed: the lease ends by itself.
    pub async fn release(&self, lease: Lease) -> Result<(), DatabaseError> {
        sqlx::query!(
            "update vault.leases set expires_at = '-infinity' where name = $1 and epoch = $2",
            lease.name,
            lease.epoch
        )
        .execute(self.db.pool())
        .await?;
        Ok(())
    }

    /// Runs `work` whenever the lease is ours: waits until it is, renews it, drops the work when it is lost, and tries
    /// again, until the work finishes. Dropping this gives the lease back.
    pub async fn hold<T, W, F>(&self, name: &str, ttl: Duration, mut work: W) -> T
    where
        W: FnMut(Lease) -> F,
        F: Future<Output = T>,
    {
        loop {
            // Before the question, because the database counts from before its answer.
            let asked_at = Instant::now();
            match self.acquire(name, ttl).await {
                Ok(Some(lease)) => {
                    tracing::info!(lease.name = name, lease.epoch = lease.epoch, "lease taken");
                    let _given_back = GiveBack { leases: self.clone(), lease: Some(lease.clone()) };
                    tokio::select! {
                        done = work(lease.clone()) => return done,
                        () = self.keep(&lease, asked_at) => {}
                    }
                    tracing::warn!(lease.name = name, lease.epoch = lease.epoch, "lease lost");
                }
                Ok(None) => {}
                Err(error) => tracing::warn!(lease.name = name, %error, "lease could not be asked for"),
            }
            sleep(ttl / 8).await;
        }
    }

    /// Renews until it is lost: somebody else's, or not renewed in time.
    async fn keep(&self, lease: &Lease, asked_at: Instant) {
        let mut over_at = asked_at + lease.ttl;
        loop {
            sleep(lease.ttl / 4).await;
            let asked_at = Instant::now();
            match timeout_at(over_at, self.renew(lease)).await {
                Ok(Ok(true)) => over_at = asked_at + lease.ttl,
                Ok(Ok(false)) | Err(_) => return,
                Ok(Err(error)) => {
                    tracing::warn!(lease.name = lease.name, %error, "lease could not be renewed");
                }
            }
            if Instant::now() >= over_at {
                return;
            }
        }
    }
}

/// Gives a lease back when dropped, where that is still possible; else it ends by itself.
struct GiveBack {
    leases: Leases,
    lease: Option<Lease>,
}

impl Drop for GiveBack {
    fn drop(&mut self) {
        if let (Some(lease), Ok(runtime)) = (self.lease.take(), Handle::try_current()) {
            let leases = self.leases.clone();
            runtime.spawn(async move { leases.release(lease).await });
        }
    }
}

#[cfg(test)]
mod tests;
