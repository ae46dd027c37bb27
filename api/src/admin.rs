//! The admin API, `/api/admin/…`, on which the admin's Mini App stands. A handler names by its arguments who may: [`guard::Admin`], or
//! [`guard::Auditor`] for what auditors see, too.
//!
//! Its contract is [`openapi`], which a test compares with [`table`].

#![expect(unused_qualifications, reason = "utoipa writes them")]

mod acts;
mod events;
pub(crate) mod guard;
mod idempotency;
pub(crate) mod input;
mod invites;
mod live;
pub(crate) mod names;
pub(crate) mod openapi;
pub(crate) mod page;
mod parked;
mod projections;
pub(crate) mod refusals;
mod session;
mod statistics;
mod summary;
mod target;
#[cfg(test)]
mod tests;
pub(crate) mod user;
mod user_details;
mod users;
mod view_problems;

use crate::route::Route;

/// Every route of the admin API.
pub(crate) fn table() -> Vec<Route> {
    let tables = [
        openapi::table(),
        session::table(),
        user_details::table(),
        users::table(),
        acts::table(),
        invites::table(),
        events::table(),
        live::table(),
        summary::table(),
        statistics::table(),
        projections::table(),
        parked::table(),
    ];
    tables.into_iter().flatten().collect()
}
