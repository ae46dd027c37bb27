//! Webhooks as admins and services see them, and what they may do with them: the same for both, but that a service sees its own alone.

use std::sync::Arc;

use axum::Json;
use axum::http::StatusCode;
use eventlog::Context;
use texts::Language;
use texts::http::Text;
use uuid::Uuid;
use webhooks::address::BadAddress;
use webhooks::{Change, DeliveryState, MessageType, NewWebhook, WebhookError};

use crate::json::list::next;
use crate::problem::Problem;
use crate::state::ApiState;

mod bodies;

pub use bodies::{
    DeliveriesQuery, DeliveryBody, DeliveryPage, MadeWebhook, NewWebhookBody, ReplayedAll, TestQueued,
    WebhookBody, WebhookChange, WebhookPage, WebhookType, WebhooksQuery,
};

/// The `type` of an answer to an address that messages cannot go to, to one webhook too many, and to a second change of a secret at once.
const BAD_ADDRESS: &str = "urn:qr-login:webhook_address";
const TOO_MANY: &str = "urn:qr-login:webhooks_too_many";
const BUSY: &str = "urn:qr-login:webhook_busy";

/// Who asks.
pub struct Caller {
    actor: String,
    sees_own: bool,
    context: Context,
    language: Language,
}

impl Caller {
    /// With which events are recorded; whether they see their own webhooks alone; and the language to speak to them in.
    pub fn new(context: Context, sees_own: bool, language: Language) -> Self {
        Self { actor: context.actor.to_string(), sees_own, context, language }
    }

    fn made_by(&self) -> Option<&str> {
        self.sees_own.then_some(&*self.actor)
    }

    fn problem(&self) -> impl Fn(WebhookError) -> Problem {
        let language = self.language;
        move |error| {
            let problem = |status, text| Problem::new(status, language, text);
            match error {
                WebhookError::Unknown => problem(StatusCode::NOT_FOUND, Text::WebhookUnknown),
                WebhookError::UnknownDelivery => problem(StatusCode::NOT_FOUND, Text::DeliveryUnknown),
                WebhookError::BadAddress(BadAddress::NotPublic) => {
                    problem(StatusCode::BAD_REQUEST, Text::WebhookNotPublic).of_kind(BAD_ADDRESS)
                }
                WebhookError::BadAddress(
                    BadAddress::Malformed
                    | BadAddress::Scheme
                    | BadAddress::Credentials
                    | BadAddress::Fragment,
                ) => problem(StatusCode::BAD_REQUEST, Text::WebhookAddress).of_kind(BAD_ADDRESS),
                WebhookError::TooMany => {
                    problem(StatusCode::CONFLICT, Text::WebhooksTooMany).of_kind(TOO_MANY)
                }
                WebhookError::Busy => problem(StatusCode::CONFLICT, Text::WebhookBusy).of_kind(BUSY),
                WebhookError::Database(error) => Problem::internal(language, &error),
            }
        }
    }
}

/// Those that there are.
///
/// # Errors
/// As an answer.
pub async fn list(
    state: &ApiState,
    caller: &Caller,
    query: &WebhooksQuery,
) -> Result<Json<WebhookPage>, Problem> {
    let found = state.webhooks.list(caller.made_by(), query.limit.and_one(), query.after).await;
    let mut found = found.map_err(|error| Problem::internal(caller.language, &error))?;
    let next = next(&mut found, query.limit, |webhook| webhook.webhook_id.to_string());
    Ok(Json(WebhookPage { items: found.into_iter().map(WebhookBody::from).collect(), next }))
}

/// One.
///
/// # Errors
/// As an answer.
pub async fn show(state: &ApiState, caller: &Caller, webhook_id: Uuid) -> Result<Json<WebhookBody>, Problem> {
    let found = state.webhooks.show(webhook_id, caller.made_by()).await.map_err(caller.problem())?;
    Ok(Json(found.into()))
}

/// Makes one. It is done to its end, also where nobody waits for the answer any more.
///
/// # Errors
/// As an answer.
pub async fn create(
    state: Arc<ApiState>,
    caller: Caller,
    new: NewWebhookBody,
) -> Result<(StatusCode, Json<MadeWebhook>), Problem> {
    let new = NewWebhook { url: new.url, types: types(new.types) };
    to_its_end(caller, move |caller| async move {
        let made = state.webhooks.create(new, caller.context.clone()).await;
        (made.map_err(caller.problem()), caller)
    })
    .await
    .map(|made| (StatusCode::CREATED, Json(made.into())))
}

/// Changes it.
///
/// # Errors
/// As an answer.
pub async fn change(
    state: Arc<ApiState>,
    caller: Caller,
    webhook_id: Uuid,
    change: WebhookChange,
) -> Result<Json<MadeWebhook>, Problem> {
    let change = Change {
        url: change.url,
        types: change.types.map(types),
        enabled: change.enabled,
        rotate_secret: change.rotate_secret == Some(true),
    };
    to_its_end(caller, move |caller| async move {
        let context = caller.context.clone();
        let changed = state.webhooks.change(webhook_id, caller.made_by(), change, context).await;
        (changed.map_err(caller.problem()), caller)
    })
    .await
    .map(|made| Json(made.into()))
}

/// Deletes it, with its messages.
///
/// # Errors
/// As an answer.
pub async fn delete(state: &ApiState, caller: &Caller, webhook_id: Uuid) -> Result<StatusCode, Problem> {
    let deleted = state.webhooks.delete(webhook_id, caller.made_by(), caller.context.clone()).await;
    deleted.map_err(caller.problem())?;
    Ok(StatusCode::NO_CONTENT)
}

/// Sends a test.
///
/// # Errors
/// As an answer.
pub async fn test(
    state: &ApiState,
    caller: &Caller,
    webhook_id: Uuid,
) -> Result<(StatusCode, Json<TestQueued>), Problem> {
    let queued = state.webhooks.test(webhook_id, caller.made_by()).await;
    let delivery_id = queued.map_err(caller.problem())?;
    Ok((StatusCode::ACCEPTED, Json(TestQueued { delivery_id })))
}

/// Its messages.
///
/// # Errors
/// As an answer.
pub async fn deliveries(
    state: &ApiState,
    caller: &Caller,
    webhook_id: Uuid,
    query: &DeliveriesQuery,
) -> Result<Json<DeliveryPage>, Problem> {
    let (wanted, after) = (query.state.map(DeliveryState::from), query.after.as_deref());
    let found =
        state.webhooks.deliveries(webhook_id, caller.made_by(), wanted, query.limit.and_one(), after).await;
    let mut found = found.map_err(caller.problem())?;
    let next = next(&mut found, query.limit, |delivery| delivery.delivery_id.clone());
    Ok(Json(DeliveryPage { items: found.into_iter().map(DeliveryBody::from).collect(), next }))
}

/// Sends a parked message once more.
///
/// # Errors
/// As an answer.
pub async fn replay(
    state: &ApiState,
    caller: &Caller,
    webhook_id: Uuid,
    delivery_id: &str,
) -> Result<StatusCode, Problem> {
    let replayed = state.webhooks.replay(webhook_id, caller.made_by(), delivery_id).await;
    replayed.map_err(caller.problem())?;
    Ok(StatusCode::ACCEPTED)
}

/// Sends all parked messages once more.
///
/// # Errors
/// As an answer.
pub async fn replay_all(
    state: &ApiState,
    caller: &Caller,
    webhook_id: Uuid,
) -> Result<(StatusCode, Json<ReplayedAll>), Problem> {
    let replayed = state.webhooks.replay_all(webhook_id, caller.made_by()).await;
    let replayed = replayed.map_err(caller.problem())?;
    Ok((StatusCode::ACCEPTED, Json(ReplayedAll { replayed })))
}

/// In a task of its own: a caller who hangs up in the middle would leave a secret that nobody has seen.
async fn to_its_end<T, F>(caller: Caller, work: impl FnOnce(Caller) -> F) -> Result<T, Problem>
where
    T: Send + 'static,
    F: Future<Output = (Result<T, Problem>, Caller)> + Send + 'static,
{
    let language = caller.language;
    match tokio::spawn(work(caller)).await {
        Ok((outcome, _)) => outcome,
        Err(error) => Err(Problem::internal(language, &error)),
    }
}

fn types(names: Vec<WebhookType>) -> Vec<MessageType> {
    names.into_iter().map(MessageType::from).collect()
}
