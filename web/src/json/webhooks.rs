//! Webhooks as admins and services see them: the same for both, but that a service sees its own alone.

use eventlog::DatabaseError;
use uuid::Uuid;
use webhooks::{Change, DeliveryState, MessageType, NewWebhook, WebhookError, Webhooks};

use crate::json::list::next;

mod bodies;

pub use bodies::{
    DeliveriesQuery, DeliveryBody, DeliveryPage, MadeWebhook, NewWebhookBody, ReplayedAll, TestQueued,
    WebhookBody, WebhookChange, WebhookPage, WebhookType, WebhooksQuery,
};

/// A page of all webhooks, or of those that this actor made.
///
/// # Errors
/// The database failed.
pub async fn page(
    webhooks: &Webhooks,
    made_by: Option<&str>,
    query: &WebhooksQuery,
) -> Result<WebhookPage, DatabaseError> {
    let mut found = webhooks.list(made_by, query.limit.and_one(), query.after).await?;
    let next = next(&mut found, query.limit, |webhook| webhook.webhook_id.to_string());
    Ok(WebhookPage { items: found.into_iter().map(WebhookBody::from).collect(), next })
}

/// A page of the messages of one.
///
/// # Errors
/// [`WebhookError`].
pub async fn delivery_page(
    webhooks: &Webhooks,
    made_by: Option<&str>,
    webhook_id: Uuid,
    query: &DeliveriesQuery,
) -> Result<DeliveryPage, WebhookError> {
    let (state, after) = (query.state.map(DeliveryState::from), query.after.as_deref());
    let mut found = webhooks.deliveries(webhook_id, made_by, state, query.limit.and_one(), after).await?;
    let next = next(&mut found, query.limit, |delivery| delivery.delivery_id.clone());
    Ok(DeliveryPage { items: found.into_iter().map(DeliveryBody::from).collect(), next })
}

impl From<NewWebhookBody> for NewWebhook {
    fn from(new: NewWebhookBody) -> Self {
        Self { url: new.url, types: new.types.into_iter().map(MessageType::from).collect() }
    }
}

impl From<WebhookChange> for Change {
    fn from(change: WebhookChange) -> Self {
        let types = change.types.map(|types| types.into_iter().map(MessageType::from).collect());
        let rotate_secret = change.rotate_secret == Some(true);
        Self { url: change.url, types, enabled: change.enabled, rotate_secret }
    }
}
