//! `/api/admin/webhooks…`: every webhook, of admins and of other services. What a webhook is, is told in [`webhooks`].

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{Method, StatusCode};
use axum::routing::{delete as remove, get, patch, post};
use eventlog::Context;
use texts::Language;
use texts::http::Text;
use uuid::Uuid;
use webhooks::address::BadAddress;
use webhooks::{Ids, Made, WebhookError};

use super::guard::Admin;
use web::json::input::{Body, Parameters, Segment};
use web::json::refusals::Refusals;
use web::json::webhooks::{
    DeliveriesQuery, DeliveryPage, MadeWebhook, NewWebhookBody, ReplayedAll, TestQueued, WebhookBody,
    WebhookChange, WebhookPage, WebhooksQuery, delivery_page, page,
};
use web::problem::{Problem, ProblemBody};
use web::route::Route;
use web::state::ApiState;

/// The `type` of an answer to an address that messages cannot go to, to one webhook too many, and to a second change of a secret at once.
const BAD_ADDRESS: &str = "urn:qr-login:webhook_address";
const TOO_MANY: &str = "urn:qr-login:webhooks_too_many";
const BUSY: &str = "urn:qr-login:webhook_busy";

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
    let found = page(&state.webhooks, None, &query).await;
    found.map(Json).map_err(|error| Problem::internal(admin.language, &error))
}

/// Makes a webhook. It is told what happens from now on.
#[utoipa::path(
    post,
    path = "/api/admin/webhooks",
    operation_id = "create_webhook",
    tag = "webhooks",
    request_body = NewWebhookBody,
    responses(
        (status = 201, description = "The webhook, with its secret", body = MadeWebhook),
        (status = 422, description = "No message may go to this address", body = ProblemBody, content_type = "application/problem+json"),
        Refusals
    )
)]
#[tracing::instrument(name = "request", level = "error", skip_all, fields(account.id))]
pub(super) async fn make(
    State(state): State<Arc<ApiState>>,
    admin: Admin,
    Body(new): Body<NewWebhookBody>,
) -> Result<(StatusCode, Json<MadeWebhook>), Problem> {
    let made = to_its_end(admin, async move {
        state.webhooks.create(new.into(), Ids::random(), Context::by(admin.account_id)).await
    });
    Ok((StatusCode::CREATED, Json(made.await?.into())))
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
    let found = state.webhooks.show(webhook_id, None).await.map_err(problem(admin.language))?;
    Ok(Json(found.into()))
}

/// Changes its address, its types, its secret; switches it on or off.
#[utoipa::path(
    patch,
    path = "/api/admin/webhooks/{webhook_id}",
    operation_id = "change_webhook",
    tag = "webhooks",
    params(("webhook_id" = String, Path, format = Uuid)),
    request_body = WebhookChange,
    responses(
        (status = 200, description = "The webhook now", body = MadeWebhook),
        (status = 422, description = "No message may go to this address", body = ProblemBody, content_type = "application/problem+json"),
        Refusals
    )
)]
#[tracing::instrument(name = "request", level = "error", skip_all, fields(account.id))]
pub(super) async fn change(
    State(state): State<Arc<ApiState>>,
    admin: Admin,
    Segment(webhook_id): Segment<Uuid>,
    Body(change): Body<WebhookChange>,
) -> Result<Json<MadeWebhook>, Problem> {
    let changed = to_its_end(admin, async move {
        let context = Context::by(admin.account_id);
        state.webhooks.change(webhook_id, None, change.into(), Uuid::new_v4(), context).await
    });
    Ok(Json(changed.await?.into()))
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
    let deleted = state.webhooks.delete(webhook_id, None, Context::by(admin.account_id)).await;
    deleted.map_err(problem(admin.language))?;
    Ok(StatusCode::NO_CONTENT)
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
    let queued = state.webhooks.test(webhook_id, None).await;
    let delivery_id = queued.map_err(problem(admin.language))?;
    Ok((StatusCode::ACCEPTED, Json(TestQueued { delivery_id })))
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
    let found = delivery_page(&state.webhooks, None, webhook_id, &query).await;
    found.map(Json).map_err(problem(admin.language))
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
    let replayed = state.webhooks.replay_all(webhook_id, None).await;
    let replayed = replayed.map_err(problem(admin.language))?;
    Ok((StatusCode::ACCEPTED, Json(ReplayedAll { replayed })))
}

/// Sends one of its parked messages once more.
#[utoipa::path(
    post,
    path = "/api/admin/webhooks/{webhook_id}/deliveries/{delivery_id}/replay",
    operation_id = "replay_webhook_delivery",
    tag = "webhooks",
    params(("webhook_id" = String, Path, format = Uuid), ("delivery_id" = String, Path)),
    responses((status = 202, description = "It is queued", body = ReplayedAll), Refusals)
)]
#[tracing::instrument(name = "request", level = "error", skip_all, fields(account.id))]
pub(super) async fn replay(
    State(state): State<Arc<ApiState>>,
    admin: Admin,
    Segment((webhook_id, delivery_id)): Segment<(Uuid, String)>,
) -> Result<(StatusCode, Json<ReplayedAll>), Problem> {
    let replayed = state.webhooks.replay(webhook_id, None, &delivery_id).await;
    replayed.map_err(problem(admin.language))?;
    Ok((StatusCode::ACCEPTED, Json(ReplayedAll { replayed: 1 })))
}

/// In a task of its own: an admin who hangs up in the middle would leave a secret that nobody has seen.
async fn to_its_end(
    admin: Admin,
    work: impl Future<Output = Result<Made, WebhookError>> + Send + 'static,
) -> Result<Made, Problem> {
    match tokio::spawn(work).await {
        Ok(outcome) => outcome.map_err(problem(admin.language)),
        Err(error) => Err(Problem::internal(admin.language, &error)),
    }
}

fn problem(language: Language) -> impl Fn(WebhookError) -> Problem {
    move |error| {
        let problem = |status, text| Problem::new(status, language, text);
        match error {
            WebhookError::Unknown => problem(StatusCode::NOT_FOUND, Text::WebhookUnknown),
            WebhookError::UnknownDelivery => problem(StatusCode::NOT_FOUND, Text::DeliveryUnknown),
            WebhookError::BadAddress(BadAddress::NotPublic) => {
                problem(StatusCode::UNPROCESSABLE_ENTITY, Text::WebhookNotPublic).of_kind(BAD_ADDRESS)
            }
            WebhookError::BadAddress(
                BadAddress::Malformed | BadAddress::Scheme | BadAddress::Credentials | BadAddress::Fragment,
            ) => problem(StatusCode::UNPROCESSABLE_ENTITY, Text::WebhookAddress).of_kind(BAD_ADDRESS),
            WebhookError::TooMany => problem(StatusCode::CONFLICT, Text::WebhooksTooMany).of_kind(TOO_MANY),
            WebhookError::Busy => problem(StatusCode::CONFLICT, Text::WebhookBusy).of_kind(BUSY),
            WebhookError::Database(error) => Problem::internal(language, &error),
        }
    }
}
