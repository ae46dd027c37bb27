//! The log, which goes to stderr because answers go to stdout.

use terminal::{JsonLines, LogLines};
use tracing::{Level, Metadata};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, fmt, registry};

use crate::BadSetting;

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
const REPEATS_OUTAGES: &str = "sqlx_core::pool";

/// Starts the log by `LOG_FORMAT` (text or json) and `RUST_LOG`.
///
/// # Errors
/// `LOG_FORMAT` is neither text nor json, or `RUST_LOG` is not a filter.
pub fn start_log() -> Result<(), BadSetting> {
    let wanted = std::env::var("RUST_LOG").ok().filter(|text| !text.is_empty());
    let wanted = wanted.unwrap_or_else(|| DEFAULT_FILTER.to_owned());
    let filter = EnvFilter::try_new(&wanted).map_err(|error| {
        let problem = format!("{wanted:?} is not a filter: {error}");
        BadSetting { setting: "RUST_LOG", problem: problem.into() }
    })?;
    let log = registry().with(filter).with(filter_fn(may_be_logged));
    let lines = fmt::layer().with_writer(|| LogLines(std::io::stderr())).with_target(false);
    let colours =
        std::io::IsTerminal::is_terminal(&std::io::stderr()) && std::env::var_os("NO_COLOR").is_none();
    match std::env::var("LOG_FORMAT").as_deref() {
        Ok("json") => log.with(lines.json().event_format(JsonLines)).init(),
        Ok("text" | "") | Err(_) => log.with(lines.with_ansi(colours)).init(),
        Ok(other) => {
            let problem = format!("{other:?} is neither text nor json");
            return Err(BadSetting { setting: "LOG_FORMAT", problem: problem.into() });
        }
    }
    Ok(())
}

fn may_be_logged(metadata: &Metadata<'_>) -> bool {
    let library = metadata.target().split("::").next().unwrap_or_default();
    if metadata.target().starts_with(REPEATS_OUTAGES) && *metadata.level() > Level::ERROR {
        return false;
    }
    *metadata.level() <= Level::WARN || !NEVER_BELOW_WARN.contains(&library)
}
