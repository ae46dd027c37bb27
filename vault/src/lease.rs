//! Leases: work that only one process at a time may do, such as polling the Bot API or leading the projections. They go by
//! the database's clock. Each new holder has a higher epoch.

use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::{Instant, sleep, timeout_at};

use eventlog::Outage;
use eventlog::database::{Database, DatabaseError};
use metrics::gauge;

/// The leases of one holder. A cheap clone.
#[derive(Clone, Debug)]
pub struct Leases {
    db: Database,
    holder: String,
}

/// A lease. It is held for as long as it is renewed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The work that it is for.
    pub name: String,
    /// Grows with each new holder.
    pub epoch: i64,
    ttl: Duration,
}

impl Leases {
    /// Leases for `holder`: a name that no other process has, and no earlier run of this one had.
    pub fn new(db: &Database, holder: String) -> Self {
        Self { db: db.clone(), holder }
    }

    /// The lease, where it is free: never taken, over, released, or its holder's process has died.
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

    /// Renews it for its time to live from now. False: another process holds it.
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

    /// Releases it.
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

    /// Runs `work` while this process holds the lease: waits until it does, renews it, drops the work when it is lost, and
    /// tries again, until the work finishes. Dropping this future releases the lease.
    #[tracing::instrument(name = "lease", skip_all, fields(lease.name = name))]
    pub async fn hold<T, W, F>(&self, name: &str, ttl: Duration, mut work: W) -> T
    where
        W: FnMut(Lease) -> F,
        F: Future<Output = T>,
    {
        held(name).increment(0.0);
        let mut outage =
            Outage::new("the lease cannot be asked for; trying again", "the lease can be asked for again");
        loop {
            // Taken before the statement: the database counts from a later moment.
            let asked_at = Instant::now();
            match self.acquire(name, ttl).await {
                Ok(Some(lease)) => {
                    outage.over();
                    tracing::info!(lease.epoch = lease.epoch, "lease taken");
                    let _held = Held::new(name);
                    let _release = ReleaseOnDrop { leases: self.clone(), lease: Some(lease.clone()) };
                    tokio::select! {
                        done = work(lease.clone()) => return done,
                        () = self.keep(&lease, asked_at) => {}
                    }
                    tracing::warn!(lease.epoch = lease.epoch, "lease lost");
                }
                Ok(None) => outage.over(),
                Err(error) => outage.failed(&error),
            }
            sleep(ttl / 8).await;
        }
    }

    /// Renews it until it is lost: taken by another process, or not renewed in time.
    async fn keep(&self, lease: &Lease, asked_at: Instant) {
        let mut over_at = asked_at + lease.ttl;
        let mut outage =
            Outage::new("the lease could not be renewed; trying again", "the lease is renewed again");
        loop {
            sleep(lease.ttl / 4).await;
            let asked_at = Instant::now();
            match timeout_at(over_at, self.renew(lease)).await {
                Ok(Ok(true)) => {
                    outage.over();
                    over_at = asked_at + lease.ttl;
                }
                Ok(Ok(false)) | Err(_) => return,
                Ok(Err(error)) => outage.failed(&error),
            }
            if Instant::now() >= over_at {
                return;
            }
        }
    }
}

/// Whether this process holds a lease.
fn held(name: &str) -> metrics::Gauge {
    gauge!("qrlogin_lease_held", "lease" => name.to_owned())
}

/// Shows in the metrics that this process holds a lease, until dropped.
struct Held(metrics::Gauge);

impl Held {
    fn new(name: &str) -> Self {
        let held = held(name);
        held.increment(1.0);
        Self(held)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}

/// Releases a lease when dropped, where the runtime still runs. Otherwise the lease ends by itself.
struct ReleaseOnDrop {
    leases: Leases,
    lease: Option<Lease>,
}

impl Drop for ReleaseOnDrop {
    fn drop(&mut self) {
        if let (Some(lease), Ok(runtime)) = (self.lease.take(), Handle::try_current()) {
            let leases = self.leases.clone();
            runtime.spawn(async move { leases.release(lease).await });
        }
    }
}

#[cfg(test)]
mod tests;
