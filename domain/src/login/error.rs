//! Why a login refuses.

use super::LoginStatus;

/// Why a login refuses an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoginError {
    /// It was never started.
    #[error("there is no such login")]
    Unknown,
    /// It has ended; nothing can be recorded any more.
    #[error("the login has ended ({0})")]
    Ended(LoginStatus),
    /// A newer attempt runs.
    #[error("a newer attempt of the login runs")]
    Superseded,
    /// A retry while the attempt before still runs.
    #[error("the login still runs")]
    StillLive,
    /// Started as another person's.
    #[error("the login is another person's")]
    NotYours,
    /// An attempt was skipped.
    #[error("the attempt's number is not the next one")]
    OutOfOrder,
}
