//! The branches of the log. A standby that takes over may lack its end, and goes on with other events at those positions: a position
//! means one event in one branch. Who keeps a position keeps the branch with it.

use super::{BranchId, Follower, Log, LogEvent, POLL_BUSY, Parting, SELECT, log_event, next};
use crate::database::DatabaseError;
use crate::wake::Topic;

impl Log {
    /// The branch of now, and the last position; 0 if there is none.
    ///
    /// # Errors
    /// [`DatabaseError::Sql`].
    pub async fn branch(&self) -> Result<(BranchId, i64), DatabaseError> {
        let row = sqlx::query!(
            r#"select branch_id, (select coalesce(max(position), 0) from log_index) as "end!"
                 from log_branches order by number desc limit 1"#
        )
        .fetch_one(&self.pool)
        .await?;
        Ok((row.branch_id, row.end))
    }

    /// How this branch stands to the one of now.
    ///
    /// # Errors
    /// [`DatabaseError::Sql`].
    pub async fn parting(&self, branch: BranchId) -> Result<Parting, DatabaseError> {
        // One statement, as two might ask two servers.
        let row = sqlx::query!(
            r#"select (select branch_id from log_branches order by number desc limit 1) as "now!",
                      (select coalesce(max(position), 0) from log_index) as "end!",
                      exists (select from log_branches where branch_id = $1) as "is_known!",
                      (select min(later.began_after)
                         from log_branches b join log_branches later on later.number > b.number
                        where b.branch_id = $1) as parted_after"#,
            branch
        )
        .fetch_one(&self.pool)
        .await?;
        let same_until = if row.is_known { row.parted_after.unwrap_or(i64::MAX) } else { 0 };
        Ok(Parting { now: row.now, end: row.end, same_until })
    }

    /// Up to `limit` events after a position, in order, and the branch that they are of.
    ///
    /// # Errors
    /// [`DatabaseError::Sql`].
    pub async fn read_in_branch(
        &self,
        after: i64,
        limit: i64,
    ) -> Result<(Vec<LogEvent>, BranchId), DatabaseError> {
        let mut connection = self.pool.acquire().await?;
        let rows = next(SELECT, after, limit).build().fetch_all(&mut connection).await?;
        // What was read is of the branch that the log is in afterwards.
        let branch = sqlx::query_scalar!("select branch_id from log_branches order by number desc limit 1")
            .fetch_one(&mut connection)
            .await?;
        Ok((rows.iter().map(log_event).collect::<Result<_, _>>()?, branch))
    }

    /// Follows the log from its end, within the branch of now: where it goes on as another one, the follower fails.
    ///
    /// # Errors
    /// [`DatabaseError::Sql`].
    pub async fn follow_branch(&self) -> Result<(BranchId, Follower), DatabaseError> {
        let waker = self.wake.subscribe(Topic::Positioned);
        let row = sqlx::query!(
            r#"select branch_id, s.cluster, (select coalesce(max(position), 0) from log_index) as "end!"
                 from log_branches cross join sequencer s order by number desc limit 1"#
        )
        .fetch_one(&self.pool)
        .await?;
        let (log, position, cluster) = (self.clone(), row.end, row.cluster);
        Ok((row.branch_id, Follower { log, waker, position, cluster, poll: POLL_BUSY }))
    }
}
