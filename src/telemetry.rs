//! The log, which goes to stderr because answers go to stdout, and the metrics.

use std::sync::OnceLock;

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use terminal::LogLines;
use tracing::{Level, Metadata};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, fmt, registry};

use crate::config::BadSetting;

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
        Ok("json") => log.with(lines.json().flatten_event(true)).init(),
        Ok("text" | "") | Err(_) => log.with(lines.with_ansi(colours)).init(),
        Ok(other) => {
            return Err(BadSetting::new("LOG_FORMAT", format!("{other:?} is neither text nor json")));
        }
    }
    Ok(())
}

fn may_be_logged(metadata: &Metadata<'_>) -> bool {
    let library = metadata.target().split("::").next().unwrap_or_default();
    *metadata.level() <= Level::WARN || !NEVER_BELOW_WARN.contains(&library)
}

/// The metrics of this process: started once, rendered by every handle.
pub fn metrics() -> Option<PrometheusHandle> {
    static METRICS: OnceLock<Option<PrometheusHandle>> = OnceLock::new();
    METRICS.get_or_init(|| PrometheusBuilder::new().install_recorder().ok()).clone()
}
