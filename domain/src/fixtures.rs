//! People, logins and times for the tests of the rules.

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::id::{AccountId, InviteId, LoginId, Sealed};
use crate::invite::InviteGrant;
use crate::tier::{Limits, Tier, Tiers};

pub(crate) const ANNA: AccountId = AccountId(Uuid::from_u128(0xa));
pub(crate) const BORIS: AccountId = AccountId(Uuid::from_u128(0xb));
pub(crate) const VERA: AccountId = AccountId(Uuid::from_u128(0xc));
pub(crate) const ADMIN: AccountId = AccountId(Uuid::from_u128(0xad));
pub(crate) const INVITE: InviteId = InviteId(Uuid::from_u128(1));

/// A minute of the test's day.
pub(crate) fn minute(minutes: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_mins(minutes)
}

/// A day, in full days.
pub(crate) fn day(days: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_hours(24 * days)
}

pub(crate) fn login(number: u32) -> LoginId {
    format!("login-{number:026}").parse().expect("32 characters of base64url")
}

pub(crate) fn grant(tier: Tier, subscription_days: u32) -> InviteGrant {
    InviteGrant { invite_id: INVITE, tier, subscription_days }
}

pub(crate) fn premium() -> InviteGrant {
    grant(Tier::Premium, 30)
}

pub(crate) fn limits(tier: Tier) -> Limits {
    Tiers::default().limits(tier)
}

pub(crate) fn sealed(text: &str) -> Sealed {
    Sealed(text.to_owned())
}
