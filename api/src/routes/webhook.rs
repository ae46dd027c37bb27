//! Telegram's updates, where they come by webhook: checked, stored in the inbox, answered. The bot handles them from there.
//!
//! 1. The secret, before anything of the body is read.
//! 2. The body, as bytes. Of one that is larger than any update the rest is read and dropped: a sender that is cut off in the
//!    middle hears no answer, and begins again.
//! 3. 200 for what can be read and for what cannot: Telegram would bring the latter for ever, and nothing else meanwhile.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use futures::TryStreamExt;
use messages::inbox::{Inbox, RefusedUpdate, Source};
use secrecy::ExposeSecret;
use subtle::ConstantTimeEq;
use texts::Language;
use texts::http::Text;
use tracing::Span;

use web::problem::Problem;
use web::state::ApiState;

/// Far more than an update of Telegram's takes.
const MAX_UPDATE_BYTES: usize = 4 << 20;

/// `POST /qr-auth/telegram`. Answers 200 only once the update is stored, or kept aside: Telegram sends it again otherwise.
#[tracing::instrument(name = "request", level = "error", skip_all, fields(update.id))]
pub async fn update(
    State(state): State<Arc<ApiState>>,
    headers: HeaderMap,
    body: Body,
) -> Result<StatusCode, Problem> {
    let language = Language::default();
    // 1.
    let Some(secret) = &state.webhook_secret else {
        return Err(Problem::new(StatusCode::NOT_FOUND, language, Text::NotFound));
    };
    let told = headers.get("x-telegram-bot-api-secret-token").map_or(&[][..], |value| value.as_bytes());
    if !bool::from(told.ct_eq(secret.expose_secret().as_bytes())) {
        return Err(Problem::new(StatusCode::UNAUTHORIZED, language, Text::WrongSecret));
    }
    // 2.
    let Ok((bytes, size_bytes)) = read(body).await else {
        return Err(Problem::new(StatusCode::BAD_REQUEST, language, Text::BadRequest));
    };
    // 3.
    let inbox = Inbox::new(&state.app.db);
    let stored = if size_bytes > bytes.len() {
        let (source, why) = (Source::Webhook, "too large");
        let update = RefusedUpdate { bytes: &bytes, size_bytes, update_id: None, source, why };
        inbox.refused().keep(&update).await
    } else {
        let received = inbox.receive(&bytes, Source::Webhook).await;
        received.map(|update_id| {
            Span::current().record("update.id", update_id);
        })
    };
    stored.map_err(|error| Problem::internal(language, &error))?;
    Ok(StatusCode::OK)
}

/// The beginning of a body, and how long it is as a whole.
async fn read(body: Body) -> Result<(Vec<u8>, usize), axum::Error> {
    let mut chunks = body.into_data_stream();
    let (mut bytes, mut size_bytes) = (Vec::new(), 0);
    while let Some(chunk) = chunks.try_next().await? {
        size_bytes += chunk.len();
        let room = MAX_UPDATE_BYTES - bytes.len();
        bytes.extend_from_slice(&chunk[..chunk.len().min(room)]);
    }
    Ok((bytes, size_bytes))
}
