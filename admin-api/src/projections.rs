//! How the views stand, and rebuilds of them: `/api/admin/projections`, `/api/admin/rebuilds`. What they do is told in
//! [`app::rebuilds`].

use std::sync::Arc;

use app::rebuilds::{self, Cancelled, Ordered, RebuildOrder, run};
use axum::Json;
use axum::extract::State;
use axum::http::{Method, StatusCode};
use axum::routing::{delete, get, post};
use domain::RebuildId;
use eventlog::Context;
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::guard::Admin;
use super::view_problems::{internal, not_allowed, rebuild_runs, unknown_rebuild, unknown_view};
use web::json::input::{Body, Segment};
use web::json::refusals::Refusals;
use web::problem::Problem;
use web::route::Route;
use web::state::ApiState;

mod shapes;

use shapes::{Projections, Rebuild};

pub(super) fn table() -> Vec<Route> {
    vec![
        (Method::GET, "/api/admin/projections", get(views)),
        (Method::POST, "/api/admin/projections/{view}/rebuild", post(rebuild)),
        (Method::GET, "/api/admin/rebuilds/{id}", get(show)),
        (Method::DELETE, "/api/admin/rebuilds/{id}", delete(cancel)),
    ]
}

/// What is ordered.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewRebuild {
    /// Only look what would change.
    dry_run: bool,
}

/// How every view stands, with its latest rebuild.
#[utoipa::path(
    get,
    path = "/api/admin/projections",
    operation_id = "list_projections",
    tag = "projections",
    responses((status = 200, description = "How the views stand", body = Projections), Refusals)
)]
#[tracing::instrument(name = "request", level = "error", skip_all, fields(account.id))]
pub(super) async fn views(
    State(state): State<Arc<ApiState>>,
    admin: Admin,
) -> Result<Json<Projections>, Problem> {
    let overview = rebuilds::overview(&state.app).await.map_err(internal(admin.language))?;
    Ok(Json(overview.into()))
}

/// Orders a rebuild of a view. People read it meanwhile as it is.
#[utoipa::path(
    post,
    path = "/api/admin/projections/{view}/rebuild",
    operation_id = "rebuild_projection",
    tag = "projections",
    params(("view" = String, Path, description = "Its name")),
    request_body = NewRebuild,
    responses((status = 202, description = "It is ordered", body = Rebuild), Refusals)
)]
#[tracing::instrument(name = "request", level = "error", skip_all, fields(account.id))]
pub(super) async fn rebuild(
    State(state): State<Arc<ApiState>>,
    admin: Admin,
    Segment(view): Segment<String>,
    Body(NewRebuild { dry_run }): Body<NewRebuild>,
) -> Result<(StatusCode, Json<Rebuild>), Problem> {
    let rebuild_id = RebuildId(Uuid::new_v4());
    let order = RebuildOrder { rebuild_id, asked_by: admin.account_id, view, dry_run };
    let ordered = rebuilds::order(&state.app, order, Context::by(admin.account_id)).await;
    match ordered.map_err(internal(admin.language))? {
        Ordered::Run(run) => Ok((StatusCode::ACCEPTED, Json(run.into()))),
        Ordered::Busy(_) => Err(rebuild_runs(admin.language)),
        Ordered::NoView => Err(unknown_view(admin.language)),
        Ordered::NotAllowed => Err(not_allowed(admin.language)),
    }
}

/// How a rebuild stands.
#[utoipa::path(
    get,
    path = "/api/admin/rebuilds/{id}",
    operation_id = "show_rebuild",
    tag = "projections",
    params(("id" = Uuid, Path, description = "`rebuild_id`")),
    responses((status = 200, description = "How it stands", body = Rebuild), Refusals)
)]
#[tracing::instrument(name = "request", level = "error", skip_all, fields(account.id))]
pub(super) async fn show(
    State(state): State<Arc<ApiState>>,
    admin: Admin,
    Segment(id): Segment<Uuid>,
) -> Result<Json<Rebuild>, Problem> {
    let run = run::by_id(&state.app.db, RebuildId(id)).await.map_err(internal(admin.language))?;
    run.map(|run| Json(run.into())).ok_or_else(|| unknown_rebuild(admin.language))
}

/// Stops a rebuild, also another admin's. One that has ended stays as it is.
#[utoipa::path(
    delete,
    path = "/api/admin/rebuilds/{id}",
    operation_id = "cancel_rebuild",
    tag = "projections",
    params(("id" = Uuid, Path, description = "`rebuild_id`")),
    responses((status = 202, description = "It ends soon, or has ended", body = Rebuild), Refusals)
)]
#[tracing::instrument(name = "request", level = "error", skip_all, fields(account.id))]
pub(super) async fn cancel(
    State(state): State<Arc<ApiState>>,
    admin: Admin,
    Segment(id): Segment<Uuid>,
) -> Result<(StatusCode, Json<Rebuild>), Problem> {
    let context = Context::by(admin.account_id);
    let cancelled = rebuilds::cancel(&state.app, RebuildId(id), admin.account_id, context).await;
    match cancelled.map_err(internal(admin.language))? {
        Cancelled::Run(run) => Ok((StatusCode::ACCEPTED, Json(run.into()))),
        Cancelled::Unknown => Err(unknown_rebuild(admin.language)),
        Cancelled::NotAllowed => Err(not_allowed(admin.language)),
    }
}
