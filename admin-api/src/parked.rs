//! What is parked: `/api/admin/parked`. What a replay does is told in [`app::parked`].

use std::sync::Arc;

use app::parked::{self, OrderedBy, ReplayError, Replayed, Which};
use axum::Json;
use axum::extract::State;
use axum::http::Method;
use axum::routing::{get, post};
use domain::ReplayId;
use eventlog::Context;
use jiff::Timestamp;
use rebuild::{KeyReport, RebuildError};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::guard::Admin;
use super::view_problems::{internal, not_allowed, nothing_parked, rebuild_runs, unknown_view};
use web::json::input::{Body, Parameters};
use web::json::list::{Limit, next};
use web::json::refusals::Refusals;
use web::problem::Problem;
use web::route::Route;
use web::state::ApiState;

pub(super) fn table() -> Vec<Route> {
    vec![
        (Method::GET, "/api/admin/parked", get(list)),
        (Method::POST, "/api/admin/parked/replay", post(replay)),
        (Method::GET, "/api/admin/parked/history", get(history)),
    ]
}

/// Everything that is parked, by its cause.
#[utoipa::path(
    get,
    path = "/api/admin/parked",
    operation_id = "list_parked",
    tag = "projections",
    responses((status = 200, description = "What is parked", body = ParkedCauses), Refusals)
)]
#[tracing::instrument(name = "request", level = "error", skip_all, fields(account.id))]
pub(super) async fn list(
    State(state): State<Arc<ApiState>>,
    admin: Admin,
) -> Result<Json<ParkedCauses>, Problem> {
    let causes = parked::by_cause(&state.app.db).await.map_err(internal(admin.language))?;
    Ok(Json(ParkedCauses { items: causes.into_iter().map(ParkedCause::from).collect(), next: None }))
}

/// Folds parked rows again, after a fix: the row of a key, or all rows of the view with a cause.
#[utoipa::path(
    post,
    path = "/api/admin/parked/replay",
    operation_id = "replay_parked",
    tag = "projections",
    request_body = ReplayOrder,
    responses((status = 200, description = "What became of the rows", body = ReplayOutcome), Refusals)
)]
#[tracing::instrument(name = "request", level = "error", skip_all, fields(account.id))]
pub(super) async fn replay(
    State(state): State<Arc<ApiState>>,
    admin: Admin,
    Body(order): Body<ReplayOrder>,
) -> Result<Json<ReplayOutcome>, Problem> {
    let language = admin.language;
    let (view, which) = match order {
        ReplayOrder::Row(OrderOfRow { view, key }) => (view, Which::Key(key)),
        ReplayOrder::Cause(OrderOfCause { view, cause }) => (view, Which::Cause(cause)),
    };
    // In a task of its own: it is done to its end, also where nobody waits for the answer any more.
    let replaying = tokio::spawn(async move {
        let (app, by) = (&state.app, OrderedBy::Admin(admin.account_id));
        let context = Context::by(admin.account_id);
        parked::replay(&app.db, &view, &which, &by, app.clock.now(), context).await
    });
    let replayed = match replaying.await {
        Ok(replayed) => replayed,
        Err(error) => return Err(Problem::internal(language, &error)),
    };
    match replayed {
        Ok(Replayed::Done(rows)) => Ok(Json(rows.into())),
        Ok(Replayed::NoView) => Err(unknown_view(language)),
        Ok(Replayed::NothingParked) => Err(nothing_parked(language)),
        Ok(Replayed::NotAllowed) => Err(not_allowed(language)),
        Err(ReplayError::Rebuild(RebuildError::Busy(_))) => Err(rebuild_runs(language)),
        Err(error) => Err(Problem::internal(language, &error)),
    }
}

/// Who had parked rows folded again, the latest first.
#[utoipa::path(
    get,
    path = "/api/admin/parked/history",
    operation_id = "list_parked_history",
    tag = "projections",
    params(HistoryQuery),
    responses((status = 200, description = "The orders", body = PastReplays), Refusals)
)]
#[tracing::instrument(name = "request", level = "error", skip_all, fields(account.id))]
pub(super) async fn history(
    State(state): State<Arc<ApiState>>,
    admin: Admin,
    Parameters(query): Parameters<HistoryQuery>,
) -> Result<Json<PastReplays>, Problem> {
    let orders = parked::history(&state.app.db, query.after.map(ReplayId), query.limit.and_one()).await;
    let mut orders = orders.map_err(internal(admin.language))?;
    let next = next(&mut orders, query.limit, |order| order.replay_id.to_string());
    Ok(Json(PastReplays { items: orders.into_iter().map(PastReplay::from).collect(), next }))
}

/// What is parked, by its cause.
#[derive(Serialize, ToSchema)]
pub(super) struct ParkedCauses {
    items: Vec<ParkedCause>,
    /// Always null: there are few causes.
    #[schema(required)]
    next: Option<String>,
}

/// Rows that are parked for one reason.
#[derive(Serialize, ToSchema)]
pub(super) struct ParkedCause {
    /// The error, without what belongs to one row alone.
    cause: String,
    /// `reactor` for events that led to nothing.
    views: Vec<String>,
    count: i64,
    first_since: Timestamp,
    /// The first hundred of them.
    keys: Vec<ParkedRow>,
}

/// A row that is parked.
#[derive(Serialize, ToSchema)]
pub(super) struct ParkedRow {
    view: String,
    key: String,
    /// Of the event that could not be folded in.
    position: i64,
    /// Its name.
    #[schema(required)]
    event: Option<String>,
    error: String,
    since: Timestamp,
}

/// Which parked rows are to be folded again.
#[derive(Deserialize, ToSchema)]
#[serde(untagged)]
pub(super) enum ReplayOrder {
    Row(OrderOfRow),
    Cause(OrderOfCause),
}

/// The one row with this key.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct OrderOfRow {
    view: String,
    key: String,
}

/// All rows of the view with this cause.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct OrderOfCause {
    view: String,
    cause: String,
}

/// What became of rows that were folded again. At most 500 are in one order; the others stay parked, and can be ordered again.
#[derive(Serialize, ToSchema)]
pub(super) struct ReplayOutcome {
    /// Rows that are not parked any more.
    replayed: usize,
    /// Rows that were parked again.
    still_parked: usize,
    items: Vec<ReplayedRow>,
}

/// A row that was folded again.
#[derive(Serialize, ToSchema)]
pub(super) struct ReplayedRow {
    view: &'static str,
    key: String,
    /// It was parked again.
    parked: bool,
    /// Why.
    #[schema(required)]
    error: Option<String>,
}

/// Who had parked rows folded again, the latest first.
#[derive(Serialize, ToSchema)]
pub(super) struct PastReplays {
    items: Vec<PastReplay>,
    #[schema(required)]
    next: Option<String>,
}

/// An order to fold parked rows again.
#[derive(Serialize, ToSchema)]
pub(super) struct PastReplay {
    at: Timestamp,
    /// An admin's account id, or `tool:replay:<database role>`.
    by: String,
    view: String,
    /// The one row; null: all with the cause.
    #[schema(required)]
    key: Option<String>,
    cause: String,
    replayed: i32,
    still_parked: i32,
}

/// Which page of the orders.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct HistoryQuery {
    /// How many: 50, unless told otherwise.
    #[serde(default)]
    #[param(value_type = Option<u8>, minimum = 1, maximum = 200, default = 50)]
    limit: Limit,
    /// `next` of the page before.
    #[param(value_type = Option<String>, format = Uuid)]
    after: Option<Uuid>,
}

impl From<parked::ParkedCause> for ParkedCause {
    fn from(of: parked::ParkedCause) -> Self {
        let keys = of.keys.into_iter().map(|it| ParkedRow {
            view: it.view,
            key: it.key,
            position: it.position,
            event: it.event,
            error: it.error,
            since: it.since,
        });
        Self {
            cause: of.cause,
            views: of.views,
            count: of.count,
            first_since: of.first_since,
            keys: keys.collect(),
        }
    }
}

impl From<Vec<KeyReport>> for ReplayOutcome {
    fn from(rows: Vec<KeyReport>) -> Self {
        let still_parked = rows.iter().filter(|row| row.parked.is_some()).count();
        let replayed = rows.len() - still_parked;
        let items = rows.into_iter().map(|row| ReplayedRow {
            view: row.view,
            key: row.key,
            parked: row.parked.is_some(),
            error: row.parked.map(|(_, error)| error),
        });
        Self { replayed, still_parked, items: items.collect() }
    }
}

impl From<parked::PastReplay> for PastReplay {
    fn from(past: parked::PastReplay) -> Self {
        Self {
            at: past.at,
            by: past.by,
            view: past.view,
            key: past.key,
            cause: past.cause,
            replayed: past.replayed,
            still_parked: past.still_parked,
        }
    }
}
