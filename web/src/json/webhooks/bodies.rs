//! The shapes of webhooks and of their messages, as JSON.

use domain::service::DisabledReason;
use jiff::Timestamp;
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;
use webhooks::{Delivery, DeliveryState, Made, MessageType, Webhook};

use crate::json::list::Limit;
use crate::json::names::names;

/// A type of message.
#[derive(Clone, Copy, Deserialize, Serialize, ToSchema)]
#[expect(missing_docs, reason = "named as everywhere")]
pub enum WebhookType {
    #[serde(rename = "login.authorized")]
    LoginAuthorized,
    #[serde(rename = "login.ended")]
    LoginEnded,
    #[serde(rename = "subscription.started")]
    SubscriptionStarted,
    #[serde(rename = "subscription.changed")]
    SubscriptionChanged,
    #[serde(rename = "subscription.expired")]
    SubscriptionExpired,
    #[serde(rename = "subscription.revoked")]
    SubscriptionRevoked,
    #[serde(rename = "session.revoked")]
    SessionRevoked,
    #[serde(rename = "session.logged_out")]
    SessionLoggedOut,
    #[serde(rename = "session.exported")]
    SessionExported,
    #[serde(rename = "user.blocked")]
    UserBlocked,
    #[serde(rename = "user.unblocked")]
    UserUnblocked,
    #[serde(rename = "user.erased")]
    UserErased,
}

/// A webhook to make.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewWebhookBody {
    /// Where its messages go: https, a public host, no user, no password.
    #[schema(max_length = 2000)]
    pub(super) url: String,
    /// Which it gets; none, or left out: all.
    #[serde(default)]
    pub(super) types: Vec<WebhookType>,
}

/// What to change; what is null or left out stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WebhookChange {
    /// Where its messages go.
    #[schema(max_length = 2000)]
    pub(super) url: Option<String>,
    /// Which it gets; none: all.
    pub(super) types: Option<Vec<WebhookType>>,
    /// Whether messages are sent.
    pub(super) enabled: Option<bool>,
    /// Give it another secret. The one before signs beside it for a day.
    pub(super) rotate_secret: Option<bool>,
}

/// Why no messages are sent.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DisabledReasonName {
    /// Somebody ordered it.
    Order,
    /// Its receiver answered 410.
    Gone,
}

/// A webhook.
#[derive(Serialize, ToSchema)]
#[schema(as = Webhook)]
pub struct WebhookBody {
    /// The stream of its events.
    #[schema(value_type = String, format = Uuid)]
    webhook_id: Uuid,
    /// Where its messages go.
    url: String,
    /// Which it gets; none: all.
    types: Vec<String>,
    enabled: bool,
    /// Why it is not enabled.
    #[schema(required)]
    disabled_reason: Option<DisabledReasonName>,
    created_at: Timestamp,
    /// Until when the secret before signs as well.
    #[schema(required)]
    secret_rotates_until: Option<Timestamp>,
    /// Messages that wait.
    waiting: i64,
    /// Messages that were given up, and can be replayed.
    parked: i64,
    #[schema(required)]
    last_delivered_at: Option<Timestamp>,
}

/// A webhook that was made or changed.
#[derive(Serialize, ToSchema)]
pub struct MadeWebhook {
    #[serde(flatten)]
    webhook: WebhookBody,
    /// What its messages are signed with, where it is new: `whsec_…`. It is shown this once.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
}

/// Webhooks.
#[derive(Serialize, ToSchema)]
pub struct WebhookPage {
    pub(super) items: Vec<WebhookBody>,
    #[schema(required)]
    pub(super) next: Option<String>,
}

/// Which webhooks.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct WebhooksQuery {
    /// How many: 50, unless told otherwise.
    #[serde(default)]
    #[param(value_type = Option<u8>, minimum = 1, maximum = 200, default = 50)]
    pub(super) limit: Limit,
    /// The `next` of the page before.
    #[param(value_type = Option<String>, format = Uuid)]
    pub(super) after: Option<Uuid>,
}

names! {
    /// How a message stands.
    DeliveryStateName = DeliveryState {
        /// It is sent, or sent again, in its turn.
        Waiting,
        /// The receiver took it.
        Delivered,
        /// It was given up, and can be replayed.
        Parked,
    }
}

/// Which messages.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct DeliveriesQuery {
    /// Those that stand so.
    #[param(inline)]
    pub(super) state: Option<DeliveryStateName>,
    /// How many: 50, unless told otherwise.
    #[serde(default)]
    #[param(value_type = Option<u8>, minimum = 1, maximum = 200, default = 50)]
    pub(super) limit: Limit,
    /// The `next` of the page before.
    pub(super) after: Option<String>,
}

/// A message.
#[derive(Serialize, ToSchema)]
#[schema(as = WebhookDelivery)]
pub struct DeliveryBody {
    /// Its `webhook-id`.
    delivery_id: String,
    #[serde(rename = "type")]
    kind: String,
    /// Of the event; null: a test.
    #[schema(required)]
    position: Option<i64>,
    state: DeliveryStateName,
    /// How often it was sent.
    attempts: i32,
    /// Null: others come before it, or it is settled.
    #[schema(required)]
    next_attempt_at: Option<Timestamp>,
    /// The HTTP status of the last answer.
    #[schema(required)]
    last_status: Option<i16>,
    /// Why the last try failed.
    #[schema(required)]
    last_error: Option<String>,
    created_at: Timestamp,
    #[schema(required)]
    delivered_at: Option<Timestamp>,
}

/// Messages, the newest first.
#[derive(Serialize, ToSchema)]
pub struct DeliveryPage {
    pub(super) items: Vec<DeliveryBody>,
    #[schema(required)]
    pub(super) next: Option<String>,
}

/// A test that was queued.
#[derive(Serialize, ToSchema)]
pub struct TestQueued {
    /// Its `webhook-id`.
    pub delivery_id: String,
}

/// Messages that are sent once more.
#[derive(Serialize, ToSchema)]
pub struct ReplayedAll {
    /// How many.
    pub replayed: u64,
}

impl From<WebhookType> for MessageType {
    fn from(name: WebhookType) -> Self {
        match name {
            WebhookType::LoginAuthorized => Self::LoginAuthorized,
            WebhookType::LoginEnded => Self::LoginEnded,
            WebhookType::SubscriptionStarted => Self::SubscriptionStarted,
            WebhookType::SubscriptionChanged => Self::SubscriptionChanged,
            WebhookType::SubscriptionExpired => Self::SubscriptionExpired,
            WebhookType::SubscriptionRevoked => Self::SubscriptionRevoked,
            WebhookType::SessionRevoked => Self::SessionRevoked,
            WebhookType::SessionLoggedOut => Self::SessionLoggedOut,
            WebhookType::SessionExported => Self::SessionExported,
            WebhookType::UserBlocked => Self::UserBlocked,
            WebhookType::UserUnblocked => Self::UserUnblocked,
            WebhookType::UserErased => Self::UserErased,
        }
    }
}

impl From<Webhook> for WebhookBody {
    fn from(webhook: Webhook) -> Self {
        Self {
            webhook_id: webhook.webhook_id,
            url: webhook.url,
            types: webhook.types,
            enabled: webhook.enabled,
            disabled_reason: webhook.disabled_reason.map(|reason| match reason {
                DisabledReason::Order => DisabledReasonName::Order,
                DisabledReason::Gone => DisabledReasonName::Gone,
            }),
            created_at: webhook.created_at,
            secret_rotates_until: webhook.secret_rotates_until,
            waiting: webhook.waiting,
            parked: webhook.parked,
            last_delivered_at: webhook.last_delivered_at,
        }
    }
}

impl From<Made> for MadeWebhook {
    fn from(made: Made) -> Self {
        let secret = made.secret.map(|secret| secret.expose_secret().to_owned());
        Self { webhook: made.webhook.into(), secret }
    }
}

impl From<Delivery> for DeliveryBody {
    fn from(delivery: Delivery) -> Self {
        Self {
            delivery_id: delivery.delivery_id,
            kind: delivery.kind,
            position: delivery.position,
            state: delivery.state.into(),
            attempts: delivery.attempts,
            next_attempt_at: delivery.next_attempt_at,
            last_status: delivery.last_status,
            last_error: delivery.last_error,
            created_at: delivery.created_at,
            delivered_at: delivery.delivered_at,
        }
    }
}
