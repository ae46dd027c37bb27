//! `GET /api/docs`: the contract of the APIs, for people to read. The page is ours, and asks this origin alone for
//! `/api/openapi.json`; its policy allows nothing else.

use std::collections::HashMap;
use std::sync::LazyLock;

use axum::extract::Path;
use axum::http::{HeaderMap, HeaderValue, Method, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use web::embedded::{Embedded, answer};
use web::route::Route;

const SHELL: &str = include_str!("../static/docs/docs.html");
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; \
     form-action 'none'; frame-ancestors 'none'",
);

static FILES: LazyLock<HashMap<&'static str, Embedded>> = LazyLock::new(|| {
    let files: [(&'static str, &[u8]); 2] = [
        ("docs.css", include_bytes!("../static/docs/docs.css")),
        ("docs.js", include_bytes!("../static/docs/docs.js")),
    ];
    files.map(|(name, body)| (name, Embedded::new(name, body))).into()
});

/// The shell and its files.
pub(crate) fn table() -> Vec<Route> {
    vec![(Method::GET, "/api/docs", get(shell)), (Method::GET, "/api/docs/static/{name}", get(file))]
}

async fn shell() -> Response {
    ([(header::CONTENT_SECURITY_POLICY, POLICY)], Html(SHELL)).into_response()
}

async fn file(Path(name): Path<String>, headers: HeaderMap) -> Response {
    answer(&FILES, &name, &headers)
}
