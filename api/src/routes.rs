//! The routes. Each handler is short: who asks, which login, what it says.

mod actions;
mod one_phone;
mod password;
mod reads;
mod webhook;

use axum::extract::rejection::JsonRejection;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Json, Router};
use projections::vault::Wish;

use crate::board::LiveLogin;
use crate::problem::Problem;
use crate::texts::{Language, Text};
use crate::{ApiState, page, statics};

/// More than any request of ours needs.
const MAX_BODY_BYTES: usize = 16 * 1024;
/// A webhook's updates are larger.
const MAX_UPDATE_BYTES: usize = 512 * 1024;

/// Everything that is served on `LISTEN_ADDR`.
pub fn routes(state: ApiState) -> Router {
    let webhook = Router::new()
        .route("/qr-auth/telegram", post(webhook::update))
        .layer(DefaultBodyLimit::max(MAX_UPDATE_BYTES));
    Router::new()
        .route("/qr-auth", get(reads::page))
        .route("/qr-auth-status", get(reads::status))
        .route("/qr-auth/qr.svg", get(reads::qr))
        .route("/qr-auth/cancel", post(actions::cancel))
        .route("/qr-auth/retry", post(actions::retry))
        .route("/qr-auth/password", get(password::parameters).post(password::prove))
        .route("/qr-auth/phone", post(one_phone::phone))
        .route("/qr-auth/code", post(one_phone::code))
        .route("/qr-auth/static/{name}", get(statics::file))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .merge(webhook)
        .fallback(nothing_here)
        .method_not_allowed_fallback(wrong_method)
        .layer(middleware::from_fn_with_state(state.clone(), headers))
        .with_state(state)
}

/// What a POST says, if it can be read.
fn body<T>(body: Result<Json<T>, JsonRejection>, language: Language) -> Result<T, Problem> {
    match body {
        Ok(Json(said)) => Ok(said),
        Err(_) => Err(Problem::new(StatusCode::BAD_REQUEST, language, Text::BadRequest)),
    }
}

/// Hands what the person entered to the worker of their login; 409 where none waits for it any more.
async fn give(
    state: &ApiState,
    login: &LiveLogin,
    wish: &Wish,
    too_late: Text,
    language: Language,
) -> Result<(), Problem> {
    match state.vault.wish(&state.master, &login.row.login_id, login.attempt(), wish).await {
        Ok(true) => Ok(()),
        Ok(false) => Err(Problem::new(StatusCode::CONFLICT, language, too_late)),
        Err(error) => Err(Problem::internal(language, &error)),
    }
}

async fn nothing_here() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, Language::default(), Text::NotFound)
}

async fn wrong_method() -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, Language::default(), Text::BadRequest)
}

/// The headers of every answer; `Date` is the clock that deadlines are computed with, for the page's countdown.
async fn headers(State(state): State<ApiState>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in page::HEADERS {
        headers.entry(name).or_insert(value);
    }
    let now = jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&state.clock.now());
    if let Some(value) = now.ok().and_then(|text| HeaderValue::from_str(&text).ok()) {
        headers.insert(header::DATE, value);
    }
    response
}
