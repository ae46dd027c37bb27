//! Who may use the sandbox. It hands out signed launch data and login codes, so pages of other origins that the same
//! browser has open get nothing from it: neither by a request across origins nor under another host name (rebinding).

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::Sandbox;

/// An answer to the page that says no: `{"ok": false, "error": …, "text": …}`.
#[derive(Debug)]
pub(super) struct Problem(pub StatusCode, pub &'static str, pub String);

impl Problem {
    pub fn new(status: StatusCode, code: &'static str, text: impl Into<String>) -> Self {
        Self(status, code, text.into())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let Self(status, code, text) = self;
        (status, Json(json!({"ok": false, "error": code, "text": text}))).into_response()
    }
}

pub(super) async fn check(State(sandbox): State<Sandbox>, request: Request, next: Next) -> Response {
    if let Err(problem) =
        judge(&sandbox.inner.origin, request.method(), request.uri().path(), request.headers())
    {
        return problem.into_response();
    }
    next.run(request).await
}

fn judge(origin: &str, method: &Method, path: &str, headers: &HeaderMap) -> Result<(), Problem> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let ours =
        text(header::HOST).is_some_and(|host| origin.split_once("://").is_some_and(|(_, own)| own == host));
    let from_us = text(header::ORIGIN).is_none_or(|from| from == origin);
    let cross_site = headers.get("sec-fetch-site").is_some_and(|site| site == "cross-site");
    if !ours || !from_us || cross_site {
        return Err(Problem::new(
            StatusCode::FORBIDDEN,
            "FOREIGN_ORIGIN",
            format!("The sandbox answers only its own page, {origin}"),
        ));
    }
    let wanted = if path == "/sandbox/scan" { "image/png" } else { "application/json" };
    let is_wanted = text(header::CONTENT_TYPE).is_some_and(|given| given.starts_with(wanted));
    if method == Method::POST && !is_wanted {
        return Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "CONTENT_TYPE",
            format!("This request must carry Content-Type: {wanted}"),
        ));
    }
    Ok(())
}
