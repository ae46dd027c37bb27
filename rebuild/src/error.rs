//! Why a rebuild fails.

use super::overflow::OverflowError;
use super::readers::MAX_WAIT;
use eventlog::database::DatabaseError;
use projections::views;

/// Why a view was not rebuilt. People read the same rows as before.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    /// There is no view of this name.
    #[error("there is no view {view:?}; there are {}", views::names().join(", "))]
    Unknown {
        /// The name.
        view: String,
    },
    /// Another process rebuilds it at this moment.
    #[error("{0} is being rebuilt by somebody else right now")]
    Busy(&'static str),
    /// The database role may only read.
    #[error(
        "the database role {role} may not rebuild: that takes {owner}, who owns the views; `--dry-run` only reads"
    )]
    Role {
        /// The role of this connection.
        role: String,
        /// The role that owns the views.
        owner: String,
    },
    /// The transaction of a reader stays open.
    #[error(
        "{view} was not swapped: PostgreSQL's process {pid} has been in a transaction for all of {} minutes",
        MAX_WAIT.as_secs() / 60
    )]
    Readers {
        /// The view.
        view: &'static str,
        /// The server process of that reader.
        pid: i32,
    },
    /// Another rebuild has taken over, because the connection of this one was lost.
    #[error("another rebuild of {0} has taken over")]
    Fenced(&'static str),
    /// What finds no room in memory found none on the disk either.
    #[error(transparent)]
    Overflow(#[from] OverflowError),
    /// The database failed.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

impl From<sqlx::Error> for RebuildError {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error.into())
    }
}

/// Why nothing was compared.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// What finds no room in memory found none on the disk either.
    #[error(transparent)]
    Overflow(#[from] OverflowError),
    /// The database failed.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

impl From<sqlx::Error> for VerifyError {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error.into())
    }
}

impl From<VerifyError> for RebuildError {
    fn from(error: VerifyError) -> Self {
        match error {
            VerifyError::Overflow(error) => Self::Overflow(error),
            VerifyError::Database(error) => Self::Database(error),
        }
    }
}
