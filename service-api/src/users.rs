//! `GET /api/v1/users…`: people as the table `users` shows them, and the position that this is as of.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::Method;
use axum::routing::get;
use domain::AccountId;
use jiff::Timestamp;
use projections::views::users::listed::{AsOf, Listing, Place, as_of, page};
use projections::views::users::{SubscriptionStatus, User};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use web::json::list::Limit;
use web::json::names::{StatusName, TierName};
use web::json::user::{LimitsBody, UserBody};
use web::route::Route;
use web::state::ApiState;

use crate::guard::Caller;
use crate::input::{Parameters, Segment, position};
use crate::position::reach;
use crate::problem::Problem;
use crate::refusals::Refusals;
use crate::scope;

pub(super) fn table() -> Vec<Route> {
    vec![(Method::GET, "/api/v1/users", get(list)), (Method::GET, "/api/v1/users/{telegram_id}", get(one))]
}

/// Which people.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct UsersQuery {
    /// With this tier.
    #[param(inline)]
    tier: Option<TierName>,
    /// Whose subscription stands so.
    #[param(inline)]
    status: Option<StatusName>,
    /// Who have changed after this time. A page may then have fewer people than `limit`, or none, and a `next` all the same.
    updated_after: Option<Timestamp>,
    /// How many at most: 50, unless told otherwise.
    #[serde(default)]
    #[param(value_type = Option<u8>, minimum = 1, maximum = 200, default = 50)]
    limit: Limit,
    /// The `next` of the page before.
    #[param(value_type = Option<String>, pattern = r"^[0-9]{1,17}_[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$")]
    after: Option<Cursor>,
    /// Wait until the answer is as of this position or later: 5 seconds at most, then 503.
    #[serde(default, deserialize_with = "position")]
    #[param(minimum = 0)]
    min_position: Option<i64>,
}

/// What an answer must be as of.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct MinPosition {
    /// Wait until the answer is as of this position or later: 5 seconds at most, then 503.
    #[serde(default, deserialize_with = "position")]
    #[param(minimum = 0)]
    pub min_position: Option<i64>,
}

/// A person, and the position that this is as of.
#[derive(Serialize, ToSchema)]
#[schema(as = UserAsOf)]
pub(crate) struct UserAt {
    #[serde(flatten)]
    user: UserBody,
    /// Every event up to this position is in it.
    position: i64,
}

/// People.
#[derive(Serialize, ToSchema)]
#[schema(as = UserPage)]
pub(super) struct Users {
    items: Vec<UserAt>,
    /// For `after`; null: these were the last ones.
    #[schema(required)]
    next: Option<String>,
}

/// What a person may do now.
#[derive(Serialize, ToSchema)]
#[schema(as = SubscriptionAsOf)]
pub(crate) struct SubscriptionAt {
    /// Whether they may use what they pay for, now: the subscription runs, and they are not blocked.
    active: bool,
    /// `free` without a subscription.
    tier: TierName,
    status: StatusName,
    limits: LimitsBody,
    /// Null: unlimited, or none.
    #[schema(required)]
    expires_at: Option<Timestamp>,
    /// Every event up to this position is in it.
    position: i64,
}

/// A place in the list: `<microseconds>_<account id>`.
struct Cursor(Place);

/// People, in the order in which they registered, page by page.
#[utoipa::path(
    get,
    path = "/api/v1/users",
    operation_id = "list_users_v1",
    tag = "v1",
    params(UsersQuery),
    security(("key" = ["users:read"])),
    responses((status = 200, description = "A page of people", body = Users), Refusals)
)]
#[tracing::instrument(name = "request", level = "error", skip_all, fields(key.id))]
pub(super) async fn list(
    State(state): State<Arc<ApiState>>,
    _: Caller<scope::UsersRead>,
    Parameters(asked): Parameters<UsersQuery>,
) -> Result<Json<Users>, Problem> {
    reach(&state, asked.min_position).await?;
    let listing = Listing {
        tier: asked.tier.map(Into::into),
        status: asked.status.map(Into::into),
        updated_after: asked.updated_after,
        after: asked.after.map(|Cursor(place)| place),
    };
    let limit = asked.limit.items();
    let found = state.read(|app| async move { page(&app.db, listing, limit).await }).await;
    let found = found.map_err(|error| Problem::internal(&error))?;
    let position = found.position;
    let items = found.found.users.into_iter().map(|user| UserAt { user: user.into(), position });
    Ok(Json(Users { items: items.collect(), next: found.found.next.map(|place| Cursor(place).to_string()) }))
}

/// One person, by their Telegram id.
#[utoipa::path(
    get,
    path = "/api/v1/users/{telegram_id}",
    operation_id = "get_user_v1",
    tag = "v1",
    params(("telegram_id" = i64, Path), MinPosition),
    security(("key" = ["users:read"])),
    responses((status = 200, description = "The person", body = UserAt), Refusals)
)]
#[tracing::instrument(name = "request", level = "error", skip_all, fields(key.id))]
pub(super) async fn one(
    State(state): State<Arc<ApiState>>,
    _: Caller<scope::UsersRead>,
    Segment(telegram_id): Segment<i64>,
    Parameters(asked): Parameters<MinPosition>,
) -> Result<Json<UserAt>, Problem> {
    Ok(Json(UserAt::from(find(&state, telegram_id, asked.min_position).await?)))
}

/// May this person do this now? Their subscription, with its limits.
#[utoipa::path(
    get,
    path = "/api/v1/users/{telegram_id}/subscription",
    operation_id = "get_subscription_v1",
    tag = "v1",
    params(("telegram_id" = i64, Path), MinPosition),
    security(("key" = ["users:read"])),
    responses((status = 200, description = "What they may do now", body = SubscriptionAt), Refusals)
)]
#[tracing::instrument(name = "request", level = "error", skip_all, fields(key.id))]
pub(crate) async fn subscription(
    State(state): State<Arc<ApiState>>,
    _: Caller<scope::UsersRead>,
    Segment(telegram_id): Segment<i64>,
    Parameters(asked): Parameters<MinPosition>,
) -> Result<Json<SubscriptionAt>, Problem> {
    let AsOf { found: user, position } = find(&state, telegram_id, asked.min_position).await?;
    // The end is recorded a moment after it.
    let runs = user.subscription_expires_at.is_none_or(|end| state.app.clock.now() < end);
    let active = user.subscription_status == SubscriptionStatus::Active && runs && !user.is_blocked;
    Ok(Json(SubscriptionAt {
        active,
        tier: user.subscription_type.into(),
        status: user.subscription_status.into(),
        limits: user.limits.into(),
        expires_at: user.subscription_expires_at,
        position,
    }))
}

/// Nobody is known by this Telegram id.
pub(crate) const fn nobody() -> Problem {
    Problem::NotFound("Nobody is known by this Telegram id.")
}

/// The person as the view shows them.
///
/// # Errors
/// 404: nobody is known by this id; 503: the position is not reached in time.
pub(crate) async fn find(
    state: &ApiState,
    telegram_id: i64,
    min_position: Option<i64>,
) -> Result<AsOf<User>, Problem> {
    reach(state, min_position).await?;
    let found = state.read(|app| async move { as_of(&app.db, telegram_id).await }).await;
    let found = found.map_err(|error| Problem::internal(&error))?;
    let AsOf { found: Some(user), position } = found else { return Err(nobody()) };
    Ok(AsOf { found: user, position })
}

impl From<AsOf<User>> for UserAt {
    fn from(AsOf { found, position }: AsOf<User>) -> Self {
        Self { user: found.into(), position }
    }
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}_{}", self.0.created_at.as_microsecond(), self.0.account_id)
    }
}

impl<'de> Deserialize<'de> for Cursor {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let read = || {
            let (at, account) = text.split_once('_')?;
            let created_at = Timestamp::from_microsecond(at.parse().ok()?).ok()?;
            Some(Place { created_at, account_id: account.parse::<AccountId>().ok()? })
        };
        read().map(Self).ok_or_else(|| serde::de::Error::custom("it is the `next` of no page"))
    }
}
