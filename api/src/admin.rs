//! The admin API, `/api/admin/…`, on which the admin's Mini App stands. A handler names by its arguments who may: [`guard::Admin`], or
//! [`guard::Auditor`] for what auditors see, too.
//!
//! Its contract is [`openapi`], which a test compares with [`table`].

pub(crate) mod guard;
pub(crate) mod input;
pub(crate) mod openapi;
pub(crate) mod refusals;
mod session;
#[cfg(test)]
mod tests;

use crate::route::Route;

/// Every route of the admin API.
pub(crate) fn table() -> Vec<Route> {
    [openapi::table(), session::table()].into_iter().flatten().collect()
}
