//! `GET /me`: the page's shell, always 200, the same for everybody. `static/CSP.md` has the reasons for its policy.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;

use web::page;
use web::state::ApiState;

const SHELL: &str = include_str!("../../static/me/me.html");

pub(crate) async fn page(State(state): State<Arc<ApiState>>) -> Response {
    page::of(SHELL, &state.page, "'self'")
}
