//! What an API key may do.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// One thing that an API key may do. Stored and shown as `users:read`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Scope {
    /// Read people and their subscriptions, with their names.
    #[serde(rename = "users:read")]
    UsersRead,
    /// Grant, renew and end subscriptions.
    #[serde(rename = "subscriptions:write")]
    SubscriptionsWrite,
    /// Read invites, without the codes of others.
    #[serde(rename = "invites:read")]
    InvitesRead,
    /// Make and revoke invites.
    #[serde(rename = "invites:write")]
    InvitesWrite,
    /// Read the log. What is sealed stays sealed.
    #[serde(rename = "events:read")]
    EventsRead,
    /// With `events:read`: read the names in it.
    #[serde(rename = "events:names")]
    EventsNames,
    /// Manage webhooks.
    #[serde(rename = "webhooks:manage")]
    WebhooksManage,
}

/// There is no scope of this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no scope {0:?}")]
pub struct UnknownScope(pub String);

impl Scope {
    /// Every scope, in the order in which they are shown.
    pub const ALL: [Self; 7] = [
        Self::UsersRead,
        Self::SubscriptionsWrite,
        Self::InvitesRead,
        Self::InvitesWrite,
        Self::EventsRead,
        Self::EventsNames,
        Self::WebhooksManage,
    ];

    /// Its stored name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::UsersRead => "users:read",
            Self::SubscriptionsWrite => "subscriptions:write",
            Self::InvitesRead => "invites:read",
            Self::InvitesWrite => "invites:write",
            Self::EventsRead => "events:read",
            Self::EventsNames => "events:names",
            Self::WebhooksManage => "webhooks:manage",
        }
    }
}

impl FromStr for Scope {
    type Err = UnknownScope;

    fn from_str(text: &str) -> Result<Self, UnknownScope> {
        Self::ALL.into_iter().find(|scope| scope.name() == text).ok_or_else(|| UnknownScope(text.to_owned()))
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
