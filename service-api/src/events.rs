//! `GET /api/v1/events`: the log in its one order, long-polled. A service that keeps `next` and `log` misses nothing and sees nothing
//! twice.
//!
//! 1. **Place**: where the log was continued without events that the caller knows (a standby took over), its position means other
//!    events now: 409 says from where both are the same.
//! 2. **Read**: recent events come from memory ([`Feed`](web::feed::Feed)), older ones from the database, a page at a time.
//! 3. **Wait**: for the next event that was asked for, without asking the database.
//! 4. **Answer**: not to a key that was revoked meanwhile. Names are opened for a key with `events:names`, where the person is not
//!    erased.

use std::collections::{BTreeSet, HashMap};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use app::history::{EventLine, open_sealed, sealed_for};
use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use domain::{AccountId, LoginId, Scope};
use eventlog::log::BranchId;
use eventlog::{DatabaseError, Log};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use tokio::time::{Instant, timeout_at};
use utoipa::{IntoParams, ToSchema};
use web::feed::FeedLine;
use web::route::Route;
use web::state::ApiState;

use crate::guard::Caller;
use crate::problem::Problem;
use crate::refusals::{HistoryChanged, Refusals};
use crate::scope;

/// How many events an answer has: this many at most, and that many unless told otherwise.
const MOST: usize = 1_000;
const USUAL: usize = 100;
/// The longest wait.
const LONGEST_WAIT: u64 = 25;
/// Events that one request reads from the database at most.
const PAGE: i64 = 1_000;
/// How long a request waits for the feed to know the log.
const PATIENCE: Duration = Duration::from_secs(5);
const MOST_TYPES: usize = 50;
const LONGEST_NAME: usize = 64;

pub(super) fn table() -> Vec<Route> {
    vec![(Method::GET, "/api/v1/events", get(follow))]
}

/// Which events.
#[derive(Debug, Default, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct EventsQuery {
    /// Those after this position: the `next` of the answer before; 0: from the beginning.
    #[param(value_type = Option<i64>, minimum = 0, default = 0)]
    after: i64,
    /// The `log` of the answer before. Send it with `after`, and a position of another history is refused.
    #[param(value_type = Option<String>, format = Uuid)]
    log: Option<BranchId>,
    /// How many at most.
    #[param(value_type = Option<i64>, minimum = 1, maximum = 1000, default = 100)]
    limit: Option<usize>,
    /// How many seconds to wait for the first one.
    #[param(value_type = Option<i64>, minimum = 0, maximum = 25, default = 0)]
    wait: u64,
    /// Only events of these names, such as `LoginStarted`: 50 at most. A name that is not known is no error.
    #[param(value_type = Option<Vec<String>>, max_items = 50, style = Form, explode, pattern = "^[A-Za-z]{1,64}$")]
    r#type: Vec<String>,
}

/// An event: a line of `replay history --format jsonl`.
#[derive(Serialize, ToSchema)]
#[schema(as = FeedEvent)]
struct EventShape {
    /// Its place in the one order of all events.
    position: i64,
    /// When the database took it.
    at: Timestamp,
    /// `invite`, `login`, `account`, `audit` or `service`. There may be others one day.
    stream: String,
    stream_id: String,
    /// Its place in its stream.
    version: i64,
    /// Its name. There may be others one day.
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
    /// What it says. Personal data in it is sealed; a key with `events:names` gets it opened, until the person is erased.
    #[schema(value_type = Object)]
    payload: Value,
}

/// Events.
#[derive(Serialize, ToSchema)]
#[schema(as = FeedEvents)]
struct EventsShape {
    items: Vec<EventShape>,
    /// For `after`. It moves on over events of other types.
    next: i64,
    /// Which history the positions are of: for `log`.
    #[schema(value_type = String, format = Uuid)]
    log: BranchId,
}

/// The log in its one order, long-polled.
///
/// Keep `next` and `log` together with what you make of the events, and send them with the next request. 409
/// (`urn:qr-login:history-changed`) says that the log was continued without some events that you know: `go_on_from` is the last
/// position before them.
#[utoipa::path(
    get,
    path = "/api/v1/events",
    operation_id = "follow_events_v1",
    tag = "v1",
    params(EventsQuery),
    security(("key" = ["events:read"])),
    responses(
        (status = 200, description = "Events", body = EventsShape),
        (status = 409, description = "The position is of another history; `go_on_from` and `log` say where to go on", body = HistoryChanged, content_type = "application/problem+json"),
        Refusals
    )
)]
#[tracing::instrument(name = "request", level = "error", skip_all, fields(key.id))]
pub(super) async fn follow(
    State(state): State<Arc<ApiState>>,
    caller: Caller<scope::EventsRead>,
    asked: EventsQuery,
) -> Result<Response, Problem> {
    let found = find(&state, &asked).await?;
    // 4.
    let key = &caller.key;
    if state.feed.is_revoked(&key.key_id) {
        return Err(Problem::KeyRevoked);
    }
    if key.refusal(state.app.clock.now()).is_some() {
        return Err(Problem::KeyExpired);
    }
    let opened = match key.may(Scope::EventsNames) {
        true => open(&state, &found.lines).await?,
        false => HashMap::new(),
    };
    let items: Vec<&str> =
        found.lines.iter().map(|line| opened.get(&line.position).unwrap_or(&line.json).as_str()).collect();
    let body = format!(r#"{{"items":[{}],"next":{},"log":"{}"}}"#, items.join(","), found.next, found.branch);
    let json = HeaderValue::from_static("application/json");
    Ok(([(header::CONTENT_TYPE, json)], body).into_response())
}

/// What is answered.
struct Found {
    lines: Vec<Arc<FeedLine>>,
    next: i64,
    branch: BranchId,
}

/// Where a caller is in the log.
struct Place {
    position: i64,
    branch: Option<BranchId>,
}

async fn find(state: &ApiState, asked: &EventsQuery) -> Result<Found, Problem> {
    let (db, log) = (&state.app.db, Log::new(&state.app.db));
    let failed = |error: DatabaseError| Problem::internal(&error);
    let limit = asked.limit.unwrap_or(USUAL);
    let begun = Instant::now();
    let (deadline, give_up) = (begun + Duration::from_secs(asked.wait), begun + PATIENCE);
    let mut changes = state.feed.changes();
    let mut place = Place { position: asked.after, branch: asked.log };
    // For which branch of the feed the place was found good.
    let mut checked = None;
    let mut lines = Vec::new();
    loop {
        changes.borrow_and_update();
        let look = state.feed.look(db, place.position, MOST);
        // 1. The database is asked only where memory does not say that the place is good.
        let is_known = look.branch.is_some() && place.position <= look.end;
        let is_other = place.branch.is_some() && place.branch != look.branch;
        if (!is_known || is_other) && checked != Some(look.branch) {
            place.check(&log).await?;
            checked = Some(look.branch);
        }
        let Some(branch) = look.branch.filter(|_| is_known) else {
            // The feed has just begun, or is a moment behind the database.
            match state.stopping.unless(timeout_at(give_up, changes.changed())).await {
                Some(Ok(_)) => continue,
                _ => return Err(Problem::Unavailable),
            }
        };
        // 2.
        let is_in_memory = look.lines.is_some();
        let read = match look.lines {
            Some(lines) => lines,
            None => {
                let after = place.position;
                let read = state.read(|app| async move {
                    let log = Log::new(&app.db);
                    log.read_in_branch(after, PAGE).await
                });
                let (page, now) = read.await.map_err(failed)?;
                if now != branch {
                    match state.stopping.unless(timeout_at(give_up, changes.changed())).await {
                        Some(Ok(_)) => continue,
                        _ => return Err(Problem::Unavailable),
                    }
                }
                page.into_iter().map(|event| Arc::new(FeedLine::from(event))).collect()
            }
        };
        place.branch = Some(branch);
        for line in read {
            place.position = line.position;
            if asked.takes(&line.name) {
                lines.push(line);
                if lines.len() == limit {
                    break;
                }
            }
        }
        if lines.is_empty() && is_in_memory {
            if place.position < look.end {
                continue;
            }
            // 3. Where the process stops, nothing has come: the caller asks the next one.
            if let Some(Ok(_)) = state.stopping.unless(timeout_at(deadline, changes.changed())).await {
                continue;
            }
        }
        return Ok(Found { lines, next: place.position, branch });
    }
}

impl Place {
    /// # Errors
    /// 409: its position is of another history than the log of now.
    async fn check(&self, log: &Log) -> Result<(), Problem> {
        let failed = |error: DatabaseError| Problem::internal(&error);
        let (now, go_on_from) = match self.branch {
            Some(branch) => {
                let parting = log.parting(branch).await.map_err(failed)?;
                (parting.now, parting.same_until.min(parting.end))
            }
            None => log.branch().await.map_err(failed)?,
        };
        match self.position > go_on_from {
            true => Err(Problem::HistoryChanged { log: now, go_on_from }),
            false => Ok(()),
        }
    }
}

/// The lines with something sealed, opened, by their positions. What an erased person's key had sealed stays sealed.
async fn open(state: &ApiState, lines: &[Arc<FeedLine>]) -> Result<HashMap<i64, String>, Problem> {
    let sealed: Vec<_> = lines.iter().filter_map(|line| line.sealed.as_ref()).collect();
    if sealed.is_empty() {
        return Ok(HashMap::new());
    }
    let accounts: BTreeSet<AccountId> = sealed.iter().filter_map(|event| sealed_for(event)).collect();
    let accounts: Vec<AccountId> = accounts.into_iter().collect();
    let people = state.app.vault.subjects(&accounts).await.map_err(|error| Problem::internal(&error))?;
    let opened = sealed.into_iter().filter_map(|event| {
        let subject = people.get(&sealed_for(event)?)?;
        let mut event = event.clone();
        open_sealed(&mut event, subject);
        let line = serde_json::to_string(&EventLine::from(&event)).expect("an event is plain data");
        Some((event.position, line))
    });
    Ok(opened.collect())
}

impl EventsQuery {
    fn takes(&self, name: &str) -> bool {
        self.r#type.is_empty() || self.r#type.iter().any(|it| it == name)
    }

    /// Reads a query. A name may come once, but for `type`.
    fn parse(query: &str) -> Option<Self> {
        let mut asked = Self::default();
        let mut seen = BTreeSet::new();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            if name != "type" && !seen.insert(name.to_string()) {
                return None;
            }
            match &*name {
                "after" => asked.after = number(&value)?,
                "log" => asked.log = Some(value.parse().ok()?),
                "limit" => {
                    asked.limit = Some(number(&value)?).filter(|it| (1..=MOST).contains(it)).map(Some)?
                }
                "wait" => asked.wait = Some(number(&value)?).filter(|it| *it <= LONGEST_WAIT)?,
                "type" => asked.r#type.push(name_of_event(&value)?),
                _ => return None,
            }
        }
        (asked.after >= 0 && asked.r#type.len() <= MOST_TYPES).then_some(asked)
    }
}

/// Digits alone.
fn number<T: FromStr>(text: &str) -> Option<T> {
    text.parse().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()))
}

/// A name that is not known here may be one of a newer version.
fn name_of_event(text: &str) -> Option<String> {
    let is_name = (1..=LONGEST_NAME).contains(&text.len()) && text.bytes().all(|it| it.is_ascii_alphabetic());
    is_name.then(|| text.to_owned())
}

impl FromRequestParts<Arc<ApiState>> for EventsQuery {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<ApiState>) -> Result<Self, Problem> {
        let asked = Self::parse(parts.uri.query().unwrap_or_default());
        asked.ok_or(Problem::BadRequest("The query is not as documented."))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_read_strictly() {
        let read = |query: &str| EventsQuery::parse(query).map(|it| (it.after, it.limit, it.wait, it.r#type));
        assert_eq!(read(""), Some((0, None, 0, Vec::new())));
        let types = ["LoginStarted", "QrIssued", "QrIssued"].map(str::to_owned).into();
        let full = "after=7&limit=1000&wait=25&type=LoginStarted&type=QrIssued&type=QrIssued";
        assert_eq!(read(full), Some((7, Some(1000), 25, types)));
        for bad in [
            "after=-1",
            "after=+1",
            "after=x",
            "after=9223372036854775808",
            "limit=0",
            "limit=1001",
            "wait=26",
            "wait=1.5",
            "wait=",
            "type=",
            "type=a%00",
            "type=a-b",
            "log=x",
            "after=1&after=1",
            "limit=1&limit=1",
            "since=1",
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
        let many = |number| vec!["type=QrIssued"; number].join("&");
        assert_eq!(read(&many(50)).map(|it| it.3.len()), Some(50));
        assert_eq!(read(&many(51)), None, "as often as the document says, also where they are alike");
    }
}
