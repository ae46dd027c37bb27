//! Whose snapshot is older than what was just committed? They would not see it, and so must be gone before they are
//! pointed to it.

use std::time::Duration;

use eventlog::database::{Connection, Database, DatabaseError};

/// How long a reader's transaction is waited for.
pub(super) const PATIENCE: Duration = Duration::from_secs(300);
pub(super) const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// The transactions that run at this moment.
pub(super) struct Readers(Vec<String>);

impl Readers {
    /// Of this database.
    pub async fn now(connection: &mut Connection) -> Result<Self, sqlx::Error> {
        let running = sqlx::query_scalar(
            "select l.virtualxid \
               from pg_locks l join pg_stat_activity a using (pid) \
              where l.locktype = 'virtualxid' \
                and l.virtualxid is not null \
                and l.granted \
                and l.mode = 'ExclusiveLock' \
                and a.datname = current_database() \
                and l.pid <> pg_backend_pid()",
        );
        Ok(Self(running.fetch_all(connection).await?))
    }

    /// One of them that still holds a snapshot. A transaction that holds none between two statements is in nobody's
    /// way; of other roles' transactions it cannot be told, so they are waited for.
    pub async fn left(&self, db: &Database) -> Result<Option<i32>, DatabaseError> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let left = sqlx::query_scalar(
            "select l.pid \
               from pg_locks l join pg_stat_activity a using (pid) \
              where l.locktype = 'virtualxid' \
                and l.virtualxid = any($1) \
                and l.granted \
                and l.mode = 'ExclusiveLock' \
                and (a.backend_xmin is not null or a.state is null) \
              limit 1",
        );
        Ok(left.bind(&self.0).fetch_optional(db.pool()).await?)
    }
}
