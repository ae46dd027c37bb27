//! Errors as people and programs read them: RFC 9457 `application/problem+json`.

use std::time::Duration;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use eventlog::Throttle;
use eventlog::database::is_transient;
use serde::Serialize;
use texts::Language;
use texts::http::Text;
use utoipa::ToSchema;

use crate::init_data::InitDataError;

/// When to ask again while the database is away: about as long as a failover takes.
pub const AWAY_SECONDS: u32 = 5;

/// While the database is away every request fails: one line a minute says so.
static AWAY: Throttle = Throttle::new(Duration::from_secs(60));

/// The `type` of the answer to a person who is blocked.
const BLOCKED: &str = "urn:qr-login:blocked";

/// Schemes of `Authorization`.
const LAUNCH_DATA: &str = "tma";
const TOKEN: &str = "Bearer";

/// An answer that is not what was asked for, in words a person can act on.
///
/// ```json
/// {"type":"about:blank","title":"Forbidden","status":403,"detail":"Этот вход начал другой человек. …"}
/// ```
#[derive(Debug)]
pub struct Problem {
    status: StatusCode,
    detail: String,
    /// The `type`.
    kind: &'static str,
    retry_after_seconds: Option<i64>,
    /// What would help, in `WWW-Authenticate`.
    asks_for: Option<&'static str>,
}

impl Problem {
    /// With this text of ours.
    pub fn new(status: StatusCode, language: Language, text: Text) -> Self {
        let (kind, detail) = ("about:blank", text.say(language));
        Self { status, detail, kind, retry_after_seconds: None, asks_for: None }
    }

    /// With a `Retry-After` of so many seconds.
    pub fn after(self, seconds: i64) -> Self {
        Self { retry_after_seconds: Some(seconds), ..self }
    }

    /// The person is blocked. They may write to the contact.
    pub fn blocked(language: Language, support: Option<&str>) -> Self {
        let contact = support.map(|contact| Text::Support.say(language).replace("{}", contact));
        let detail = [Some(Text::Blocked.say(language)), contact].into_iter().flatten().collect::<Vec<_>>();
        Self {
            status: StatusCode::FORBIDDEN,
            detail: detail.join(". "),
            kind: BLOCKED,
            retry_after_seconds: None,
            asks_for: None,
        }
    }

    /// Launch data is missing or not believed. The page says to open it anew from the chat.
    pub fn unauthorized(language: Language, error: Option<InitDataError>) -> Self {
        let text = match error {
            None => Text::OpenFromChat,
            Some(InitDataError::Stale | InitDataError::Future) => Text::LaunchDataStale,
            Some(
                InitDataError::TooLong
                | InitDataError::DuplicateKey
                | InitDataError::Missing(_)
                | InitDataError::Malformed
                | InitDataError::Forged,
            ) => Text::OpenFromChat,
        };
        Self { asks_for: Some(LAUNCH_DATA), ..Self::new(StatusCode::UNAUTHORIZED, language, text) }
    }

    /// The launch data has been exchanged for a session before.
    pub fn launch_used(language: Language) -> Self {
        Self {
            asks_for: Some(LAUNCH_DATA),
            ..Self::new(StatusCode::UNAUTHORIZED, language, Text::LaunchUsed)
        }
    }

    /// No token, or one that lets nobody in (any more).
    pub fn no_session(language: Language) -> Self {
        let over = Self::new(StatusCode::UNAUTHORIZED, language, Text::AdminSessionOver);
        Self { asks_for: Some(TOKEN), ..over }
    }

    /// A program can tell it by this `type` from others of its status.
    pub fn of_kind(self, kind: &'static str) -> Self {
        Self { kind, ..self }
    }

    /// An error of this service. It is logged here, once; the person learns no more than that. While the database is away, as during
    /// a failover, the answer is 503 with a `Retry-After`.
    pub fn internal(language: Language, error: &(dyn std::error::Error + 'static)) -> Self {
        if is_away(error) {
            return Self::new(StatusCode::SERVICE_UNAVAILABLE, language, Text::Unavailable)
                .after(AWAY_SECONDS.into());
        }
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, language, Text::Internal)
    }
}

/// Whether a request failed because the database is away, so that it has to be repeated. The error is logged here.
pub fn is_away(error: &(dyn std::error::Error + 'static)) -> bool {
    let is_away = is_transient(error);
    if is_away && AWAY.is_due() {
        tracing::warn!(error, "requests have to be repeated: the database is away");
    } else if is_away {
        tracing::debug!(error, "a request has to be repeated: the database is away");
    } else {
        tracing::error!(error, "a request failed");
    }
    is_away
}

/// The answer with this problem as its body. `after`: the seconds of its `Retry-After`; `asks_for`: what would help, in its
/// `WWW-Authenticate`.
pub fn answer(
    status: StatusCode,
    body: String,
    after: Option<impl Into<HeaderValue>>,
    asks_for: Option<&'static str>,
) -> Response {
    let mut response = (status, body).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    if let Some(seconds) = after {
        headers.insert(header::RETRY_AFTER, seconds.into());
    }
    if let Some(scheme) = asks_for {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(scheme));
    }
    response
}

/// A problem as it is sent.
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemBody {
    /// `about:blank`, or a URN that a program can tell it by.
    #[serde(rename = "type")]
    kind: &'static str,
    /// The name of the status.
    title: &'static str,
    status: u16,
    /// What a person can do about it, in their language.
    detail: String,
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = ProblemBody {
            kind: self.kind,
            title: self.status.canonical_reason().unwrap_or("Error"),
            status: self.status.as_u16(),
            detail: self.detail,
        };
        let body = serde_json::to_string(&body).expect("a problem is plain data");
        answer(self.status, body, self.retry_after_seconds, self.asks_for)
    }
}
