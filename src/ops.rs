//! The operator's listener: health, readiness and metrics. It is apart from the public one, so that no proxy leads here. It answers
//! within a second, whatever the database does.
//!
//! - `/healthz`: the process lives.
//! - `/readyz`: whether it can serve. With 503 the body says why not, in one line: it waits for the database at its start, the
//!   database does not answer, the live logins do not follow the log, Telegram refuses the bot's token, no process leads the
//!   projections, or an event has waited for a view for longer than [`LONGEST_DELAY`]. That the views are a little behind is normal
//!   in a busy log. With 200, each line after `ready` names what somebody has to look at, and what stops nobody's login: parked rows,
//!   a full disk.
//! - `/metrics`: for Prometheus. What only the database knows is left out while it does not answer.

use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use projections::lag::{self, Delay, Progress};
use tokio::time::{Instant, timeout, timeout_at};

mod disk;
mod gauges;
mod process;
mod serving;
mod stored;

pub use disk::{Disk, Folder};
pub use serving::Serving;

use crate::config::Config;
use stored::Stored;
use telemetry::Metrics;
use terminal::counted;

/// How long the database, or a disk, may take to answer.
const ANSWERS_WITHIN: Duration = Duration::from_millis(900);
/// A view that is behind for longer makes the process not ready.
const LONGEST_DELAY: Duration = Duration::from_secs(10);
/// The content type of `/metrics`.
const TEXT_FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What the listener answers with.
#[derive(Clone, Debug)]
pub struct Ops {
    /// Set once the process serves: before, it waits for its database.
    pub serving: Arc<OnceLock<Serving>>,
    /// What the process counts.
    pub metrics: Option<Metrics>,
    /// The folders that it writes to.
    pub folders: Arc<[Folder]>,
}

impl Ops {
    /// For a process with these settings, which serves as soon as `serving` is set.
    pub fn new(config: &Config, serving: Arc<OnceLock<Serving>>, metrics: Option<Metrics>) -> Self {
        let folder = |name, setting, path: &Path| Folder {
            name,
            setting,
            path: path.to_owned(),
            look: Arc::default(),
        };
        let data = folder("data", "DATA_DIR", &config.data.data_dir);
        let sessions = folder("sessions", "SESSIONS_DIR", &config.sessions_dir);
        Self { serving, metrics, folders: Arc::new([data, sessions]) }
    }
}

/// `/healthz`, `/readyz`, `/metrics`.
pub fn routes(ops: Ops) -> Router {
    Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(render))
        .with_state(ops)
}

async fn ready(State(ops): State<Ops>) -> (StatusCode, String) {
    let serving = ops.serving.get();
    let (progress, disks) = tokio::join!(progress(serving), disk::look(&ops.folders, ANSWERS_WITHIN));
    if let Some(reason) = why_not(serving, progress.as_ref()) {
        return (StatusCode::SERVICE_UNAVAILABLE, reason + "\n");
    }
    let parked: i64 = progress.iter().flat_map(|progress| progress.parked.values()).sum();
    let mut lines = vec!["ready".to_owned()];
    if parked > 0 {
        let rows = counted(usize::try_from(parked).unwrap_or(usize::MAX), "row");
        lines.push(format!("parked: {rows}; `replay lag` shows which"));
    }
    let full = disks.iter().filter(|(_, disk)| disk.is_full());
    lines.extend(full.map(|(folder, _)| {
        format!("{}: nothing can be written in {}", folder.setting, folder.path.display())
    }));
    (StatusCode::OK, lines.join("\n") + "\n")
}

async fn progress(serving: Option<&Serving>) -> Option<Progress> {
    timeout(ANSWERS_WITHIN, lag::progress(&serving?.db, LONGEST_DELAY)).await.ok()?.ok()
}

/// Why the process cannot serve. `progress`: None, where the database did not tell it in time.
fn why_not(serving: Option<&Serving>, progress: Option<&Progress>) -> Option<String> {
    let Some(serving) = serving else {
        return Some("the database is waited for".to_owned());
    };
    let Some(progress) = progress else {
        return Some("the database does not answer".to_owned());
    };
    if serving.live_logins.as_ref().is_some_and(|live_logins| !live_logins.follows()) {
        return Some("the live logins do not follow the log".to_owned());
    }
    if serving.token.is_refused() {
        return Some("Telegram refuses BOT_TOKEN: check it with @BotFather".to_owned());
    }
    progress.delay(LONGEST_DELAY).map(|delay| match delay {
        Delay::NobodyLeads => {
            "nobody leads the projections: no process with the role projector runs".to_owned()
        }
        Delay::Behind(waited) => {
            format!("the views are behind: an event has waited for {} s", waited.as_secs())
        }
    })
}

async fn render(State(ops): State<Ops>) -> Result<Response, StatusCode> {
    let metrics = ops.metrics.ok_or(StatusCode::NOT_FOUND)?;
    let serving = ops.serving.get();
    let until = Instant::now() + ANSWERS_WITHIN;
    // One statement after the other: a scrape takes one connection.
    let measured = async {
        let progress = progress(serving).await;
        let stored = match progress {
            Some(_) => stored(serving, until).await,
            None => None,
        };
        (progress, stored)
    };
    let ((progress, stored), disks) = tokio::join!(measured, disk::look(&ops.folders, ANSWERS_WITHIN));
    let is_ready = why_not(serving, progress.as_ref()).is_none();
    let seen = gauges::Seen { began_at: metrics.began_at, is_ready, serving, progress, stored, disks };
    process::count_cpu();
    let text = metrics.handle.render() + &gauges::render(&seen);
    Ok(([(header::CONTENT_TYPE, TEXT_FORMAT)], text).into_response())
}

async fn stored(serving: Option<&Serving>, until: Instant) -> Option<Stored> {
    match timeout_at(until, Stored::measure(&serving?.db)).await {
        Ok(Ok(stored)) => Some(stored),
        Ok(Err(error)) => {
            tracing::debug!(error = &*error as &dyn std::error::Error, "the database's metrics are left out");
            None
        }
        Err(_) => None,
    }
}
