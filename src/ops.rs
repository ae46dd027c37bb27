//! The operator's listener: health, readiness and metrics. It is apart from the public one, so that no proxy leads here. It answers
//! within a second, whatever the database does.
//!
//! - `/healthz`: the process lives.
//! - `/readyz`: it can serve. Else one line says why not: it waits for the database at its start, the database does not answer, the
//!   live logins do not follow the log, Telegram refuses the bot's token, no process leads the projections, or an event has waited
//!   for a view for longer than [`LONGEST_DELAY`]. That the views are a little behind is normal in a busy log.
//! - `/metrics`: for Prometheus. What only the database knows is left out while it does not answer.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use bot::chat::BotToken;
use eventlog::database::{Database, DatabaseError};
use metrics::gauge;
use metrics_exporter_prometheus::PrometheusHandle;
use projections::lag::{self, Delay};
use tokio::time::timeout;
use web::LiveLogins;

/// How long the database may take to answer.
const ANSWERS_WITHIN: Duration = Duration::from_millis(900);
/// A view that is behind for longer makes the process not ready.
const LONGEST_DELAY: Duration = Duration::from_secs(10);

/// What the listener answers with.
#[derive(Clone)]
pub struct Ops {
    /// Set once the process serves: before, it waits for its database.
    pub serving: Arc<OnceLock<Serving>>,
    /// Renders the metrics.
    pub metrics: Option<PrometheusHandle>,
}

/// The parts that decide whether the process can serve.
#[derive(Debug)]
pub struct Serving {
    /// Whether it answers, and whether the views keep up.
    pub db: Database,
    /// The live logins, where this process serves them.
    pub live_logins: Option<Arc<LiveLogins>>,
    /// Whether Telegram takes the bot's token.
    pub token: BotToken,
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
    match why_not(&ops).await {
        None => (StatusCode::OK, "ready\n".to_owned()),
        Some(reason) => (StatusCode::SERVICE_UNAVAILABLE, reason + "\n"),
    }
}

async fn why_not(ops: &Ops) -> Option<String> {
    let Some(serving) = ops.serving.get() else {
        return Some("the database is waited for".to_owned());
    };
    let delay = match timeout(ANSWERS_WITHIN, lag::delay(&serving.db, LONGEST_DELAY)).await {
        Ok(Ok(delay)) => delay,
        Ok(Err(_)) | Err(_) => return Some("the database does not answer".to_owned()),
    };
    if serving.live_logins.as_ref().is_some_and(|live_logins| !live_logins.follows()) {
        return Some("the live logins do not follow the log".to_owned());
    }
    if serving.token.is_refused() {
        return Some("Telegram refuses BOT_TOKEN: check it with @BotFather".to_owned());
    }
    delay.map(|delay| match delay {
        Delay::NobodyLeads => {
            "nobody leads the projections: no process with the role projector runs".to_owned()
        }
        Delay::Behind(waited) => {
            format!("the views are behind: an event has waited for {} s", waited.as_secs())
        }
    })
}

async fn render(State(ops): State<Ops>) -> Result<String, StatusCode> {
    let metrics = ops.metrics.ok_or(StatusCode::NOT_FOUND)?;
    let measured = match ops.serving.get() {
        Some(serving) => timeout(ANSWERS_WITHIN, measure_lag(&serving.db)).await.is_ok_and(|it| it.is_ok()),
        None => false,
    };
    gauge!("database_answers").set(f64::from(u8::from(measured)));
    // Empties the buffers of the histograms; nothing else does.
    metrics.run_upkeep();
    Ok(metrics.render())
}

/// Read from the database, so it is right whichever process leads.
async fn measure_lag(db: &Database) -> Result<(), DatabaseError> {
    let lag = lag::lag(db).await?;
    gauge!("log_position").set(lag.end as f64);
    gauge!("sequencer_events_without_position").set(lag.unplaced as f64);
    for consumer in lag.consumers {
        gauge!("lag_events", "consumer" => consumer.consumer).set(consumer.behind as f64);
    }
    gauge!("parked").set(lag.parked.len() as f64);
    Ok(())
}
