//! The operator's listener: is it alive, is it ready, what does it measure. Apart from the public one, so that no proxy
//! ever leads here.

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use metrics::gauge;
use metrics_exporter_prometheus::PrometheusHandle;
use projections::database::{Database, DatabaseError};
use projections::{lag, projector};

/// What the listener can reach.
#[derive(Clone)]
pub struct Ops {
    /// Asked whether it answers, and whether the views have caught up.
    pub db: Database,
    /// Renders the metrics.
    pub metrics: Option<PrometheusHandle>,
}

/// `/healthz`, `/readyz`, `/metrics`.
pub fn routes(ops: Ops) -> Router {
    Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(render))
        .with_state(ops)
}

/// 200 once the database is migrated (nothing listens before) and the views have caught up with the log.
async fn ready(State(ops): State<Ops>) -> (StatusCode, &'static str) {
    match projector::caught_up(&ops.db).await {
        Ok(true) => (StatusCode::OK, "ready\n"),
        Ok(false) => (StatusCode::SERVICE_UNAVAILABLE, "the views have not caught up with the log\n"),
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "the database does not answer\n"),
    }
}

async fn render(State(ops): State<Ops>) -> Result<String, StatusCode> {
    let metrics = ops.metrics.ok_or(StatusCode::NOT_FOUND)?;
    // Without an answer of the database the others are still worth telling.
    let _ = measure_lag(&ops.db).await;
    // Drains what histograms have gathered; nobody else asks it to.
    metrics.run_upkeep();
    Ok(metrics.render())
}

/// As the database tells it, whichever process leads.
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
