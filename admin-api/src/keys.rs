//! `/api/admin/keys…`: the API keys of other services. A key is shown once, to who made it.

use std::sync::Arc;

use app::UseCaseError;
use app::services::keys::{ApiKeys, KeyError, NewKey};
use axum::Json;
use axum::extract::State;
use axum::http::{Method, StatusCode};
use axum::routing::{delete, get, post};
use domain::{ApiKeyId, Scope};
use eventlog::Context;
use jiff::Timestamp;
use secrecy::ExposeSecret;
use serde::{Deserialize, Deserializer, Serialize, de};
use texts::Language;
use texts::http::Text;
use utoipa::ToSchema;
use vault::api_keys::ApiKey;
use web::json::input::{Body, Segment, whole_or_null};
use web::json::names::ScopeName;
use web::json::refusals::Refusals;
use web::problem::Problem;
use web::route::Route;
use web::state::ApiState;

use crate::guard::Admin;

pub(super) fn table() -> Vec<Route> {
    vec![
        (Method::GET, "/api/admin/keys", get(list)),
        (Method::POST, "/api/admin/keys", post(make)),
        (Method::DELETE, "/api/admin/keys/{key_id}", delete(revoke)),
    ]
}

/// A key, without its secret.
#[derive(Serialize, ToSchema)]
#[schema(as = ApiKey)]
pub(super) struct KeyBody {
    /// The part after `qrl_`; events name it as `key:…`.
    #[schema(value_type = String)]
    key_id: ApiKeyId,
    name: String,
    #[schema(value_type = Vec<ScopeName>)]
    scopes: Vec<Scope>,
    /// An account id, or `tool:cli:…`.
    created_by: String,
    created_at: Timestamp,
    /// Null: it does not expire.
    #[schema(required)]
    expires_at: Option<Timestamp>,
    /// A minute late at most; null: it was never used.
    #[schema(required)]
    last_used_at: Option<Timestamp>,
    #[schema(required)]
    revoked_at: Option<Timestamp>,
}

/// Keys.
#[derive(Serialize, ToSchema)]
#[schema(as = ApiKeys)]
pub(super) struct Keys {
    /// All of them, the newest first.
    items: Vec<KeyBody>,
    #[schema(required)]
    next: Option<String>,
}

/// A key to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewApiKey)]
pub(super) struct NewKeyBody {
    /// What people call it.
    #[schema(
        min_length = 1,
        max_length = 64,
        pattern = r"^[^\s\x00-\x1f\x7f-\x9f]([^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f])?$"
    )]
    name: String,
    #[schema(value_type = Vec<ScopeName>, min_items = 1, max_items = 7)]
    #[serde(deserialize_with = "scopes")]
    scopes: Vec<Scope>,
    /// Null, or left out: it does not expire.
    #[serde(default, deserialize_with = "whole_or_null")]
    #[schema(minimum = 1, maximum = 3650)]
    expires_in_days: Option<u32>,
}

/// A key that was made.
#[derive(Serialize, ToSchema)]
#[schema(as = MadeApiKey)]
pub(super) struct MadeKey {
    #[serde(flatten)]
    kept: KeyBody,
    /// The whole key. It is shown this once.
    key: String,
}

/// The keys of other services.
#[utoipa::path(
    get,
    path = "/api/admin/keys",
    operation_id = "list_keys",
    tag = "services",
    responses((status = 200, description = "All keys", body = Keys), Refusals)
)]
#[tracing::instrument(name = "request", level = "error", skip_all, fields(account.id))]
pub(super) async fn list(State(state): State<Arc<ApiState>>, admin: Admin) -> Result<Json<Keys>, Problem> {
    let keys = keys(&state).list().await.map_err(|error| Problem::internal(admin.language, &error))?;
    Ok(Json(Keys { items: keys.into_iter().map(KeyBody::from).collect(), next: None }))
}

/// As many as there are at most, each named once or more.
fn scopes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Scope>, D::Error> {
    let scopes = Vec::<Scope>::deserialize(deserializer)?;
    match scopes.len() <= Scope::ALL.len() {
        true => Ok(scopes),
        false => Err(de::Error::custom("more scopes than there are")),
    }
}

/// Makes a key. It is shown in this answer, and never again.
#[utoipa::path(
    post,
    path = "/api/admin/keys",
    operation_id = "make_key",
    tag = "services",
    request_body = NewKeyBody,
    responses((status = 201, description = "The key", body = MadeKey), Refusals)
)]
#[tracing::instrument(name = "request", level = "error", skip_all, fields(account.id))]
pub(super) async fn make(
    State(state): State<Arc<ApiState>>,
    admin: Admin,
    Body(new): Body<NewKeyBody>,
) -> Result<(StatusCode, Json<MadeKey>), Problem> {
    let new = NewKey { name: new.name, scopes: new.scopes, expires_in_days: new.expires_in_days };
    let made = keys(&state).create(&state.app.keys, new, Context::by(admin.account_id)).await;
    let made = made.map_err(|error| refused(error, admin.language))?;
    let body = MadeKey { kept: made.kept.into(), key: made.key.expose_secret().to_owned() };
    Ok((StatusCode::CREATED, Json(body)))
}

/// Refuses a key from now on, in every process.
#[utoipa::path(
    delete,
    path = "/api/admin/keys/{key_id}",
    operation_id = "revoke_key",
    tag = "services",
    params(("key_id" = String, Path, pattern = "^[0-9a-f]{16}$")),
    responses((status = 204, description = "It is refused"), Refusals)
)]
#[tracing::instrument(name = "request", level = "error", skip_all, fields(account.id))]
pub(super) async fn revoke(
    State(state): State<Arc<ApiState>>,
    admin: Admin,
    Segment(key_id): Segment<ApiKeyId>,
) -> Result<StatusCode, Problem> {
    let revoked = keys(&state).revoke(&key_id, Context::by(admin.account_id)).await;
    revoked.map_err(|error| refused(error, admin.language))?;
    Ok(StatusCode::NO_CONTENT)
}

fn keys(state: &ApiState) -> ApiKeys {
    ApiKeys::new(&state.app.db, state.app.clock.clone())
}

fn refused(error: KeyError, language: Language) -> Problem {
    match error {
        KeyError::BadName | KeyError::NoScopes | KeyError::BadDays => {
            Problem::new(StatusCode::BAD_REQUEST, language, Text::BadRequest)
        }
        KeyError::Unknown => Problem::new(StatusCode::NOT_FOUND, language, Text::NotFound),
        KeyError::UseCase(UseCaseError::Database(error)) => Problem::internal(language, &error),
        KeyError::NoId | KeyError::UseCase(UseCaseError::Refused(_)) => Problem::internal(language, &error),
    }
}

impl From<ApiKey> for KeyBody {
    fn from(key: ApiKey) -> Self {
        Self {
            key_id: key.key_id,
            name: key.name,
            scopes: key.scopes,
            created_by: key.created_by,
            created_at: key.created_at,
            expires_at: key.expires_at,
            last_used_at: key.last_used_at,
            revoked_at: key.revoked_at,
        }
    }
}
