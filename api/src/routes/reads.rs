//! What can be asked: the page, the status, the QR code.

use std::time::Duration;

use axum::Json;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::access::{Visitor, find};
use crate::problem::Problem;
use crate::texts::Text;
use crate::{ApiState, page, status};

/// `?session_id=…`, and for the status `&since=V&wait=S`.
#[derive(Debug, Deserialize)]
pub struct Asked {
    #[serde(default)]
    pub(super) session_id: String,
    since: Option<i64>,
    wait: Option<u64>,
}

/// `GET /qr-auth`: always 200.
pub async fn page(State(state): State<ApiState>) -> Response {
    page::shell(&state.page)
}

/// `GET /qr-auth-status`.
pub async fn status(
    State(state): State<ApiState>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Result<Json<Value>, Problem> {
    let visitor = Visitor::of(&state, &headers)?;
    let Some(mut login) = find(&state, &asked.session_id, visitor.language()).await? else {
        return Ok(Json(json!({"status": "not_found"})));
    };
    let owner = visitor.owns(&login.borrow())?;
    if let (Some(since), Some(wait)) = (asked.since, asked.wait) {
        status::news(&mut login, since, Duration::from_secs(wait)).await;
    }
    // An end that was seen only now may be that of an attempt which was retried meanwhile.
    if !login.borrow().row.status.is_live()
        && let Some(found) = find(&state, &asked.session_id, visitor.language()).await?
    {
        login = found;
    }
    let login = login.borrow();
    Ok(Json(if owner { status::whole(&login, visitor.language()) } else { status::bare(&login) }))
}

/// `GET /qr-auth/qr.svg`: the owner's.
pub async fn qr(
    State(state): State<ApiState>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let visitor = Visitor::of(&state, &headers)?;
    let login = visitor.own(&state, &asked.session_id).await?;
    let login = login.borrow().clone();
    match status::qr_svg(&login) {
        Some(picture) => Ok(([(header::CONTENT_TYPE, "image/svg+xml")], picture.to_owned()).into_response()),
        None => Err(Problem::new(StatusCode::NOT_FOUND, visitor.language(), Text::NoQr)),
    }
}
