//! A standby beside the primary: whether it shows everything that the primary has.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::handle::Database;
use crate::error::DatabaseError;
use crate::log::BranchId;

/// How often a standby is asked again.
const POLL: Duration = Duration::from_millis(2);

/// How far the changes of a database have come: what a standby has to have to show the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extent {
    /// The end of its write-ahead log, as PostgreSQL writes it.
    lsn: String,
    /// Which branch its log of events is in: positions in the write-ahead logs of two timelines are not compared.
    branch: BranchId,
}

/// Which server this is, and how it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// A standby has its primary's.
    pub system_identifier: i64,
    /// It follows another server, and takes no writes.
    pub is_standby: bool,
    /// It gets changes and does not show them (`pg_wal_replay_pause`).
    pub is_paused: bool,
}

/// How much a standby lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lag {
    /// Of the write-ahead log.
    pub bytes: i64,
    /// Since the last transaction that it shows.
    pub seconds: i64,
}

impl Database {
    /// Everything that is visible here now is within it, also what was committed without waiting for the disk.
    ///
    /// # Errors
    /// [`DatabaseError::Sql`]: also where this server is a standby.
    pub async fn extent(&self) -> Result<Extent, DatabaseError> {
        let row = sqlx::query!(
            r#"select pg_current_wal_insert_lsn()::text as "lsn!",
                      (select branch_id from log_branches order by number desc limit 1) as "branch!""#
        )
        .fetch_one(&self.pool)
        .await?;
        Ok(Extent { lsn: row.lsn, branch: row.branch })
    }

    /// Whether this server shows everything within the extent of another one, now or a moment later.
    ///
    /// # Errors
    /// [`DatabaseError::Sql`].
    pub async fn shows_within(&self, extent: &Extent, within: Duration) -> Result<bool, DatabaseError> {
        let until = Instant::now() + within;
        while !self.shows(extent).await? {
            if Instant::now() > until {
                return Ok(false);
            }
            sleep(POLL).await;
        }
        Ok(true)
    }

    async fn shows(&self, extent: &Extent) -> Result<bool, DatabaseError> {
        let shows = sqlx::query_scalar!(
            r#"select (case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_insert_lsn() end)
                          >= $1::text::pg_lsn
                      and (select branch_id from log_branches order by number desc limit 1) = $2 as "shows!""#,
            extent.lsn,
            extent.branch
        );
        Ok(shows.fetch_one(&self.pool).await?)
    }

    /// How much this server lacks of the extent of its primary.
    ///
    /// # Errors
    /// [`DatabaseError::Sql`].
    pub async fn lag(&self, extent: &Extent) -> Result<Lag, DatabaseError> {
        let row = sqlx::query!(
            r#"select greatest(pg_wal_lsn_diff($1::text::pg_lsn, pg_last_wal_replay_lsn()), 0)::bigint as "bytes!",
                      coalesce(extract(epoch from clock_timestamp() - pg_last_xact_replay_timestamp()), 0)::bigint as "seconds!""#,
            extent.lsn
        )
        .fetch_one(&self.pool)
        .await?;
        Ok(Lag { bytes: row.bytes, seconds: row.seconds })
    }

    /// Which server this is, and how it stands.
    ///
    /// # Errors
    /// [`DatabaseError::Sql`].
    pub async fn standing(&self) -> Result<Standing, DatabaseError> {
        let row = sqlx::query!(
            r#"select system_identifier as "system_identifier!",
                      pg_is_in_recovery() as "is_standby!",
                      case when pg_is_in_recovery() then pg_is_wal_replay_paused() else false end as "is_paused!"
                 from pg_control_system()"#
        )
        .fetch_one(&self.pool)
        .await?;
        Ok(Standing {
            system_identifier: row.system_identifier,
            is_standby: row.is_standby,
            is_paused: row.is_paused,
        })
    }
}
