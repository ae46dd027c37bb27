//! The log, which goes to stderr because answers go to stdout, and the metrics of this process.

use std::convert::Infallible;
use std::sync::OnceLock;
use std::time::Duration;

use eventlog::Clock;
use jiff::Timestamp;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use terminal::{JsonLines, LogLines};
use tracing::{Level, Metadata};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, fmt, registry};

use crate::config::BadSetting;

pub mod catalogue;

use catalogue::{Kind, METRICS};

/// The filter without `RUST_LOG`. Some libraries log keys and tokens on their lower levels.
const DEFAULT_FILTER: &str = "info,sqlx=warn,grammers_mtsender=error,grammers_client=error,grammers_mtproto=error,hyper=warn,teloxide=warn";
/// These libraries never log below a warning, with any `RUST_LOG`. On lower levels they log URLs with the bot token, or bodies
/// with tokens.
const NEVER_BELOW_WARN: [&str; 8] = [
    "hyper",
    "hyper_util",
    "reqwest",
    "teloxide_core",
    "teloxide",
    "grammers_mtsender",
    "grammers_mtproto",
    "grammers_client",
];

/// Warns of each connection that an outage closes, beside what its user says of the outage.
const SAYS_IT_AGAIN: &str = "sqlx_core::pool";
/// How often what was timed is moved into the histograms.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);

/// Starts the log by `LOG_FORMAT` (text or json) and `RUST_LOG`.
///
/// # Errors
/// `LOG_FORMAT` is neither text nor json, or `RUST_LOG` is not a filter.
pub fn start_log() -> Result<(), BadSetting> {
    let wanted = std::env::var("RUST_LOG").ok().filter(|text| !text.is_empty());
    let wanted = wanted.unwrap_or_else(|| DEFAULT_FILTER.to_owned());
    let filter = EnvFilter::try_new(&wanted)
        .map_err(|error| BadSetting::new("RUST_LOG", format!("{wanted:?} is not a filter: {error}")))?;
    let log = registry().with(filter).with(filter_fn(may_be_logged));
    let lines = fmt::layer().with_writer(|| LogLines(std::io::stderr())).with_target(false);
    let colours =
        std::io::IsTerminal::is_terminal(&std::io::stderr()) && std::env::var_os("NO_COLOR").is_none();
    match std::env::var("LOG_FORMAT").as_deref() {
        Ok("json") => log.with(lines.json().event_format(JsonLines)).init(),
        Ok("text" | "") | Err(_) => log.with(lines.with_ansi(colours)).init(),
        Ok(other) => {
            return Err(BadSetting::new("LOG_FORMAT", format!("{other:?} is neither text nor json")));
        }
    }
    Ok(())
}

fn may_be_logged(metadata: &Metadata<'_>) -> bool {
    let library = metadata.target().split("::").next().unwrap_or_default();
    if metadata.target().starts_with(SAYS_IT_AGAIN) && *metadata.level() > Level::ERROR {
        return false;
    }
    *metadata.level() <= Level::WARN || !NEVER_BELOW_WARN.contains(&library)
}

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

/// The metrics of this process: started once, rendered by every handle.
pub fn metrics() -> Option<Metrics> {
    static STARTED: OnceLock<Option<Metrics>> = OnceLock::new();
    let begin = || {
        let handle = builder().install_recorder().ok()?;
        catalogue::describe();
        catalogue::begin_at_zero();
        Some(Metrics { handle, began_at: Clock::system().now() })
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
