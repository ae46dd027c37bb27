//! Step 6: the public name is pointed to the other slot, between two transactions of its readers.

use tokio::time::{Instant, sleep};

use super::error::RebuildError;
use super::progress::Progress;
use super::readers::{MAX_WAIT, POLL_EVERY, is_lock_timeout};
use super::slot::{Building, lock_position};

use eventlog::database::DatabaseError;
use projections::views;

impl Building<'_> {
    /// Waits until no reader blocks it, and swaps.
    pub async fn swap(&self, progress: &mut (dyn FnMut(Progress) + Send)) -> Result<(), RebuildError> {
        let view = self.view.shape().name;
        let deadline = Instant::now() + MAX_WAIT;
        if let Some(older_readers) = &self.older_readers {
            while let Some(pid) = older_readers.still_running(self.db).await? {
                progress(Progress::Wait { view, pid });
                if Instant::now() > deadline {
                    return Err(RebuildError::Readers { view, pid });
                }
                sleep(POLL_EVERY).await;
            }
        }
        loop {
            match self.try_swap().await {
                Err(RebuildError::Database(DatabaseError::Sql(error))) if is_lock_timeout(&error) => {
                    let pid = self.reader().await?.unwrap_or(0);
                    progress(Progress::Wait { view, pid });
                    if Instant::now() > deadline {
                        return Err(RebuildError::Readers { view, pid });
                    }
                    // Readers that queued behind this lock go first.
                    sleep(POLL_EVERY * 5).await;
                }
                done => return done,
            }
        }
    }

    async fn try_swap(&self) -> Result<(), RebuildError> {
        let shape = self.view.shape();
        let mut transaction = self.begin_fenced().await?;
        sqlx::query("set local lock_timeout = '50ms'").execute(&mut *transaction).await?;
        // The projector has finished its batch. In its next one the new slot is live.
        lock_position(&mut transaction, shape.name).await?;
        // The owner of the views does it: the service's role owns nothing.
        sqlx::query!("select point_view($1, $2)", shape.name, self.slot).execute(&mut *transaction).await?;
        sqlx::query!("delete from parked where view = $1", shape.name).execute(&mut *transaction).await?;
        sqlx::query!(
            "insert into parked select view, key, position, error, parked_at from rebuild_parked \
              where view = $1",
            shape.name,
        )
        .execute(&mut *transaction)
        .await?;
        sqlx::query!(
            "update checkpoints set slot = $2, version = $3 where consumer = $1",
            shape.name,
            self.slot,
            shape.version,
        )
        .execute(&mut *transaction)
        .await?;
        sqlx::query!(
            "update rebuilds set state = 'emptying' where view = $1 and epoch = $2",
            shape.name,
            self.epoch,
        )
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        tracing::info!(live = self.slot, "the view was rebuilt and swapped");
        Ok(())
    }

    /// A process that reads the live slot.
    async fn reader(&self) -> Result<Option<i32>, RebuildError> {
        let table = self.view.shape().table(views::idle_slot(self.slot));
        Ok(sqlx::query_scalar!(
            r#"select pid as "pid!" from pg_locks
                where relation = to_regclass($1) and pid <> pg_backend_pid() limit 1"#,
            table,
        )
        .fetch_optional(self.db.pool())
        .await?)
    }
}
