//! What happened to an invite. The names are stored; they never change.

use cqrs_es::DomainEvent;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::grant::InviteGrant;
use crate::id::{AccountId, InviteId, LoginId};
use crate::tier::Tier;
use crate::upcast;

/// What happened to an invite. Stored as `{"InviteRedeemed": {…}}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "ids and instants, named as everywhere")]
pub enum InviteEvent {
    /// An admin made it. The code is in the vault, under the stream's id.
    InviteCreated {
        invite_id: InviteId,
        tier: Tier,
        max_uses: u32,
        valid_until: Timestamp,
        /// 0 is unlimited.
        subscription_days: u32,
        /// None: made from the command line.
        created_by: Option<AccountId>,
        /// How many of its uses were taken in the system that it came from, by people who are not known here.
        #[serde(default, skip_serializing_if = "is_zero")]
        used_before: u32,
        at: Timestamp,
    },
    /// One use is reserved for this attempt of this login, or moved to it.
    InviteRedeemed {
        account_id: AccountId,
        login_id: LoginId,
        attempt: u32,
        grant: InviteGrant,
        at: Timestamp,
    },
    /// The reservation became a use; or it was one already in the system that the invite came from.
    InviteUsed { account_id: AccountId, login_id: LoginId, attempt: u32, at: Timestamp },
    /// What the attempt held was given back.
    InviteReleased { account_id: AccountId, login_id: LoginId, attempt: u32, at: Timestamp },
    /// Nobody may redeem it any more.
    InviteRevoked { at: Timestamp },
}

/// An invite that was made here has no uses before.
const fn is_zero(uses: &u32) -> bool {
    *uses == 0
}

impl InviteEvent {
    /// The stored names of all of them.
    pub const NAMES: [&'static str; 5] =
        ["InviteCreated", "InviteRedeemed", "InviteUsed", "InviteReleased", "InviteRevoked"];

    /// Its stored name.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::InviteCreated { .. } => "InviteCreated",
            Self::InviteRedeemed { .. } => "InviteRedeemed",
            Self::InviteUsed { .. } => "InviteUsed",
            Self::InviteReleased { .. } => "InviteReleased",
            Self::InviteRevoked { .. } => "InviteRevoked",
        }
    }

    /// When it happened.
    pub const fn at(&self) -> Timestamp {
        match self {
            Self::InviteCreated { at, .. }
            | Self::InviteRedeemed { at, .. }
            | Self::InviteUsed { at, .. }
            | Self::InviteReleased { at, .. }
            | Self::InviteRevoked { at } => *at,
        }
    }

    /// The person whom it concerns.
    pub const fn account_id(&self) -> Option<AccountId> {
        match self {
            Self::InviteRedeemed { account_id, .. }
            | Self::InviteUsed { account_id, .. }
            | Self::InviteReleased { account_id, .. } => Some(*account_id),
            Self::InviteCreated { .. } | Self::InviteRevoked { .. } => None,
        }
    }
}

impl DomainEvent for InviteEvent {
    fn event_type(&self) -> String {
        self.name().to_owned()
    }

    fn event_version(&self) -> String {
        upcast::current_version(self.name()).to_string()
    }
}
