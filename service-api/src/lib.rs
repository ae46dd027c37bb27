//! The API for other services, `/api/v1/…`: people and their subscriptions, invites, webhooks, and the feed of events.
//!
//! A handler names by its argument what a key must be allowed: [`Caller`]`<`[`scope::UsersRead`]`>`. A write takes an
//! [`Order`](orders::Order), which is carried out once for its `Idempotency-Key`, by a use case of [`app`] whose actor is the key.
//! Every answer says how many requests the key has left ([`rate`]). What is wrong is told as a [`Problem`] whose `type` does not
//! change.
//!
//! Its contract is [`contract`], which a test compares with [`table`].

#![expect(unused_qualifications, reason = "utoipa writes them")]

mod events;
pub mod guard;
pub mod input;
mod invites;
mod openapi;
pub mod orders;
mod position;
pub mod problem;
pub mod rate;
pub mod refusals;
pub mod scope;
mod subscriptions;
mod users;
mod webhooks;

use axum::middleware::from_fn;
use web::route::Route;

pub use guard::Caller;
pub use openapi::contract;
pub use problem::Problem;

/// Every route of the API for other services.
pub fn table() -> Vec<Route> {
    let tables =
        [users::table(), subscriptions::table(), invites::table(), events::table(), webhooks::table()];
    tables.into_iter().flatten().map(told_what_is_left).collect()
}

/// A route of a key, whose answers say how many requests the key has left.
pub fn told_what_is_left((method, path, route): Route) -> Route {
    (method, path, route.layer(from_fn(rate::tell_what_is_left)))
}
