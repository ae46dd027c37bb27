//! What a request brings in its query and its path. A name that is not known is refused, so a misspelt filter does not pass for none.

use axum::extract::{FromRequestParts, Path, Query};
use axum::http::request::Parts;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::problem::Problem;

/// The query. Its type denies names that it does not know.
pub struct Parameters<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Parameters<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let read = Query::from_request_parts(parts, state).await;
        read.map(|Query(read)| Self(read)).map_err(|_| Problem::BadRequest("The query is not as documented."))
    }
}

/// A query or a body without anything in it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

/// What stands in the path. What cannot be an id is nobody's: 404.
pub struct Segment<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Segment<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let read = Path::from_request_parts(parts, state).await;
        read.map(|Path(read)| Self(read)).map_err(|_| Problem::NotFound("There is nothing by this id."))
    }
}

/// A position of the log, 0 included.
pub(crate) fn position<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    let position = Option::<i64>::deserialize(deserializer)?;
    match position.is_some_and(|position| position < 0) {
        true => Err(serde::de::Error::custom("a position is not negative")),
        false => Ok(position),
    }
}
