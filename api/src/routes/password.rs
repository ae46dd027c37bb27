//! The 2-step password, which the page proves without telling it: the parameters go out, the proof comes in, and the
//! worker of the login hands it on. The outcome is the login's next event.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::StatusCode;
use domain::LoginStatus;
use serde::Deserialize;
use serde_json::Value;
use texts::Language;
use texts::http::Text;
use vault::limits::LimitError;
use vault::{PasswordChallenge, PasswordProof, UserInput};

use super::input::{give_to_worker, read_json};
use super::reads::StatusQuery;
use web::access::Visitor;
use web::live_login::LiveLogin;
use web::problem::Problem;
use web::state::{ApiState, OnePhoneLogin};
use web::status;

/// Hex digits of 2048 bits.
const A_DIGITS: usize = 512;
/// Hex digits of a SHA-256.
const M1_DIGITS: usize = 64;

/// `{"session_id": "…", "srp_id": "…", "A": "…", "M1": "…"}`.
#[derive(Deserialize)]
pub struct ProofBody {
    session_id: String,
    #[serde(flatten)]
    proof: PasswordProof,
}

/// `GET /qr-auth/password`: what the proof is made with, and the hint. It serves one try.
#[tracing::instrument(name = "request", level = "error", skip_all, fields(login.id, account.id))]
pub async fn parameters(
    State(state): State<Arc<ApiState>>,
    query: StatusQuery,
    visitor: Visitor,
) -> Result<Json<PasswordChallenge>, Problem> {
    let login = visitor.own_login_to_act(&state, &query.session_id).await?;
    let login = login.borrow().clone();
    let mut challenge = challenge(&state, &login, visitor.language()).await?;
    // A typed number may be somebody else's, and so may the hint.
    if state.page.one_phone_login == OnePhoneLogin::Typed {
        challenge.hint = None;
    }
    Ok(Json(challenge))
}

/// `POST /qr-auth/password`: the proof, for the worker. Answers the status as it stands before Telegram has looked.
#[tracing::instrument(name = "request", level = "error", skip_all, fields(login.id, account.id))]
pub async fn prove(
    State(state): State<Arc<ApiState>>,
    visitor: Visitor,
    body: Result<Json<ProofBody>, JsonRejection>,
) -> Result<Json<Value>, Problem> {
    let language = visitor.language();
    let ProofBody { session_id, proof } = read_json(body, language)?;
    let login = visitor.own_login_to_act(&state, &session_id).await?;
    let login = login.borrow().clone();
    if !is_well_formed(&proof) {
        return Err(Problem::new(StatusCode::BAD_REQUEST, language, Text::BadRequest));
    }
    if challenge(&state, &login, language).await?.srp_id != proof.srp_id {
        return Err(Problem::new(StatusCode::CONFLICT, language, Text::PasswordStale));
    }
    admit(&state, &login, language).await?;
    give_to_worker(&state, &login, &UserInput::Password(proof), Text::NoPasswordAsked, language).await?;
    Ok(Json(status::for_owner(&login, language)))
}

/// Not too often. Telegram has a limit, too; reaching it would cost the person more than waiting here.
async fn admit(state: &ApiState, login: &LiveLogin, language: Language) -> Result<(), Problem> {
    let Some(telegram_id) = login.telegram_id else {
        return Err(Problem::new(StatusCode::CONFLICT, language, Text::NoPasswordAsked));
    };
    let now = state.app.clock.now();
    match state.app.limits().try_password(&state.app.keys, &login.row.login_id, telegram_id, now).await {
        Ok(()) => Ok(()),
        Err(LimitError::RetryAt(at)) => {
            let wait_seconds = at.duration_since(now).as_secs().max(0) + 1;
            let text = Text::TooManyTries { wait_minutes: (wait_seconds + 59) / 60 };
            Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, language, text).after(wait_seconds))
        }
        Err(LimitError::Database(error)) => Err(Problem::internal(language, &error)),
    }
}

/// The parameters that a proof has to answer now.
async fn challenge(
    state: &ApiState,
    login: &LiveLogin,
    language: Language,
) -> Result<PasswordChallenge, Problem> {
    let not_asked = || Problem::new(StatusCode::CONFLICT, language, Text::NoPasswordAsked);
    if login.row.status != LoginStatus::PasswordRequired {
        return Err(not_asked());
    }
    let found = state.app.vault.challenge(&state.app.keys, &login.row.login_id, login.attempt()).await;
    found.map_err(|error| Problem::internal(language, &error))?.ok_or_else(not_asked)
}

fn is_well_formed(proof: &PasswordProof) -> bool {
    let is_hex = |text: &str, digits| text.len() == digits && text.bytes().all(|it| it.is_ascii_hexdigit());
    proof.srp_id.parse::<i64>().is_ok() && is_hex(&proof.a, A_DIGITS) && is_hex(&proof.m1, M1_DIGITS)
}
