//! How many requests a key has left: the headers `RateLimit-Policy` and `RateLimit` of every answer to a known key
//! (draft-ietf-httpapi-ratelimit-headers-10), and 429 once there is none. Each process counts for itself.
//!
//! ```text
//! RateLimit-Policy: "key";q=600;w=6      600 requests at once; all of them are back after 6 seconds
//! RateLimit: "key";r=599;t=1             599 are left now; in a second there are 600
//! ```

use std::sync::{Arc, OnceLock};

use axum::extract::Request;
use axum::http::{Extensions, HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use domain::ApiKeyId;
use web::api_keys::{Allowance, REQUESTS, WINDOW_SECONDS};
use web::state::ApiState;

use crate::problem::Problem;

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const LEFT: HeaderName = HeaderName::from_static("ratelimit");

/// Where the guard leaves what it counted.
#[derive(Clone, Default)]
struct Counted(Arc<OnceLock<Allowance>>);

/// Counts a request of this key.
///
/// # Errors
/// 429: it has none left.
pub(crate) fn count(extensions: &Extensions, state: &ApiState, key: &ApiKeyId) -> Result<(), Problem> {
    let allowance = state.key_limits.count(key);
    if let Some(Counted(counted)) = extensions.get::<Counted>() {
        // A request has one caller.
        let _ = counted.set(allowance);
    }
    match allowance.is_refused {
        true => Err(Problem::TooManyRequests { seconds: allowance.seconds }),
        false => Ok(()),
    }
}

/// Adds the headers to an answer, where a key was counted.
pub async fn tell_what_is_left(mut request: Request, next: Next) -> Response {
    let counted = Counted::default();
    request.extensions_mut().insert(counted.clone());
    let mut response = next.run(request).await;
    if let Some(Allowance { remaining, seconds, .. }) = counted.0.get() {
        let texts = [
            (POLICY, format!("\"key\";q={REQUESTS};w={WINDOW_SECONDS}")),
            (LEFT, format!("\"key\";r={remaining};t={seconds}")),
        ];
        for (name, text) in texts {
            response.headers_mut().insert(name, HeaderValue::try_from(text).expect("plain ASCII"));
        }
    }
    response
}
