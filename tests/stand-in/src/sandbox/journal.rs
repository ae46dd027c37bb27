//! The journal: the log of the service as it was written, and the event history as `replay` prints it.

use std::time::Duration;

use axum::Json;
use axum::extract::{Query, State};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::Sandbox;

/// The page asks after every change: one run of `replay` answers all who ask within this time.
const FRESH_FOR: Duration = Duration::from_millis(250);

/// The database's address, and the last output of `replay`.
#[derive(Default)]
pub(super) struct Cache(Mutex<Option<Known>>);

struct Known {
    database_url: String,
    asked_at: Instant,
    events: Vec<Value>,
}

#[derive(Deserialize)]
pub(super) struct After {
    #[serde(default)]
    after: u64,
}

#[derive(Deserialize)]
pub(super) struct Limit {
    limit: Option<usize>,
}

pub(super) async fn log(State(sandbox): State<Sandbox>, Query(After { after }): Query<After>) -> Json<Value> {
    Json(json!({"lines": sandbox.inner.service.log_after(after)}))
}

pub(super) async fn events(
    State(sandbox): State<Sandbox>,
    Query(Limit { limit }): Query<Limit>,
) -> Json<Value> {
    let events = sandbox.history().await;
    let available = events.is_some();
    let mut events = events.unwrap_or_default();
    events.drain(..events.len().saturating_sub(limit.unwrap_or(200)));
    Json(json!({"available": available, "events": events}))
}

impl Sandbox {
    /// The whole history; none while the database or `replay` is missing.
    async fn history(&self) -> Option<Vec<Value>> {
        let service = &self.inner.service;
        let mut known = self.inner.journal.0.lock().await;
        if let Some(known) = known.as_ref().filter(|known| known.asked_at.elapsed() < FRESH_FOR) {
            return Some(known.events.clone());
        }
        let database_url = match known.take() {
            Some(known) => known.database_url,
            None => service.database_url().await.ok()?,
        };
        let told = service.replay(&database_url, &["history", "--format", "jsonl"]).await.ok()?;
        let events: Vec<Value> = told.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        *known = Some(Known { database_url, asked_at: Instant::now(), events: events.clone() });
        Some(events)
    }
}
