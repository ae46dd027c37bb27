//! `/api/v1/webhooks…`: the webhooks that a key made, and no others.
//!
//! The answer that is kept for an `Idempotency-Key` has no secret in it, but the secret's id. Each answer opens the secret anew: so the
//! first answer and its repetitions say the same, and nothing that is kept opens a door.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{Method, StatusCode};
use axum::routing::{delete as remove, get, patch, post};
use secrecy::ExposeSecret;
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;
use vault::OrderSeed;
use web::json::webhooks::{
    DeliveriesQuery, DeliveryPage, MadeWebhook, NewWebhookBody, ReplayedAll, TestQueued, WebhookBody,
    WebhookChange, WebhookPage, WebhooksQuery, delivery_page, page,
};
use web::route::Route;
use web::state::ApiState;
use webhooks::{Change, Ids, Made, WebhookError};

use crate::guard::Caller;
use crate::input::{Nothing, Parameters, Segment};
use crate::orders::{Answer, Order, OrderHeaders, id_of, once};
use crate::problem::Problem;
use crate::refusals::{Refusals, WriteRefusals};
use crate::scope;

pub(super) fn table() -> Vec<Route> {
    vec![
        (Method::GET, "/api/v1/webhooks", get(list)),
        (Method::POST, "/api/v1/webhooks", post(make)),
        (Method::GET, "/api/v1/webhooks/{webhook_id}", get(one)),
        (Method::PATCH, "/api/v1/webhooks/{webhook_id}", patch(change)),
        (Method::DELETE, "/api/v1/webhooks/{webhook_id}", remove(delete)),
        (Method::POST, "/api/v1/webhooks/{webhook_id}/test", post(test)),
        (Method::GET, "/api/v1/webhooks/{webhook_id}/deliveries", get(deliveries)),
        (Method::POST, "/api/v1/webhooks/{webhook_id}/deliveries/replay", post(replay_all)),
        (Method::POST, "/api/v1/webhooks/{webhook_id}/deliveries/{delivery_id}/replay", post(replay)),
    ]
}

/// What is kept of an answer.
#[derive(Serialize)]
struct Kept {
    #[serde(flatten)]
    webhook: WebhookBody,
    secret_id: Option<Uuid>,
}

/// The webhooks that the key made, in the order in which they were made.
#[utoipa::path(
    get,
    path = "/api/v1/webhooks",
    operation_id = "list_webhooks_v1",
    tag = "v1",
    params(WebhooksQuery),
    security(("key" = ["webhooks:manage"])),
    responses((status = 200, description = "A page of webhooks", body = WebhookPage), Refusals)
)]
#[tracing::instrument(name = "request", level = "error", skip_all, fields(key.id))]
pub(super) async fn list(
    State(state): State<Arc<ApiState>>,
    caller: Caller<scope::WebhooksManage>,
    Parameters(query): Parameters<WebhooksQuery>,
) -> Result<Json<WebhookPage>, Problem> {
    let found = page(&state.webhooks, Some(&actor(&caller)), &query).await;
    found.map(Json).map_err(|error| Problem::internal(&error))
}

/// Makes a webhook. It is told what happens from now on.
#[utoipa::path(
    post,
    path = "/api/v1/webhooks",
    operation_id = "create_webhook_v1",
    tag = "v1",
    params(OrderHeaders),
    request_body = NewWebhookBody,
    security(("key" = ["webhooks:manage"])),
    responses((status = 201, description = "The webhook, with its secret", body = MadeWebhook), WriteRefusals)
)]
#[tracing::instrument(name = "request", level = "error", skip_all, fields(key.id))]
pub(super) async fn make(
    State(state): State<Arc<ApiState>>,
    caller: Caller<scope::WebhooksManage>,
    _: Parameters<Nothing>,
    Order { body: new, stamp }: Order<NewWebhookBody>,
) -> Result<Answer, Problem> {
    let (own, context) = (state.clone(), caller.context());
    let act = move |seed: OrderSeed| async move {
        let ids = Ids { webhook_id: id_of(&seed, 0), secret_id: id_of(&seed, 1) };
        let made = own.webhooks.create(new.into(), ids, context).await.map_err(problem)?;
        Ok(kept(StatusCode::CREATED, made, ids.secret_id))
    };
    with_secret(&state, once(&state, caller.key_id(), stamp, act).await?).await
}

/// One webhook.
#[utoipa::path(
    get,
    path = "/api/v1/webhooks/{webhook_id}",
    operation_id = "show_webhook_v1",
    tag = "v1",
    params(("webhook_id" = String, Path, format = Uuid)),
    security(("key" = ["webhooks:manage"])),
    responses((status = 200, description = "The webhook", body = WebhookBody), Refusals)
)]
#[tracing::instrument(name = "request", level = "error", skip_all, fields(key.id))]
pub(super) async fn one(
    State(state): State<Arc<ApiState>>,
    caller: Caller<scope::WebhooksManage>,
    Segment(webhook_id): Segment<Uuid>,
    _: Parameters<Nothing>,
) -> Result<Json<WebhookBody>, Problem> {
    let found = state.webhooks.show(webhook_id, Some(&actor(&caller))).await.map_err(problem)?;
    Ok(Json(found.into()))
}

/// Changes its address, its types, its secret; switches it on or off.
#[utoipa::path(
    patch,
    path = "/api/v1/webhooks/{webhook_id}",
    operation_id = "change_webhook_v1",
    tag = "v1",
    params(("webhook_id" = String, Path, format = Uuid), OrderHeaders),
    request_body = WebhookChange,
    security(("key" = ["webhooks:manage"])),
    responses((status = 200, description = "The webhook now", body = MadeWebhook), WriteRefusals)
)]
#[tracing::instrument(name = "request", level = "error", skip_all, fields(key.id))]
pub(super) async fn change(
    State(state): State<Arc<ApiState>>,
    caller: Caller<scope::WebhooksManage>,
    Segment(webhook_id): Segment<Uuid>,
    _: Parameters<Nothing>,
    Order { body: change, stamp }: Order<WebhookChange>,
) -> Result<Answer, Problem> {
    let (own, context, actor, change) =
        (state.clone(), caller.context(), actor(&caller), Change::from(change));
    let act = move |seed: OrderSeed| async move {
        let secret_id = id_of(&seed, 1);
        let changed = own.webhooks.change(webhook_id, Some(&actor), change, secret_id, context).await;
        Ok(kept(StatusCode::OK, changed.map_err(problem)?, secret_id))
    };
    with_secret(&state, once(&state, caller.key_id(), stamp, act).await?).await
}

/// Deletes it, with its messages.
#[utoipa::path(
    delete,
    path = "/api/v1/webhooks/{webhook_id}",
    operation_id = "delete_webhook_v1",
    tag = "v1",
    params(("webhook_id" = String, Path, format = Uuid), OrderHeaders),
    security(("key" = ["webhooks:manage"])),
    responses((status = 204, description = "It is gone"), WriteRefusals)
)]
#[tracing::instrument(name = "request", level = "error", skip_all, fields(key.id))]
pub(super) async fn delete(
    State(state): State<Arc<ApiState>>,
    caller: Caller<scope::WebhooksManage>,
    Segment(webhook_id): Segment<Uuid>,
    _: Parameters<Nothing>,
    Order { stamp, .. }: Order<Nothing>,
) -> Result<Answer, Problem> {
    let (own, context, actor) = (state.clone(), caller.context(), actor(&caller));
    let act = move |_| async move {
        own.webhooks.delete(webhook_id, Some(&actor), context).await.map_err(problem)?;
        Ok(Answer::empty(None))
    };
    once(&state, caller.key_id(), stamp, act).await
}

/// Sends it a message of the type `webhook.test`.
#[utoipa::path(
    post,
    path = "/api/v1/webhooks/{webhook_id}/test",
    operation_id = "test_webhook_v1",
    tag = "v1",
    params(("webhook_id" = String, Path, format = Uuid), OrderHeaders),
    security(("key" = ["webhooks:manage"])),
    responses((status = 202, description = "The message is queued", body = TestQueued), WriteRefusals)
)]
#[tracing::instrument(name = "request", level = "error", skip_all, fields(key.id))]
pub(super) async fn test(
    State(state): State<Arc<ApiState>>,
    caller: Caller<scope::WebhooksManage>,
    Segment(webhook_id): Segment<Uuid>,
    _: Parameters<Nothing>,
    Order { stamp, .. }: Order<Nothing>,
) -> Result<Answer, Problem> {
    let (own, actor) = (state.clone(), actor(&caller));
    let act = move |_| async move {
        let delivery_id = own.webhooks.test(webhook_id, Some(&actor)).await.map_err(problem)?;
        Ok(Answer::new(StatusCode::ACCEPTED, &TestQueued { delivery_id }, None))
    };
    once(&state, caller.key_id(), stamp, act).await
}

/// Its messages, the newest first.
#[utoipa::path(
    get,
    path = "/api/v1/webhooks/{webhook_id}/deliveries",
    operation_id = "list_webhook_deliveries_v1",
    tag = "v1",
    params(("webhook_id" = String, Path, format = Uuid), DeliveriesQuery),
    security(("key" = ["webhooks:manage"])),
    responses((status = 200, description = "A page of messages", body = DeliveryPage), Refusals)
)]
#[tracing::instrument(name = "request", level = "error", skip_all, fields(key.id))]
pub(super) async fn deliveries(
    State(state): State<Arc<ApiState>>,
    caller: Caller<scope::WebhooksManage>,
    Segment(webhook_id): Segment<Uuid>,
    Parameters(query): Parameters<DeliveriesQuery>,
) -> Result<Json<DeliveryPage>, Problem> {
    let found = delivery_page(&state.webhooks, Some(&actor(&caller)), webhook_id, &query).await;
    found.map(Json).map_err(problem)
}

/// Sends all its parked messages once more.
#[utoipa::path(
    post,
    path = "/api/v1/webhooks/{webhook_id}/deliveries/replay",
    operation_id = "replay_webhook_deliveries_v1",
    tag = "v1",
    params(("webhook_id" = String, Path, format = Uuid), OrderHeaders),
    security(("key" = ["webhooks:manage"])),
    responses((status = 202, description = "They are queued", body = ReplayedAll), WriteRefusals)
)]
#[tracing::instrument(name = "request", level = "error", skip_all, fields(key.id))]
pub(super) async fn replay_all(
    State(state): State<Arc<ApiState>>,
    caller: Caller<scope::WebhooksManage>,
    Segment(webhook_id): Segment<Uuid>,
    _: Parameters<Nothing>,
    Order { stamp, .. }: Order<Nothing>,
) -> Result<Answer, Problem> {
    let (own, actor) = (state.clone(), actor(&caller));
    let act = move |_| async move {
        let replayed = own.webhooks.replay_all(webhook_id, Some(&actor)).await.map_err(problem)?;
        Ok(Answer::new(StatusCode::ACCEPTED, &ReplayedAll { replayed }, None))
    };
    once(&state, caller.key_id(), stamp, act).await
}

/// Sends one of its parked messages once more.
#[utoipa::path(
    post,
    path = "/api/v1/webhooks/{webhook_id}/deliveries/{delivery_id}/replay",
    operation_id = "replay_webhook_delivery_v1",
    tag = "v1",
    params(
        ("webhook_id" = String, Path, format = Uuid),
        ("delivery_id" = String, Path),
        OrderHeaders,
    ),
    security(("key" = ["webhooks:manage"])),
    responses((status = 202, description = "It is queued", body = ReplayedAll), WriteRefusals)
)]
#[tracing::instrument(name = "request", level = "error", skip_all, fields(key.id))]
pub(super) async fn replay(
    State(state): State<Arc<ApiState>>,
    caller: Caller<scope::WebhooksManage>,
    Segment((webhook_id, delivery_id)): Segment<(Uuid, String)>,
    _: Parameters<Nothing>,
    Order { stamp, .. }: Order<Nothing>,
) -> Result<Answer, Problem> {
    let (own, actor) = (state.clone(), actor(&caller));
    let act = move |_| async move {
        own.webhooks.replay(webhook_id, Some(&actor), &delivery_id).await.map_err(problem)?;
        Ok(Answer::new(StatusCode::ACCEPTED, &ReplayedAll { replayed: 1 }, None))
    };
    once(&state, caller.key_id(), stamp, act).await
}

/// The key, as the events name it.
fn actor(caller: &Caller<scope::WebhooksManage>) -> String {
    caller.context().actor.to_string()
}

fn kept(status: StatusCode, made: Made, secret_id: Uuid) -> Answer {
    let secret_id = made.secret.is_some().then_some(secret_id);
    Answer::new(status, &Kept { webhook: made.webhook.into(), secret_id }, None)
}

/// With the secret in the place of its id.
async fn with_secret(state: &ApiState, mut answer: Answer) -> Result<Answer, Problem> {
    let Ok(Value::Object(mut body)) = serde_json::from_str(&answer.body) else { return Ok(answer) };
    let id = |value: Option<Value>| value.and_then(|it| it.as_str()?.parse().ok());
    let secret_id = id(body.remove("secret_id"));
    if let (Some(secret_id), Some(webhook_id)) = (secret_id, id(body.get("webhook_id").cloned()))
        && let Some(secret) = state
            .webhooks
            .secret(Ids { webhook_id, secret_id })
            .await
            .map_err(|error| Problem::internal(&error))?
    {
        body.insert("secret".to_owned(), secret.expose_secret().into());
    }
    answer.body = Value::Object(body).to_string();
    Ok(answer)
}

fn problem(error: WebhookError) -> Problem {
    match error {
        WebhookError::Unknown => Problem::NotFound("The key has made no webhook with this id."),
        WebhookError::UnknownDelivery => {
            Problem::NotFound("The webhook has no such message, or it is not parked.")
        }
        WebhookError::BadAddress(_) => Problem::WebhookAddress,
        WebhookError::TooMany => Problem::TooManyWebhooks,
        WebhookError::Busy => Problem::SecretBeingChanged,
        WebhookError::Database(error) => Problem::internal(&error),
    }
}
