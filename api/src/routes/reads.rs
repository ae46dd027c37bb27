//! The routes that read: the page, the status, the QR code.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use domain::LoginStatus;
use serde_json::json;
use telemetry::traces::{LoginTrace, Moment, Span};
use texts::Language;
use texts::http::Text;

use web::access::{Visitor, ended_status, find};
use web::problem::Problem;
use web::state::ApiState;
use web::{page, status};

/// The login page: no secret in it, the same for everybody.
const SHELL: &str = include_str!("../../static/login.html");

/// When a page that may not wait for news asks again, in seconds.
const POLL_AGAIN_SECONDS: i64 = 2;

/// `?session_id=…`, and for the status `&since=V&wait=S`. Anything else in it is not looked at.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct StatusQuery {
    pub(super) session_id: String,
    since: Option<i64>,
    wait: Option<u64>,
}

impl StatusQuery {
    fn parse(text: &str) -> Option<Self> {
        let mut query = Self::default();
        let mut seen = [false; 3];
        for (name, value) in form_urlencoded::parse(text.as_bytes()) {
            let field = match &*name {
                "session_id" => 0,
                "since" => 1,
                "wait" => 2,
                _ => continue,
            };
            if std::mem::replace(&mut seen[field], true) {
                return None;
            }
            match field {
                0 => query.session_id = value.into_owned(),
                1 => query.since = Some(value.parse().ok()?),
                _ => query.wait = Some(value.parse().ok()?),
            }
        }
        Some(query)
    }
}

/// For `fuzz/` alone: what is read is the same after it was written anew.
#[cfg(fuzzing)]
pub fn fuzz(text: &str) {
    let Some(read) = StatusQuery::parse(text) else { return };
    let mut again = form_urlencoded::Serializer::new(String::new());
    again.append_pair("session_id", &read.session_id);
    read.since.map(|since| again.append_pair("since", &since.to_string()));
    read.wait.map(|wait| again.append_pair("wait", &wait.to_string()));
    assert_eq!(StatusQuery::parse(&again.finish()), Some(read), "{text:?}");
}

/// A number that is none, or a name that stands there twice, is answered with 400.
impl<S: Sync> FromRequestParts<S> for StatusQuery {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let bad = || Problem::new(StatusCode::BAD_REQUEST, Language::default(), Text::BadRequest);
        Self::parse(parts.uri.query().unwrap_or_default()).ok_or_else(bad)
    }
}

/// `GET /qr-auth`: always 200.
pub async fn page(State(state): State<Arc<ApiState>>) -> Response {
    page::of(SHELL, &state.page, "'self' blob:")
}

/// `GET /qr-auth-status`.
pub async fn status(
    State(state): State<Arc<ApiState>>,
    query: StatusQuery,
    visitor: Visitor,
) -> Result<Response, Problem> {
    let not_found = || Json(json!({"status": "not_found"})).into_response();
    let Some(mut login) = find(&state, &query.session_id, visitor.language()).await? else {
        return Ok(not_found());
    };
    let owner = visitor.owns(&login.borrow())?;
    let had_ended = !login.borrow().row.status.is_live();
    if let (Some(since), Some(wait)) = (query.since, query.wait) {
        let Some(_poll) = login.borrow().poll(owner) else {
            let (language, text) = (visitor.language(), Text::TooManyRequests);
            return Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, language, text).after(POLL_AGAIN_SECONDS));
        };
        let news = status::wait_for_news(&mut login, since, Duration::from_secs(wait));
        // Where the process stops, the answer is what is known now, and the page asks the next one.
        let _ = state.stopping.unless(news).await;
    }
    let woken = Moment::now();
    // An end that was seen only now may be that of an attempt which was retried meanwhile.
    if !login.borrow().row.status.is_live()
        && let Some(found) = find(&state, &query.session_id, visitor.language()).await?
    {
        login = found;
    }
    let login = login.borrow().clone();
    if login.telegram_id.is_none() {
        return Ok(not_found());
    }
    if owner && login.is_blocked {
        return Ok(Json(status::for_blocked_owner(&login, visitor.language())).into_response());
    }
    if owner && had_ended && login.row.status == LoginStatus::Authorized {
        // On the heap, as in `find`.
        let status = Box::pin(ended_status(&state, &login, visitor.language())).await?;
        return Ok(Json(status).into_response());
    }
    let answer = status::answer(&login, owner.then(|| visitor.language()));
    if !had_ended && login.row.status == LoginStatus::Authorized {
        let trace = LoginTrace::of(login.row.login_id.as_str(), login.attempt());
        trace.record_linked("answer page", woken, &Span::current());
    }
    Ok(answer)
}

/// `GET /qr-auth/qr.svg`: the owner's.
#[tracing::instrument(name = "request", level = "error", skip_all, fields(login.id, account.id))]
pub async fn qr(
    State(state): State<Arc<ApiState>>,
    query: StatusQuery,
    visitor: Visitor,
) -> Result<Response, Problem> {
    let login = visitor.own_login(&state, &query.session_id).await?;
    let login = login.borrow().clone();
    match status::qr_svg(&login) {
        Some(picture) => {
            Ok(([(header::CONTENT_TYPE, "image/svg+xml; charset=utf-8")], picture.to_owned()).into_response())
        }
        None => Err(Problem::new(StatusCode::NOT_FOUND, visitor.language(), Text::NoQr)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_read_as_forms_are_and_a_bad_one_is_refused() {
        let query =
            |session_id: &str, since, wait| Some(StatusQuery { session_id: session_id.into(), since, wait });
        assert_eq!(
            StatusQuery::parse("session_id=a%2Db&since=-1&wait=25&x=1&x=2"),
            query("a-b", Some(-1), Some(25))
        );
        assert_eq!(StatusQuery::parse("session_id=abc"), query("abc", None, None));
        assert_eq!(StatusQuery::parse(""), query("", None, None));
        for bad in ["since=x", "wait=", "wait=-1", "session_id=a&session_id=b", "since=1&since=1"] {
            assert_eq!(StatusQuery::parse(bad), None, "{bad}");
        }
    }
}
