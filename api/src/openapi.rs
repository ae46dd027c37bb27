//! `GET /api/openapi.json`: the contract of the APIs, as OpenAPI 3.1. It is made from the handlers; docs/openapi.json is a copy
//! of it. `OPENAPI=new cargo test -p api openapi` writes that anew.

use std::sync::LazyLock;

use axum::http::{HeaderValue, Method, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{Components, OpenApi as Document};
use utoipa::{Modify, OpenApi};

use web::json::refusals::Refusals;
use web::problem::ProblemBody;
use web::route::Route;

use crate::me::{acts, events, export, proof, read};

pub fn table() -> Vec<Route> {
    vec![(Method::GET, "/api/openapi.json", get(document))]
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "qr-login",
        version = "1",
        description = "`/api/v1` is for other services, `/api/admin` for the admins' app, `/api/me` for a person's own page. Times are \
                       RFC 3339 in UTC, ids are strings. A list has `items` and `next`, a cursor for `after`; without one it is \
                       at its end.",
        license(name = "MIT", identifier = "MIT")
    ),
    paths(
        document,
        read::me,
        events::events,
        export::export,
        proof::proof,
        acts::log_out,
        acts::forget,
    ),
    components(schemas(ProblemBody)),
    security(("session" = ["admin"])),
    modifiers(&Shared)
)]
struct Api;

/// What operations share: the ways to say who asks, and the answers that are not what was asked for.
struct Shared;

impl Modify for Shared {
    fn modify(&self, document: &mut Document) {
        let launch = ApiKeyValue::with_description(
            "Authorization",
            "`tma <initData>`: launch data that Telegram has signed for this bot, 15 minutes old at most",
        );
        let session = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("The token of `POST /api/admin/session`"));
        let components = document.components.get_or_insert_with(Components::new);
        components.add_security_scheme("launch", SecurityScheme::ApiKey(ApiKey::Header(launch)));
        components.add_security_scheme("session", SecurityScheme::Http(session.build()));
        components.responses.extend(Refusals::named().map(|(name, it)| (name.to_owned(), it.into())));
    }
}

/// The contract.
pub fn contract() -> Document {
    Api::openapi().merge_from(admin_api::contract()).merge_from(service_api::contract())
}

/// The same as JSON, made once.
static TEXT: LazyLock<String> = LazyLock::new(|| contract().to_json().expect("the contract is plain data"));

/// This document.
#[utoipa::path(
    get,
    path = "/api/openapi.json",
    tag = "document",
    security(()),
    responses((status = 200, description = "This document", body = Object))
)]
async fn document() -> Response {
    let json = HeaderValue::from_static("application/json");
    ([(header::CONTENT_TYPE, json)], TEXT.as_str()).into_response()
}
