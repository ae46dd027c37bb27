//! Every metric, with its HELP: here and nowhere else. `describe_*!` and the tests of the documents, alert rules and dashboard read
//! this list.
//!
//! Names follow Prometheus's conventions (prometheus.io/docs/practices/naming): one prefix, base units, `_total` for what only grows.
//! The values of labels are bounded: no label holds an id, a name, or anything that a person sends.

use metrics::{Label, counter, describe_counter, describe_gauge, describe_histogram, histogram};

/// A metric.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// As Prometheus knows it.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
    /// Its labels, and their values where those are known before anything happens.
    pub labels: &'static [(&'static str, &'static [&'static str])],
    /// Its HELP.
    pub help: &'static str,
}

/// What a metric is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// It only grows, while the process lives.
    Counter,
    /// It is now.
    Gauge,
    /// How many seconds something took, by these upper bounds.
    Histogram(&'static [f64]),
}

/// From a millisecond to the longest answer that is no long poll.
const REQUEST_SECONDS: &[f64] =
    &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
/// From what a page waits for the news to what a person has for a login.
const LOGIN_SECONDS: &[f64] =
    &[0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0];
/// From seconds to the days for which Telegram may say no.
const FLOOD_WAIT_SECONDS: &[f64] = &[1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3_600.0, 21_600.0, 86_400.0];

const APIS: &[&str] = &["bot", "mtproto"];
const FOLDERS: (&str, &[&str]) = ("folder", &["data", "sessions"]);
const LEASES: (&str, &[&str]) = ("lease", &["leader", "poller", "tree", "webhooks"]);
const PRIORITIES: (&str, &[&str]) = ("priority", &["normal", "stranger", "reminder"]);

const fn counter_of(name: &'static str, labels: Labels, help: &'static str) -> Metric {
    Metric { name, kind: Kind::Counter, labels, help }
}

const fn gauge_of(name: &'static str, labels: Labels, help: &'static str) -> Metric {
    Metric { name, kind: Kind::Gauge, labels, help }
}

const fn seconds_of(
    name: &'static str,
    labels: Labels,
    bounds: &'static [f64],
    help: &'static str,
) -> Metric {
    Metric { name, kind: Kind::Histogram(bounds), labels, help }
}

type Labels = &'static [(&'static str, &'static [&'static str])];

/// All of them, in the order of docs/operate.md.
pub const METRICS: &[Metric] = &[
    // The process.
    gauge_of("qrlogin_ready", &[], "Whether /readyz says yes (1) or no (0)."),
    gauge_of("qrlogin_build_info", &[("version", &[])], "The version that runs; the value is always 1."),
    gauge_of("qrlogin_process_start_time_seconds", &[], "When the process began, in seconds since 1970."),
    counter_of(
        "qrlogin_process_cpu_seconds_total",
        &[],
        "Seconds of CPU that the process has used, user and system.",
    ),
    gauge_of("qrlogin_process_resident_memory_bytes", &[], "Resident memory of the process."),
    gauge_of("qrlogin_process_open_fds", &[], "Open file descriptors of the process."),
    gauge_of("qrlogin_process_max_fds", &[], "File descriptors that the process may open."),
    gauge_of(
        "qrlogin_disk_free_bytes",
        &[FOLDERS],
        "Room that is left for the service on the disk of a folder.",
    ),
    gauge_of("qrlogin_disk_size_bytes", &[FOLDERS], "Size of the disk of a folder."),
    gauge_of(
        "qrlogin_disk_full",
        &[FOLDERS],
        "Whether no file can be written in a folder (1): no room, no inode, or read-only.",
    ),
    gauge_of(
        "qrlogin_lease_held",
        &[LEASES],
        "Whether this process holds the lease (1); the holder of leader projects, that of poller speaks in the chat.",
    ),
    // The database.
    gauge_of(
        "qrlogin_database_up",
        &[],
        "Whether the database answers in time (1). While it is 0, what only the database knows is left out.",
    ),
    gauge_of("qrlogin_database_pool_connections", &[], "Connections in the pool, idle ones included."),
    gauge_of("qrlogin_database_pool_idle_connections", &[], "Connections in the pool that are idle."),
    gauge_of("qrlogin_database_pool_max_connections", &[], "Connections that the pool may have."),
    gauge_of("qrlogin_database_pool_waiting", &[], "Tasks that wait for a connection of the pool."),
    counter_of(
        "qrlogin_database_pools_given_up_total",
        &[],
        "Times that all connections were made anew, since one did not answer in time.",
    ),
    // Logins.
    counter_of(
        "qrlogin_logins_started_total",
        &[],
        "Attempts to log in that began; a retry is one more. Counted by the leader.",
    ),
    counter_of(
        "qrlogin_logins_total",
        &[
            ("way", &["qr", "phone", "unknown"]),
            ("outcome", &["authorized", "expired", "cancelled", "rejected", "failed"]),
        ],
        "Attempts to log in that ended. Counted by the leader.",
    ),
    counter_of(
        "qrlogin_login_failures_total",
        &[(
            "reason",
            &[
                "telegram_unreachable",
                "flood_wait",
                "not_registered",
                "session_lost",
                "invite_gone",
                "internal",
            ],
        )],
        "Attempts that ended with the outcome failed, by what broke. Counted by the leader.",
    ),
    seconds_of(
        "qrlogin_login_phase_seconds",
        &[("phase", &["first_qr", "confirm", "link", "page"])],
        LOGIN_SECONDS,
        "Phases of a login: first_qr from its start to the first QR code, confirm from there to the confirmation, link from the account's yes to the event, page from the event to a page that waits.",
    ),
    gauge_of("qrlogin_logins_live", &[], "Logins that may still become authorized."),
    gauge_of("qrlogin_login_attempts_held", &[], "Logins that this process runs at Telegram."),
    counter_of(
        "qrlogin_unowned_sessions_total",
        &[],
        "Sessions that Telegram knows and nobody here holds, and whose person was told.",
    ),
    // Telegram.
    counter_of(
        "qrlogin_telegram_errors_total",
        &[
            ("api", APIS),
            (
                "kind",
                &[
                    "unreachable",
                    "failing",
                    "flood_wait",
                    "conflict",
                    "token_refused",
                    "key_lost",
                    "restart",
                    "refused",
                ],
            ),
        ],
        "Calls that Telegram did not answer as asked, by its API and by what is wrong.",
    ),
    seconds_of(
        "qrlogin_telegram_flood_wait_seconds",
        &[("api", APIS)],
        FLOOD_WAIT_SECONDS,
        "For how long Telegram told to wait (FLOOD_WAIT, 429).",
    ),
    gauge_of(
        "qrlogin_bot_token_refused",
        &[],
        "Whether Telegram refuses BOT_TOKEN (1), by the last call of this process.",
    ),
    // Messages.
    counter_of("qrlogin_bot_updates_total", &[], "Updates of the bot that were stored."),
    counter_of(
        "qrlogin_bot_updates_refused_total",
        &[("source", &["polling", "webhook", "inbox"])],
        "Updates of the bot that could not be read or stored.",
    ),
    gauge_of("qrlogin_inbox_waiting", &[], "Updates of the bot that wait to be handled."),
    gauge_of("qrlogin_inbox_oldest_seconds", &[], "For how long the oldest of them waits."),
    counter_of(
        "qrlogin_bot_messages_total",
        &[("outcome", &["sent", "later", "unclear", "given_up", "in_card"])],
        "Tries to send a message, by what became of it.",
    ),
    gauge_of("qrlogin_outbox_waiting", &[PRIORITIES], "Messages to people that wait to be sent."),
    gauge_of("qrlogin_outbox_oldest_seconds", &[PRIORITIES], "For how long the oldest of them is due."),
    // HTTP.
    counter_of(
        "qrlogin_http_requests_total",
        &[("route", &[]), ("method", &[]), ("status", &["2xx", "3xx", "4xx", "5xx"])],
        "Requests on LISTEN_ADDR that were answered, by the pattern of their route.",
    ),
    seconds_of(
        "qrlogin_http_request_seconds",
        &[("route", &[]), ("method", &[])],
        REQUEST_SECONDS,
        "From a request to the head of its answer; requests that wait for news (wait=) are left out.",
    ),
    counter_of(
        "qrlogin_http_refused_total",
        &[("reason", &["connections", "requests"])],
        "Connections and requests beyond the limits of an address.",
    ),
    counter_of(
        "qrlogin_http_connections_closed_total",
        &[],
        "Slow connections that were closed to make room for others.",
    ),
    // The log and what is made of it.
    gauge_of("qrlogin_log_position", &[], "The last position of the log."),
    gauge_of("qrlogin_log_unplaced_events", &[], "Committed events that have no position yet."),
    gauge_of("qrlogin_log_unplaced_seconds", &[], "For how long the oldest of them waits."),
    gauge_of(
        "qrlogin_lag_events",
        &[("consumer", &[])],
        "Events that a view, or the reactor, has not taken in yet.",
    ),
    gauge_of("qrlogin_lag_seconds", &[("consumer", &[])], "How old the first of them is."),
    counter_of(
        "qrlogin_projector_events_total",
        &[],
        "Events that were folded into the views by this process.",
    ),
    gauge_of(
        "qrlogin_parked",
        &[("view", &[])],
        "Rows of a view, or events of the reactor, that are parked.",
    ),
    counter_of(
        "qrlogin_rows_parked_total",
        &[("view", &[])],
        "Rows and events that this process has parked.",
    ),
    gauge_of("qrlogin_checkpoint_position", &[], "The position that the last signed checkpoint reaches."),
    gauge_of(
        "qrlogin_checkpoint_fault",
        &[],
        "Whether no checkpoint is signed (1): the log does not extend what was signed, or the key is another.",
    ),
    // Webhooks.
    gauge_of("qrlogin_webhook_deliveries_waiting", &[], "Messages to webhooks that wait."),
    gauge_of("qrlogin_webhook_oldest_seconds", &[], "For how long the oldest waits whose webhook is on."),
    gauge_of("qrlogin_webhook_deliveries_parked", &[], "Messages to webhooks that were given up."),
    gauge_of("qrlogin_webhooks_gone", &[], "Webhooks that were switched off by a 410."),
    gauge_of("qrlogin_webhook_lag_events", &[], "Events that were not turned into messages yet."),
    gauge_of(
        "qrlogin_webhook_deliveries_under_way",
        &[],
        "Requests of this process that wait for an answer.",
    ),
    counter_of(
        "qrlogin_webhook_deliveries_total",
        &[("outcome", &["delivered", "failed", "gone", "unreadable", "dropped"])],
        "Tries to deliver a message, by outcome.",
    ),
    counter_of("qrlogin_webhook_messages_total", &[], "Messages to webhooks that were added."),
];

/// Tells the recorder what each metric means.
pub fn describe() {
    for Metric { name, kind, help, .. } in METRICS {
        match kind {
            Kind::Counter => describe_counter!(*name, *help),
            Kind::Gauge => describe_gauge!(*name, *help),
            Kind::Histogram(_) => describe_histogram!(*name, *help),
        }
    }
}

/// Begins counters and histograms at zero, where their labels are known: an alert sees the first time that something happens.
pub fn begin_at_zero() {
    for metric in METRICS {
        for labels in metric.known_series() {
            match metric.kind {
                Kind::Counter => counter!(metric.name, labels).increment(0),
                Kind::Histogram(_) => drop(histogram!(metric.name, labels)),
                Kind::Gauge => {}
            }
        }
    }
}

impl Metric {
    /// The labels of each series; none where a label's values are known only once something has happened.
    fn known_series(&self) -> Vec<Vec<Label>> {
        self.labels.iter().fold(vec![Vec::new()], |series, (name, values)| {
            let with = |labels: &Vec<Label>, value: &'static str| {
                let mut labels = labels.clone();
                labels.push(Label::from_static_parts(name, value));
                labels
            };
            series.iter().flat_map(|labels| values.iter().map(move |value| with(labels, value))).collect()
        })
    }
}

#[cfg(test)]
mod tests;
