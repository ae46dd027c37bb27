//! A subscription that runs.

use jiff::{SignedDuration, Timestamp};
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

/// From when to when a subscription runs that is granted now: the same tier extends its end, another one replaces it.
pub(super) fn span_after(
    last: Option<Subscription>,
    tier: Tier,
    days: u32,
    at: Timestamp,
) -> (Timestamp, Option<Timestamp>) {
    let running = last.filter(|it| it.tier == tier && it.expires_at.is_none_or(|end| end > at));
    let started_at = running.map_or(at, |it| it.started_at);
    let from = match running {
        Some(Subscription { expires_at: None, .. }) => return (started_at, None),
        Some(Subscription { expires_at: Some(end), .. }) => end,
        None => at,
    };
    let length = SignedDuration::from_hours(i64::from(days) * 24);
    (started_at, (days != 0).then(|| from.checked_add(length).unwrap_or(Timestamp::MAX)))
}
