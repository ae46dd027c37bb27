//! A webhook.

use domain::service::DisabledReason;
use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

/// A webhook, as its owner sees it. Programs read it with these names, in this order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Webhook {
    /// Random; the stream of its events.
    pub webhook_id: Uuid,
    /// Where its messages go.
    pub url: String,
    /// The types of message that it gets; none: all.
    pub types: Vec<String>,
    /// Whether messages are sent.
    pub enabled: bool,
    /// Why they are not.
    pub disabled_reason: Option<DisabledReason>,
    /// Who made it, as the actor of an event.
    pub created_by: String,
    /// When.
    pub created_at: Timestamp,
    /// Until when the secret before signs as well.
    pub secret_rotates_until: Option<Timestamp>,
    /// Messages that wait.
    pub waiting: i64,
    /// Messages that were given up.
    pub parked: i64,
    /// When it last took one.
    pub last_delivered_at: Option<Timestamp>,
}
