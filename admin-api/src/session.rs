//! `POST /api/admin/session` exchanges launch data for a token; `DELETE` gives it back.
//!
//! 1. Telegram signed the launch data, 15 minutes ago at most.
//! 2. The person has not tried too often.
//! 3. They are an admin or an auditor, and not blocked: the log says so.
//! 4. The launch was not exchanged before. Then it is now, and the token is told this once.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::routing::{delete, post};
use domain::{AccountId, Role};
use eventlog::DatabaseError;
use jiff::Timestamp;
use secrecy::ExposeSecret;
use serde::Serialize;
use texts::Language;
use texts::http::Text;
use tracing::Span;
use tracing::field::display;
use utoipa::ToSchema;
use vault::LimitError;
use vault::admin_sessions::NewAdminSession;

use super::guard::Auditor;
use web::access::accepted_language;
use web::json::refusals::Refusals;
use web::problem::Problem;
use web::route::Route;
use web::state::ApiState;

pub(super) fn table() -> Vec<Route> {
    vec![
        (Method::POST, "/api/admin/session", post(begin)),
        (Method::DELETE, "/api/admin/session", delete(end)),
    ]
}

/// A session that has begun.
#[derive(Serialize, ToSchema)]
struct Session {
    /// 256 random bits and a MAC, base64url. It is told this once.
    token: String,
    /// In an hour.
    expires_at: Timestamp,
    /// What the person may do.
    role: SessionRole,
    /// Who they are in the events.
    #[schema(value_type = String, format = Uuid)]
    account_id: AccountId,
}

/// Whose session it is.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum SessionRole {
    Admin,
    Auditor,
}

/// Exchanges launch data, which the Mini App has from Telegram, for a token. Each launch is exchanged once.
#[utoipa::path(
    post,
    path = "/api/admin/session",
    operation_id = "begin_session",
    tag = "session",
    security(("launch" = [])),
    responses((status = 200, description = "The session has begun", body = Session), Refusals)
)]
#[tracing::instrument(name = "request", level = "error", skip_all, fields(account.id))]
async fn begin(State(state): State<Arc<ApiState>>, headers: HeaderMap) -> Result<Json<Session>, Problem> {
    let (app, now) = (&state.app, state.app.clock.now());
    // 1.
    let accepted = accepted_language(&headers);
    let raw = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("tma "));
    let Some(raw) = raw else { return Err(Problem::unauthorized(accepted, None)) };
    let (opener, launch) = state
        .verifier
        .verify_launch(raw, now)
        .map_err(|error| Problem::unauthorized(accepted, Some(error)))?;
    let language = opener.language;
    // 2.
    let person = app.keys.person_hmac(opener.id);
    if let Err(error) = app.limits().try_admin_session(&person, now).await {
        return Err(refused(error, now, language));
    }
    // 3.
    let failed = |error: DatabaseError| Problem::internal(language, &error);
    let nobody = || Problem::new(StatusCode::FORBIDDEN, language, Text::AuditorsOnly);
    let subject = app.vault.subject_of(opener.id).await.map_err(failed)?.ok_or_else(nobody)?;
    let account_id = subject.account_id;
    Span::current().record("account.id", display(account_id));
    let account = app.store.load_account(account_id).await.map_err(failed)?;
    if account.is_erased() {
        return Err(nobody());
    }
    if account.is_blocked() {
        return Err(Problem::blocked(language, state.page.support_contact.as_deref()));
    }
    let role = match account.role() {
        Role::Admin => SessionRole::Admin,
        Role::Auditor => SessionRole::Auditor,
        Role::User => return Err(nobody()),
    };
    // 4.
    let token = app.keys.admin_token();
    let new = NewAdminSession { account_id, role: account.role(), language: language.code(), launch };
    let begun = app.vault.begin_admin_session(&token, new, now).await.map_err(failed)?;
    let Some(expires_at) = begun else { return Err(Problem::launch_used(language)) };
    tracing::info!(role = account.role().name(), "the admins' app was opened");
    Ok(Json(Session { token: token.token.expose_secret().to_owned(), expires_at, role, account_id }))
}

/// Ends the session: its token lets nobody in any more.
#[utoipa::path(
    delete,
    path = "/api/admin/session",
    operation_id = "end_session",
    tag = "session",
    security(("session" = ["auditor"])),
    responses((status = 204, description = "The session is over"), Refusals)
)]
#[tracing::instrument(name = "request", level = "error", skip_all, fields(account.id))]
async fn end(State(state): State<Arc<ApiState>>, Auditor(person): Auditor) -> Result<StatusCode, Problem> {
    let ended = state.app.vault.end_admin_session(&person.session, state.app.clock.now()).await;
    ended.map_err(|error| Problem::internal(person.language, &error))?;
    Ok(StatusCode::NO_CONTENT)
}

fn refused(error: LimitError, now: Timestamp, language: Language) -> Problem {
    match error {
        LimitError::RetryAt(retry_at) => {
            let seconds = retry_at.duration_since(now).as_secs().max(1);
            let text = Text::TooManyTries { wait_minutes: (seconds + 59) / 60 };
            Problem::new(StatusCode::TOO_MANY_REQUESTS, language, text).after(seconds)
        }
        LimitError::Database(error) => Problem::internal(language, &error),
    }
}
