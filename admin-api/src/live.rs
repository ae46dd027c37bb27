//! `GET /api/admin/events/live`: server-sent events. Each says that something was recorded, not what it holds.
//!
//! 1. One task follows the log for all listeners of this process, while there are any ([`LiveEvents`](web::live_events::LiveEvents)).
//! 2. A listener begins with what it missed (`Last-Event-ID`), at most [`MOST_MISSED`] events: beyond that it is told of a gap, and
//!    goes on with the newest. One that reads too slowly begins so again.
//! 3. Before it is told anything, and every 15 seconds, its session is looked at again: not more often than once a second, but at
//!    once where the event is about the listener. A session that is over ends the answer.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, Method, StatusCode};
use axum::response::sse::{Event as Sent, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use domain::AuditTarget;
use eventlog::{DatabaseError, Log};
use futures::stream;
use texts::http::Text;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{Semaphore, SemaphorePermit, broadcast};
use tokio::time::{Instant, sleep_until};

use super::guard::{Admin, Auditor, look_up};
use web::json::refusals::Refusals;
use web::live_events::LiveEvent;
use web::problem::Problem;
use web::route::Route;
use web::state::ApiState;

/// A listener with nothing to tell gets a comment, so that no proxy takes the connection for dead.
const BEAT: Duration = Duration::from_secs(15);
/// How long an answer about a session counts.
const CHECKED_FOR: Duration = Duration::from_secs(1);
/// How many events a listener may have missed.
const MOST_MISSED: usize = 1_000;
/// Events in one read.
const PAGE: i64 = 500;
/// Listeners of one process.
static LISTENERS: Semaphore = Semaphore::const_new(64);
/// When one too many may try again, in seconds.
const AGAIN_SECONDS: i64 = 30;

pub(super) fn table() -> Vec<Route> {
    vec![(Method::GET, "/api/admin/events/live", get(live))]
}

/// What is recorded, as it comes: server-sent events. A comment comes every 15 seconds. `event: gap` says that events were left out.
#[utoipa::path(
    get,
    path = "/api/admin/events/live",
    operation_id = "follow_events",
    tag = "events",
    security(("session" = ["auditor"])),
    params(("Last-Event-ID" = Option<i64>, Header, description = "The position of the last event that was received")),
    responses(
        (status = 200, description = "The stream", body = LiveEvent, content_type = "text/event-stream"),
        Refusals
    )
)]
#[tracing::instrument(name = "request", level = "error", skip_all, fields(account.id))]
pub(super) async fn live(
    State(state): State<Arc<ApiState>>,
    Auditor(reader): Auditor,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let language = reader.language;
    let Ok(place) = LISTENERS.try_acquire() else {
        let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, language, Text::TooManyRequests);
        return Err(problem.after(AGAIN_SECONDS));
    };
    let failed = |error: DatabaseError| Problem::internal(language, &error);
    let end = Log::new(&state.app.db).end().await.map_err(failed)?;
    // What comes after this end is told: by the follower, or by `catch_up`, which reads after this.
    let receiver = state.live_events.listen(&state.app.db, end);
    app::audit::note_read(&state.app, reader.account_id, reader.role, AuditTarget::Log).await;
    let known = headers.get(HeaderName::from_static("last-event-id"));
    let known = known.and_then(|id| id.to_str().ok()?.parse().ok());
    let (now, beat) = (Instant::now(), Instant::now() + BEAT);
    let mut listener = Listener {
        state,
        reader,
        receiver,
        position: known.filter(|known| (0..=end).contains(known)).unwrap_or(end),
        missed: VecDeque::new(),
        beat,
        checked: now,
        _place: place,
    };
    // A place for which the log was set back is no place in it.
    if known.is_some_and(|known: i64| known > end) {
        listener.missed.push_back(gap(end));
    }
    listener.catch_up().await.map_err(failed)?;
    let events = stream::unfold(listener, |mut listener| async {
        let event = listener.next().await?;
        Some((Ok::<_, Infallible>(event), listener))
    });
    let unbuffered = [(HeaderName::from_static("x-accel-buffering"), "no")];
    Ok((unbuffered, Sse::new(events)).into_response())
}

/// Somebody who listens.
struct Listener {
    state: Arc<ApiState>,
    reader: Admin,
    receiver: broadcast::Receiver<LiveEvent>,
    /// The last position that was told, or passed over.
    position: i64,
    /// What comes before anything new.
    missed: VecDeque<Sent>,
    /// When the next comment is due.
    beat: Instant,
    /// When the session was looked at last.
    checked: Instant,
    _place: SemaphorePermit<'static>,
}

impl Listener {
    /// The next event; None: the answer is over.
    async fn next(&mut self) -> Option<Sent> {
        loop {
            if !self.missed.is_empty() {
                if self.checked.elapsed() > CHECKED_FOR && !self.may_go_on().await {
                    return None;
                }
                return self.missed.pop_front();
            }
            tokio::select! {
                received = self.receiver.recv() => match received {
                    Ok(event) if event.position <= self.position => {}
                    Ok(event) => {
                        let is_own = event.account_id == Some(self.reader.account_id);
                        if (is_own || self.checked.elapsed() > CHECKED_FOR) && !self.may_go_on().await {
                            return None;
                        }
                        self.position = event.position;
                        return Some(told(&event));
                    }
                    Err(RecvError::Lagged(_)) => {
                        if !self.may_go_on().await || self.catch_up().await.is_err() {
                            return None;
                        }
                    }
                    Err(RecvError::Closed) => return None,
                },
                // The listener comes back by itself, to a process that runs.
                () = self.state.stopping.begun() => return None,
                () = sleep_until(self.beat) => {
                    if !self.may_go_on().await {
                        return None;
                    }
                    self.beat = Instant::now() + BEAT;
                    return Some(Sent::default().comment(""));
                }
            }
        }
    }

    /// Whether the session lets its person listen on.
    async fn may_go_on(&mut self) -> bool {
        self.checked = Instant::now();
        look_up(&self.state, &self.reader.session, self.reader.language).await.is_ok()
    }

    /// Step 2.
    async fn catch_up(&mut self) -> Result<(), DatabaseError> {
        let log = Log::new(&self.state.app.db);
        loop {
            let page = log.read(self.position, PAGE).await?;
            for event in &page {
                self.missed.push_back(told(&LiveEvent::from(event)));
            }
            self.position = page.last().map_or(self.position, |last| last.position);
            if self.missed.len() > MOST_MISSED {
                self.position = log.end().await?;
                self.missed.clear();
                self.missed.push_back(gap(self.position));
                return Ok(());
            }
            if (page.len() as i64) < PAGE {
                return Ok(());
            }
        }
    }
}

fn told(event: &LiveEvent) -> Sent {
    let data = serde_json::to_string(event).expect("an event is plain data");
    Sent::default().event("log").id(event.position.to_string()).data(data)
}

/// Events were left out, up to this position: what is shown has to be read anew.
fn gap(position: i64) -> Sent {
    Sent::default().event("gap").id(position.to_string()).data(format!("{{\"position\":{position}}}"))
}
