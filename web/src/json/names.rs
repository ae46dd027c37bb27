//! The closed lists of names that the API takes and gives, as its contract shows them: tiers, roles, and the like.

use std::borrow::Cow;

use domain::{LoginStatus, Role, Scope, Tier};
use projections::views::invites::filtered::InviteState;
use projections::views::users::SubscriptionStatus;
use serde::{Deserialize, Serialize};
use utoipa::openapi::schema::Type;
use utoipa::openapi::{ObjectBuilder, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// A list of names that stands for an enum of ours: those of its variants in snake_case, unless an attribute says otherwise.
macro_rules! names {
    ($(#[$whole:meta])* $name:ident = $ours:ident { $($(#[$own:meta])* $variant:ident),+ $(,)? }) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
        #[serde(rename_all = "snake_case")]
        #[allow(missing_docs, reason = "named as in the domain")]
        $(#[$whole])*
        pub enum $name { $($(#[$own])* $variant),+ }

        impl From<$ours> for $name {
            fn from(ours: $ours) -> Self {
                match ours { $($ours::$variant => Self::$variant),+ }
            }
        }

        impl From<$name> for $ours {
            fn from(name: $name) -> Self {
                match name { $($name::$variant => Self::$variant),+ }
            }
        }
    };
}
pub(crate) use names;

names! {
    /// What a subscription gives.
    TierName = Tier { Free, Trial, Basic, Premium, Enterprise }
}
/// A subscription that can be given: `free` is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "named as in the domain")]
pub enum GivenTier {
    Trial,
    Basic,
    Premium,
    Enterprise,
}

impl From<GivenTier> for Tier {
    fn from(tier: GivenTier) -> Self {
        match tier {
            GivenTier::Trial => Self::Trial,
            GivenTier::Basic => Self::Basic,
            GivenTier::Premium => Self::Premium,
            GivenTier::Enterprise => Self::Enterprise,
        }
    }
}

names! {
    /// What a person may do.
    RoleName = Role { User, Admin, Auditor }
}
names! {
    /// How a person's subscription stands; `none`: there never was one.
    StatusName = SubscriptionStatus { None, Active, Expired }
}
names! {
    /// How a login stands.
    LoginStatusName = LoginStatus {
        Waiting, CodeRequired, PasswordRequired, Authorized, Expired, Cancelled, Rejected, Failed,
    }
}
names! {
    /// How an invite stands.
    InviteStateName = InviteState { Open, Used, Expired, Revoked }
}

/// What a key may do, in the contract: the names of [`Scope`].
#[derive(Debug)]
pub enum ScopeName {}

impl PartialSchema for ScopeName {
    fn schema() -> RefOr<Schema> {
        let names =
            ObjectBuilder::new().schema_type(Type::String).enum_values(Some(Scope::ALL.map(Scope::name)));
        names.description(Some("What a key may do.")).into()
    }
}

impl ToSchema for ScopeName {
    fn name() -> Cow<'static, str> {
        "Scope".into()
    }
}
