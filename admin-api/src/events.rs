//! The history for admins and auditors: by filters, of one person, and one event with its cause and its consequences. Codes are in no
//! event, and what is sealed stays sealed.
//!
//! Each answer leaves an `AuditRead`: for the person, login or invite that was asked for, else for the whole log. It is written beside
//! the reading.

use std::sync::Arc;

use app::audit::note_read;
use app::history::EventLine;
use axum::Json;
use axum::extract::State;
use axum::http::{Method, StatusCode};
use axum::routing::get;
use domain::{AccountId, AuditTarget, InviteId, LoginId};
use eventlog::log::{Filter, LogEvent};
use eventlog::{DatabaseError, Log};
use futures::future::{join, join_all};
use jiff::Timestamp;
use projections::views::users;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use texts::http::Text;
use utoipa::{IntoParams, ToSchema};

use super::guard::{Admin, Auditor};
use web::json::input::{Parameters, Segment};
use web::json::list::{Limit, next};
use web::json::refusals::Refusals;
use web::problem::Problem;
use web::route::Route;
use web::state::ApiState;

/// The longest name of an event or of an actor, in characters.
const LONGEST_NAME: usize = 100;
/// The most consequences of one event that are told.
const MOST_CONSEQUENCES: i64 = 100;
/// Filters by time go from here to there. No event is beyond, and no arithmetic with them fails.
const FIRST: Timestamp = Timestamp::UNIX_EPOCH;
const LAST: Timestamp = Timestamp::constant(253_370_764_800, 0);

pub(super) fn table() -> Vec<Route> {
    vec![
        (Method::GET, "/api/admin/events", get(list)),
        (Method::GET, "/api/admin/users/{account_id}/events", get(of_user)),
        (Method::GET, "/api/admin/events/{position}", get(one)),
    ]
}

/// Which events, and in which order.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct EventsQuery {
    /// About this person.
    #[param(value_type = Option<String>, format = Uuid)]
    account: Option<AccountId>,
    /// Of this login and of what it led to.
    #[param(value_type = Option<String>, pattern = r"^[A-Za-z0-9_-]{22,64}$")]
    login: Option<LoginId>,
    /// Of this invite and of the logins by it.
    #[param(value_type = Option<String>, format = Uuid)]
    invite: Option<InviteId>,
    /// With this name, such as `LoginStarted`.
    #[param(max_length = 100, pattern = r"^[^\x00]*$")]
    event: Option<String>,
    /// By this actor: `system`, an account id, or a tool such as `tool:cli`.
    #[param(max_length = 100, pattern = r"^[^\x00]*$")]
    actor: Option<String>,
    /// Recorded at this time or later.
    since: Option<Timestamp>,
    /// Recorded before this time.
    until: Option<Timestamp>,
    /// The newest first without it.
    #[serde(default)]
    #[param(inline)]
    order: Order,
    /// How many at most.
    #[serde(default)]
    #[param(value_type = Option<i64>, minimum = 1, maximum = 200, default = 50)]
    limit: Limit,
    /// The `next` of the page before.
    #[param(value_type = Option<String>, pattern = r"^[0-9]{1,18}$")]
    after: Option<i64>,
}

/// In which order.
#[derive(Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Order {
    Asc,
    #[default]
    Desc,
}

/// An event: a line of `replay history --format jsonl`.
#[derive(Serialize, ToSchema)]
#[schema(as = Event)]
pub(super) struct EventBody {
    /// Its place in the one order of all events.
    position: i64,
    /// When the database took it.
    at: Timestamp,
    /// `invite`, `login`, `account`, `audit`, `service` or `log`.
    stream: String,
    stream_id: String,
    /// Its place in its stream.
    version: i64,
    /// Its name.
    event: String,
    /// `system`, `tool:…`, `key:…`, or the account id of a person.
    actor: String,
    /// Whom it is about.
    #[schema(required, value_type = Option<String>, format = Uuid)]
    account_id: Option<AccountId>,
    /// In which login.
    #[schema(required, value_type = Option<String>)]
    login_id: Option<LoginId>,
    /// Because of which event: `stream/id/version`.
    #[schema(required)]
    causation_id: Option<String>,
    /// What it says. Personal data in it is sealed.
    #[schema(value_type = Object)]
    payload: Value,
}

/// A page of events.
#[derive(Serialize, ToSchema)]
pub(super) struct Events {
    items: Vec<EventBody>,
    /// For `after`; null: these were the last ones.
    #[schema(required)]
    next: Option<String>,
}

/// An event in its connection.
#[derive(Serialize, ToSchema)]
pub(super) struct EventDetails {
    event: EventBody,
    /// The event that it follows from.
    #[schema(required)]
    caused_by: Option<EventBody>,
    /// The events that follow from it, at most 100.
    led_to: Vec<EventBody>,
    /// The name of the person whom it is about; null for nobody, and once they are erased.
    #[schema(required)]
    name: Option<String>,
}

/// Events by filters, the newest first.
#[utoipa::path(
    get,
    path = "/api/admin/events",
    operation_id = "list_events",
    tag = "events",
    security(("session" = ["auditor"])),
    params(EventsQuery),
    responses((status = 200, description = "A page of events", body = Events), Refusals)
)]
#[tracing::instrument(name = "request", level = "error", skip_all, fields(account.id))]
pub(super) async fn list(
    State(state): State<Arc<ApiState>>,
    Auditor(reader): Auditor,
    Parameters(asked): Parameters<EventsQuery>,
) -> Result<Json<Events>, Problem> {
    page(&state, &reader, asked).await
}

/// Events about one person, the newest first.
#[utoipa::path(
    get,
    path = "/api/admin/users/{account_id}/events",
    operation_id = "list_user_events",
    tag = "events",
    security(("session" = ["auditor"])),
    params(("account_id" = String, Path, format = Uuid), EventsQuery),
    responses((status = 200, description = "A page of events", body = Events), Refusals)
)]
#[tracing::instrument(name = "request", level = "error", skip_all, fields(account.id))]
pub(super) async fn of_user(
    State(state): State<Arc<ApiState>>,
    Auditor(reader): Auditor,
    Segment(account_id): Segment<AccountId>,
    Parameters(asked): Parameters<EventsQuery>,
) -> Result<Json<Events>, Problem> {
    let account = state.app.store.load_account(account_id).await;
    if !account.map_err(|error| Problem::internal(reader.language, &error))?.is_registered() {
        return Err(Problem::new(StatusCode::NOT_FOUND, reader.language, Text::NotFound));
    }
    page(&state, &reader, EventsQuery { account: Some(account_id), ..asked }).await
}

async fn page(state: &ApiState, reader: &Admin, asked: EventsQuery) -> Result<Json<Events>, Problem> {
    let is_bad = |name: &String| name.contains('\0') || name.chars().count() > LONGEST_NAME;
    if asked.event.iter().chain(&asked.actor).any(is_bad) {
        return Err(Problem::new(StatusCode::BAD_REQUEST, reader.language, Text::BadRequest));
    }
    let EventsQuery { account, login, invite, event, actor, since, until, order, limit, after } = asked;
    let targets: Vec<AuditTarget> = [
        account.map(AuditTarget::Account),
        login.clone().map(AuditTarget::Login),
        invite.map(AuditTarget::Invite),
    ]
    .into_iter()
    .flatten()
    .collect();
    let filter = Filter {
        account,
        login,
        invite,
        name: event,
        not_names: Vec::new(),
        actor,
        since: since.map(|at| at.clamp(FIRST, LAST)),
        until: until.map(|at| at.clamp(FIRST, LAST)),
    };
    let filter = &filter;
    let read = state.read(|app| async move {
        let log = Log::new(&app.db);
        match order {
            Order::Desc => log.before(filter, after.unwrap_or(i64::MAX), limit.and_one()).await,
            Order::Asc => log.history(filter, after.unwrap_or_default(), limit.and_one()).await,
        }
    });
    let (found, ()) = join(read, note(state, reader, targets)).await;
    let mut found = found.map_err(|error| Problem::internal(reader.language, &error))?;
    let next = next(&mut found, limit, |event| event.position.to_string());
    Ok(Json(Events { items: found.iter().map(EventBody::from).collect(), next }))
}

/// One event, with the one that caused it and those that it led to.
#[utoipa::path(
    get,
    path = "/api/admin/events/{position}",
    operation_id = "get_event",
    tag = "events",
    security(("session" = ["auditor"])),
    params(("position" = i64, Path, minimum = 1)),
    responses((status = 200, description = "The event", body = EventDetails), Refusals)
)]
#[tracing::instrument(name = "request", level = "error", skip_all, fields(account.id))]
pub(super) async fn one(
    State(state): State<Arc<ApiState>>,
    Auditor(reader): Auditor,
    Segment(position): Segment<i64>,
) -> Result<Json<EventDetails>, Problem> {
    let failed = |error: DatabaseError| Problem::internal(reader.language, &error);
    let log = Log::new(&state.app.db);
    let Some(event) = log.at(position).await.map_err(failed)? else {
        return Err(Problem::new(StatusCode::NOT_FOUND, reader.language, Text::NotFound));
    };
    let targets = target_of(&event).into_iter().collect();
    let (details, ()) = join(details(&state, &log, event), note(&state, &reader, targets)).await;
    details.map(Json).map_err(failed)
}

async fn details(state: &ApiState, log: &Log, event: LogEvent) -> Result<EventDetails, DatabaseError> {
    let caused_by = match &event.metadata.causation_id {
        Some(cause) => log.by_cause(cause).await?,
        None => None,
    };
    let led_to = log.led_to(&event, MOST_CONSEQUENCES).await?;
    let body = EventBody::from(&event);
    let user = match body.account_id {
        Some(account) => users::by_account(&state.app.db, account).await?,
        None => None,
    };
    Ok(EventDetails {
        event: body,
        caused_by: caused_by.as_ref().map(EventBody::from),
        led_to: led_to.iter().map(EventBody::from).collect(),
        name: user.map(|user| {
            let names = [user.first_name, user.last_name].into_iter().flatten().collect::<Vec<_>>();
            if names.is_empty() { user.telegram_id.to_string() } else { names.join(" ") }
        }),
    })
}

/// Whose history an event is a part of.
fn target_of(event: &LogEvent) -> Option<AuditTarget> {
    let account = EventLine::from(event).account_id.map(AuditTarget::Account);
    let invite = || (event.stream == "invite").then(|| event.stream_id.parse().ok().map(AuditTarget::Invite));
    account.or_else(|| invite().flatten())
}

/// Notes what was read; where nobody is named, the whole log.
async fn note(state: &ApiState, reader: &Admin, mut targets: Vec<AuditTarget>) {
    if targets.is_empty() {
        targets.push(AuditTarget::Log);
    }
    join_all(targets.into_iter().map(|it| note_read(&state.app, reader.account_id, reader.role, it))).await;
}

impl From<&LogEvent> for EventBody {
    fn from(event: &LogEvent) -> Self {
        let line = EventLine::from(event);
        Self {
            position: line.position,
            at: line.at,
            stream: line.stream.to_owned(),
            stream_id: line.stream_id.to_owned(),
            version: line.version,
            event: line.event.to_owned(),
            actor: line.actor.to_owned(),
            account_id: line.account_id,
            login_id: line.login_id,
            causation_id: line.causation_id.map(str::to_owned),
            payload: line.payload.clone(),
        }
    }
}
