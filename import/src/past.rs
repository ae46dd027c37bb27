//! What happened to a subscription in the Python system.

use domain::Tier;
use domain::account::PastChangeKind;
use jiff::Timestamp;

/// Something that happened to a subscription there.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Past {
    /// When.
    pub changed_at: Timestamp,
    /// What.
    pub change: PastChangeKind,
    /// The tier before.
    pub from_tier: Option<Tier>,
    /// The tier after.
    pub to_tier: Option<Tier>,
    /// Who did it, by their Telegram id.
    pub changed_by: Option<i64>,
    /// Why, in the words of there.
    pub notes: Option<String>,
}
