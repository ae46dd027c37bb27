//! The branches of the log. A standby that takes over may lack its end, and goes on with other events at those positions: a position
//! means one event in one branch. Who keeps a position keeps the branch with it.

use super::{BranchId, Log};
use crate::database::DatabaseError;

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

    /// Up to which position this branch is the same as the one of now: 0 for a branch that nobody knows here, and no end for the
    /// branch of now.
    ///
    /// # Errors
    /// [`DatabaseError::Sql`].
    pub async fn same_until(&self, branch: BranchId) -> Result<i64, DatabaseError> {
        let row = sqlx::query!(
            r#"select min(later.began_after) as parted_after
                 from log_branches b left join log_branches later on later.number > b.number
                where b.branch_id = $1
                group by b.branch_id"#,
            branch
        )
        .fetch_optional(&self.pool)
        .await?;
        Ok(row.map_or(0, |row| row.parted_after.unwrap_or(i64::MAX)))
    }
}
