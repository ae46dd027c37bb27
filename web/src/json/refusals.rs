//! [`Refusals`]: the answers of every route of the API that are not what was asked for.

use std::collections::BTreeMap;

use utoipa::IntoResponses;
use utoipa::openapi::response::Response;
use utoipa::openapi::{Content, Ref, RefOr, ResponseBuilder};

/// RFC 9457 problems; for `responses(…)` of a route.
pub struct Refusals;

/// Status, name in the contract, and when it is given.
const REFUSALS: [(&str, &str, &str); 9] = [
    ("400", "BadRequest", "The request is malformed: a field is missing, unknown or out of its range"),
    ("401", "Unauthorized", "The token or the launch data is missing, too old, used or revoked"),
    ("403", "Forbidden", "The person may not, or is blocked"),
    ("404", "NotFound", "There is nothing by this id"),
    ("409", "Conflict", "It cannot be done as things stand; `type` says why"),
    ("413", "TooLarge", "The body is larger than 16 KiB"),
    ("429", "TooManyRequests", "Too many requests; `Retry-After` says when the next one may come"),
    ("500", "Failed", "An error of the service"),
    ("503", "Unavailable", "The database is away for a moment; `Retry-After` says when to ask again"),
];

impl IntoResponses for Refusals {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let one = |(status, name, _): (&str, &str, &str)| {
            (status.to_owned(), RefOr::Ref(Ref::from_response_name(name)))
        };
        REFUSALS.into_iter().map(one).collect()
    }
}

impl Refusals {
    /// The same by their names in the contract.
    pub fn named() -> impl Iterator<Item = (&'static str, Response)> {
        REFUSALS.into_iter().map(|(_, name, description)| {
            let problem = Content::new(Some(Ref::from_schema_name("Problem")));
            let response = ResponseBuilder::new().description(description);
            (name, response.content("application/problem+json", problem).build())
        })
    }
}
