//! What a request brings: its body, its query, its path. What cannot be read, or has a field that is not known, is answered with
//! 400.

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use serde::de::{self, DeserializeOwned};
use serde::{Deserialize, Deserializer};
use texts::http::Text;

use crate::access::accepted_language;
use crate::problem::Problem;

/// A body of JSON. Its type denies fields that it does not know.
pub struct Body<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let headers = request.headers().clone();
        let bytes = read(request, state).await?;
        serde_json::from_slice(&bytes).map(Self).map_err(|_| malformed(&headers))
    }
}

/// The same; without a body, or with null, as if no field were set.
pub struct OptionalBody<T>(pub T);

impl<T: DeserializeOwned + Default, S: Send + Sync> FromRequest<S> for OptionalBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let headers = request.headers().clone();
        let bytes = read(request, state).await?;
        if bytes.is_empty() {
            return Ok(Self(T::default()));
        }
        let body: Option<T> = serde_json::from_slice(&bytes).map_err(|_| malformed(&headers))?;
        Ok(Self(body.unwrap_or_default()))
    }
}

/// The query. Its type denies names that it does not know.
pub struct Parameters<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Parameters<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let read = Query::from_request_parts(parts, state).await;
        read.map(|Query(read)| Self(read)).map_err(|_| malformed(&parts.headers))
    }
}

/// What stands in the path. What cannot be an id is nobody's: 404.
pub struct Segment<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Segment<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let read = Path::from_request_parts(parts, state).await;
        let nothing =
            |_| Problem::new(StatusCode::NOT_FOUND, accepted_language(&parts.headers), Text::NotFound);
        read.map(|Path(read)| Self(read)).map_err(nothing)
    }
}

/// A whole number of a body. In JSON Schema `30.0` is one, too.
pub fn whole<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let number = serde_json::Number::deserialize(deserializer)?;
    let whole = match number.as_f64() {
        Some(float) if float.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&float) => {
            Some(float as u32)
        }
        _ => None,
    };
    whole.ok_or_else(|| de::Error::custom("not a whole number"))
}

/// The same, where null, or nothing, is one as well.
pub fn whole_or_null<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    #[derive(Deserialize)]
    struct Whole(#[serde(deserialize_with = "whole")] u32);
    Ok(Option::<Whole>::deserialize(deserializer)?.map(|Whole(number)| number))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    struct Numbers {
        #[serde(deserialize_with = "whole")]
        one: u32,
        #[serde(default, deserialize_with = "whole_or_null")]
        other: Option<u32>,
    }

    #[test]
    fn a_whole_number_is_whole_however_it_is_written() {
        let read = |text: &str| serde_json::from_str::<Numbers>(text).ok();
        let numbers = |one, other| Some(Numbers { one, other });
        assert_eq!(read(r#"{"one": 30}"#), numbers(30, None));
        assert_eq!(read(r#"{"one": 30.0, "other": 3e2}"#), numbers(30, Some(300)));
        assert_eq!(read(r#"{"one": 4294967295, "other": null}"#), numbers(u32::MAX, None));
        for bad in ["-1", "1.5", "4294967296", "1e300", "\"1\"", "null", "true"] {
            assert_eq!(read(&format!(r#"{{"one": {bad}}}"#)), None, "{bad}");
        }
    }
}
