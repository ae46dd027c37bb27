//! What is wrong with a request, for programs: RFC 9457 `application/problem+json`, with a `type` that does not change.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use eventlog::log::BranchId;
use serde_json::{Value, json};
use web::problem::{AWAY_SECONDS, answer, is_away};

/// When a request that is carried out at this moment may be looked for again.
const IN_FLIGHT_SECONDS: u64 = 1;
/// The other request has changed the secret by then, or is dead.
const SECRET_SECONDS: u64 = 60;

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// The request is malformed; the text says where.
    BadRequest(&'static str),
    /// No key, or one that nobody has made.
    Unauthorized,
    /// The key was revoked.
    KeyRevoked,
    /// The key's time is over.
    KeyExpired,
    /// The key may not do this; it would take this scope.
    ScopeMissing(&'static str),
    /// There is nothing by this id; the text says what was looked for.
    NotFound(&'static str),
    /// The position that was given is of another history than the log of now.
    HistoryChanged {
        /// The log of now.
        log: BranchId,
        /// The last position that both share.
        go_on_from: i64,
    },
    /// A request with the same `Idempotency-Key` is carried out at this moment.
    InFlight,
    /// The `Idempotency-Key` belongs to another request.
    OtherRequest,
    /// No message may go to the address of the webhook.
    WebhookAddress,
    /// There are as many webhooks as there may be.
    TooManyWebhooks,
    /// The secret of the webhook is being changed by another request.
    SecretBeingChanged,
    /// The body is larger than 16 KiB.
    TooLarge,
    /// The key has no request left.
    TooManyRequests {
        /// Until it has one.
        seconds: u64,
    },
    /// The position that was asked for is not there yet.
    NotThereYet,
    /// The database is away.
    Unavailable,
    /// An error of this service.
    Internal,
}

impl Problem {
    /// An error of this service, which is logged here, once. While the database is away the answer is 503 with a `Retry-After`.
    pub fn internal(error: &(dyn std::error::Error + 'static)) -> Self {
        if is_away(error) { Self::Unavailable } else { Self::Internal }
    }

    /// The HTTP status.
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::BadRequest(_) => StatusCode::BAD_REQUEST,
            Self::Unauthorized | Self::KeyRevoked | Self::KeyExpired => StatusCode::UNAUTHORIZED,
            Self::ScopeMissing(_) => StatusCode::FORBIDDEN,
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::HistoryChanged { .. }
            | Self::InFlight
            | Self::TooManyWebhooks
            | Self::SecretBeingChanged => StatusCode::CONFLICT,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::OtherRequest | Self::WebhookAddress => StatusCode::UNPROCESSABLE_ENTITY,
            Self::TooManyRequests { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::NotThereYet | Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// The `type`.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::BadRequest(_) => "urn:qr-login:bad-request",
            Self::Unauthorized => "urn:qr-login:unauthorized",
            Self::KeyRevoked => "urn:qr-login:key-revoked",
            Self::KeyExpired => "urn:qr-login:key-expired",
            Self::ScopeMissing(_) => "urn:qr-login:scope-missing",
            Self::NotFound(_) => "urn:qr-login:not-found",
            Self::HistoryChanged { .. } => "urn:qr-login:history-changed",
            Self::InFlight => "urn:qr-login:request-in-flight",
            Self::OtherRequest => "urn:qr-login:idempotency-key-reused",
            Self::WebhookAddress => "urn:qr-login:webhook-address",
            Self::TooManyWebhooks => "urn:qr-login:too-many-webhooks",
            Self::SecretBeingChanged => "urn:qr-login:secret-being-changed",
            Self::TooLarge => "urn:qr-login:too-large",
            Self::TooManyRequests { .. } => "urn:qr-login:too-many-requests",
            Self::NotThereYet => "urn:qr-login:position-not-reached",
            Self::Unavailable => "urn:qr-login:unavailable",
            Self::Internal => "urn:qr-login:internal",
        }
    }

    fn detail(&self) -> String {
        match self {
            Self::BadRequest(what) => (*what).to_owned(),
            Self::Unauthorized => {
                "Send `Authorization: Bearer qrl_…` with a key of this installation.".to_owned()
            }
            Self::KeyRevoked => "The key was revoked. Ask an admin for another one.".to_owned(),
            Self::KeyExpired => "The key has expired. Ask an admin for another one.".to_owned(),
            Self::ScopeMissing(scope) => format!("The key does not have the scope {scope}."),
            Self::NotFound(what) => (*what).to_owned(),
            Self::HistoryChanged { go_on_from, .. } => format!(
                "The log was continued without the events after position {go_on_from} that you know. Forget what you took from those \
                 events, and go on with `after={go_on_from}` and the `log` of this answer."
            ),
            Self::InFlight => {
                "A request with this Idempotency-Key is carried out at this moment. Ask again soon."
                    .to_owned()
            }
            Self::OtherRequest => {
                "This Idempotency-Key was sent with another request. Use a new one.".to_owned()
            }
            Self::WebhookAddress => "`url` is not an https address of a public host, of at most 2000 characters, without user, password and \
                 fragment."
                .to_owned(),
            Self::TooManyWebhooks => "There are 100 webhooks already. Delete one first.".to_owned(),
            Self::SecretBeingChanged => {
                "The secret of this webhook is being changed. Try again in a minute.".to_owned()
            }
            Self::TooLarge => "The body is larger than 16 KiB.".to_owned(),
            Self::TooManyRequests { seconds } => format!("The key has no request left for {seconds} s."),
            Self::NotThereYet => "The position that you ask for is not there yet. Ask again.".to_owned(),
            Self::Unavailable => "The service cannot be reached for a moment. Ask again.".to_owned(),
            Self::Internal => "Something broke on our side. It was logged.".to_owned(),
        }
    }

    /// When to come again, where that helps.
    pub(crate) fn retry_after_seconds(&self) -> Option<u64> {
        match self {
            Self::TooManyRequests { seconds } => Some(*seconds),
            Self::InFlight | Self::NotThereYet => Some(IN_FLIGHT_SECONDS),
            Self::SecretBeingChanged => Some(SECRET_SECONDS),
            Self::Unavailable => Some(AWAY_SECONDS.into()),
            _ => None,
        }
    }

    /// As it is sent.
    pub fn body(&self) -> Value {
        let status = self.status();
        let mut body = json!({
            "type": self.kind(),
            "title": status.canonical_reason().unwrap_or("Error"),
            "status": status.as_u16(),
            "detail": self.detail(),
        });
        if let Self::HistoryChanged { log, go_on_from } = self {
            body["log"] = json!(log);
            body["go_on_from"] = json!(go_on_from);
        }
        body
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let asks_for = (self.status() == StatusCode::UNAUTHORIZED).then_some("Bearer");
        answer(self.status(), self.body().to_string(), self.retry_after_seconds(), asks_for)
    }
}
