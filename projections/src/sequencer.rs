//! Gives committed events their positions.

use crate::database::Database;

/// The one that gives positions, until another takes over.
#[derive(Debug)]
pub struct Sequencer {}

/// Why a pass failed.
#[derive(Debug, thiserror::Error)]
pub enum SequencerError {
    /// Another one has taken over.
    #[error("another sequencer has taken over")]
    Fenced,
    /// The database failed.
    #[error("PostgreSQL: {0}")]
    Sql(sqlx::Error),
}

impl Sequencer {
    /// Takes over from whichever was before.
    pub async fn take_over(_database: &Database) -> Result<Self, SequencerError> {
        todo!()
    }

    /// Its number.
    pub fn epoch(&self) -> i64 {
        todo!()
    }

    /// Gives positions to what was committed since the last pass; how many.
    pub async fn pass(&self) -> Result<i64, SequencerError> {
        todo!()
    }
}
