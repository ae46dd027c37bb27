//! [`Refusals`]: the answers of every route that are not what was asked for, for `responses(…)`, and the shapes of
//! problems.

use std::collections::BTreeMap;

use eventlog::log::BranchId;
use serde::Serialize;
use utoipa::openapi::RefOr;
use utoipa::openapi::response::Response;
use utoipa::{IntoResponses, ToSchema};
use web::json::refusals::{Refusal, by_name, by_status};

/// What is wrong with a request.
#[derive(Serialize, ToSchema)]
#[schema(as = ServiceProblem)]
pub(crate) struct ProblemShape {
    /// A URN that a program can tell it by. It does not change.
    #[serde(rename = "type")]
    kind: String,
    /// The name of the status.
    title: String,
    status: u16,
    /// What to do about it.
    detail: String,
}

/// A position is of another history.
#[derive(Serialize, ToSchema)]
#[schema(as = HistoryChanged)]
pub(crate) struct HistoryChanged {
    /// `urn:qr-login:history-changed`.
    #[serde(rename = "type")]
    kind: String,
    /// The name of the status.
    title: String,
    status: u16,
    /// What to do about it.
    detail: String,
    /// The history of now, for `log`.
    #[schema(value_type = String, format = Uuid)]
    log: BranchId,
    /// The last position that both have, for `after`.
    go_on_from: i64,
}

/// RFC 9457 problems of a route that reads; for `responses(…)`.
pub struct Refusals;

/// The same of a route that writes.
pub struct WriteRefusals;

const REFUSALS: [Refusal; 10] = [
    ("400", "ServiceBadRequest", "The request is malformed: a field is missing, unknown or out of its range"),
    (
        "401",
        "ServiceUnauthorized",
        "There is no key, or it is unknown, revoked or expired; `type` says which",
    ),
    ("403", "ServiceForbidden", "The key does not have the scope"),
    ("404", "ServiceNotFound", "There is nothing by this id"),
    ("429", "ServiceTooManyRequests", "The key has no request left; `Retry-After` says when it has one"),
    ("500", "ServiceFailed", "An error of the service"),
    (
        "503",
        "ServiceUnavailable",
        "The position is not there yet, or the database is away; `Retry-After` says when to ask again",
    ),
    // Of writes.
    (
        "409",
        "ServiceConflict",
        "A request with the same `Idempotency-Key` is under way, or it cannot be done as things stand; `type` says which",
    ),
    ("413", "ServiceTooLarge", "The body is larger than 16 KiB"),
    (
        "422",
        "ServiceUnprocessable",
        "The `Idempotency-Key` was sent with another request, or no message may go to the address; `type` says which",
    ),
];
/// So many of them a route that reads has.
const OF_READS: usize = 7;

impl IntoResponses for Refusals {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        by_status(&REFUSALS[..OF_READS])
    }
}

impl IntoResponses for WriteRefusals {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        by_status(&REFUSALS)
    }
}

impl Refusals {
    /// All of them by their names in the contract.
    pub fn named() -> impl Iterator<Item = (&'static str, Response)> {
        by_name(&REFUSALS, "ServiceProblem")
    }
}
