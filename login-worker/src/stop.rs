//! Why an attempt stops before its end.

use domain::login::FailReason;
use domain::{InviteError, LoginError};
use eventlog::{DatabaseError, StoreError};
use vault::VaultError;

/// Why an attempt stops before its end.
#[derive(Debug)]
pub enum Stop {
    /// Another worker has the attempt now: touch nothing any more.
    Fenced,
    /// The login is over, as its events say.
    Over,
    /// The login has to end, for this reason.
    Fail(FailReason),
    /// This process cannot reach Telegram, and another one may: that one goes on.
    OutOfReach,
    /// Our own side failed. The worker that claims the attempt next goes on with it.
    Failed(Box<dyn std::error::Error + Send + Sync>),
}

impl From<DatabaseError> for Stop {
    fn from(error: DatabaseError) -> Self {
        Self::Failed(error.into())
    }
}

impl From<VaultError> for Stop {
    fn from(error: VaultError) -> Self {
        match error {
            VaultError::Fenced => Self::Fenced,
            VaultError::Database(error) => error.into(),
        }
    }
}

impl From<StoreError<LoginError>> for Stop {
    fn from(error: StoreError<LoginError>) -> Self {
        match error {
            StoreError::Refused(_) => Self::Over,
            other => Self::from_store(other),
        }
    }
}

impl From<StoreError<InviteError>> for Stop {
    fn from(error: StoreError<InviteError>) -> Self {
        match error {
            StoreError::Refused(_) => Self::Fail(FailReason::InviteGone),
            other => Self::from_store(other),
        }
    }
}

impl Stop {
    fn from_store<E: std::error::Error + Send + Sync>(error: StoreError<E>) -> Self {
        match error {
            StoreError::Fenced => Self::Fenced,
            other => Self::Failed(other.into()),
        }
    }
}
