//! The admin API, `/api/admin/…`, on which the admins' app stands. A handler names by its arguments who may: [`guard::Admin`], or
//! [`guard::Auditor`] for what auditors see, too.
//!
//! Its contract is [`contract`], which a test compares with [`table`].

#![expect(unused_qualifications, reason = "utoipa writes them")]

mod acts;
mod events;
pub mod guard;
mod idempotency;
mod invites;
mod keys;
mod live;
mod openapi;

mod parked;
mod projections;
mod session;
mod statistics;
mod summary;
mod target;
mod user_details;
mod users;
mod view_problems;
mod webhooks;

use web::route::Route;

pub use openapi::contract;

/// Every route of the admin API.
pub fn table() -> Vec<Route> {
    let tables = [
        session::table(),
        user_details::table(),
        users::table(),
        acts::table(),
        invites::table(),
        events::table(),
        live::table(),
        keys::table(),
        summary::table(),
        statistics::table(),
        projections::table(),
        parked::table(),
        webhooks::table(),
    ];
    tables.into_iter().flatten().collect()
}
