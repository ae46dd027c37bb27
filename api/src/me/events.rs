//! `GET /api/me/events`: the person's history in words, the newest first: what happened, when, and who did it.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use domain::{AccountId, AuditEvent, Event, LoginEvent, Role};
use eventlog::log::{Filter, LogEvent};
use eventlog::{DatabaseError, Log};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use texts::http::Text;
use texts::me::{UNTOLD, told};
use utoipa::ToSchema;

use super::person::Person;
use web::json::input::Parameters;
use web::json::list::{Limit, next};
use web::json::refusals::Refusals;
use web::problem::Problem;
use web::state::ApiState;

/// The longest name of an event, in characters.
const LONGEST_NAME: usize = 100;

/// Which part of the history. What else the query holds is not looked at.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct HistoryQuery {
    /// How many at most.
    #[serde(default)]
    #[param(value_type = Option<i64>, minimum = 1, maximum = 200, default = 50)]
    limit: Limit,
    /// The `next` of the page before.
    #[param(value_type = Option<String>, pattern = r"^[0-9]{1,18}$")]
    after: Option<i64>,
    /// Only what has this name, such as `AuditRead`: who looked at the history.
    #[param(max_length = 100, pattern = r"^[^\x00]*$")]
    kind: Option<String>,
}

/// A page of the history.
#[derive(Serialize, ToSchema)]
#[schema(as = MyHistory)]
pub(crate) struct History {
    pub items: Vec<HistoryItem>,
    /// For `after`; null: these were the last ones.
    #[schema(required)]
    pub next: Option<String>,
}

/// Something that happened.
#[derive(Serialize, ToSchema)]
pub(crate) struct HistoryItem {
    pub at: Timestamp,
    pub position: i64,
    /// The name of the event.
    pub kind: String,
    /// In the person's language.
    pub text: String,
    pub who: Who,
}

/// Who did it, as the person may know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) enum Who {
    /// The person.
    #[serde(rename = "you")]
    You,
    /// An admin, in the chat, on a page or at the terminal.
    #[serde(rename = "an admin")]
    Admin,
    /// An auditor.
    #[serde(rename = "an auditor")]
    Auditor,
    /// The service by itself.
    #[serde(rename = "the service")]
    Service,
}

/// What happened to the person who asks, in words.
#[utoipa::path(
    get,
    path = "/api/me/events",
    operation_id = "my_history",
    tag = "me",
    params(HistoryQuery),
    security(("launch" = [])),
    responses((status = 200, description = "What happened, the newest first", body = History), Refusals)
)]
#[tracing::instrument(name = "request", level = "error", skip_all, fields(account.id))]
pub(crate) async fn events(
    State(state): State<Arc<ApiState>>,
    person: Person,
    Parameters(query): Parameters<HistoryQuery>,
) -> Result<Json<History>, Problem> {
    let (language, account) = (person.language, person.account_id());
    let is_bad = |name: &String| name.contains('\0') || name.chars().count() > LONGEST_NAME;
    if query.kind.as_ref().is_some_and(is_bad) {
        return Err(Problem::new(StatusCode::BAD_REQUEST, language, Text::BadRequest));
    }
    let filter = Filter {
        account: Some(account),
        name: query.kind,
        not_names: UNTOLD.map(str::to_owned).to_vec(),
        ..Filter::default()
    };
    let failed = |error: DatabaseError| Problem::internal(language, &error);
    state.app.catch_up().await.map_err(failed)?;
    let before = query.after.unwrap_or(i64::MAX);
    let found = Log::new(&state.app.db).before(&filter, before, query.limit.and_one()).await;
    let mut found = found.map_err(failed)?;
    let next = next(&mut found, query.limit, |event| event.position.to_string());
    let zone = &state.page.display_timezone;
    let items = found.iter().filter_map(|event| {
        // One of a newer version than this program has no words here.
        let text = told(language, event.event.as_ref().ok()?, zone)?;
        let (at, position, kind) = (event.recorded_at, event.position, event.name.clone());
        Some(HistoryItem { at, position, kind, text, who: who(event, account) })
    });
    Ok(Json(History { items: items.collect(), next }))
}

/// Who did it. What a person does in Telegram, the service finds out and records: it is theirs all the same.
pub(crate) fn who(event: &LogEvent, person: AccountId) -> Who {
    use domain::AccountEvent::AuthorizationRevoked;
    match &event.event {
        Ok(Event::Audit(AuditEvent::AuditRead { role, .. })) => {
            return if *role == Some(Role::Admin) { Who::Admin } else { Who::Auditor };
        }
        Ok(
            Event::Account(AuthorizationRevoked { .. })
            | Event::Login(LoginEvent::LoginStarted { .. } | LoginEvent::AuthorizationConfirmed { .. }),
        ) => return Who::You,
        _ => {}
    }
    let actor = &event.metadata.actor;
    match actor.parse::<AccountId>() {
        Ok(actor) if actor == person => Who::You,
        Ok(_) => Who::Admin,
        Err(_) if actor.starts_with("tool:cli") => Who::Admin,
        Err(_) => Who::Service,
    }
}
