//! The metrics of this process.

use std::convert::Infallible;
use std::sync::OnceLock;
use std::time::Duration;

use jiff::Timestamp;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

use crate::catalogue::{self, Kind, METRICS};

/// How often what was timed is moved into the histograms.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);

/// What this process counts and times. What it *is* at a moment is measured when Prometheus asks (`ops`).
#[derive(Clone, Debug)]
pub struct Metrics {
    /// Renders them.
    pub handle: PrometheusHandle,
    /// When they began, which is when the process did.
    pub began_at: Timestamp,
}

impl Metrics {
    /// Moves what was timed into the histograms, for as long as it is polled: also where no Prometheus asks, nothing piles up.
    pub async fn keep_up(&self) -> Infallible {
        loop {
            tokio::time::sleep(UPKEEP_EVERY).await;
            self.handle.run_upkeep();
        }
    }
}

/// The metrics of this process: started once, rendered by every handle. None where something else records them.
pub fn metrics(now: Timestamp) -> Option<Metrics> {
    static STARTED: OnceLock<Option<Metrics>> = OnceLock::new();
    let begin = move || {
        let handle = builder().install_recorder().ok()?;
        catalogue::describe();
        catalogue::begin_at_zero();
        Some(Metrics { handle, began_at: now })
    };
    STARTED.get_or_init(begin).clone()
}

/// With the bounds of every histogram.
fn builder() -> PrometheusBuilder {
    METRICS.iter().fold(PrometheusBuilder::new(), |builder, metric| match metric.kind {
        Kind::Counter | Kind::Gauge => builder,
        Kind::Histogram(bounds) => builder
            .set_buckets_for_metric(Matcher::Full(metric.name.to_owned()), bounds)
            .expect("each histogram has bounds"),
    })
}
