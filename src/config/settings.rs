//! The settings as a person gives them: flags, each of which falls back to an environment variable; and the variables that are
//! no flags. `--help` and `docs/configure.md` are made of what stands here.
//!
//! The last sentence of a text may be an example: `Example: https://login.example.org`.

#![allow(rustdoc::bare_urls, reason = "`--help` shows these texts as they are")]

use std::path::PathBuf;

/// The headings of the settings, in the order in which a person sets them.
pub const HEADINGS: [&str; 7] =
    ["Required", "Database", "Folders", "Bot and page", "Network", "Log", "Traces"];

/// The settings as flags; each falls back to the environment. All text: `Config::from_settings` checks.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Settings {
    /// Public https origin of the Mini App.
    ///
    /// A proxy there passes /qr-auth*, /me, /admin*, /api/* and /log/* on to LISTEN_ADDR, and nothing else. Example: https://login.example.org
    #[arg(long, env = "AUTH_BASE_URL", help_heading = "Required", value_name = "URL")]
    pub auth_base_url: Option<String>,
    #[command(flatten)]
    /// Where the data is.
    pub data: DataSettings,
    /// Sealed copies of linked sessions, as files. Default: DATA_DIR/sessions.
    #[arg(long, env = "SESSIONS_DIR", help_heading = "Folders", value_name = "FOLDER")]
    pub sessions_dir: Option<PathBuf>,
    /// Telegram ids of the first admins, separated by commas. Example: 139883458,200000001
    #[arg(
        long,
        env = "ADMIN_IDS",
        default_value = "",
        hide_default_value = true,
        help_heading = "Bot and page"
    )]
    pub admin_ids: String,
    /// Whether every admin gets the last signed checkpoint of each day in the chat: on or off.
    ///
    /// It is kept there where nobody who runs the service can change it.
    #[arg(long, env = "CHECKPOINTS_TO_CHAT", default_value = "off", help_heading = "Bot and page")]
    pub checkpoints_to_chat: String,
    /// Whom a blocked person may write to. Example: @support
    #[arg(long, env = "SUPPORT_CONTACT", help_heading = "Bot and page")]
    pub support_contact: Option<String>,
    /// The time zone that the bot's dates are in.
    #[arg(long, env = "DISPLAY_TIMEZONE", default_value = "Europe/Moscow", help_heading = "Bot and page")]
    pub display_timezone: String,
    /// Whether one may log in by a code on one phone: on (to the number that Telegram says is theirs), typed (to any), off.
    ///
    /// With typed, no hint of a 2-step password is shown.
    #[arg(long, env = "ONE_PHONE_LOGIN", default_value = "on", help_heading = "Bot and page")]
    pub one_phone_login: String,
    /// How often linked sessions are checked, like 6h or 30m.
    ///
    /// Once a day a check also looks for sessions that nobody here holds.
    #[arg(long, env = "SESSION_CHECK_INTERVAL", default_value = "6h", help_heading = "Bot and page")]
    pub session_check_interval: String,
    /// How the session is called in Telegram's list of devices.
    ///
    /// Another service with the same TELEGRAM_API_ID needs another name: its sessions would be taken for lost ones of this service.
    #[arg(long, env = "DEVICE_NAME", default_value = "qr-login", help_heading = "Bot and page")]
    pub device_name: String,
    /// What this process does: api, bot, projector, separated by commas.
    ///
    /// Together the processes of a deployment have to do all three. Example: api,bot
    #[arg(long, env = "ROLE", default_value = "api,bot,projector", help_heading = "Network")]
    pub role: String,
    /// Where HTTP is served, for the proxy.
    #[arg(long, env = "LISTEN_ADDR", default_value = "127.0.0.1:8010", help_heading = "Network")]
    pub listen_addr: String,
    /// Reverse proxies whose X-Forwarded-For counts: addresses or networks, separated by commas, or none.
    ///
    /// Everybody else may have 64 connections an address. Example: 10.0.0.0/8
    #[arg(long, env = "TRUSTED_PROXIES", default_value = "127.0.0.0/8,::1", help_heading = "Network")]
    pub trusted_proxies: String,
    /// Where health and metrics are served, for the operator alone. `qr-login health` asks here.
    #[arg(long, env = "OPS_LISTEN_ADDR", default_value = "127.0.0.1:8011", help_heading = "Network")]
    pub ops_listen_addr: String,
    /// Who signs checkpoints of the log besides this installation: how many of which witnesses are enough (C2SP tlog-witness).
    ///
    /// Of each witness its address and its verifier key, separated by commas. The address may be http: what is sent is public, and
    /// what comes back is signed. A witness that is away delays nothing but its signature.
    /// Example: "1 of https://witness.example.com witness.example.com+35f0a9bb+BMhTrQ8M0rYZrqks7sT9VqJNZJnVhM55JX5Fz9gTm2Cn"
    #[arg(
        long,
        env = "WITNESSES",
        default_value = "",
        hide_default_value = true,
        help_heading = "Network",
        value_name = "N of URL KEY, …"
    )]
    pub witnesses: String,
    /// The logs that this installation is a witness of: their verifier keys (`replay checkpoint --key`), separated by commas.
    ///
    /// They send their checkpoints to /log/add-checkpoint on OPS_LISTEN_ADDR, which is not there otherwise. `qr-login log witness` prints
    /// the key for their WITNESSES. Each further machine needs a copy of DATA_DIR/witness.key.
    /// Example: login.example.net/qr-login/6f1d0c2b9a7e4853+0cbca643+AW1E+Tn4KdQ1mLze3akN4B22n6pQyqM+jGwyikuQDU2s
    #[arg(
        long,
        env = "WITNESS_LOGS",
        default_value = "",
        hide_default_value = true,
        help_heading = "Network",
        value_name = "KEY, …"
    )]
    pub witness_logs: String,
    /// Whether updates come by webhook: on or off (long polling).
    #[arg(long, env = "BOT_WEBHOOK", default_value = "off", help_heading = "Network")]
    pub bot_webhook: String,
    /// The Bot API server. Plain http only to loopback.
    #[arg(
        long,
        env = "BOT_API_URL",
        default_value = "https://api.telegram.org",
        help_heading = "Network",
        value_name = "URL"
    )]
    pub bot_api_url: String,
    /// A private MTProto network instead of Telegram's, as a TOML file. For tests: everything has to be on loopback then.
    #[arg(long, env = "TELEGRAM_NETWORK_FILE", help_heading = "Network", value_name = "FILE")]
    pub telegram_network_file: Option<PathBuf>,
    /// Whether the log names Telegram ids: on or off (account ids alone).
    #[arg(long, env = "LOG_TELEGRAM_IDS", default_value = "on", help_heading = "Log")]
    pub log_telegram_ids: String,
}

/// The settings that the other commands need too.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct DataSettings {
    /// Connections to PostgreSQL at most; a few more are kept for what must not wait.
    ///
    /// A process uses up to 7 besides, and 5 more while it migrates or rebuilds: processes × (DATABASE_POOL_SIZE + 12) has to stay below the
    /// server's max_connections.
    #[arg(long, env = "DATABASE_POOL_SIZE", default_value = "16", global = true, help_heading = "Database")]
    pub database_pool_size: String,
    /// Where the private PostgreSQL, the master key and the sessions live.
    ///
    /// Made at the first start, for its owner alone (0700).
    #[arg(
        long,
        env = "DATA_DIR",
        default_value = "./data",
        global = true,
        help_heading = "Folders",
        value_name = "FOLDER"
    )]
    pub data_dir: PathBuf,
    /// The key that seals linked sessions. Default: DATA_DIR/master.key.
    ///
    /// Made at the very first start (0600); each further machine needs a copy. Back it up, apart from the database: without it no
    /// linked session can be opened. A file that others can read is refused. `qr-login key rotate` changes the key.
    #[arg(long, env = "MASTER_KEY_FILE", global = true, help_heading = "Folders", value_name = "FILE")]
    pub master_key_file: Option<PathBuf>,
    /// The key that signs checkpoints of the log. Default: DATA_DIR/checkpoint.key.
    ///
    /// Made at the first start (0600); each further machine that may lead needs a copy. A file that others can read is refused, and
    /// nothing is signed then. `qr-login key rotate --checkpoint` changes the key.
    #[arg(long, env = "CHECKPOINT_KEY_FILE", global = true, help_heading = "Folders", value_name = "FILE")]
    pub checkpoint_key_file: Option<PathBuf>,
    /// Other terms for the tiers, as a TOML file.
    ///
    /// Such as `[premium]` with `channels = 50` below it. What was granted before stays as it was.
    #[arg(long, env = "TIERS_FILE", global = true, help_heading = "Bot and page", value_name = "FILE")]
    pub tiers_file: Option<PathBuf>,
}

/// A setting that is no flag: a secret, which everybody on the machine could read as a flag, or one that is read before the
/// flags are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Variable {
    /// The environment variable.
    pub name: &'static str,
    /// One of [`HEADINGS`].
    pub heading: &'static str,
    /// Whether `…_FILE` may name a file with it instead.
    pub is_secret: bool,
    /// None: unset.
    pub default: Option<&'static str>,
    /// What it means.
    pub help: &'static str,
}

/// The settings that are no flags.
pub const VARIABLES: [Variable; 15] = [
    Variable {
        name: "BOT_TOKEN",
        heading: "Required",
        is_secret: true,
        default: None,
        help: "The bot's token, from @BotFather. Example: 123456:ABC-DEF",
    },
    Variable {
        name: "TELEGRAM_API_ID",
        heading: "Required",
        is_secret: true,
        default: None,
        help: "The application's id, from https://my.telegram.org. Example: 12345",
    },
    Variable {
        name: "TELEGRAM_API_HASH",
        heading: "Required",
        is_secret: true,
        default: None,
        help: "The application's hash, from the same page. Example: 0123456789abcdef0123456789abcdef",
    },
    Variable {
        name: "DATABASE_URL",
        heading: "Database",
        is_secret: true,
        default: None,
        help: "PostgreSQL 14 to 18; unset, a private one under DATA_DIR, started and stopped with the program. Several servers may be \
               named, with commas between them and target_session_attrs=read-write. A server on another machine has to prove with a \
               certificate who it is, unless the URL says otherwise (sslmode, sslrootcert). \
               Example: postgres://qr_login_service:password@localhost/qr_login",
    },
    Variable {
        name: "DATABASE_OWNER_URL",
        heading: "Database",
        is_secret: true,
        default: None,
        help: "The same database for the role that owns the tables: it runs the migrations, and gives the role of DATABASE_URL its rights. \
               Unset, DATABASE_URL is the owner's. Example: postgres://qr_login:password@localhost/qr_login",
    },
    Variable {
        name: "DATABASE_READ_URL",
        heading: "Database",
        is_secret: true,
        default: None,
        help: "A standby of the same database, for the role api: it answers lists, pages of the log and the status of ended logins, \
               once it shows everything that the primary has. While it is away or behind, the primary answers. Name servers, not a \
               balancer before several. Example: postgres://qr_login_service:password@standby/qr_login",
    },
    Variable {
        name: "PGPASSWORD",
        heading: "Database",
        is_secret: true,
        default: None,
        help: "The password of the database, as it is, where the URL has none: there / @ : % ? # are escaped, like %40.",
    },
    Variable {
        name: "LOG_FORMAT",
        heading: "Log",
        is_secret: false,
        default: Some("text"),
        help: "text or json, on stderr.",
    },
    Variable {
        name: "RUST_LOG",
        heading: "Log",
        is_secret: false,
        default: Some("info"),
        help: "What is logged. Libraries that would log secrets stay at warn. Example: info,sqlx=debug",
    },
    Variable {
        name: "OTEL_EXPORTER_OTLP_ENDPOINT",
        heading: "Traces",
        is_secret: false,
        default: None,
        help: "Where traces go, by OTLP over http/protobuf; /v1/traces is added. Unset, there are none. Of OpenTelemetry's other variables \
               those of OTLP for traces, OTEL_SDK_DISABLED, OTEL_TRACES_EXPORTER, OTEL_RESOURCE_ATTRIBUTES and OTEL_BSP_* count as well. \
               Example: http://localhost:4318",
    },
    Variable {
        name: "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
        heading: "Traces",
        is_secret: false,
        default: None,
        help: "The same, with its whole path. Example: http://localhost:4318/v1/traces",
    },
    Variable {
        name: "OTEL_EXPORTER_OTLP_HEADERS",
        heading: "Traces",
        is_secret: true,
        default: None,
        help: "What the collector wants to see: name=value, separated by commas, with percent-encoded values. \
               Example: authorization=Bearer%20abcdef",
    },
    Variable {
        name: "OTEL_SERVICE_NAME",
        heading: "Traces",
        is_secret: false,
        default: Some("qr-login"),
        help: "How traces name this service.",
    },
    Variable {
        name: "OTEL_TRACES_SAMPLER",
        heading: "Traces",
        is_secret: false,
        default: Some("parentbased_always_on"),
        help: "Which traces are sent: always_on, always_off, traceidratio, or the same with parentbased_ before it. Every process has to have \
               the same one. Example: parentbased_traceidratio",
    },
    Variable {
        name: "OTEL_TRACES_SAMPLER_ARG",
        heading: "Traces",
        is_secret: false,
        default: None,
        help: "Of a ratio: which part of all traces, from 0 to 1. Example: 0.1",
    },
];

/// The end of `qr-login --help`: the settings that are no flags, and examples.
pub fn variables_help() -> String {
    let mut help = "Settings that are no flags. Each is an environment variable; a secret X may also come from a file that X_FILE names \
                    (mode 600). A .env in this folder is read. An empty variable is one that is not set.\n"
        .to_owned();
    for Variable { name, heading, is_secret, default, help: text } in VARIABLES {
        let required = if heading == "Required" { "Required. " } else { "" };
        let secret = if is_secret { "Secret. " } else { "" };
        let default = default.map(|default| format!(" [default: {default}]")).unwrap_or_default();
        help.push_str(&format!("\n  {name}\n          {required}{secret}{text}{default}\n"));
    }
    help + "\nExamples:
  qr-login check                                 what is missing, before the first start and afterwards
  qr-login                                       serve, with the settings of .env
  qr-login --role api --listen-addr 0.0.0.0:8010 serve HTTP alone
  qr-login invite create --tier premium          an invite, with its t.me link
  qr-login user list --blocked yes --json        for a program

docs/configure.md has the same at length."
}
