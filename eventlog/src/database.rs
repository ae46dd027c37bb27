//! The database: a pool of connections, the migrations, and the signals between the processes that share it.
//!
//! Processes may be connected through pgbouncer in transaction mode, from 1.21 on, which knows prepared statements. So a
//! lock is held by a transaction that stays open and holds no snapshot: for migrations, for a process's presence, and for
//! a rebuild's claim.

use secrecy::{ExposeSecret, SecretString};
use sqlx::Executor;
use sqlx::migrate::Migrator;

use crate::appends::Appends;
use crate::pool::Servers;
use crate::stream_locks::StreamLocks;
use crate::wake::Wake;

pub use crate::error::{DatabaseError, is_fenced, is_transient};
pub use crate::pool::{Connection, Pool, PoolSettings, Transaction};

/// The tables, version by version.
static MIGRATIONS: Migrator = Migrator { locking: false, ..sqlx::migrate!("../migrations") };

const OLDEST_SERVER: i32 = 140_000;

/// A pool of connections and the signals between their users. A cheap clone.
#[derive(Clone, Debug)]
pub struct Database {
    pool: Pool,
    wake: Wake,
    appends: Appends,
    stream_locks: StreamLocks,
}

/// How the tables of a database stand beside this program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tables {
    /// There are none yet.
    None {
        /// How many migrations will make them.
        migrations: usize,
    },
    /// As this program needs them.
    UpToDate,
    /// An older version of this program made them.
    Behind {
        /// How many migrations are missing.
        migrations: usize,
    },
    /// A newer version of this program has changed them.
    Newer,
    /// A migration failed half-way, or is another one than the one of its number here.
    Changed {
        /// Which.
        migration: i64,
    },
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

    /// Brings the tables up to date. Several processes may do so at once: an advisory lock lets one at a time. It belongs to a
    /// transaction that stays open, not to a session. Behind a pooler in transaction mode, sqlx's own lock would be taken
    /// on one connection and released on another.
    ///
    /// # Errors
    /// [`DatabaseError::Migrate`]: also when the tables are newer than this program.
    pub async fn migrate(&self) -> Result<(), DatabaseError> {
        if self.is_up_to_date().await? {
            return Ok(());
        }
        let may_create =
            sqlx::query_scalar!(r#"select has_schema_privilege('public', 'create') as "may_create!""#)
                .fetch_one(&self.pool)
                .await?;
        if !may_create {
            return Err(DatabaseError::NotOwner);
        }
        let mut lock = self.direct().await?;
        lock.execute("begin; set local idle_in_transaction_session_timeout = 0").await?;
        lock.execute("select pg_advisory_xact_lock(hashtextextended('migrate', 0))").await?;
        MIGRATIONS.run_direct(self.direct().await?.without_deadlines()).await?;
        lock.close().await;
        Ok(())
    }

    /// Lets another role do what the service does, and no more. This one owns the tables, and they are up to date. The role is
    /// made if `make` says so.
    ///
    /// # Errors
    /// [`DatabaseError::Sql`]: there is no such role, or this one does not own the tables.
    pub async fn grant_to_service(&self, role: &str, make: bool) -> Result<(), DatabaseError> {
        let mut transaction = self.pool.acquire().await?.patient().begin("begin").await?;
        // Two grants at once to one role fail.
        transaction.execute("select pg_advisory_xact_lock(hashtextextended('migrate', 0))").await?;
        let is_there = sqlx::query_scalar!(
            r#"select exists (select from pg_roles where rolname = $1) as "is_there!""#,
            role
        )
        .fetch_one(&mut *transaction)
        .await?;
        if make && !is_there {
            let create = format!("create role \"{}\" login", role.replace('"', "\"\""));
            transaction.execute(&*create).await?;
        }
        sqlx::query!("select grant_to_service($1::text::name)", role).execute(&mut *transaction).await?;
        transaction.commit().await?;
        Ok(())
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

    /// Whether every migration was run, and no other one. It changes nothing, and needs no right to.
    async fn is_up_to_date(&self) -> Result<bool, DatabaseError> {
        Ok(self.tables().await? == Tables::UpToDate)
    }

    /// How the tables stand beside this program. It changes nothing. The role has to be the service's or the owner's.
    ///
    /// # Errors
    /// [`DatabaseError::Sql`].
    pub async fn tables(&self) -> Result<Tables, DatabaseError> {
        let is_there =
            sqlx::query_scalar!(r#"select to_regclass('_sqlx_migrations') is not null as "is_there!""#)
                .fetch_one(&self.pool)
                .await?;
        let known: Vec<_> = MIGRATIONS.iter().collect();
        if !is_there {
            return Ok(Tables::None { migrations: known.len() });
        }
        // Not checked at compile time: the table is of sqlx, which makes it.
        let run: Vec<(i64, Vec<u8>, bool)> =
            sqlx::query_as("select version, checksum, success from _sqlx_migrations")
                .fetch_all(&self.pool)
                .await?;
        let of_version = |version| known.iter().find(|it| it.version == version);
        for (version, checksum, succeeded) in &run {
            match of_version(*version) {
                Some(migration) if *succeeded && **checksum == *migration.checksum => {}
                Some(_) => return Ok(Tables::Changed { migration: *version }),
                None => return Ok(Tables::Newer),
            }
        }
        Ok(match known.len() - run.len() {
            0 => Tables::UpToDate,
            migrations => Tables::Behind { migrations },
        })
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

mod inspection;
mod standby;
#[cfg(test)]
mod tests;

pub use inspection::{Durability, Missing, Standbys};
pub use standby::{Extent, Lag, Standing};
