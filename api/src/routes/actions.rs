//! The routes of the owner's buttons: cancel, and try again. Each answers with the status that its own event led to.

use std::sync::Arc;
use std::time::Duration;

use app::logins::cancel;
use app::logins::retry::{self, Retried, RetryOrder};
use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::Value;
use texts::Language;
use texts::http::Text;

use super::input::read_json;
use web::access::{Visitor, ended_status};
use web::live_login::Watched;
use web::problem::Problem;
use web::state::ApiState;
use web::status;

/// How long an answer waits for its own event to come back through the log.
const OWN_EVENT: Duration = Duration::from_secs(3);

/// `{"session_id": "…"}`.
#[derive(Debug, Deserialize)]
pub struct SessionBody {
    session_id: String,
}

/// `POST /qr-auth/cancel`: ends the login. Cancelling an ended one changes nothing.
#[tracing::instrument(name = "request", level = "error", skip_all, fields(login.id, account.id))]
pub async fn cancel(
    State(state): State<Arc<ApiState>>,
    visitor: Visitor,
    body: Result<Json<SessionBody>, JsonRejection>,
) -> Result<Json<Value>, Problem> {
    let language = visitor.language();
    let login = visitor.own_login_to_act(&state, &read_json(body, language)?.session_id).await?;
    let now = login.borrow().clone();
    if !now.row.status.is_live() {
        return Ok(Json(ended_status(&state, &now, language).await?));
    }
    let cancelled = cancel::cancel(&state.app, &now.row.login_id, now.row.account_id, now.attempt()).await;
    cancelled.map_err(|error| Problem::internal(language, &error))?;
    Ok(answer(&state, login, now.row.version, language).await)
}

/// `POST /qr-auth/retry`: starts the login anew, after an end without authorisation, with the same invite.
#[tracing::instrument(name = "request", level = "error", skip_all, fields(login.id, account.id))]
pub async fn retry(
    State(state): State<Arc<ApiState>>,
    visitor: Visitor,
    body: Result<Json<SessionBody>, JsonRejection>,
) -> Result<Json<Value>, Problem> {
    let language = visitor.language();
    let login = visitor.own_login_to_act(&state, &read_json(body, language)?.session_id).await?;
    let now = login.borrow().clone();
    let order = RetryOrder {
        login_id: &now.row.login_id,
        account_id: now.row.account_id,
        telegram_id: now.telegram_id,
        invite_id: now.row.invite_id,
    };
    let retried = retry::retry(&state.app, order).await;
    let refuse = |status, text| Err(Problem::new(status, language, text));
    let attempt = match retried.map_err(|error| Problem::internal(language, &error))? {
        Retried::Live { attempt } => attempt,
        Retried::Authorized => return refuse(StatusCode::CONFLICT, Text::RetryAuthorized),
        Retried::Blocked => return visitor.refuse_blocked(&state, true).map(|()| Json(Value::Null)),
        Retried::Erased => return refuse(StatusCode::NOT_FOUND, Text::SessionUnknown),
        Retried::TooManyTries { retry_at } => {
            let wait_minutes = (retry_at.duration_since(state.app.clock.now()).as_secs() + 59) / 60;
            return refuse(StatusCode::TOO_MANY_REQUESTS, Text::TooManyTries { wait_minutes });
        }
        Retried::InviteRefused(error) => return refuse(StatusCode::CONFLICT, Text::Invite(error)),
        Retried::NoInvite => return refuse(StatusCode::CONFLICT, Text::SessionUnknown),
    };
    let started =
        tokio::time::timeout(OWN_EVENT, state.live_logins.at_attempt(&now.row.login_id, attempt)).await;
    match started {
        Ok(login) => Ok(Json(status::for_owner(&login.borrow(), language))),
        // The page would take the end of the attempt before for its own: so it is asked to come again.
        Err(_) => Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, language, Text::Internal)),
    }
}

/// The owner's status, once something newer than `seen` is known.
async fn answer(state: &ApiState, login: Watched, seen: i64, language: Language) -> Json<Value> {
    let login_id = login.borrow().row.login_id.clone();
    let newer = tokio::time::timeout(OWN_EVENT, state.live_logins.newer_than(&login_id, seen)).await;
    let login = newer.unwrap_or(login);
    let login = login.borrow();
    Json(status::for_owner(&login, language))
}
