//! `GET /api/admin/users`: who is known here, page by page.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{Method, StatusCode};
use axum::routing::get;
use domain::AccountId;
use projections::views::users::filtered::{UserFilter, UserSort, filtered};
use serde::{Deserialize, Serialize};
use texts::http::Text;
use utoipa::{IntoParams, ToSchema};

use super::guard::Admin;
use web::json::input::Parameters;
use web::json::list::{Limit, next};
use web::json::names::{RoleName, StatusName, TierName};
use web::json::refusals::Refusals;
use web::json::user::UserBody;
use web::problem::Problem;
use web::route::Route;
use web::state::ApiState;

/// In characters.
const LONGEST_QUERY: usize = 200;

pub(super) fn table() -> Vec<Route> {
    vec![(Method::GET, "/api/admin/users", get(list))]
}

/// Which people, and in which order.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct UsersQuery {
    /// A part of the name, a @username, a Telegram id or an account id.
    #[param(max_length = 200, pattern = r"^[^\x00]*$")]
    query: Option<String>,
    /// With this tier.
    #[param(inline)]
    tier: Option<TierName>,
    /// Whose subscription stands so.
    #[param(inline)]
    status: Option<StatusName>,
    /// With this role.
    #[param(inline)]
    role: Option<RoleName>,
    /// Blocked, or not.
    blocked: Option<bool>,
    /// Unless told otherwise, the latest to register first; people found by the beginning of a @username by their usernames.
    #[param(inline)]
    sort: Option<Sort>,
    /// How many: 50, unless told otherwise.
    #[serde(default)]
    #[param(value_type = Option<u8>, minimum = 1, maximum = 200, default = 50)]
    limit: Limit,
    /// The `next` of the page before.
    #[param(value_type = Option<String>, format = Uuid)]
    after: Option<AccountId>,
}

/// The order of people; with a minus the other way round.
#[derive(Clone, Copy, Deserialize, ToSchema)]
pub(super) enum Sort {
    #[serde(rename = "-created_at")]
    Newest,
    #[serde(rename = "created_at")]
    Oldest,
    #[serde(rename = "-expires_at")]
    EndsLast,
    #[serde(rename = "expires_at")]
    EndsFirst,
    #[serde(rename = "name")]
    Name,
}

/// People.
#[derive(Serialize, ToSchema)]
pub(super) struct Users {
    items: Vec<UserBody>,
    /// For `after`; null: these were the last ones.
    #[schema(required)]
    next: Option<String>,
}

/// People, page by page.
#[utoipa::path(
    get,
    path = "/api/admin/users",
    operation_id = "list_users",
    tag = "users",
    params(UsersQuery),
    responses((status = 200, description = "A page of people", body = Users), Refusals)
)]
#[tracing::instrument(name = "request", level = "error", skip_all, fields(account.id))]
pub(super) async fn list(
    State(state): State<Arc<ApiState>>,
    admin: Admin,
    Parameters(asked): Parameters<UsersQuery>,
) -> Result<Json<Users>, Problem> {
    if asked.query.as_ref().is_some_and(|query| query.chars().count() > LONGEST_QUERY || query.contains('\0'))
    {
        return Err(Problem::new(StatusCode::BAD_REQUEST, admin.language, Text::BadRequest));
    }
    let filter = UserFilter {
        query: asked.query,
        tier: asked.tier.map(Into::into),
        status: asked.status.map(Into::into),
        role: asked.role.map(Into::into),
        blocked: asked.blocked,
        sort: asked.sort.map(Into::into),
    };
    let (filter, after, limit) = (&filter, asked.after, asked.limit.and_one());
    let found = state.read(|app| async move { filtered(&app.db, filter, after, limit).await }).await;
    let mut found = found.map_err(|error| Problem::internal(admin.language, &error))?;
    let next = next(&mut found, asked.limit, |user| user.account_id.to_string());
    Ok(Json(Users { items: found.into_iter().map(Into::into).collect(), next }))
}

impl From<Sort> for UserSort {
    fn from(sort: Sort) -> Self {
        match sort {
            Sort::Newest => Self::Newest,
            Sort::Oldest => Self::Oldest,
            Sort::EndsLast => Self::EndsLast,
            Sort::EndsFirst => Self::EndsFirst,
            Sort::Name => Self::Name,
        }
    }
}
