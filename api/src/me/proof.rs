//! `GET /api/me/proof`: a file that shows to anybody that the person's events are in the signed log, and that none is left out up to what was
//! committed last (docs/trust.md). The events stand in it as stored: what is sealed stays sealed.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use texts::http::Text;
use tokio::sync::Semaphore;
use transparency::heads::{self, NoProof};
use transparency::{Checkpoint, Note};

use crate::me::person::Person;
use crate::me::turn::turn;
use web::json::refusals::Refusals;
use web::problem::Problem;
use web::state::ApiState;

/// Two at a time in a process: a proof reads each event of the person.
static PROOFS: Semaphore = Semaphore::const_new(2);

/// A proof of the history of the person who asks, as a file; 404 until heads were committed and signed.
#[utoipa::path(
    get,
    path = "/api/me/proof",
    operation_id = "my_proof",
    tag = "me",
    security(("launch" = [])),
    responses(
        (status = 200, description = "The proof, for `qr-verify person`", body = String, content_type = "text/plain"),
        Refusals
    )
)]
#[tracing::instrument(name = "request", level = "error", skip_all, fields(account.id))]
pub(crate) async fn proof(State(state): State<Arc<ApiState>>, person: Person) -> Result<Response, Problem> {
    let language = person.language;
    let nothing = || Problem::new(StatusCode::NOT_FOUND, language, Text::NotFound);
    let _turn = turn(&PROOFS, language).await?;
    let note = state.tree.checkpoint().await.map_err(|error| Problem::internal(language, &error))?;
    let note = note.as_deref().and_then(Note::parse).ok_or_else(nothing)?;
    let checkpoint = Checkpoint::parse(&note.text).ok_or_else(nothing)?;
    let file = match heads::prove(&state.app.db, person.account_id(), &checkpoint, &note).await {
        Err(NoProof::NotCommitted | NoProof::Unknown(_)) => return Err(nothing()),
        Err(NoProof::Tree(error)) => return Err(Problem::internal(language, &error)),
        Ok(file) => file,
    };
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8")),
        (header::CONTENT_DISPOSITION, HeaderValue::from_static("attachment; filename=\"my-proof.txt\"")),
    ];
    Ok((headers, file).into_response())
}
