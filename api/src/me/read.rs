//! `GET /api/me`: the person, their linked session and their subscription, as they stand now.

use std::sync::Arc;

use app::App;
use app::sessions::linked::linked;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use eventlog::DatabaseError;
use jiff::Timestamp;
use projections::views::subscriptions::{self, SubscriptionState};
use projections::views::users;
use serde::Serialize;
use texts::http::Text;
use utoipa::ToSchema;

use super::person::Person;
use web::json::names::{StatusName, TierName};
use web::json::refusals::Refusals;
use web::json::user::{LimitsBody, UserBody};
use web::problem::Problem;
use web::state::ApiState;

/// What is known of a person.
#[derive(Serialize, ToSchema)]
pub(crate) struct Me {
    pub user: UserBody,
    /// Null where none is linked here.
    #[schema(required)]
    pub session: Option<Session>,
    /// Null where there never was one.
    #[schema(required)]
    pub subscription: Option<Subscription>,
}

/// The linked session.
#[derive(Serialize, ToSchema)]
#[schema(as = MySession)]
pub(crate) struct Session {
    pub linked_at: Timestamp,
    /// When Telegram last knew it; null: it was not asked since.
    #[schema(required)]
    pub last_seen_at: Option<Timestamp>,
    /// Its name in Telegram's list of devices.
    pub device: String,
}

/// The latest subscription.
#[derive(Serialize, ToSchema)]
#[schema(as = MySubscription)]
pub(crate) struct Subscription {
    pub tier: TierName,
    /// `active` or `expired`.
    pub status: StatusName,
    pub limits: LimitsBody,
    pub started_at: Timestamp,
    /// Null: it has no end.
    #[schema(required)]
    pub expires_at: Option<Timestamp>,
}

/// What is known of the person who asks.
#[utoipa::path(
    get,
    path = "/api/me",
    operation_id = "me",
    tag = "me",
    security(("launch" = [])),
    responses((status = 200, description = "What is known of the person", body = Me), Refusals)
)]
#[tracing::instrument(name = "request", level = "error", skip_all, fields(account.id))]
pub(crate) async fn me(State(state): State<Arc<ApiState>>, person: Person) -> Result<Json<Me>, Problem> {
    let language = person.language;
    let me = known(&state.app, &person, &state.page.device_name).await;
    match me.map_err(|error| Problem::internal(language, &error))? {
        Some(me) => Ok(Json(me)),
        // Registered a moment ago: the view does not show them yet.
        None => Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, language, Text::Unavailable).after(1)),
    }
}

/// What is known of the person now; None: the views do not show them yet.
pub(crate) async fn known(app: &App, person: &Person, device: &str) -> Result<Option<Me>, DatabaseError> {
    app.catch_up().await?;
    let account = person.account_id();
    let Some(user) = users::by_account(&app.db, account).await? else { return Ok(None) };
    let session = linked(app, account).await?.map(|it| Session {
        linked_at: it.linked_at,
        last_seen_at: it.last_seen_at,
        device: device.to_owned(),
    });
    let now = app.clock.now();
    let subscription = subscriptions::by_account(&app.db, account).await?.map(|row| {
        // It counts as over from its end on, also before that is recorded.
        let is_over = row.expires_at.is_some_and(|end| end <= now);
        let is_active = row.status == SubscriptionState::Active && !is_over;
        Subscription {
            tier: row.tier.into(),
            status: if is_active { StatusName::Active } else { StatusName::Expired },
            limits: row.limits.into(),
            started_at: row.started_at,
            expires_at: row.expires_at,
        }
    });
    Ok(Some(Me { user: UserBody::from(user).for_themselves(), session, subscription }))
}
