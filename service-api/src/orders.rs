//! [`Order`]: a write as it came, and [`once`], which carries it out once for its `Idempotency-Key`
//! (draft-ietf-httpapi-idempotency-key-header-07): the same key and request get the first answer again for 24 hours, another request
//! with the key gets 422, and 409 while the first one is under way.
//!
//! The act goes on where the caller hangs up. Where the process dies between act and answer, the next request acts by the same seed,
//! which changes nothing twice.

use std::sync::Arc;

use app::invites;
use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use domain::{AccountId, ApiKeyId};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use tracing::Instrument;
use utoipa::IntoParams;
use uuid::Uuid;
use vault::OrderSeed;
use vault::api_requests::{ApiRequest, Claim};
use web::state::ApiState;

use crate::problem::Problem;

const HEADER: &str = "idempotency-key";
const LONGEST_KEY: usize = 128;

/// A write: its body, and how it is told from others. A body of JSON denies fields that it does not know; none is as good as `{}`.
#[derive(Debug)]
pub struct Order<T> {
    /// What is ordered.
    pub body: T,
    /// How it is told from others.
    pub stamp: Stamp,
}

/// How an order is told from others.
#[derive(Debug)]
pub struct Stamp {
    request_key: Option<String>,
    request_sha256: [u8; 32],
}

/// How a request says which order it is.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Header)]
pub struct OrderHeaders {
    /// The same key and body: the first answer again, for 24 hours
    #[param(rename = "Idempotency-Key", min_length = 1, max_length = 128, pattern = "^[!-~]+$")]
    pub idempotency_key: Option<String>,
}

/// What is answered to an order that was carried out.
#[derive(Debug)]
pub struct Answer {
    status: StatusCode,
    /// JSON.
    pub(crate) body: String,
    /// The person whom it is about.
    about: Option<AccountId>,
}

impl Answer {
    /// With a body that is about this person, or about nobody.
    pub fn new(status: StatusCode, body: &impl Serialize, about: Option<AccountId>) -> Self {
        let body = serde_json::to_string(body).expect("an answer is plain data");
        Self { status, body, about }
    }

    /// Without a body.
    pub const fn empty(about: Option<AccountId>) -> Self {
        Self { status: StatusCode::NO_CONTENT, body: String::new(), about }
    }

    /// The first answer to an order, as it was kept.
    fn again(status: u16, body: String) -> Self {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self { status, body, about: None }
    }
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Order<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let request_key = request_key(request.headers())?;
        let line = format!("{} {}\n", request.method(), request.uri().path());
        let bytes = Bytes::from_request(request, state).await.map_err(|error| {
            match error.into_response().status() {
                StatusCode::PAYLOAD_TOO_LARGE => Problem::TooLarge,
                _ => Problem::BadRequest("The body cannot be read."),
            }
        })?;
        let text = if bytes.is_empty() { b"{}" } else { &bytes[..] };
        let body = serde_json::from_slice(text)
            .map_err(|_| Problem::BadRequest("The body is not as documented."))?;
        let request_sha256 = Sha256::new().chain_update(line).chain_update(&bytes).finalize().into();
        Ok(Self { body, stamp: Stamp { request_key, request_sha256 } })
    }
}

fn request_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut values = headers.get_all(HEADER).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let fits = |text: &&str| {
        (1..=LONGEST_KEY).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
    };
    match (value.to_str().ok().filter(fits), values.next()) {
        (Some(text), None) => Ok(Some(text.to_owned())),
        _ => Err(Problem::BadRequest("An Idempotency-Key has 1 to 128 visible characters of ASCII.")),
    }
}

/// Carries an order out, once. `act` makes all ids from the seed.
///
/// # Errors
/// What the act refuses; 409 and 422 as above.
pub async fn once<F, A>(
    state: &Arc<ApiState>,
    key_id: &ApiKeyId,
    stamp: Stamp,
    act: A,
) -> Result<Answer, Problem>
where
    A: FnOnce(OrderSeed) -> F + Send + 'static,
    F: Future<Output = Result<Answer, Problem>> + Send + 'static,
{
    let (state, key_id) = (state.clone(), key_id.clone());
    let carried_out = async move {
        let Stamp { request_key: Some(request_key), request_sha256 } = stamp else {
            return act(random_seed()).await;
        };
        let (request_key, request_sha256) = (&request_key, &request_sha256);
        let request = ApiRequest { key_id: &key_id, request_key, request_sha256 };
        let vault = &state.app.vault;
        let seed = match vault.claim_api_request(request).await.map_err(|error| Problem::internal(&error))? {
            Claim::Mine(seed) => seed,
            Claim::Answered { status, answer } => return Ok(Answer::again(status, answer)),
            Claim::InFlight => return Err(Problem::InFlight),
            Claim::OtherOrder => return Err(Problem::OtherRequest),
        };
        let outcome = act(seed).await;
        let kept = match &outcome {
            Ok(Answer { status, body, about }) => {
                vault.answer_api_request(request, status.as_u16(), body, *about).await
            }
            Err(problem) if is_kept(problem) => {
                let (status, body) = (problem.status().as_u16(), problem.body().to_string());
                vault.answer_api_request(request, status, &body, None).await
            }
            // It failed on our side, or is told to come again: the next request goes on.
            Err(_) => vault.let_go_of_api_request(request).await,
        };
        if let Err(error) = kept {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "an answer was not kept; the same request is carried out by the same ids");
        }
        outcome
    };
    match tokio::spawn(carried_out.in_current_span()).await {
        Ok(answered) => answered,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime is shutting down.
            Err(_) => Err(Problem::Unavailable),
        },
    }
}

/// Whether a refusal is given again. One that says when to come again is not: the order may be carried out then.
fn is_kept(problem: &Problem) -> bool {
    problem.status().is_client_error() && problem.retry_after_seconds().is_none()
}

/// The id of one of several things that an order makes: the same for the same order.
pub(crate) fn id_of(seed: &OrderSeed, number: u32) -> Uuid {
    invites::id_of(&seed_of(seed, number)).0
}

/// The seed of one of several things that an order makes.
fn seed_of(seed: &OrderSeed, number: u32) -> OrderSeed {
    let hash = Sha256::new().chain_update(seed).chain_update(number.to_be_bytes()).finalize();
    *hash.first_chunk().expect("18 of 32 bytes")
}

fn random_seed() -> OrderSeed {
    let mut seed = OrderSeed::default();
    getrandom::fill(&mut seed).expect("the system has a source of randomness");
    seed
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let Self { status, body, .. } = self;
        if status == StatusCode::NO_CONTENT {
            return status.into_response();
        }
        let kind = if status.is_success() { "application/json" } else { "application/problem+json" };
        let mut response = (status, body).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idempotency_key_is_short_and_visible_and_there_is_one() {
        let read = |texts: &[&str]| {
            let headers =
                texts.iter().map(|text| (HEADER.parse().unwrap(), HeaderValue::from_str(text).unwrap()));
            request_key(&headers.collect())
        };
        let longest = "a".repeat(LONGEST_KEY);
        assert_eq!(read(&[]), Ok(None));
        for good in ["7f3c-1", "\"8e03978e-40d5-43dd-bc93-6894a57f9324\"", &longest] {
            assert_eq!(read(&[good]), Ok(Some(good.to_owned())));
        }
        for bad in [&[""][..], &["a b"], &[&format!("{longest}a")], &["a", "a"]] {
            assert!(read(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_refusal_that_says_when_to_come_again_is_not_given_for_a_day() {
        for kept in [Problem::NotFound("x"), Problem::WebhookAddress, Problem::TooManyWebhooks] {
            assert!(is_kept(&kept), "{kept:?}");
        }
        let seconds = 1;
        for gone in [Problem::SecretBeingChanged, Problem::TooManyRequests { seconds }, Problem::NotThereYet]
        {
            assert!(!is_kept(&gone), "{gone:?}");
        }
    }

    #[test]
    fn what_an_order_makes_has_ids_of_its_own() {
        let seed = [7; 18];
        assert_eq!(seed_of(&seed, 1), seed_of(&seed, 1));
        assert_ne!(seed_of(&seed, 1), seed_of(&seed, 2));
        assert_ne!(seed_of(&seed, 1), seed_of(&[8; 18], 1));
    }
}
