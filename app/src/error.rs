//! Why a use case came to no outcome.

use std::error::Error;

use eventlog::{DatabaseError, StoreError};

/// A use case came to no outcome. Where it is given the same order again, it goes on, and does nothing twice.
#[derive(Debug, thiserror::Error)]
pub enum UseCaseError {
    /// Try again later.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// A command was refused, or fenced, that the use case had made sure of.
    #[error(transparent)]
    Refused(Box<dyn Error + Send + Sync>),
}

impl<E: Error + Send + Sync + 'static> From<StoreError<E>> for UseCaseError {
    fn from(error: StoreError<E>) -> Self {
        match error {
            StoreError::Database(error) => Self::Database(error),
            other => Self::Refused(Box::new(other)),
        }
    }
}
