//! The signed tree over the log, for everybody, as C2SP tlog-tiles serves it: `GET /log/checkpoint` and `/log/tile/…`. It names nobody and
//! holds no event: a hash says nothing of a line that is not known already. The lines themselves (`/log/tile/entries/…`) are for admins
//! and auditors, with the session of the admin API.

use std::sync::Arc;

use admin_api::guard::Auditor;
use app::audit::note_read;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use domain::AuditTarget;
use texts::Language;
use texts::http::Text;
use transparency::TreeError;
use transparency::tiles::TilePath;

use web::problem::Problem;
use web::route::Route;
use web::state::ApiState;

/// A checkpoint is another one a moment later. A tile is the same until the log branches: then it is made anew, at the same path.
const FOR_A_MOMENT: HeaderValue = HeaderValue::from_static("public, max-age=1");
const FOR_MINUTES: HeaderValue = HeaderValue::from_static("public, max-age=300");
/// What only its reader may keep.
const PRIVATE: HeaderValue = HeaderValue::from_static("private, no-store");
const NOTE: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const HASHES: HeaderValue = HeaderValue::from_static("application/octet-stream");

pub(crate) fn table() -> Vec<Route> {
    vec![
        (Method::GET, "/log/checkpoint", get(checkpoint)),
        (Method::GET, "/log/tile/entries/{*path}", get(entries)),
        (Method::GET, "/log/tile/{*path}", get(tile)),
    ]
}

/// `GET /log/checkpoint`: the last signed note.
async fn checkpoint(State(state): State<Arc<ApiState>>) -> Result<Response, Problem> {
    let note = state.tree.checkpoint().await.map_err(failed)?.ok_or_else(nothing)?;
    Ok(answer(note.into_bytes(), NOTE, FOR_A_MOMENT))
}

/// `GET /log/tile/<L>/<N>[.p/<W>]`: hashes.
async fn tile(State(state): State<Arc<ApiState>>, Path(path): Path<String>) -> Result<Response, Problem> {
    let path = TilePath::parse(&path).ok_or_else(nothing)?;
    let hashes = state.tree.tile(path).await.map_err(failed)?.ok_or_else(nothing)?;
    Ok(answer(hashes, HASHES, FOR_MINUTES))
}

/// `GET /log/tile/entries/<N>[.p/<W>]`: canonical lines, for admins and auditors.
async fn entries(
    State(state): State<Arc<ApiState>>,
    Auditor(reader): Auditor,
    Path(path): Path<String>,
) -> Result<Response, Problem> {
    let path = TilePath::parse(&format!("entries/{path}")).ok_or_else(nothing)?;
    let lines = state.tree.entries(path).await.map_err(failed)?.ok_or_else(nothing)?;
    note_read(&state.app, reader.account_id, reader.role, AuditTarget::Log).await;
    Ok(answer(lines, HASHES, PRIVATE))
}

fn answer(body: Vec<u8>, kind: HeaderValue, keep: HeaderValue) -> Response {
    ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, keep)], body).into_response()
}

fn nothing() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, Language::default(), Text::NotFound)
}

#[expect(clippy::needless_pass_by_value, reason = "an adapter for map_err")]
fn failed(error: TreeError) -> Problem {
    Problem::internal(Language::default(), &error)
}
