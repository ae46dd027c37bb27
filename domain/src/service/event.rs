//! What happened to API keys and webhooks. The names are stored; they never change.

use cqrs_es::DomainEvent;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::scope::Scope;
use crate::upcast;

/// What happened to an API key or a webhook. Stored as `{"ApiKeyCreated": {…}}`. Who did it is the actor of the envelope.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ServiceEvent {
    /// A key was made. The stream's id is the key's.
    ApiKeyCreated {
        /// What people call it.
        name: String,
        /// What it may do.
        scopes: Vec<Scope>,
        /// From when on it is refused; None: never.
        expires_at: Option<Timestamp>,
        /// When.
        at: Timestamp,
    },
    /// A key is refused from now on.
    ApiKeyRevoked {
        /// When.
        at: Timestamp,
    },
    /// A webhook was made. The stream's id is the webhook's.
    WebhookCreated {
        /// The host of its address; path and query may be a secret of the receiver.
        host: String,
        /// Which types of message it takes; none: all.
        types: Vec<String>,
        /// When.
        at: Timestamp,
    },
    /// A webhook was changed. What is None stayed.
    WebhookChanged {
        /// The host of its new address.
        host: Option<String>,
        /// Which types of message it takes now; none: all.
        types: Option<Vec<String>>,
        /// Whether messages are sent to it now.
        enabled: Option<bool>,
        /// Why they are no longer.
        reason: Option<DisabledReason>,
        /// Whether it has another secret now.
        rotated: bool,
        /// When.
        at: Timestamp,
    },
    /// A webhook was deleted.
    WebhookDeleted {
        /// When.
        at: Timestamp,
    },
}

/// Why no more messages are sent to a webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DisabledReason {
    /// Somebody ordered it.
    Order,
    /// Its receiver answered 410: it is gone.
    Gone,
}

impl ServiceEvent {
    /// The stored names of all of them.
    pub const NAMES: [&'static str; 5] =
        ["ApiKeyCreated", "ApiKeyRevoked", "WebhookCreated", "WebhookChanged", "WebhookDeleted"];

    /// Its stored name.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::ApiKeyCreated { .. } => "ApiKeyCreated",
            Self::ApiKeyRevoked { .. } => "ApiKeyRevoked",
            Self::WebhookCreated { .. } => "WebhookCreated",
            Self::WebhookChanged { .. } => "WebhookChanged",
            Self::WebhookDeleted { .. } => "WebhookDeleted",
        }
    }

    /// When it happened.
    pub const fn at(&self) -> Timestamp {
        match self {
            Self::ApiKeyCreated { at, .. }
            | Self::ApiKeyRevoked { at }
            | Self::WebhookCreated { at, .. }
            | Self::WebhookChanged { at, .. }
            | Self::WebhookDeleted { at } => *at,
        }
    }
}

impl DomainEvent for ServiceEvent {
    fn event_type(&self) -> String {
        self.name().to_owned()
    }

    fn event_version(&self) -> String {
        upcast::current_version(self.name()).to_string()
    }
}
