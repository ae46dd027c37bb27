//! The tables, version by version: what is to be done, and doing it. Which programs may work with tables of a newer version, those
//! tables say themselves (migration 0067).

use sqlx::Executor;
use sqlx::migrate::{Migration, Migrator};

use super::handle::Database;
use crate::error::DatabaseError;

/// The tables, version by version.
static MIGRATIONS: Migrator = Migrator { locking: false, ..sqlx::migrate!("../migrations") };

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
    Newer {
        /// Whether this program can work with them: they were expanded, and nothing that it needs was taken away.
        fits: bool,
    },
    /// A migration failed half-way, or is another one than the one of its number here.
    Changed {
        /// Which.
        migration: i64,
    },
}

impl Tables {
    /// Whether this program can work with them as they are.
    pub const fn fit(self) -> bool {
        matches!(self, Self::UpToDate | Self::Newer { fits: true })
    }
}

/// A migration that was not run yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    /// Its number.
    pub version: i64,
    /// What its file is called.
    pub name: String,
}

impl Database {
    /// Brings the tables up to date, where they are not of a newer version with which this program can work. Several processes may do
    /// so at once: an advisory lock lets one at a time. It belongs to a transaction that stays open, not to a session. Behind a pooler
    /// in transaction mode, sqlx's own lock would be taken on one connection and released on another.
    ///
    /// # Errors
    /// [`DatabaseError::NewerTables`], [`DatabaseError::NotOwner`], [`DatabaseError::Migrate`].
    pub async fn migrate(&self) -> Result<(), DatabaseError> {
        self.migrate_to(&MIGRATIONS).await
    }

    /// How the tables stand beside this program. It changes nothing. The role has to be the service's or the owner's.
    ///
    /// # Errors
    /// [`DatabaseError::Sql`].
    pub async fn tables(&self) -> Result<Tables, DatabaseError> {
        self.tables_beside(&MIGRATIONS).await
    }

    /// The migrations that [`Self::migrate`] would run, in their order.
    ///
    /// # Errors
    /// [`DatabaseError::Sql`].
    pub async fn pending_migrations(&self) -> Result<Vec<Pending>, DatabaseError> {
        let run = self.migrations_run().await?.unwrap_or_default();
        let is_pending = |migration: &&Migration| run.iter().all(|it| it.version != migration.version);
        let pending = MIGRATIONS.iter().filter(is_pending);
        Ok(pending
            .map(|it| Pending { version: it.version, name: it.description.clone().into_owned() })
            .collect())
    }

    pub(super) async fn migrate_to(&self, migrations: &Migrator) -> Result<(), DatabaseError> {
        if self.serves(migrations).await? {
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
        // A newer program may have been here first.
        if !self.serves(migrations).await? {
            migrations.run_direct(self.direct().await?.without_deadlines()).await?;
        }
        lock.close().await;
        Ok(())
    }

    /// Whether a program with these migrations has nothing to do here.
    async fn serves(&self, migrations: &Migrator) -> Result<bool, DatabaseError> {
        match self.tables_beside(migrations).await? {
            Tables::Newer { fits: false } => Err(DatabaseError::NewerTables),
            tables => Ok(tables.fit()),
        }
    }

    pub(super) async fn tables_beside(&self, migrations: &Migrator) -> Result<Tables, DatabaseError> {
        let known: Vec<_> = migrations.iter().collect();
        let Some(run) = self.migrations_run().await? else {
            return Ok(Tables::None { migrations: known.len() });
        };
        let of_version = |version| known.iter().find(|it| it.version == version);
        let mut newer = 0;
        for Run { version, checksum, succeeded } in &run {
            match of_version(*version) {
                Some(migration) if *succeeded && **checksum == *migration.checksum => {}
                Some(_) => return Ok(Tables::Changed { migration: *version }),
                None => newer += 1,
            }
        }
        let missing = known.len() + newer - run.len();
        if newer > 0 {
            let newest = known.iter().map(|it| it.version).max().unwrap_or_default();
            let oldest = self.oldest_program().await?;
            return Ok(Tables::Newer { fits: missing == 0 && oldest.is_some_and(|it| it <= newest) });
        }
        Ok(match missing {
            0 => Tables::UpToDate,
            migrations => Tables::Behind { migrations },
        })
    }

    /// The newest migration of the oldest program that may work with these tables; None: they do not say.
    async fn oldest_program(&self) -> Result<Option<i64>, DatabaseError> {
        let says = sqlx::query_scalar!(r#"select to_regclass('oldest_program') is not null as "says!""#);
        if !says.fetch_one(&self.pool).await? {
            return Ok(None);
        }
        let oldest = sqlx::query_scalar!(r#"select migration as "migration!" from oldest_program"#);
        Ok(Some(oldest.fetch_one(&self.pool).await?))
    }

    /// What was run here, also by other versions; None: nothing yet.
    async fn migrations_run(&self) -> Result<Option<Vec<Run>>, DatabaseError> {
        let is_there =
            sqlx::query_scalar!(r#"select to_regclass('_sqlx_migrations') is not null as "is_there!""#)
                .fetch_one(&self.pool)
                .await?;
        if !is_there {
            return Ok(None);
        }
        // Not checked at compile time: the table is of sqlx, which makes it.
        let run = sqlx::query_as("select version, checksum, success from _sqlx_migrations");
        Ok(Some(run.fetch_all(&self.pool).await?))
    }
}

/// A migration that was run.
#[derive(sqlx::FromRow)]
struct Run {
    version: i64,
    checksum: Vec<u8>,
    #[sqlx(rename = "success")]
    succeeded: bool,
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use sqlx::migrate::MigrationType;

    use super::*;
    use crate::testing;

    /// The migrations of this program, and one of a later version.
    fn later(sql: &'static str) -> Migrator {
        let next = Migration::new(9_001, "later".into(), MigrationType::Simple, sql.into(), false);
        with(MIGRATIONS.iter().cloned().chain([next]).collect())
    }

    /// Those of the program before this one.
    fn earlier() -> Migrator {
        let newest = MIGRATIONS.iter().map(|it| it.version).max();
        with(MIGRATIONS.iter().filter(|it| Some(it.version) != newest).cloned().collect())
    }

    fn with(migrations: Vec<Migration>) -> Migrator {
        Migrator { migrations: Cow::Owned(migrations), ignore_missing: false, locking: false, no_tx: false }
    }

    #[tokio::test]
    async fn a_program_is_started_again_on_tables_that_a_newer_one_has_only_expanded() {
        let db = testing::database().await.db;
        let expand = later("alter table vault.outbox add column later text");
        assert_eq!(db.tables_beside(&expand).await.unwrap(), Tables::Behind { migrations: 1 });
        db.migrate_to(&expand).await.unwrap();
        assert_eq!(db.tables_beside(&expand).await.unwrap(), Tables::UpToDate);

        assert_eq!(db.tables().await.unwrap(), Tables::Newer { fits: true });
        assert!(db.tables().await.unwrap().fit());
        db.migrate().await.expect("it works with what it finds");
        assert_eq!(db.pending_migrations().await.unwrap(), []);
    }

    #[tokio::test]
    async fn a_program_is_refused_by_tables_from_which_something_was_taken_away() {
        let db = testing::database().await.db;
        let contract = "create or replace view oldest_program as select 9001::bigint as migration";
        db.migrate_to(&later(contract)).await.unwrap();
        assert_eq!(db.tables().await.unwrap(), Tables::Newer { fits: false });
        let refused = db.migrate().await.unwrap_err();
        assert!(matches!(refused, DatabaseError::NewerTables), "{refused}");
        db.migrate_to(&later(contract)).await.expect("the newer one goes on");
    }

    /// The rule came with migration 0067. What is older does not know it, and what lacks a migration cannot do without.
    #[tokio::test]
    async fn tables_with_newer_migrations_and_without_some_of_ours_are_refused() {
        let db = testing::database().await.db;
        db.migrate_to(&later("select 1")).await.unwrap();
        sqlx::query("delete from _sqlx_migrations where version = 64").execute(db.pool()).await.unwrap();
        assert_eq!(db.tables().await.unwrap(), Tables::Newer { fits: false });
        sqlx::query("drop view oldest_program").execute(db.pool()).await.unwrap();
        assert_eq!(db.tables().await.unwrap(), Tables::Newer { fits: false });
    }

    #[tokio::test]
    async fn a_program_older_than_the_mark_is_refused() {
        let db = testing::database().await.db;
        let newest = MIGRATIONS.iter().map(|it| it.version).max().unwrap();
        let raise = format!("create or replace view oldest_program as select {newest}::bigint as migration");
        sqlx::query(&raise).execute(db.pool()).await.unwrap();
        assert_eq!(db.tables_beside(&earlier()).await.unwrap(), Tables::Newer { fits: false });
        assert_eq!(db.tables().await.unwrap(), Tables::UpToDate);
    }

    #[tokio::test]
    async fn what_is_to_be_done_is_named() {
        let test = testing::database().await;
        let newest = MIGRATIONS.iter().last().unwrap();
        let forget = "delete from _sqlx_migrations where version = $1";
        sqlx::query(forget).bind(newest.version).execute(test.db.pool()).await.unwrap();
        let pending = test.db.pending_migrations().await.unwrap();
        assert_eq!(pending.len(), 1, "{pending:?}");
        assert_eq!((pending[0].version, &*pending[0].name), (newest.version, &*newest.description));
    }

    /// An owner alone may say who is too old.
    #[tokio::test]
    async fn the_service_reads_the_mark_and_cannot_change_it() {
        let test = testing::database().await;
        let service = Database::connect(&testing::service_url(&test.url)).await.unwrap();
        assert!(service.oldest_program().await.unwrap().is_some_and(|oldest| oldest >= 67));
        let raise = "create or replace view oldest_program as select 0::bigint as migration";
        let refused = sqlx::query(raise).execute(service.pool()).await.unwrap_err();
        let code = refused.as_database_error().and_then(|error| error.code()).unwrap_or_default();
        assert_eq!(code, "42501", "{refused}");
    }
}
