//! The readers whose snapshots are older than what was just committed. They do not see the new rows, so a rebuild waits
//! for them before it swaps.

use std::time::Duration;

use eventlog::database::{Connection, Database, DatabaseError};

/// How long a rebuild waits for a reader's transaction.
pub(super) const MAX_WAIT: Duration = Duration::from_secs(300);
pub(super) const POLL_EVERY: Duration = Duration::from_millis(20);

/// The transactions that ran at a moment.
pub(super) struct Readers(Vec<String>);

impl Readers {
    /// Those that run in this database now.
    pub async fn now(connection: &mut Connection) -> Result<Self, sqlx::Error> {
        let running = sqlx::query_scalar!(
            r#"select l.virtualxid as "virtualxid!"
                 from pg_locks l join pg_stat_activity a using (pid)
                where l.locktype = 'virtualxid'
                  and l.virtualxid is not null
                  and l.granted
                  and l.mode = 'ExclusiveLock'
                  and a.datname = current_database()
                  and l.pid <> pg_backend_pid()"#
        );
        Ok(Self(running.fetch_all(connection).await?))
    }

    /// One of them that still holds a snapshot. A transaction without a snapshot, between two statements, is ignored.
    /// PostgreSQL does not show the snapshots of other roles, so their transactions always count.
    pub async fn still_running(&self, db: &Database) -> Result<Option<i32>, DatabaseError> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let running = sqlx::query_scalar!(
            r#"select l.pid as "pid!"
                 from pg_locks l join pg_stat_activity a using (pid)
                where l.locktype = 'virtualxid'
                  and l.virtualxid = any($1)
                  and l.granted
                  and l.mode = 'ExclusiveLock'
                  and (a.backend_xmin is not null or a.state is null)
                limit 1"#,
            &self.0[..],
        );
        Ok(running.fetch_optional(db.pool()).await?)
    }
}

/// Whether a statement gave up waiting for a lock that readers have (`lock_not_available`).
pub(super) fn is_lock_timeout(error: &sqlx::Error) -> bool {
    error.as_database_error().and_then(|error| error.code()).is_some_and(|code| code == "55P03")
}
