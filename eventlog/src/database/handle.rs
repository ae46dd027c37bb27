//! The handle of a database: its pool, and the signals between the processes that share it.

use secrecy::{ExposeSecret, SecretString};

use crate::appends::Appends;
use crate::error::DatabaseError;
use crate::pool::{Connection, Pool, PoolSettings, Servers, Transaction};
use crate::stream_locks::StreamLocks;
use crate::wake::Wake;

const OLDEST_SERVER: i32 = 140_000;

/// A pool of connections and the signals between their users. A cheap clone.
#[derive(Clone, Debug)]
pub struct Database {
    pub(super) pool: Pool,
    wake: Wake,
    appends: Appends,
    stream_locks: StreamLocks,
}

impl Database {
    /// Connects to `postgresql://…`, and checks that the server is not too old. With several servers in the URL, it connects
    /// to the one that `target_session_attrs` asks for, and searches it again whenever the connection is lost.
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
        Ok(Self { pool, wake, appends, stream_locks: StreamLocks::default() })
    }

    /// Checks a URL, and connects nowhere.
    ///
    /// # Errors
    /// [`DatabaseError::Url`], [`DatabaseError::SessionAttributes`], [`DatabaseError::PasswordFile`].
    pub fn check_url(url: &SecretString) -> Result<(), DatabaseError> {
        Servers::parse(url.expose_secret()).map(drop)
    }

    /// The role that a URL names; without one, that of `PGUSER` or of this process's user, as libpq has it.
    ///
    /// # Errors
    /// A bad URL.
    pub fn role_of(url: &SecretString) -> Result<String, DatabaseError> {
        Ok(Servers::parse(url.expose_secret())?.role().to_owned())
    }

    /// Whether this role owns the log, or may do everything: then a mistake in a statement can change an event.
    ///
    /// # Errors
    /// [`DatabaseError::Sql`].
    pub async fn owns_log(&self) -> Result<bool, DatabaseError> {
        Ok(sqlx::query_scalar!(
            r#"select pg_has_role(relowner, 'usage') as "owns!" from pg_class where oid = 'public.events'::regclass"#
        )
        .fetch_one(&self.pool)
        .await?)
    }

    /// Whether the log is in this database, for a role that may read it and no more.
    ///
    /// # Errors
    /// [`DatabaseError::Sql`].
    pub async fn has_log(&self) -> Result<bool, DatabaseError> {
        let has_log = sqlx::query_scalar!(
            r#"select exists (select
                                from pg_class
                               where relnamespace = to_regnamespace('public') and relname = 'log_index') as "has_log!""#
        );
        Ok(has_log.fetch_one(&self.pool).await?)
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

    pub(crate) fn appends(&self) -> &Appends {
        &self.appends
    }

    pub(crate) fn stream_locks(&self) -> &StreamLocks {
        &self.stream_locks
    }

    /// Ends every connection of the pool.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    /// A connection outside of the pool: for locks that last as long as the session, and for long statements.
    ///
    /// # Errors
    /// [`DatabaseError::Sql`]: the server refused, or is not there within ten seconds.
    pub async fn direct(&self) -> Result<Connection, DatabaseError> {
        let connection = self.pool.connect().await?;
        self.pool.watch_sockets();
        Ok(Connection::own(connection))
    }
}
