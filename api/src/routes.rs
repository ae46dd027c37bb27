//! The routes. A handler finds out who asks and for which login, and puts the outcome into an answer.

mod actions;
mod input;
mod one_phone;
mod password;
mod reads;
mod webhook;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use axum::routing::{get, post};
use eventlog::clock::Clock;
use jiff::fmt::rfc2822::DateTimePrinter;
use texts::Language;
use texts::http::Text;
use tokio::net::TcpListener;
use tower::Layer;
use tower::util::MapResponseLayer;

#[cfg(fuzzing)]
pub(crate) use reads::fuzz as fuzz_status_query;

use crate::{admin_page, docs_page, log_tiles, me, openapi, statics};
use web::measured::Measured;
use web::page;
use web::problem::Problem;
use web::route::Route;
use web::server::{self, Clients, Limits};
use web::state::ApiState;

/// More than any request of ours needs.
const MAX_BODY_BYTES: usize = 16 * 1024;

// A handler that may log something has a span that names the login. A status that is answered from memory has none: it logs
// nothing, and is by far the most frequent request.

/// Serves everything on `LISTEN_ADDR`, until the process is about to stop ([`ApiState::stopping`]) and every request is answered.
pub async fn serve(listener: TcpListener, state: ApiState, limits: Limits, clients: Arc<Clients>) {
    let (clock, stopping) = (state.app.clock.clone(), state.stopping.clone());
    // Around the router, not layers of it: axum allocates a box for each layer of a route, for each request.
    let routes = MapResponseLayer::new(move |response| headers(response, &clock)).layer(routes(state));
    let measured = Measured::new(routes, table().into_iter().map(|(_, path, _)| path));
    server::serve_until(listener, measured, limits, clients, stopping.begun()).await;
}

/// Every route there is.
fn table() -> Vec<Route> {
    let small = || DefaultBodyLimit::max(MAX_BODY_BYTES);
    let page = [
        (Method::GET, "/qr-auth", get(reads::page)),
        (Method::GET, "/qr-auth-status", get(reads::status)),
        (Method::GET, "/qr-auth/qr.svg", get(reads::qr)),
        (Method::GET, "/qr-auth/static/{name}", get(statics::file)),
        (Method::GET, "/qr-auth/static/{folder}/{name}", get(statics::file_in_folder)),
        (Method::POST, "/qr-auth/telegram", post(webhook::update)),
        (Method::POST, "/qr-auth/cancel", post(actions::cancel).layer(small())),
        (Method::POST, "/qr-auth/retry", post(actions::retry).layer(small())),
        (Method::GET, "/qr-auth/password", get(password::parameters)),
        (Method::POST, "/qr-auth/password", post(password::prove).layer(small())),
        (Method::POST, "/qr-auth/phone", post(one_phone::phone).layer(small())),
        (Method::POST, "/qr-auth/code", post(one_phone::code).layer(small())),
    ];
    let apis = admin_api::table().into_iter().chain(service_api::table()).chain(me::table());
    let others = apis.chain(openapi::table());
    let others = others.map(|(method, path, route)| (method, path, route.layer(small())));
    let pages = page.into_iter().chain(admin_page::table()).chain(docs_page::table());
    pages.chain(log_tiles::table()).chain(others).collect()
}

/// The method and the path of every route.
pub fn route_names() -> Vec<(Method, &'static str)> {
    table().into_iter().map(|(method, path, _)| (method, path)).collect()
}

fn routes(state: ApiState) -> Router {
    let router =
        table().into_iter().fold(Router::new(), |router, (_, path, handler)| router.route(path, handler));
    router.fallback(nothing_here).method_not_allowed_fallback(wrong_method).with_state(Arc::new(state))
}

async fn nothing_here() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, Language::default(), Text::NotFound)
}

async fn wrong_method() -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, Language::default(), Text::BadRequest)
}

/// The headers of every answer. `Date` goes by the clock that deadlines are computed with, for the page's countdown. Where that is
/// the system's clock, the HTTP server writes it by itself.
fn headers(mut response: Response, clock: &Clock) -> Response {
    let headers = response.headers_mut();
    page::add_headers(headers);
    if !clock.is_system() {
        let now = DateTimePrinter::new().timestamp_to_rfc9110_string(&clock.now());
        if let Some(value) = now.ok().and_then(|text| HeaderValue::try_from(text).ok()) {
            headers.insert(header::DATE, value);
        }
    }
    response
}
