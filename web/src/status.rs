//! The status answer: everything for the owner, three fields for anybody else.

use std::time::Duration;

use app::sessions::state::SessionState;
use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::LoginStatus;
use domain::login::{CancelReason, FailReason, Refusal};
use projections::views::login_status::LoginRow;
use qrcode::render::svg;
use qrcode::{EcLevel, QrCode};
use secrecy::ExposeSecret;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use texts::Language;
use texts::http::Text;

use crate::live_login::{LiveLogin, Watched};

/// The longest that a request may wait for news.
pub const MAX_WAIT: Duration = Duration::from_secs(25);

/// [`for_anybody`] or [`for_owner`], as an answer.
pub fn answer(login: &LiveLogin, owner: Option<Language>) -> Response {
    let body = match owner {
        None => login.answers.for_anybody.get_or_init(|| for_anybody(login).to_string().into()),
        Some(language) => login.answers.for_owner[language as usize]
            .get_or_init(|| for_owner(login, language).to_string().into()),
    };
    let mut response = Response::new(Body::from(body.clone()));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// For a person who only has the link: `{"status", "expires", "version"}`.
fn for_anybody(login: &LiveLogin) -> Value {
    json!({
        "status": login.row.status.name(),
        "expires": login.row.deadline_at,
        "version": login.row.version,
    })
}

/// For the owner. A login that has just succeeded has a `session`, which is linked.
pub fn for_owner(login: &LiveLogin, language: Language) -> Value {
    let mut status = running_or_ended(login, language);
    if login.row.status == LoginStatus::Authorized {
        status["session"] = SessionState::Linked.name().into();
    }
    status
}

/// For the owner of a login that has succeeded before: what became of its session since.
pub fn for_owner_since(login: &LiveLogin, language: Language, session: SessionState) -> Value {
    let mut status = running_or_ended(login, language);
    status["session"] = session.name().into();
    status
}

fn running_or_ended(login: &LiveLogin, language: Language) -> Value {
    let token = login.token.as_ref().map(|token| URL_SAFE_NO_PAD.encode(token.token.expose_secret()));
    json!({
        "status": login.row.status.name(),
        "version": login.row.version,
        "expires": login.row.deadline_at,
        "telegram_id": login.telegram_id,
        "deep_link": token.as_deref().map(deep_link),
        "token": token,
        "qr_expires": login.token.as_ref().map(|token| token.expires_at),
        "error": error(login).map(|text| text.say(language)),
        "code_via": login.row.code_via,
        "code_length": login.row.code_length,
    })
}

/// For the owner while they are blocked, however the login stands: it is over, and why.
pub fn for_blocked_owner(login: &LiveLogin, language: Language) -> Value {
    json!({
        "status": LoginStatus::Cancelled.name(),
        "version": login.row.version,
        "expires": login.row.deadline_at,
        "telegram_id": login.telegram_id,
        "deep_link": null,
        "token": null,
        "qr_expires": null,
        "error": Text::Blocked.say(language),
    })
}

/// Waits until the login has news above `since`, has ended, its person is refused, or `wait` is over.
pub async fn wait_for_news(login: &mut Watched, since: i64, wait: Duration) {
    let fresh = login.wait_for(|login| {
        let is_refused = login.is_blocked || login.telegram_id.is_none();
        is_refused || login.row.version > since || !login.row.status.is_live()
    });
    // It is no error where the wait ends first, or the login is dropped from memory: the answer is what is known now.
    let _ = tokio::time::timeout(wait.min(MAX_WAIT), fresh).await;
}

/// The QR code that is valid now, black on white, with the quiet zone that scanners need.
pub fn qr_svg(login: &LiveLogin) -> Option<&str> {
    let token = login.token.as_ref()?;
    let picture = login.svg.get_or_init(|| {
        let link = deep_link(&URL_SAFE_NO_PAD.encode(token.token.expose_secret()));
        let code =
            QrCode::with_error_correction_level(link, EcLevel::M).expect("a login link is short enough");
        code.render::<svg::Color<'_>>().min_dimensions(320, 320).quiet_zone(true).build()
    });
    Some(picture)
}

fn deep_link(token: &str) -> String {
    format!("tg://login?token={token}")
}

fn error(login: &LiveLogin) -> Option<Text> {
    let row = &login.row;
    match row.status {
        LoginStatus::Authorized => None,
        LoginStatus::Waiting | LoginStatus::CodeRequired => {
            row.code_rejected.then(|| match (row.status, reason(row).unwrap_or_default()) {
                (LoginStatus::CodeRequired, Refusal::NoCode) => Text::NoCodeWithoutQr,
                // Beside a QR code, which is not the one that is meant.
                (LoginStatus::Waiting, Refusal::Stale) => Text::CodeLost,
                (_, refusal) => Text::Refused(refusal),
            })
        }
        LoginStatus::PasswordRequired => {
            row.password_rejected.then(|| match reason(row).unwrap_or_default() {
                Refusal::Wrong => Text::PasswordWrong,
                Refusal::Stale => Text::PasswordStale,
                other => Text::Refused(other),
            })
        }
        LoginStatus::Expired => Some(Text::Expired),
        LoginStatus::Rejected => Some(Text::Rejected),
        LoginStatus::Cancelled => Some(Text::Cancelled {
            reason: reason(row).unwrap_or(CancelReason::Person),
            with_invite: row.invite_id.is_some(),
        }),
        LoginStatus::Failed => Some(Text::Failed(reason(row).unwrap_or(FailReason::Internal))),
    }
}

/// The stored reason, as what it can be in this status.
fn reason<T: DeserializeOwned>(row: &LoginRow) -> Option<T> {
    serde_json::from_value(Value::from(row.reason.as_deref()?)).ok()
}
