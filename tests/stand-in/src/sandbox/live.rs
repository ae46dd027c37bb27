//! How the page learns of changes: `GET /sandbox/state` once, `GET /sandbox/events` for as long as it is open.

use std::convert::Infallible;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures::Stream;
use futures::stream::{StreamExt, unfold};
use serde_json::Value;

use super::Sandbox;
use crate::service::LogLine;

/// Changes come in bursts (a login is a dozen calls): one state for each.
const COALESCE: Duration = Duration::from_millis(40);

pub(super) async fn state(State(sandbox): State<Sandbox>) -> Json<Value> {
    Json(sandbox.refresh())
}

/// Each line carries its number as the event's id, so a browser that comes back goes on where it was.
pub(super) async fn events(
    State(sandbox): State<Sandbox>,
    headers: HeaderMap,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let seen = headers.get("Last-Event-ID").and_then(|id| id.to_str().ok()?.parse().ok()).unwrap_or(0);
    let stream = states(sandbox.clone()).boxed();
    let lines = log_lines(sandbox, seen).boxed();
    Sse::new(futures::stream::select(stream, lines)).keep_alive(KeepAlive::default())
}

fn states(sandbox: Sandbox) -> impl Stream<Item = Result<Event, Infallible>> {
    sandbox.refresh();
    let mut states = sandbox.states();
    states.mark_changed();
    unfold((sandbox, states), async |(sandbox, mut states)| {
        states.changed().await.ok()?;
        let state = states.borrow_and_update().clone();
        let event = Event::default().event("state").json_data(sandbox.dated(state)).ok()?;
        Some((Ok(event), (sandbox, states)))
    })
}

fn log_lines(sandbox: Sandbox, seen: u64) -> impl Stream<Item = Result<Event, Infallible>> {
    let changes = sandbox.inner.service.changes();
    let none: std::vec::IntoIter<LogLine> = Vec::new().into_iter();
    unfold((sandbox, changes, seen, none), async |(sandbox, mut changes, mut seen, mut lines)| {
        loop {
            if let Some(line) = lines.next() {
                seen = line.n;
                let event = Event::default().event("log").id(line.n.to_string()).json_data(line).ok()?;
                return Some((Ok(event), (sandbox, changes, seen, lines)));
            }
            changes.borrow_and_update();
            lines = sandbox.inner.service.log_after(seen).into_iter();
            if lines.len() == 0 {
                changes.changed().await.ok()?;
            }
        }
    })
}

impl Sandbox {
    /// Publishes the state after every change, anywhere. Runs as long as the sandbox.
    pub(super) async fn publish_changes(self) {
        let mut chat = self.inner.telegram.bot_api.changes();
        let mut telegram = self.inner.telegram.mtproto.changes();
        let mut service = self.inner.service.changes();
        loop {
            self.refresh();
            let going_on = tokio::select! {
                changed = chat.changed() => changed,
                changed = telegram.changed() => changed,
                changed = service.changed() => changed,
            };
            if going_on.is_err() {
                return;
            }
            tokio::time::sleep(COALESCE).await;
        }
    }
}
