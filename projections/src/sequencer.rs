//! Gives committed events their dense position, after the commit, by one process at a time.
//!
//! A pass is one call of `sequence_events` (migration 0001): what its snapshot sees and the last one did not see, in the
//! order of insertion. An event is visible whenever its successor in the stream is, and so is its cause, so both orders
//! hold; and no open transaction delays other people's events. Taking over adds one to the epoch, and from that moment
//! every pass of the former sequencer is refused.
//!
//! Snapshots speak of transaction ids, which mean nothing in another cluster. After a move by dump, or a failover, the
//! one who takes over therefore starts anew: whatever has no position gets one, in the order of insertion.

use crate::database::{Connection, Database, Pool, is_fenced};
use crate::wake::{Topic, Wake};

#[cfg(test)]
mod tests;

/// The right to give positions, until somebody else takes over.
#[derive(Debug)]
pub struct Sequencer {
    pool: Pool,
    wake: Wake,
    epoch: i64,
}

/// Why a pass gave no positions.
#[derive(Debug, thiserror::Error)]
pub enum SequencerError {
    /// Somebody else has taken over, or the database has moved to another cluster or timeline.
    #[error("another sequencer has taken over, or a standby")]
    Fenced,
    /// The database failed; the next pass takes up what this one left.
    #[error("positions could not be given")]
    Sql(#[source] sqlx::Error),
}

impl From<sqlx::Error> for SequencerError {
    fn from(error: sqlx::Error) -> Self {
        if is_fenced(&error) { Self::Fenced } else { Self::Sql(error) }
    }
}

impl Sequencer {
    /// Takes over from whoever was before, who is fenced from here on.
    ///
    /// # Errors
    /// [`SequencerError::Sql`].
    pub async fn take_over(database: &Database) -> Result<Self, SequencerError> {
        let mut transaction = database.begin("begin").await?;
        let (epoch, known): (i64, Option<String>) =
            sqlx::query_as("update sequencer set epoch = epoch + 1 returning epoch, cluster")
                .fetch_one(&mut *transaction)
                .await?;
        let cluster: String =
            sqlx::query_scalar("select this_cluster()").fetch_one(&mut *transaction).await?;
        if known.as_ref().is_some_and(|known| *known != cluster) {
            tracing::warn!(
                "the database has moved to another cluster or timeline: giving positions anew from here"
            );
            start_anew(&mut transaction).await?;
        }
        sqlx::query("update sequencer set cluster = $1").bind(&cluster).execute(&mut *transaction).await?;
        transaction.commit().await?;
        Ok(Self { pool: database.pool().clone(), wake: database.wake().clone(), epoch })
    }

    /// Which takeover this is, from 1.
    pub const fn epoch(&self) -> i64 {
        self.epoch
    }

    /// Gives positions to what was committed since the last pass; answers how many.
    ///
    /// # Errors
    /// [`SequencerError::Fenced`] once somebody else has taken over, or the database has: stop, and take over anew.
    pub async fn pass(&self) -> Result<i64, SequencerError> {
        // A transaction of its own: the function's snapshot has to be younger than its lock.
        let given: i64 =
            sqlx::query_scalar("select sequence_events($1)").bind(self.epoch).fetch_one(&self.pool).await?;
        if given > 0 {
            self.wake.notify(Topic::Positioned);
        }
        Ok(given)
    }
}

/// Positions for all that have none, with nobody writing meanwhile; the old cluster's transaction ids are forgotten, or
/// they would be taken for running ones of this cluster.
async fn start_anew(connection: &mut Connection) -> Result<(), sqlx::Error> {
    for step in [
        "lock table events in share row exclusive mode",
        "with placed as (
             insert into log_index
             select s.next_position - 1 + row_number() over (order by e.event_no), e.event_no
               from sequencer s, events e
              where not exists (select from log_index i where i.event_no = e.event_no)
             returning 1
         )
         update sequencer set next_position = next_position + (select count(*) from placed)",
        "alter table events disable trigger events_append_only",
        "update events set transaction_id = '0' where transaction_id <> '0'",
        "alter table events enable trigger events_append_only",
        "update sequencer set taken = pg_current_snapshot()",
    ] {
        sqlx::query(step).execute(&mut *connection).await?;
    }
    Ok(())
}
