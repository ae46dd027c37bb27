//! What a request brings: its body, its query, its path. What cannot be read, or has a field that is not known, is answered with
//! 400.

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use serde::de::DeserializeOwned;
use texts::http::Text;

use crate::access::accepted_language;
use crate::problem::Problem;

/// A body of JSON. Its type denies fields that it does not know.
pub(crate) struct Body<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let headers = request.headers().clone();
        let bytes = read(request, state).await?;
        serde_json::from_slice(&bytes).map(Self).map_err(|_| malformed(&headers))
    }
}

/// The same; without a body, as if no field were set.
pub(crate) struct OptionalBody<T>(pub T);

impl<T: DeserializeOwned + Default, S: Send + Sync> FromRequest<S> for OptionalBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let headers = request.headers().clone();
        let bytes = read(request, state).await?;
        if bytes.is_empty() {
            return Ok(Self(T::default()));
        }
        serde_json::from_slice(&bytes).map(Self).map_err(|_| malformed(&headers))
    }
}

/// The query. Its type denies names that it does not know.
pub(crate) struct Parameters<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Parameters<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let read = Query::from_request_parts(parts, state).await;
        read.map(|Query(read)| Self(read)).map_err(|_| malformed(&parts.headers))
    }
}

/// What stands in the path. What cannot be an id is nobody's: 404.
pub(crate) struct Segment<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Segment<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let read = Path::from_request_parts(parts, state).await;
        let nothing =
            |_| Problem::new(StatusCode::NOT_FOUND, accepted_language(&parts.headers), Text::NotFound);
        read.map(|Path(read)| Self(read)).map_err(nothing)
    }
}

async fn read<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, Problem> {
    let language = accepted_language(request.headers());
    Bytes::from_request(request, state).await.map_err(|error| {
        let status = match error {
            BytesRejection::FailedToBufferBody(error) => error.status(),
            _ => StatusCode::BAD_REQUEST,
        };
        Problem::new(status, language, Text::BadRequest)
    })
}

fn malformed(headers: &HeaderMap) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, accepted_language(headers), Text::BadRequest)
}
