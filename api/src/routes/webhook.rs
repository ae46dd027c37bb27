//! Telegram's updates, where they come by webhook: checked, stored in the inbox, answered. The bot handles them from there.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use projections::inbox::Inbox;
use secrecy::ExposeSecret;
use serde_json::Value;
use subtle::ConstantTimeEq;

use crate::ApiState;
use crate::problem::Problem;
use crate::texts::{Language, Text};

/// `POST /qr-auth/telegram`. Answers 200 only once the update is stored: Telegram sends it again otherwise.
pub async fn update(
    State(state): State<Arc<ApiState>>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Result<StatusCode, Problem> {
    let Some(secret) = &state.webhook_secret else {
        return Err(Problem::new(StatusCode::NOT_FOUND, Language::default(), Text::NotFound));
    };
    let told = headers.get("x-telegram-bot-api-secret-token").map_or(&[][..], |value| value.as_bytes());
    if !bool::from(told.ct_eq(secret.expose_secret().as_bytes())) {
        return Err(Problem::unauthorized(Language::default(), None));
    }
    let stored = Inbox::new(&state.db).receive(&body).await;
    match stored.map_err(|error| Problem::internal(Language::default(), &error))? {
        Some(_) => Ok(StatusCode::OK),
        None => Err(Problem::new(StatusCode::BAD_REQUEST, Language::default(), Text::BadRequest)),
    }
}
