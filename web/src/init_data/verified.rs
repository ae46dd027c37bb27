//! Launch data whose signature has held: who opened the Mini App, and how long ago.

use jiff::{SignedDuration, Timestamp};
use texts::Language;

use super::error::InitDataError;

const MAX_AGE: SignedDuration = SignedDuration::from_mins(15);
const MAX_AHEAD: SignedDuration = SignedDuration::from_mins(2);

/// Who opened the Mini App.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opener {
    /// Their Telegram id.
    pub id: i64,
    /// The language to speak to them in.
    pub language: Language,
}

/// What was verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verified {
    pub opener: Opener,
    pub signed_at: Timestamp,
}

impl Verified {
    /// Whether it is young enough to be believed.
    ///
    /// # Errors
    /// It is too old, or from the future.
    pub fn check_age(&self, now: Timestamp) -> Result<(), InitDataError> {
        check_age(self.signed_at, now)
    }
}

/// Whether what was signed then is young enough to be believed.
///
/// # Errors
/// It is too old, or from the future.
pub fn check_age(signed_at: Timestamp, now: Timestamp) -> Result<(), InitDataError> {
    let age = now.duration_since(signed_at);
    if age > MAX_AGE {
        Err(InitDataError::Stale)
    } else if age < -MAX_AHEAD {
        Err(InitDataError::Future)
    } else {
        Ok(())
    }
}
