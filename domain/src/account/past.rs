//! What is known of a person from the system that they were taken over from, as events hold it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::{AccountId, Sealed};
use crate::tier::Tier;

/// Since when and through whom a person was in the other system.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// None: it does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// Who invited them; None: nobody who is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invited_by: Option<AccountId>,
}

/// Something that happened to a subscription in the other system.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PastChange {
    /// When.
    pub changed_at: Timestamp,
    /// What.
    pub change: PastChangeKind,
    /// The tier before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_tier: Option<Tier>,
    /// The tier after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_tier: Option<Tier>,
    /// Who did it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed_by: Option<AccountId>,
    /// Why, in the words of there, sealed with the person's key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Sealed>,
}

/// What happened to a subscription in the other system, in its own words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PastChangeKind {
    /// It began.
    Created,
    /// It became a larger one.
    Upgraded,
    /// It became a smaller one.
    Downgraded,
    /// It goes on for longer.
    Renewed,
    /// Its time was over.
    Expired,
    /// It was ended before its time.
    Revoked,
}

impl PastChangeKind {
    /// Every kind.
    pub const ALL: [Self; 6] =
        [Self::Created, Self::Upgraded, Self::Downgraded, Self::Renewed, Self::Expired, Self::Revoked];

    /// The stored spelling.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Upgraded => "upgraded",
            Self::Downgraded => "downgraded",
            Self::Renewed => "renewed",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
        }
    }
}
