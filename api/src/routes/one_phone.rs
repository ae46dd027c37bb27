//! The one-phone way: the person's number and the code that Telegram sends to it, on their way to the worker of the login.
//! The outcome is the login's next event.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::StatusCode;
use domain::LoginStatus;
use domain::login::Refusal;
use serde::Deserialize;
use serde_json::Value;
use texts::Language;
use texts::http::Text;
use vault::UserInput;
use vault::limits::LimitError;
use zeroize::Zeroizing;

use super::input::{give_to_worker, read_json};
use web::access::Visitor;
use web::live_login::LiveLogin;
use web::problem::Problem;
use web::state::{ApiState, OnePhoneLogin};
use web::status;

/// The least and the most digits of a number in international form (ITU-T E.164).
const PHONE_DIGITS: std::ops::RangeInclusive<usize> = 7..=15;
/// The longest code that is handed on; Telegram's have five or six digits.
const LONGEST_CODE: usize = 10;

/// `{"session_id": "…", "contact": "contact=…&auth_date=…&hash=…"}`, the answer to `requestContact`; where numbers may be typed,
/// also `{"session_id": "…", "phone": "+79990000001"}`.
#[derive(Deserialize)]
pub struct PhoneBody {
    session_id: String,
    contact: Option<String>,
    phone: Option<String>,
}

/// `{"session_id": "…", "code": "12345"}`.
#[derive(Deserialize)]
pub struct CodeBody {
    session_id: String,
    code: String,
}

/// `POST /qr-auth/phone`: asks for a login code; sent again, for another one.
#[tracing::instrument(name = "request", level = "error", skip_all, fields(login.id, account.id))]
pub async fn phone(
    State(state): State<Arc<ApiState>>,
    visitor: Visitor,
    body: Result<Json<PhoneBody>, JsonRejection>,
) -> Result<Json<Value>, Problem> {
    let language = visitor.language();
    let PhoneBody { session_id, contact, phone } = read_json(body, language)?;
    let (contact, phone) = (contact.map(Zeroizing::new), phone.map(Zeroizing::new));
    let login = own_login(&state, &visitor, &session_id).await?;
    if !matches!(login.row.status, LoginStatus::Waiting | LoginStatus::CodeRequired) {
        return Err(Problem::new(StatusCode::CONFLICT, language, Text::NoCodeAsked));
    }
    let phone = match contact {
        Some(contact) => own_number(&state, &login, &contact, language)?,
        None => typed_number(&state, phone, language)?,
    };
    admit(&state, &login, &phone, language).await?;
    give_to_worker(&state, &login, &UserInput::Phone(phone), Text::NoCodeAsked, language).await?;
    Ok(Json(status::for_owner(&login, language)))
}

/// `POST /qr-auth/code`: the code that came.
#[tracing::instrument(name = "request", level = "error", skip_all, fields(login.id, account.id))]
pub async fn code(
    State(state): State<Arc<ApiState>>,
    visitor: Visitor,
    body: Result<Json<CodeBody>, JsonRejection>,
) -> Result<Json<Value>, Problem> {
    let language = visitor.language();
    let CodeBody { session_id, code } = read_json(body, language)?;
    let code = Zeroizing::new(code);
    let login = own_login(&state, &visitor, &session_id).await?;
    if login.row.status != LoginStatus::CodeRequired {
        return Err(Problem::new(StatusCode::CONFLICT, language, Text::NoCodeAsked));
    }
    if code.is_empty() || code.len() > LONGEST_CODE || !is_digits(&code) {
        return Err(Problem::new(StatusCode::BAD_REQUEST, language, Text::BadCode));
    }
    give_to_worker(&state, &login, &UserInput::Code(code), Text::NoCodeAsked, language).await?;
    Ok(Json(status::for_owner(&login, language)))
}

/// The number that Telegram has signed as the login's person's own.
fn own_number(
    state: &ApiState,
    login: &LiveLogin,
    contact: &str,
    language: Language,
) -> Result<Zeroizing<String>, Problem> {
    let refuse = |status, text| Problem::new(status, language, text);
    let contact = state.verifier.verify_contact(contact, state.app.clock.now());
    let contact = contact.map_err(|_| refuse(StatusCode::BAD_REQUEST, Text::ContactUnsigned))?;
    let signed = Zeroizing::new(contact.phone_number);
    if login.telegram_id != Some(contact.user_id) {
        return Err(refuse(StatusCode::FORBIDDEN, Text::ContactOfAnother));
    }
    let digits = signed.chars().filter(char::is_ascii_digit);
    let phone = Zeroizing::new(std::iter::once('+').chain(digits).collect::<String>());
    if is_number(&phone) { Ok(phone) } else { Err(refuse(StatusCode::BAD_REQUEST, Text::BadPhone)) }
}

/// A number that was typed, where that is allowed.
fn typed_number(
    state: &ApiState,
    phone: Option<Zeroizing<String>>,
    language: Language,
) -> Result<Zeroizing<String>, Problem> {
    let refuse = |status, text| Err(Problem::new(status, language, text));
    match phone {
        None => refuse(StatusCode::BAD_REQUEST, Text::BadRequest),
        Some(_) if state.page.one_phone_login != OnePhoneLogin::Typed => {
            refuse(StatusCode::FORBIDDEN, Text::NumberNotTyped)
        }
        Some(phone) if is_number(&phone) => Ok(phone),
        Some(_) => refuse(StatusCode::BAD_REQUEST, Text::BadPhone),
    }
}

/// The owner's login, where this way is open at all.
async fn own_login(state: &ApiState, visitor: &Visitor, session_id: &str) -> Result<Arc<LiveLogin>, Problem> {
    if !state.page.one_phone_login.is_open() {
        return Err(Problem::new(StatusCode::NOT_FOUND, visitor.language(), Text::OnePhoneOff));
    }
    let login = visitor.own_login_to_act(state, session_id).await?;
    let login = login.borrow().clone();
    Ok(login)
}

/// Not while Telegram asks to wait, and not too often.
async fn admit(state: &ApiState, login: &LiveLogin, phone: &str, language: Language) -> Result<(), Problem> {
    let Some(telegram_id) = login.telegram_id else {
        return Err(Problem::new(StatusCode::CONFLICT, language, Text::NoCodeAsked));
    };
    let (limits, now) = (state.app.limits(), state.app.clock.now());
    // A login that waits for a code has no QR code any more.
    let limit = match login.row.status {
        LoginStatus::CodeRequired => Text::CodeLimitWithoutQr,
        _ => Text::CodeLimit,
    };
    let not_yet = |error, text: &dyn Fn(i64) -> Text| match error {
        LimitError::RetryAt(at) => {
            let wait_seconds = at.duration_since(now).as_secs().max(0) + 1;
            Problem::new(StatusCode::TOO_MANY_REQUESTS, language, text(wait_seconds)).after(wait_seconds)
        }
        LimitError::Database(error) => Problem::internal(language, &error),
    };
    let calm = limits.codes_flow(login.row.account_id, now).await;
    calm.map_err(|error| not_yet(error, &|_| Text::Refused(Refusal::TooMany)))?;
    let tried = limits.try_code(&state.app.keys, &login.row.login_id, telegram_id, phone, now).await;
    tried.map_err(|error| {
        not_yet(error, &|wait_seconds| match wait_seconds {
            ..=61 => Text::CodeSoon { wait_seconds },
            _ => limit,
        })
    })
}

fn is_number(phone: &str) -> bool {
    phone.strip_prefix('+').is_some_and(|digits| PHONE_DIGITS.contains(&digits.len()) && is_digits(digits))
}

fn is_digits(text: &str) -> bool {
    text.bytes().all(|it| it.is_ascii_digit())
}
