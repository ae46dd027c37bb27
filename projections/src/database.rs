//! The way to PostgreSQL: a pool, the tables brought up to date, and the signals between those who share it.

use std::str::FromStr;
use std::time::{Duration, Instant};

use secrecy::{ExposeSecret, SecretString};
use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions, Connection, Executor, PgConnection, PgPool, Postgres, Transaction};

use crate::store::{Appends, Turns};
use crate::wake::Wake;

mod private_cluster;

pub use private_cluster::{ClusterError, PrivateCluster};

/// The tables, version by version.
static MIGRATIONS: Migrator = Migrator { locking: false, ..sqlx::migrate!("../migrations") };

const OLDEST_SERVER: i32 = 140_000;
/// Whether a connection still lives is asked of one that was idle for longer than this, not of one that spoke just now: it
/// costs a round trip. Whoever takes one in the very moment of an outage is told like those in the middle of a query.
const TRUSTED_FOR: Duration = Duration::from_millis(100);
/// Connections that are not back by then belong to somebody who will not give them back.
const CLOSED_WITHIN: Duration = Duration::from_secs(5);

/// A pool of connections and the signals between their users. A cheap clone.
#[derive(Clone, Debug)]
pub struct Database {
    pool: PgPool,
    wake: Wake,
    appends: Appends,
    turns: Turns,
}

/// Why the database cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// Not a URL of a PostgreSQL database. Its text may hold a password and stays out of the message.
    #[error("DATABASE_URL is not a postgresql:// URL")]
    Url,
    /// The server is too old.
    #[error("PostgreSQL {0} is too old: 14 or newer is needed")]
    TooOld(i32),
    /// PostgreSQL refused, or was not there.
    #[error("PostgreSQL failed")]
    Sql(#[from] sqlx::Error),
    /// The tables could not be brought up to date.
    #[error("the tables could not be brought up to date")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    /// A stored event of this stream is in no shape that this program knows.
    #[error("an event of {0} cannot be read")]
    Unreadable(String),
    /// Positions that were there are gone, or mean other events: a standby took over without the tail, or a backup was restored.
    #[error("the log has been set back: a standby took over, or a backup was restored")]
    SetBack,
    /// The private PostgreSQL cannot be run.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
}

impl DatabaseError {
    /// Whether waiting may mend it: PostgreSQL is not there, is stopping or starting, or takes nobody more.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Sql(sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut) => true,
            // admin_shutdown, crash_shutdown, cannot_connect_now, too_many_connections
            Self::Sql(sqlx::Error::Database(error)) => {
                matches!(error.code().as_deref(), Some("57P01" | "57P02" | "57P03" | "53300"))
            }
            _ => false,
        }
    }
}

impl Database {
    /// Connects to `postgresql://…`, and checks that the server is not too old.
    ///
    /// # Errors
    /// A bad URL, no server there within ten seconds, or one older than 14.
    pub async fn connect(url: &SecretString) -> Result<Self, DatabaseError> {
        let text = url.expose_secret();
        if !text.starts_with("postgresql://") && !text.starts_with("postgres://") {
            return Err(DatabaseError::Url);
        }
        let options =
            PgConnectOptions::from_str(text).map_err(|_| DatabaseError::Url)?.application_name("qr-login");
        let pool = PgPoolOptions::new()
            .max_connections(16)
            .acquire_timeout(Duration::from_secs(10))
            .test_before_acquire(false)
            .before_acquire(|connection, was| {
                Box::pin(async move {
                    if was.idle_for > TRUSTED_FOR {
                        connection.ping().await?;
                    }
                    Ok(true)
                })
            })
            .connect_with(options)
            .await?;
        let version: i32 =
            sqlx::query_scalar("select current_setting('server_version_num')::int").fetch_one(&pool).await?;
        if version < OLDEST_SERVER {
            return Err(DatabaseError::TooOld(version / 10_000));
        }
        let (wake, appends) = (Wake::new(pool.clone()), Appends::new(pool.clone()));
        Ok(Self { pool, wake, appends, turns: Turns::default() })
    }

    /// Brings the tables up to date. Several processes may do so at once: an advisory lock lets one at a time. It belongs to a
    /// transaction that stays open, not to a session: behind a pooler that hands connections out by the transaction,
    /// sqlx's own lock would be taken on one connection and given back on another.
    ///
    /// # Errors
    /// [`DatabaseError::Migrate`]: also when the tables are newer than this program.
    pub async fn migrate(&self) -> Result<(), DatabaseError> {
        let mut lock = self.direct().await?;
        lock.execute("begin; set local idle_in_transaction_session_timeout = 0").await?;
        lock.execute("select pg_advisory_xact_lock(hashtextextended('migrate', 0))").await?;
        MIGRATIONS.run(&self.pool).await?;
        // A connection that cannot be closed in order is as good as closed.
        let _ = lock.close().await;
        Ok(())
    }

    /// The pool.
    pub fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// A transaction on one of the pool's connections, begun with this statement. The task sees it begun, and ended, also where
    /// whoever asked for it is dropped meanwhile: sqlx 0.8.4 to 0.9.0 give such a connection back to the pool with the
    /// transaction open, and whatever the next borrowers are told is written is not (sqlx#4393).
    ///
    /// # Errors
    /// The server refused, or was not there.
    #[expect(clippy::disallowed_methods, reason = "this is where it may")]
    pub async fn begin(
        &self,
        statement: &'static str,
    ) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
        let pool = self.pool.clone();
        let begun = tokio::spawn(async move { pool.begin_with(statement).await });
        begun.await.unwrap_or(Err(sqlx::Error::WorkerCrashed))
    }

    /// The signals.
    pub fn wake(&self) -> &Wake {
        &self.wake
    }

    /// The way into the log.
    pub(crate) fn appends(&self) -> &Appends {
        &self.appends
    }

    /// Who may change which stream.
    pub(crate) fn turns(&self) -> &Turns {
        &self.turns
    }

    /// Ends every connection of the pool, those on their way back into it included: a server that stops before they are
    /// there would cut them off in the middle of a word. `Pool::close` alone does not wait for them: for each idle
    /// connection that it closes it counts one free permit too many.
    pub async fn close(&self) {
        let deadline = Instant::now() + CLOSED_WITHIN;
        loop {
            self.pool.close().await;
            if self.pool.size() == 0 || Instant::now() > deadline {
                return;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// A connection of its own, outside of the pool: for what lives as long as its session.
    ///
    /// # Errors
    /// [`DatabaseError::Sql`]: the server refused.
    pub async fn direct(&self) -> Result<PgConnection, DatabaseError> {
        Ok(self.pool.connect_options().connect().await?)
    }
}

/// Whether a trigger or function of ours refused because somebody newer holds the lease.
pub(crate) fn is_fenced(error: &sqlx::Error) -> bool {
    error.as_database_error().and_then(|error| error.code()).is_some_and(|code| code == "QR001")
}

#[cfg(test)]
mod tests;
