//! A person's own side: the page `GET /me`, and what it asks. Everything but the page is for the person alone whom Telegram names
//! ([`person::Person`]), and about nobody else.

use axum::http::Method;
use axum::routing::{get, post};

use web::route::Route;

pub(crate) mod acts;
pub(crate) mod events;
pub(crate) mod export;
mod page;
mod person;
pub(crate) mod proof;
pub(crate) mod read;
mod turn;

/// Every route of a person's own side.
pub(crate) fn table() -> Vec<Route> {
    vec![
        (Method::GET, "/me", get(page::page)),
        (Method::GET, "/api/me", get(read::me)),
        (Method::GET, "/api/me/events", get(events::events)),
        (Method::GET, "/api/me/export", get(export::export)),
        (Method::GET, "/api/me/proof", get(proof::proof)),
        (Method::POST, "/api/me/logout", post(acts::log_out)),
        (Method::POST, "/api/me/forget", post(acts::forget)),
    ]
}
