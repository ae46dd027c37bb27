//! Why an update could not be handled.

use app::UseCaseError;
use app::invites::OrderError;
use app::people::RegisterError;
use eventlog::DatabaseError;

/// Why an update could not be handled.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// It is tried again for as long as it takes.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// A command was refused that should not have been.
    #[error(transparent)]
    Command(Box<dyn std::error::Error + Send + Sync>),
    /// Telegram sent what it never sends.
    #[error("{0}")]
    Malformed(&'static str),
}

impl Failure {
    /// Why an order about an invite failed.
    pub fn of_order(error: OrderError) -> Self {
        match error {
            OrderError::Database(error) => Self::Database(error),
            other => Self::Command(other.into()),
        }
    }
}

impl From<UseCaseError> for Failure {
    fn from(error: UseCaseError) -> Self {
        match error {
            UseCaseError::Database(error) => Self::Database(error),
            UseCaseError::Refused(error) => Self::Command(error),
        }
    }
}

impl From<RegisterError> for Failure {
    fn from(error: RegisterError) -> Self {
        match error {
            RegisterError::UseCase(error) => error.into(),
            error @ RegisterError::BeingForgotten => Self::Command(error.into()),
        }
    }
}
