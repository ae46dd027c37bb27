//! Errors of the Bot API, with Telegram's codes and exact texts, because clients distinguish cases by the text.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// An answer with `"ok": false`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The HTTP status and `error_code`.
    pub code: u16,
    /// The text, with its prefix (`Bad Request: …`).
    pub description: String,
    /// Seconds to wait, where the code is 429.
    pub retry_after: Option<u32>,
}

impl Refusal {
    pub(super) fn bad_request(what: impl std::fmt::Display) -> Self {
        Self::of(400, format!("Bad Request: {what}"))
    }

    pub(super) fn forbidden(what: &str) -> Self {
        Self::of(403, format!("Forbidden: {what}"))
    }

    pub(super) fn conflict(what: &str) -> Self {
        Self::of(409, format!("Conflict: {what}"))
    }

    pub(super) fn unauthorized() -> Self {
        Self::of(401, "Unauthorized".into())
    }

    pub(super) fn not_found() -> Self {
        Self::of(404, "Not Found".into())
    }

    pub(super) fn server_error() -> Self {
        Self::of(500, "Internal Server Error".into())
    }

    pub(super) fn too_many_requests(retry_after: u32) -> Self {
        Self {
            retry_after: Some(retry_after),
            ..Self::of(429, format!("Too Many Requests: retry after {retry_after}"))
        }
    }

    fn of(code: u16, description: String) -> Self {
        Self { code, description, retry_after: None }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut body = json!({"ok": false, "error_code": self.code, "description": self.description});
        if let Some(seconds) = self.retry_after {
            body["parameters"] = json!({"retry_after": seconds});
        }
        let status = StatusCode::from_u16(self.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        (status, Json(body)).into_response()
    }
}
