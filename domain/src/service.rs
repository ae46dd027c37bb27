//! Other services: the keys that they call the API with, and the webhooks that they are told by. One stream for each key and each
//! webhook, under its id.
//!
//! ```text
//! CreateApiKey ──▶ key ──── Revoke ────▶ revoked
//! CreateWebhook ─▶ webhook ─ Delete ───▶ deleted
//!                   │  ▲
//!                   └──┘ Change: another address, other types, on or off, another secret
//! ```
//! Events have the names of keys and the hosts of webhooks, never a secret: neither a key, nor what a webhook is signed with, nor the
//! path of its address, which may be a secret of its receiver. Those live in tables that belong to who uses them.

use std::fmt;
use std::str::FromStr;

use cqrs_es::Aggregate;
use cqrs_es::event_sink::EventSink;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

mod event;
mod scope;
#[cfg(test)]
mod tests;

pub use event::{DisabledReason, ServiceEvent};
pub use scope::{Scope, UnknownScope};

/// The id of an API key: 16 lowercase hexadecimal digits. It is no secret.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ApiKeyId(String);

/// What is wrong with the id of an API key: not 16 lowercase hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the id of a key is 16 lowercase hexadecimal digits")]
pub struct BadApiKeyId;

/// An API key or a webhook, folded from its events.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Service {
    /// Nothing was made under this id.
    #[default]
    Unknown,
    /// A key.
    ApiKey {
        /// Whether it is refused.
        revoked: bool,
    },
    /// A webhook.
    Webhook {
        /// Which types of message it takes; none: all.
        types: Vec<String>,
        /// Whether messages are sent to it.
        enabled: bool,
    },
    /// A webhook that was deleted.
    Deleted,
}

/// An order to an API key or a webhook. `at` is when it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are those of the events of the same name")]
pub enum ServiceCommand {
    /// Make a key.
    CreateApiKey { name: String, scopes: Vec<Scope>, expires_at: Option<Timestamp>, at: Timestamp },
    /// Refuse it from now on.
    RevokeApiKey { at: Timestamp },
    /// Make a webhook.
    CreateWebhook { host: String, types: Vec<String>, at: Timestamp },
    /// Change what is given; what is None stays.
    ChangeWebhook {
        host: Option<String>,
        types: Option<Vec<String>>,
        enabled: Option<bool>,
        reason: Option<DisabledReason>,
        rotated: bool,
        at: Timestamp,
    },
    /// Send nothing to it any more, and forget it.
    DeleteWebhook { at: Timestamp },
}

/// Why an order was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ServiceError {
    /// There is none with this id.
    #[error("there is no such key or webhook")]
    Unknown,
}

impl Service {
    /// What follows from a command: an event, or nothing, since it is so already.
    ///
    /// # Errors
    /// [`ServiceError`]: nothing of this kind has this id.
    pub fn decide(&self, command: ServiceCommand) -> Result<Option<ServiceEvent>, ServiceError> {
        use ServiceCommand::{ChangeWebhook, CreateApiKey, CreateWebhook, DeleteWebhook, RevokeApiKey};
        Ok(match (self, command) {
            (Self::Unknown, CreateApiKey { name, scopes, expires_at, at }) => {
                Some(ServiceEvent::ApiKeyCreated { name, scopes, expires_at, at })
            }
            (Self::Unknown, CreateWebhook { host, types, at }) => {
                Some(ServiceEvent::WebhookCreated { host, types, at })
            }
            (Self::ApiKey { revoked: false }, RevokeApiKey { at }) => {
                Some(ServiceEvent::ApiKeyRevoked { at })
            }
            (
                Self::Webhook { types: old_types, enabled: is_enabled },
                ChangeWebhook { host, types, enabled, reason, rotated, at },
            ) => {
                let types = types.filter(|types| types != old_types);
                let enabled = enabled.filter(|enabled| enabled != is_enabled);
                let reason = reason.filter(|_| enabled == Some(false));
                let changes = host.is_some() || types.is_some() || enabled.is_some() || rotated;
                changes.then_some(ServiceEvent::WebhookChanged { host, types, enabled, reason, rotated, at })
            }
            (Self::Webhook { .. }, DeleteWebhook { at }) => Some(ServiceEvent::WebhookDeleted { at }),
            (Self::ApiKey { .. }, CreateApiKey { .. })
            | (Self::ApiKey { revoked: true }, RevokeApiKey { .. })
            | (Self::Webhook { .. }, CreateWebhook { .. })
            | (Self::Deleted, DeleteWebhook { .. } | CreateWebhook { .. }) => None,
            (Self::Unknown | Self::Deleted, ChangeWebhook { .. })
            | (Self::Unknown, RevokeApiKey { .. } | DeleteWebhook { .. })
            | (Self::ApiKey { .. }, CreateWebhook { .. } | ChangeWebhook { .. } | DeleteWebhook { .. })
            | (Self::Webhook { .. } | Self::Deleted, CreateApiKey { .. } | RevokeApiKey { .. }) => {
                return Err(ServiceError::Unknown);
            }
        })
    }
}

impl Aggregate for Service {
    const TYPE: &'static str = "service";
    type Command = ServiceCommand;
    type Event = ServiceEvent;
    type Error = ServiceError;
    type Services = ();

    async fn handle(
        &mut self,
        command: ServiceCommand,
        (): &(),
        sink: &EventSink<Self>,
    ) -> Result<(), ServiceError> {
        if let Some(event) = self.decide(command)? {
            sink.write(event, self).await;
        }
        Ok(())
    }

    fn apply(&mut self, event: ServiceEvent) {
        match event {
            ServiceEvent::ApiKeyCreated { .. } => *self = Self::ApiKey { revoked: false },
            ServiceEvent::ApiKeyRevoked { .. } => *self = Self::ApiKey { revoked: true },
            ServiceEvent::WebhookCreated { types, .. } => *self = Self::Webhook { types, enabled: true },
            ServiceEvent::WebhookChanged { types: new_types, enabled: is_enabled, .. } => {
                if let Self::Webhook { types, enabled } = self {
                    *types = new_types.unwrap_or_else(|| std::mem::take(types));
                    *enabled = is_enabled.unwrap_or(*enabled);
                }
            }
            ServiceEvent::WebhookDeleted { .. } => *self = Self::Deleted,
        }
    }
}

impl ApiKeyId {
    /// The id as everybody sees it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ApiKeyId {
    type Err = BadApiKeyId;

    fn from_str(text: &str) -> Result<Self, BadApiKeyId> {
        let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if text.len() == 16 && text.bytes().all(is_hex) {
            Ok(Self(text.to_owned()))
        } else {
            Err(BadApiKeyId)
        }
    }
}

impl TryFrom<String> for ApiKeyId {
    type Error = BadApiKeyId;

    fn try_from(text: String) -> Result<Self, BadApiKeyId> {
        text.parse()
    }
}

impl From<ApiKeyId> for String {
    fn from(id: ApiKeyId) -> Self {
        id.0
    }
}

impl fmt::Display for ApiKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
