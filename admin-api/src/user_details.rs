//! `GET /api/admin/users/{account_id}`: one person, and what became of them. It is a read of their history, and recorded as one.

use std::sync::Arc;

use app::audit::note_read;
use app::sessions::linked::linked;
use app::subscriptions::changes::{Change, ChangeCause, ChangeKind, changes};
use axum::Json;
use axum::extract::State;
use axum::http::Method;
use axum::routing::get;
use domain::account::Subscription;
use domain::{AccountId, AuditTarget, LoginId};
use eventlog::DatabaseError;
use futures::future::join;
use jiff::Timestamp;
use projections::views::login_status::{self, LoginRow};
use projections::views::users;
use serde::Serialize;
use utoipa::ToSchema;

use super::guard::Admin;
use super::target::nobody;
use web::json::input::Segment;
use web::json::names::{LoginStatusName, StatusName, TierName};
use web::json::refusals::Refusals;
use web::json::user::{LimitsBody, UserBody};
use web::problem::Problem;
use web::route::Route;
use web::state::ApiState;

pub(super) fn table() -> Vec<Route> {
    vec![(Method::GET, "/api/admin/users/{account_id}", get(one))]
}

/// A person, and what became of them.
#[derive(Serialize, ToSchema)]
pub(super) struct UserDetails {
    /// Null once they are erased.
    #[schema(required)]
    user: Option<UserBody>,
    /// Nobody can tell any more who they were.
    erased: bool,
    /// The latest login.
    #[schema(required)]
    login: Option<LatestLogin>,
    /// The linked session; null where there is none, or it was handed over.
    #[schema(required)]
    session: Option<LinkedSession>,
    /// The subscription that runs.
    #[schema(required)]
    subscription: Option<RunningSubscription>,
    /// The oldest change first.
    subscription_history: Vec<SubscriptionChange>,
}

/// A person's latest login.
#[derive(Serialize, ToSchema)]
struct LatestLogin {
    #[schema(value_type = String)]
    login_id: LoginId,
    status: LoginStatusName,
    attempt: i32,
    started_at: Timestamp,
    #[schema(required)]
    ended_at: Option<Timestamp>,
    /// Why it was cancelled or failed; while it is live, why Telegram refused the last input.
    #[schema(required)]
    reason: Option<String>,
}

/// A session of a person that this service holds.
#[derive(Serialize, ToSchema)]
struct LinkedSession {
    linked_at: Timestamp,
    /// When Telegram last knew it; null: it was not asked since.
    #[schema(required)]
    last_seen_at: Option<Timestamp>,
    /// Its name in Telegram's list of devices.
    device: String,
}

/// A subscription that runs.
#[derive(Serialize, ToSchema)]
struct RunningSubscription {
    tier: TierName,
    /// `active`: it runs.
    status: StatusName,
    /// As they were when it was granted.
    limits: LimitsBody,
    started_at: Timestamp,
    /// Null: never.
    #[schema(required)]
    expires_at: Option<Timestamp>,
}

/// A change of a subscription.
#[derive(Serialize, ToSchema)]
struct SubscriptionChange {
    at: Timestamp,
    change: ChangeName,
    tier: TierName,
    /// When it ends since; null: never, or it is over.
    #[schema(required)]
    expires_at: Option<Timestamp>,
    by: CauseName,
    /// Who, as the event says: `system`, `tool:…`, `key:…` or an account id.
    actor: String,
    /// Why, in the words of the admin.
    #[schema(required)]
    reason: Option<String>,
}

/// What changed.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum ChangeName {
    Activated,
    Granted,
    Changed,
    Restored,
    Imported,
    Expired,
    Revoked,
}

/// By what a subscription changed.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum CauseName {
    Invite,
    Admin,
    Service,
    Settings,
    Time,
    Import,
}

/// One person.
#[utoipa::path(
    get,
    path = "/api/admin/users/{account_id}",
    operation_id = "get_user",
    tag = "users",
    params(("account_id" = String, Path, format = Uuid)),
    responses((status = 200, description = "The person", body = UserDetails), Refusals)
)]
#[tracing::instrument(name = "request", level = "error", skip_all, fields(account.id))]
pub(super) async fn one(
    State(state): State<Arc<ApiState>>,
    admin: Admin,
    Segment(account_id): Segment<AccountId>,
) -> Result<Json<UserDetails>, Problem> {
    let note = note_read(&state.app, admin.account_id, admin.role, AuditTarget::Account(account_id));
    let (details, ()) = join(details(&state, account_id), note).await;
    let details = details.map_err(|error| Problem::internal(admin.language, &error))?;
    details.map(Json).ok_or_else(|| nobody(admin.language))
}

/// None: nobody was ever registered under this id.
async fn details(state: &ApiState, account_id: AccountId) -> Result<Option<UserDetails>, DatabaseError> {
    let app = &state.app;
    app.catch_up().await?;
    let account = app.store.load_account(account_id).await?;
    if !account.is_registered() {
        return Ok(None);
    }
    let erased = account.is_erased();
    let user = match erased {
        true => None,
        false => users::by_account(&app.db, account_id).await?,
    };
    let session = linked(app, account_id).await?;
    let device = &state.page.device_name;
    Ok(Some(UserDetails {
        user: user.map(Into::into),
        erased,
        login: login_status::latest_of(&app.db, account_id, 1).await?.pop().map(Into::into),
        session: session.map(|session| LinkedSession {
            linked_at: session.linked_at,
            last_seen_at: session.last_seen_at,
            device: device.clone(),
        }),
        subscription: account.subscription_at(app.clock.now()).map(Into::into),
        subscription_history: changes(app, account_id).await?.into_iter().map(Into::into).collect(),
    }))
}

impl From<LoginRow> for LatestLogin {
    fn from(row: LoginRow) -> Self {
        Self {
            login_id: row.login_id,
            status: row.status.into(),
            attempt: row.attempt,
            started_at: row.started_at,
            ended_at: row.ended_at,
            reason: row.reason,
        }
    }
}

impl From<Subscription> for RunningSubscription {
    fn from(running: Subscription) -> Self {
        Self {
            tier: running.tier.into(),
            status: StatusName::Active,
            limits: running.limits.into(),
            started_at: running.started_at,
            expires_at: running.expires_at,
        }
    }
}

impl From<Change> for SubscriptionChange {
    fn from(change: Change) -> Self {
        Self {
            at: change.at,
            change: match change.kind {
                ChangeKind::Activated => ChangeName::Activated,
                ChangeKind::Granted => ChangeName::Granted,
                ChangeKind::Changed => ChangeName::Changed,
                ChangeKind::Restored => ChangeName::Restored,
                ChangeKind::Imported => ChangeName::Imported,
                ChangeKind::Expired => ChangeName::Expired,
                ChangeKind::Revoked => ChangeName::Revoked,
            },
            tier: change.tier.into(),
            expires_at: change.expires_at,
            by: match change.cause {
                ChangeCause::Invite => CauseName::Invite,
                ChangeCause::Admin => CauseName::Admin,
                ChangeCause::Service => CauseName::Service,
                ChangeCause::Settings => CauseName::Settings,
                ChangeCause::Time => CauseName::Time,
                ChangeCause::Import => CauseName::Import,
            },
            actor: change.actor,
            reason: change.reason,
        }
    }
}
