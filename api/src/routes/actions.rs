//! What the owner can do: cancel, and try again. Each answers with the status that its own event led to.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::StatusCode;
use domain::login::CancelReason;
use domain::{InviteCommand, InviteId, LoginCommand, LoginError, LoginStatus};
use eventlog::store::{Context, StoreError};
use serde::Deserialize;
use serde_json::Value;
use vault::limits::{LimitError, LoginLimits};

use super::body;
use crate::access::Visitor;
use crate::live_logins::{LiveLogin, Watched};
use crate::problem::Problem;
use crate::texts::{Language, Text};
use crate::{ApiState, status};

/// How long an answer waits for its own event to come back through the log.
const OWN_EVENT: Duration = Duration::from_secs(3);

/// `{"session_id": "…"}`.
#[derive(Debug, Deserialize)]
pub struct Named {
    session_id: String,
}

/// `POST /qr-auth/cancel`: ends the login. Cancelling an ended one changes nothing.
pub async fn cancel(
    State(state): State<Arc<ApiState>>,
    visitor: Visitor,
    named: Result<Json<Named>, JsonRejection>,
) -> Result<Json<Value>, Problem> {
    let language = visitor.language();
    let login = visitor.own(&state, &body(named, language)?.session_id).await?;
    let now = login.borrow().clone();
    if !now.row.status.is_live() {
        return Ok(Json(status::whole(&now, language)));
    }
    let command =
        LoginCommand::Cancel { attempt: now.attempt(), reason: CancelReason::Person, at: state.clock.now() };
    let context = Context::by(now.row.account_id).with_login(&now.row.login_id);
    match state.store.login(&now.row.login_id, command, context).await {
        Ok(()) | Err(StoreError::Refused(_)) => {}
        Err(error) => return Err(Problem::internal(language, &error)),
    }
    Ok(answer(&state, login, now.row.version, language).await)
}

/// `POST /qr-auth/retry`: starts the login anew, after an end without authorisation, with the same invite.
pub async fn retry(
    State(state): State<Arc<ApiState>>,
    visitor: Visitor,
    named: Result<Json<Named>, JsonRejection>,
) -> Result<Json<Value>, Problem> {
    let language = visitor.language();
    let login = visitor.own(&state, &body(named, language)?.session_id).await?;
    let now = login.borrow().clone();
    // The log itself, since the board may be behind it: this decides over the end of one attempt and the start of the next.
    let standing = state.store.load_login(&now.row.login_id).await;
    let standing = standing.map_err(|error| Problem::internal(language, &error))?;
    let attempt = match standing.status() {
        Some(LoginStatus::Authorized) => {
            return Err(Problem::new(StatusCode::CONFLICT, language, Text::RetryAuthorized));
        }
        // Somebody was quicker, perhaps this person, who did not hear the answer.
        Some(status) if status.is_live() => standing.attempt(),
        _ => {
            let next = standing.attempt() + 1;
            admit(&state, &now, next, language).await?;
            start_anew(&state, &now, next, language).await?;
            next
        }
    };
    let started =
        tokio::time::timeout(OWN_EVENT, state.live_logins.once_at(&now.row.login_id, attempt)).await;
    match started {
        Ok(login) => Ok(Json(status::whole(&login.borrow(), language))),
        // The end of the attempt before would be the end to the page: rather ask it to come again.
        Err(_) => Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, language, Text::Internal)),
    }
}

/// The same doors as `/login`: not blocked, not too often.
async fn admit(state: &ApiState, login: &LiveLogin, attempt: u32, language: Language) -> Result<(), Problem> {
    let account = state.store.load_account(login.row.account_id).await;
    if account.map_err(|error| Problem::internal(language, &error))?.is_blocked() {
        return Err(Problem::new(StatusCode::FORBIDDEN, language, Text::Blocked));
    }
    let Some(telegram_id) = login.telegram_id else { return Ok(()) };
    let (person, now) = (state.master.person_hmac(telegram_id), state.clock.now());
    match LoginLimits::new(&state.db).try_login(&person, &login.row.login_id, attempt, now).await {
        Ok(()) => Ok(()),
        Err(LimitError::RetryAt(at)) => {
            let wait_minutes = (at.duration_since(now).as_secs() + 59) / 60;
            Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, language, Text::TooManyTries { wait_minutes }))
        }
        Err(error @ LimitError::Database(_)) => Err(Problem::internal(language, &error)),
    }
}

async fn start_anew(
    state: &ApiState,
    login: &LiveLogin,
    attempt: u32,
    language: Language,
) -> Result<(), Problem> {
    let (account_id, login_id) = (login.row.account_id, login.row.login_id.clone());
    let at = state.clock.now();
    let context = Context::by(account_id).with_login(&login_id);
    let mut grant = None;
    if let Some(invite_id) = login.row.invite_id {
        let command = InviteCommand::Redeem { account_id, login_id: login_id.clone(), attempt, at };
        match state.store.invite(invite_id, command, context.clone()).await {
            Ok(()) => grant = Some(granted(state, invite_id, language).await?),
            Err(StoreError::Refused(error)) => {
                return Err(Problem::new(StatusCode::CONFLICT, language, Text::Invite(error)));
            }
            Err(error) => return Err(Problem::internal(language, &error)),
        }
    }
    let command = LoginCommand::Start { account_id, invite: grant, attempt, at };
    match state.store.login(&login_id, command, context).await {
        Ok(()) | Err(StoreError::Refused(LoginError::StillLive)) => Ok(()),
        Err(error) => Err(Problem::internal(language, &error)),
    }
}

async fn granted(state: &ApiState, id: InviteId, language: Language) -> Result<domain::InviteGrant, Problem> {
    let invite = state.store.load_invite(id).await.map_err(|error| Problem::internal(language, &error))?;
    invite.grant().ok_or_else(|| Problem::new(StatusCode::CONFLICT, language, Text::SessionUnknown))
}

/// The owner's status, once the board has seen something newer than `seen`.
async fn answer(state: &ApiState, login: Watched, seen: i64, language: Language) -> Json<Value> {
    let login_id = login.borrow().row.login_id.clone();
    let newer = tokio::time::timeout(OWN_EVENT, state.live_logins.newer_than(&login_id, seen)).await;
    let login = newer.unwrap_or(login);
    let login = login.borrow();
    Json(status::whole(&login, language))
}
