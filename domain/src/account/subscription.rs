//! A subscription that runs.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::tier::{Limits, Tier};

/// A subscription that runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscription {
    /// Its tier.
    pub tier: Tier,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ends; None is never.
    pub expires_at: Option<Timestamp>,
    /// As they were when it was granted.
    pub limits: Limits,
}
