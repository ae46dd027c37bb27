//! Gives committed events their dense position, after the commit, by one process at a time.
//!
//! A pass is one call of `sequence_events` (migration 0016): what its snapshot sees and the last one did not see, in the
//! order of insertion. An event is visible whenever its successor in the stream is, and so is its cause, so both orders
//! hold; and no open transaction delays other people's events. Taking over adds one to the epoch, and from that moment
//! every pass of the former sequencer is refused.
//!
//! A snapshot is made of transaction ids, which mean nothing in another cluster or timeline. So each event has the number
//! of the cluster in which it was written, and a pass reads only those of the current number. After a failover, or a move by
//! dump, the takeover gives a position to each event that has none, in the order of insertion, and begins a new number
//! (`begin_cluster`, migration 0016). No event is rewritten, and events with a position are not read.

use crate::database::{Database, Pool, is_fenced};
use crate::wake::{Topic, Wake};

#[cfg(test)]
mod tests;

/// The right to give positions, until another sequencer takes over.
#[derive(Debug)]
pub struct Sequencer {
    pool: Pool,
    wake: Wake,
    epoch: i64,
}

/// Why a pass gave no positions.
#[derive(Debug, thiserror::Error)]
pub enum SequencerError {
    /// Another sequencer has taken over, or the database has moved to another cluster or timeline.
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
    /// Takes over. The sequencer before is fenced from here on.
    ///
    /// # Errors
    /// [`SequencerError::Sql`].
    pub async fn take_over(database: &Database) -> Result<Self, SequencerError> {
        let mut transaction = database.pool().acquire().await?.patient().begin("begin").await?;
        let taken = sqlx::query!(
            r#"update sequencer set epoch = epoch + 1, cluster = coalesce(cluster, this_cluster())
               returning epoch, cluster = this_cluster() and cluster_no = current_cluster_no() as "is_here!""#
        )
        .fetch_one(&mut *transaction)
        .await?;
        if !taken.is_here {
            tracing::warn!(
                "the database has moved to another cluster or timeline: giving positions anew from here"
            );
            sqlx::query!("select begin_cluster()").execute(&mut *transaction).await?;
        }
        transaction.commit().await?;
        Ok(Self { pool: database.pool().clone(), wake: database.wake().clone(), epoch: taken.epoch })
    }

    /// Which takeover this is, from 1.
    pub const fn epoch(&self) -> i64 {
        self.epoch
    }

    /// Gives positions to what was committed since the last pass, and returns how many.
    ///
    /// # Errors
    /// [`SequencerError::Fenced`] once another sequencer has taken over, or the database has moved: stop, and take over anew.
    pub async fn pass(&self) -> Result<i64, SequencerError> {
        // After an outage there may be many events without a position.
        let mut connection = self.pool.acquire().await?.patient();
        // A transaction of its own: the function's snapshot has to be younger than its lock.
        let given = sqlx::query_scalar!(r#"select sequence_events($1) as "given!""#, self.epoch)
            .fetch_one(&mut connection)
            .await?;
        if given > 0 {
            self.wake.notify(Topic::Positioned);
        }
        Ok(given)
    }
}
