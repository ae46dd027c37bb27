//! The way to PostgreSQL: a pool, the tables brought up to date, and the signals between those who share it.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::{ConnectOptions, Executor};
use tokio::time::timeout;

use crate::store::{Appends, Turns};
use crate::wake::Wake;

mod connection;
mod pool;
mod servers;
mod sockets;

pub use connection::{Connection, Transaction};
pub use pool::{Pool, PoolSettings};

use servers::Servers;

/// The tables, version by version.
static MIGRATIONS: Migrator = Migrator { locking: false, ..sqlx::migrate!("../migrations") };

const OLDEST_SERVER: i32 = 140_000;
/// How long a connection of its own may take to be made.
const CONNECTED_WITHIN: Duration = Duration::from_secs(10);

/// A pool of connections and the signals between their users. A cheap clone.
#[derive(Clone, Debug)]
pub struct Database {
    pool: Pool,
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
    /// Several servers, and a wish that libpq does not know, or that is not supported.
    #[error("DATABASE_URL: target_session_attrs is none of any, read-write, read-only, primary, standby")]
    SessionAttributes,
    /// The server is too old.
    #[error("PostgreSQL {0} is too old: 14 or newer is needed")]
    TooOld(i32),
    /// PostgreSQL refused, or was not there.
    #[error("PostgreSQL failed")]
    Sql(#[from] sqlx::Error),
    /// The tables could not be brought up to date.
    #[error("the tables could not be brought up to date")]
    Migrate(#[from] MigrateError),
    /// A stored event of this stream is in no shape that this program knows.
    #[error("an event of {0} cannot be read")]
    Unreadable(String),
    /// Positions that were there are gone, or mean other events: a standby took over without the tail, or a backup was restored.
    #[error("the log has been set back: a standby took over, or a backup was restored")]
    SetBack,
}

impl DatabaseError {
    /// Whether waiting may mend it: the database is not there, is stopping or starting, takes nobody more, takes no writes
    /// now, or has no room.
    pub fn is_transient(&self) -> bool {
        is_transient(self)
    }
}

/// The same for an error that a failure of the database may have caused.
pub fn is_transient(error: &(dyn std::error::Error + 'static)) -> bool {
    std::iter::successors(Some(error), |error| error.source())
        .any(|error| error.downcast_ref().is_some_and(passes))
}

fn passes(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed
        // A proxy that has no server behind it answers nothing, or not as PostgreSQL does.
        | sqlx::Error::Protocol(_) => true,
        sqlx::Error::Database(error) => {
            // connection_exception and its kind; insufficient_resources; operator_intervention; and
            // read_only_sql_transaction: a standby.
            let code = error.code().unwrap_or_default();
            ["08", "53", "57P"].iter().any(|class| code.starts_with(class)) || code == "25006"
        }
        _ => false,
    }
}

impl Database {
    /// Connects to `postgresql://…`, and checks that the server is not too old. With several servers in the URL, to the one
    /// that `target_session_attrs` asks for; it is looked for anew whenever it is lost.
    ///
    /// # Errors
    /// A bad URL, no server there within ten seconds, or one older than 14.
    pub async fn connect(url: &SecretString) -> Result<Self, DatabaseError> {
        Self::connect_with(url, PoolSettings::default()).await
    }

    /// The same, with these settings.
    ///
    /// # Errors
    /// As with [`Self::connect`].
    pub async fn connect_with(url: &SecretString, settings: PoolSettings) -> Result<Self, DatabaseError> {
        let servers = Servers::parse(url.expose_secret())?;
        let (server, connection) = servers.find().await?;
        let mut connection = Connection::own(connection);
        let version =
            sqlx::query_scalar!(r#"select current_setting('server_version_num')::int as "version!""#)
                .fetch_one(&mut connection)
                .await?;
        connection.close().await;
        if version < OLDEST_SERVER {
            return Err(DatabaseError::TooOld(version / 10_000));
        }
        let pool = Pool::new(servers, server, settings);
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
        MIGRATIONS.run_direct(self.direct().await?.without_deadlines()).await?;
        lock.close().await;
        Ok(())
    }

    /// The pool: a statement on it takes a connection, and has a deadline.
    pub fn pool(&self) -> &Pool {
        &self.pool
    }

    /// A transaction on one of the pool's connections, begun with this statement.
    ///
    /// # Errors
    /// The server refused, or was not there.
    pub async fn begin(&self, statement: &str) -> Result<Transaction, sqlx::Error> {
        self.pool.acquire().await?.begin(statement).await
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

    /// Ends every connection of the pool.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    /// A connection of its own, outside of the pool: for what lives as long as its session, and for long statements.
    ///
    /// # Errors
    /// [`DatabaseError::Sql`]: the server refused, or is not there within ten seconds.
    pub async fn direct(&self) -> Result<Connection, DatabaseError> {
        let connecting = self.pool.server();
        let connected = timeout(CONNECTED_WITHIN, connecting.connect()).await;
        let connection =
            connected.unwrap_or_else(|_| Err(connection::silent("connecting"))).inspect_err(|_| {
                self.pool.look_for_server();
            })?;
        self.pool.watch_sockets();
        Ok(Connection::own(connection))
    }
}

/// Whether a trigger or function of ours refused because somebody newer holds the lease.
pub fn is_fenced(error: &sqlx::Error) -> bool {
    error.as_database_error().and_then(|error| error.code()).is_some_and(|code| code == "QR001")
}

#[cfg(test)]
mod tests;
