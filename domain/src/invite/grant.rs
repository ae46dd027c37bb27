//! What a login takes from the invite that it reserved.

use serde::{Deserialize, Serialize};

use crate::id::InviteId;
use crate::tier::Tier;

/// What a login takes from the invite that it reserved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InviteGrant {
    /// Which invite.
    pub invite_id: InviteId,
    /// The tier it promises.
    pub tier: Tier,
    /// For how many days; 0 is unlimited.
    pub subscription_days: u32,
}
