//! What admins do to people: subscription, role, block, reset. Each is the use case of the bot's command, and an event with its actor.
//! Repeating one changes nothing; a grant, which adds days, takes a key for that.

use std::sync::Arc;

use app::UseCaseError;
use app::people::permissions::{Ordered, PermissionOrder};
use app::people::reset::{self, Permission};
use app::subscriptions::{self, Grant, MOST_DAYS, change_id_of_request};
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::routing::{delete, post};
use domain::AccountId;
use eventlog::{Context, DatabaseError};
use messages::outbox::{Outbox, text_alone};
use projections::views::users;
use serde::{Deserialize, Serialize};
use texts::Language;
use texts::http::Text;
use utoipa::ToSchema;
use uuid::Uuid;

use super::guard::Admin;
use super::idempotency::key;
use super::target::{Changed, changed, nobody, order, target};
use web::json::input::{Body, OptionalBody, Segment, whole_or_null};
use web::json::names::{GivenTier, RoleName};
use web::json::refusals::Refusals;
use web::problem::Problem;
use web::route::Route;
use web::state::ApiState;

/// The `type` of an answer to what would leave no admin, or goes against the settings.
const LAST_ADMIN: &str = "urn:qr-login:last_admin";
const NAMED_IN_SETTINGS: &str = "urn:qr-login:named_in_settings";

pub(super) fn table() -> Vec<Route> {
    vec![
        (Method::POST, "/api/admin/users/{account_id}/subscription", post(grant)),
        (Method::DELETE, "/api/admin/users/{account_id}/subscription", delete(revoke)),
        (Method::POST, "/api/admin/users/{account_id}/role", post(role)),
        (Method::POST, "/api/admin/users/{account_id}/block", post(block)),
        (Method::POST, "/api/admin/users/{account_id}/unblock", post(unblock)),
        (Method::POST, "/api/admin/users/{account_id}/reset", post(reset)),
    ]
}

/// A subscription to give.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewSubscription {
    tier: GivenTier,
    /// 0 is unlimited; null, or left out: as the tier says.
    #[serde(default, deserialize_with = "whole_or_null")]
    #[schema(maximum = 36500)]
    days: Option<u32>,
    #[schema(max_length = 500)]
    reason: Option<String>,
}

/// Why. Only admins read it, and nobody once the person is erased.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Reason {
    #[schema(max_length = 500)]
    reason: Option<String>,
}

/// A role to give.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewRole {
    role: RoleName,
}

/// A person who is being forgotten.
#[derive(Serialize, ToSchema)]
pub(super) struct Reset {
    #[schema(value_type = String, format = Uuid)]
    account_id: AccountId,
}

/// Gives a subscription: the same tier extends the one that runs, another one replaces it.
#[utoipa::path(
    post,
    path = "/api/admin/users/{account_id}/subscription",
    operation_id = "grant_subscription",
    tag = "users",
    params(
        ("account_id" = String, Path, format = Uuid),
        ("Idempotency-Key" = Option<String>, Header, description = "The same key grants once", max_length = 64, pattern = "^[A-Za-z0-9._:-]+$"),
    ),
    request_body = NewSubscription,
    responses((status = 200, description = "The person now", body = Changed), Refusals)
)]
#[tracing::instrument(name = "request", level = "error", skip_all, fields(account.id))]
pub(super) async fn grant(
    State(state): State<Arc<ApiState>>,
    admin: Admin,
    Segment(account_id): Segment<AccountId>,
    headers: HeaderMap,
    Body(new): Body<NewSubscription>,
) -> Result<Json<Changed>, Problem> {
    let target = target(&state, &admin, account_id).await?;
    let key = key(&headers, admin.language)?;
    if new.days.is_some_and(|days| days > MOST_DAYS) {
        return Err(Problem::new(StatusCode::BAD_REQUEST, admin.language, Text::BadRequest));
    }
    let context = order(&admin, &target, new.reason.as_deref())?;
    let key = key.unwrap_or_else(|| Uuid::new_v4().to_string());
    let change_id = change_id_of_request(admin.account_id, &key);
    let grant = Grant { account_id, tier: new.tier.into(), days: new.days, change_id, context };
    subscriptions::grant(&state.app, grant).await.map_err(|error| refused(error, admin.language))?;
    Ok(Json(changed(&state, &admin, account_id).await?))
}

/// Ends a subscription before its time. Where none runs, nothing changes.
#[utoipa::path(
    delete,
    path = "/api/admin/users/{account_id}/subscription",
    operation_id = "revoke_subscription",
    tag = "users",
    params(("account_id" = String, Path, format = Uuid)),
    request_body = Option<Reason>,
    responses((status = 200, description = "The person now", body = Changed), Refusals)
)]
#[tracing::instrument(name = "request", level = "error", skip_all, fields(account.id))]
pub(super) async fn revoke(
    State(state): State<Arc<ApiState>>,
    admin: Admin,
    Segment(account_id): Segment<AccountId>,
    OptionalBody(why): OptionalBody<Reason>,
) -> Result<Json<Changed>, Problem> {
    let target = target(&state, &admin, account_id).await?;
    let context = order(&admin, &target, why.reason.as_deref())?;
    let revoked = subscriptions::revoke(&state.app, account_id, context).await;
    revoked.map_err(|error| refused(error, admin.language))?;
    Ok(Json(changed(&state, &admin, account_id).await?))
}

/// Makes a person an admin, an auditor, or a user again. Every admin is told.
#[utoipa::path(
    post,
    path = "/api/admin/users/{account_id}/role",
    operation_id = "change_role",
    tag = "users",
    params(("account_id" = String, Path, format = Uuid)),
    request_body = NewRole,
    responses((status = 200, description = "The person now", body = Changed), Refusals)
)]
#[tracing::instrument(name = "request", level = "error", skip_all, fields(account.id))]
pub(super) async fn role(
    State(state): State<Arc<ApiState>>,
    admin: Admin,
    Segment(account_id): Segment<AccountId>,
    Body(new): Body<NewRole>,
) -> Result<Json<Changed>, Problem> {
    permit(&state, &admin, account_id, PermissionOrder::Role(new.role.into()), None).await
}

/// Refuses a person everywhere, at once.
#[utoipa::path(
    post,
    path = "/api/admin/users/{account_id}/block",
    operation_id = "block_user",
    tag = "users",
    params(("account_id" = String, Path, format = Uuid)),
    request_body = Option<Reason>,
    responses((status = 200, description = "The person now", body = Changed), Refusals)
)]
#[tracing::instrument(name = "request", level = "error", skip_all, fields(account.id))]
pub(super) async fn block(
    State(state): State<Arc<ApiState>>,
    admin: Admin,
    Segment(account_id): Segment<AccountId>,
    OptionalBody(why): OptionalBody<Reason>,
) -> Result<Json<Changed>, Problem> {
    permit(&state, &admin, account_id, PermissionOrder::Block, why.reason.as_deref()).await
}

/// Lets a person in again.
#[utoipa::path(
    post,
    path = "/api/admin/users/{account_id}/unblock",
    operation_id = "unblock_user",
    tag = "users",
    params(("account_id" = String, Path, format = Uuid)),
    responses((status = 200, description = "The person now", body = Changed), Refusals)
)]
#[tracing::instrument(name = "request", level = "error", skip_all, fields(account.id))]
pub(super) async fn unblock(
    State(state): State<Arc<ApiState>>,
    admin: Admin,
    Segment(account_id): Segment<AccountId>,
) -> Result<Json<Changed>, Problem> {
    permit(&state, &admin, account_id, PermissionOrder::Unblock, None).await
}

/// Forgets a person: ends their logins and their session, and deletes who they are. They are told first.
#[utoipa::path(
    post,
    path = "/api/admin/users/{account_id}/reset",
    operation_id = "reset_user",
    tag = "users",
    params(("account_id" = String, Path, format = Uuid)),
    responses((status = 202, description = "The person is being forgotten", body = Reset), Refusals)
)]
#[tracing::instrument(name = "request", level = "error", skip_all, fields(account.id))]
pub(super) async fn reset(
    State(state): State<Arc<ApiState>>,
    admin: Admin,
    Segment(account_id): Segment<AccountId>,
) -> Result<(StatusCode, Json<Reset>), Problem> {
    let (app, language) = (&state.app, admin.language);
    let failed = |error: DatabaseError| Problem::internal(language, &error);
    let known = app.store.load_account(account_id).await.map_err(failed)?.is_registered();
    if !known {
        return Err(nobody(language));
    }
    match reset::may_reset(app, Some(admin.telegram_id), account_id).await.map_err(failed)? {
        Permission::AlreadyForgotten | Permission::Blocked | Permission::NotAllowed => {
            return Err(Problem::new(StatusCode::FORBIDDEN, language, Text::AdminsOnly));
        }
        Permission::LastAdmin => return Err(last_admin(language)),
        Permission::Own => {}
        Permission::Admin { tell: None, .. } => {}
        Permission::Admin { tell: Some(telegram_id), .. } => {
            tell(&state, account_id, telegram_id).await.map_err(failed)?;
        }
    }
    let done = reset::reset(app, account_id, Context::by(admin.account_id)).await;
    done.map_err(|error| refused(error, language))?;
    Ok((StatusCode::ACCEPTED, Json(Reset { account_id })))
}

/// Tells the person that they are forgotten, in the chat that nobody knows any more after that.
async fn tell(state: &ApiState, account_id: AccountId, telegram_id: i64) -> Result<(), DatabaseError> {
    let user = users::by_account(&state.app.db, account_id).await?;
    let language = Language::of(user.and_then(|user| user.language_code).as_deref());
    let message = text_alone(language.texts().account.reset_done);
    Outbox::new(&state.app.db).reply(&format!("reset/{account_id}"), telegram_id, &message, None).await
}

async fn permit(
    state: &ApiState,
    admin: &Admin,
    account_id: AccountId,
    ordered: PermissionOrder,
    reason: Option<&str>,
) -> Result<Json<Changed>, Problem> {
    let (app, language) = (&state.app, admin.language);
    let target = target(state, admin, account_id).await?;
    let context = order(admin, &target, reason)?;
    let done = app.permissions().order(account_id, ordered, &state.admins, app.clock.now(), context).await;
    match done.map_err(|error| refused(error, language))? {
        Ordered::Done => Ok(Json(changed(state, admin, account_id).await?)),
        Ordered::Nobody => Err(nobody(language)),
        Ordered::LastAdmin => Err(last_admin(language)),
        Ordered::NamedInSettings => {
            let problem = Problem::new(StatusCode::CONFLICT, language, Text::NamedInSettings);
            Err(problem.of_kind(NAMED_IN_SETTINGS))
        }
    }
}

fn last_admin(language: Language) -> Problem {
    Problem::new(StatusCode::CONFLICT, language, Text::LastAdmin).of_kind(LAST_ADMIN)
}

/// The account refuses only where the person was erased meanwhile.
fn refused(error: UseCaseError, language: Language) -> Problem {
    match error {
        UseCaseError::Database(error) => Problem::internal(language, &error),
        UseCaseError::Refused(_) => nobody(language),
    }
}
