//! What a POST brings: its body, and what the person entered for the worker of their login.

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::http::StatusCode;
use texts::Language;
use texts::http::Text;
use vault::UserInput;

use web::live_login::LiveLogin;
use web::problem::Problem;
use web::state::ApiState;

/// What a POST says, if it can be read.
pub(super) fn read_json<T>(body: Result<Json<T>, JsonRejection>, language: Language) -> Result<T, Problem> {
    match body {
        Ok(Json(body)) => Ok(body),
        Err(_) => Err(Problem::new(StatusCode::BAD_REQUEST, language, Text::BadRequest)),
    }
}

/// Hands what the person entered to the worker of their login; 409 where no worker waits for it any more.
pub(super) async fn give_to_worker(
    state: &ApiState,
    login: &LiveLogin,
    input: &UserInput,
    too_late: Text,
    language: Language,
) -> Result<(), Problem> {
    match state.app.vault.give_input(&state.app.keys, &login.row.login_id, login.attempt(), input).await {
        Ok(true) => Ok(()),
        Ok(false) => Err(Problem::new(StatusCode::CONFLICT, language, too_late)),
        Err(error) => Err(Problem::internal(language, &error)),
    }
}
