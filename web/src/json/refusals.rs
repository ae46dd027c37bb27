//! [`Refusals`]: the answers of every route of the API that are not what was asked for.

use std::collections::BTreeMap;

use utoipa::IntoResponses;
use utoipa::openapi::response::Response;
use utoipa::openapi::{Content, Ref, RefOr, ResponseBuilder};

/// RFC 9457 problems; for `responses(…)` of a route.
pub struct Refusals;

/// Status, name in the contract, and when it is given.
pub type Refusal = (&'static str, &'static str, &'static str);

const REFUSALS: [Refusal; 9] = [
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
        by_status(&REFUSALS)
    }
}

impl Refusals {
    /// The same by their names in the contract.
    pub fn named() -> impl Iterator<Item = (&'static str, Response)> {
        by_name(&REFUSALS, "Problem")
    }
}

/// What a route answers by these statuses: references to the contract.
pub fn by_status(refusals: &[Refusal]) -> BTreeMap<String, RefOr<Response>> {
    let one = |&(status, name, _): &Refusal| (status.to_owned(), RefOr::Ref(Ref::from_response_name(name)));
    refusals.iter().map(one).collect()
}

/// What the contract has by these names: problems of this schema.
pub fn by_name(
    refusals: &'static [Refusal],
    schema: &'static str,
) -> impl Iterator<Item = (&'static str, Response)> {
    refusals.iter().map(move |&(_, name, description)| {
        let problem = Content::new(Some(Ref::from_schema_name(schema)));
        let response = ResponseBuilder::new().description(description);
        (name, response.content("application/problem+json", problem).build())
    })
}
