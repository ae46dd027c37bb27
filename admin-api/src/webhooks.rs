//! `/api/admin/webhooks…`: every webhook, whoever made it. What is done is told in [`web::json::webhooks`].

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{Method, StatusCode};
use axum::routing::{delete as remove, get, patch, post};
use eventlog::Context;
use uuid::Uuid;

use super::guard::Admin;
use web::json::input::{Body, Parameters, Segment};
use web::json::refusals::Refusals;
use web::json::webhooks::{
    self, Caller, DeliveriesQuery, DeliveryPage, MadeWebhook, NewWebhookBody, ReplayedAll, TestQueued,
    WebhookBody, WebhookChange, WebhookPage, WebhooksQuery,
};
use web::problem::Problem;
use web::route::Route;
use web::state::ApiState;

pub(super) fn table() -> Vec<Route> {
    vec![
        (Method::GET, "/api/admin/webhooks", get(list)),
        (Method::POST, "/api/admin/webhooks", post(make)),
        (Method::GET, "/api/admin/webhooks/{webhook_id}", get(one)),
        (Method::PATCH, "/api/admin/webhooks/{webhook_id}", patch(change)),
        (Method::DELETE, "/api/admin/webhooks/{webhook_id}", remove(delete)),
        (Method::POST, "/api/admin/webhooks/{webhook_id}/test", post(test)),
        (Method::GET, "/api/admin/webhooks/{webhook_id}/deliveries", get(deliveries)),
        (Method::POST, "/api/admin/webhooks/{webhook_id}/deliveries/replay", post(replay_all)),
        (Method::POST, "/api/admin/webhooks/{webhook_id}/deliveries/{delivery_id}/replay", post(replay)),
    ]
}

fn caller(admin: &Admin) -> Caller {
    Caller::new(Context::by(admin.account_id), false, admin.language)
}

/// All webhooks, in the order in which they were made.
#[utoipa::path(
    get,
    path = "/api/admin/webhooks",
    operation_id = "list_webhooks",
    tag = "webhooks",
    params(WebhooksQuery),
    responses((status = 200, description = "The webhooks", body = WebhookPage), Refusals)
)]
#[tracing::instrument(name = "request", level = "error", skip_all, fields(account.id))]
pub(super) async fn list(
    State(state): State<Arc<ApiState>>,
    admin: Admin,
    Parameters(query): Parameters<WebhooksQuery>,
) -> Result<Json<WebhookPage>, Problem> {
    webhooks::list(&state, &caller(&admin), &query).await
}

/// Makes a webhook. It is told what happens from now on.
#[utoipa::path(
    post,
    path = "/api/admin/webhooks",
    operation_id = "create_webhook",
    tag = "webhooks",
    request_body = NewWebhookBody,
    responses((status = 201, description = "The webhook, with its secret", body = MadeWebhook), Refusals)
)]
#[tracing::instrument(name = "request", level = "error", skip_all, fields(account.id))]
pub(super) async fn make(
    State(state): State<Arc<ApiState>>,
    admin: Admin,
    Body(new): Body<NewWebhookBody>,
) -> Result<(StatusCode, Json<MadeWebhook>), Problem> {
    webhooks::create(state, caller(&admin), new).await
}

/// One webhook.
#[utoipa::path(
    get,
    path = "/api/admin/webhooks/{webhook_id}",
    operation_id = "show_webhook",
    tag = "webhooks",
    params(("webhook_id" = String, Path, format = Uuid)),
    responses((status = 200, description = "The webhook", body = WebhookBody), Refusals)
)]
#[tracing::instrument(name = "request", level = "error", skip_all, fields(account.id))]
pub(super) async fn one(
    State(state): State<Arc<ApiState>>,
    admin: Admin,
    Segment(webhook_id): Segment<Uuid>,
) -> Result<Json<WebhookBody>, Problem> {
    webhooks::show(&state, &caller(&admin), webhook_id).await
}

/// Changes its address, its types, its secret; switches it on or off.
#[utoipa::path(
    patch,
    path = "/api/admin/webhooks/{webhook_id}",
    operation_id = "change_webhook",
    tag = "webhooks",
    params(("webhook_id" = String, Path, format = Uuid)),
    request_body = WebhookChange,
    responses((status = 200, description = "The webhook now", body = MadeWebhook), Refusals)
)]
#[tracing::instrument(name = "request", level = "error", skip_all, fields(account.id))]
pub(super) async fn change(
    State(state): State<Arc<ApiState>>,
    admin: Admin,
    Segment(webhook_id): Segment<Uuid>,
    Body(change): Body<WebhookChange>,
) -> Result<Json<MadeWebhook>, Problem> {
    webhooks::change(state, caller(&admin), webhook_id, change).await
}

/// Deletes it, with its messages.
#[utoipa::path(
    delete,
    path = "/api/admin/webhooks/{webhook_id}",
    operation_id = "delete_webhook",
    tag = "webhooks",
    params(("webhook_id" = String, Path, format = Uuid)),
    responses((status = 204, description = "It is gone"), Refusals)
)]
#[tracing::instrument(name = "request", level = "error", skip_all, fields(account.id))]
pub(super) async fn delete(
    State(state): State<Arc<ApiState>>,
    admin: Admin,
    Segment(webhook_id): Segment<Uuid>,
) -> Result<StatusCode, Problem> {
    webhooks::delete(&state, &caller(&admin), webhook_id).await
}

/// Sends it a message of the type `webhook.test`.
#[utoipa::path(
    post,
    path = "/api/admin/webhooks/{webhook_id}/test",
    operation_id = "test_webhook",
    tag = "webhooks",
    params(("webhook_id" = String, Path, format = Uuid)),
    responses((status = 202, description = "The message is queued", body = TestQueued), Refusals)
)]
#[tracing::instrument(name = "request", level = "error", skip_all, fields(account.id))]
pub(super) async fn test(
    State(state): State<Arc<ApiState>>,
    admin: Admin,
    Segment(webhook_id): Segment<Uuid>,
) -> Result<(StatusCode, Json<TestQueued>), Problem> {
    webhooks::test(&state, &caller(&admin), webhook_id).await
}

/// Its messages, the newest first.
#[utoipa::path(
    get,
    path = "/api/admin/webhooks/{webhook_id}/deliveries",
    operation_id = "list_webhook_deliveries",
    tag = "webhooks",
    params(("webhook_id" = String, Path, format = Uuid), DeliveriesQuery),
    responses((status = 200, description = "The messages", body = DeliveryPage), Refusals)
)]
#[tracing::instrument(name = "request", level = "error", skip_all, fields(account.id))]
pub(super) async fn deliveries(
    State(state): State<Arc<ApiState>>,
    admin: Admin,
    Segment(webhook_id): Segment<Uuid>,
    Parameters(query): Parameters<DeliveriesQuery>,
) -> Result<Json<DeliveryPage>, Problem> {
    webhooks::deliveries(&state, &caller(&admin), webhook_id, &query).await
}

/// Sends all its parked messages once more.
#[utoipa::path(
    post,
    path = "/api/admin/webhooks/{webhook_id}/deliveries/replay",
    operation_id = "replay_webhook_deliveries",
    tag = "webhooks",
    params(("webhook_id" = String, Path, format = Uuid)),
    responses((status = 202, description = "They are queued", body = ReplayedAll), Refusals)
)]
#[tracing::instrument(name = "request", level = "error", skip_all, fields(account.id))]
pub(super) async fn replay_all(
    State(state): State<Arc<ApiState>>,
    admin: Admin,
    Segment(webhook_id): Segment<Uuid>,
) -> Result<(StatusCode, Json<ReplayedAll>), Problem> {
    webhooks::replay_all(&state, &caller(&admin), webhook_id).await
}

/// Sends one of its parked messages once more.
#[utoipa::path(
    post,
    path = "/api/admin/webhooks/{webhook_id}/deliveries/{delivery_id}/replay",
    operation_id = "replay_webhook_delivery",
    tag = "webhooks",
    params(("webhook_id" = String, Path, format = Uuid), ("delivery_id" = String, Path)),
    responses((status = 202, description = "It is queued"), Refusals)
)]
#[tracing::instrument(name = "request", level = "error", skip_all, fields(account.id))]
pub(super) async fn replay(
    State(state): State<Arc<ApiState>>,
    admin: Admin,
    Segment((webhook_id, delivery_id)): Segment<(Uuid, String)>,
) -> Result<StatusCode, Problem> {
    webhooks::replay(&state, &caller(&admin), webhook_id, &delivery_id).await
}
