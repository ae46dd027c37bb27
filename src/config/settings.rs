//! The settings as a person gives them: flags, each of which falls back to an environment variable.

use std::path::PathBuf;

/// The settings as flags; each falls back to the environment. All text: `Config::from_settings` checks.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Settings {
    /// What this process does: api, bot, projector, separated by commas.
    #[arg(long, env = "ROLE", default_value = "api,bot,projector")]
    pub role: String,
    /// Public https origin of the Mini App.
    #[arg(long, env = "AUTH_BASE_URL")]
    pub auth_base_url: Option<String>,
    /// Where HTTP is served.
    #[arg(long, env = "LISTEN_ADDR", default_value = "127.0.0.1:8010")]
    pub listen_addr: String,
    /// Reverse proxies whose X-Forwarded-For counts: addresses or networks, separated by commas, or none.
    #[arg(long, env = "TRUSTED_PROXIES", default_value = "127.0.0.0/8,::1")]
    pub trusted_proxies: String,
    /// Where health and metrics are served, for the operator.
    #[arg(long, env = "OPS_LISTEN_ADDR", default_value = "127.0.0.1:8011")]
    pub ops_listen_addr: String,
    #[command(flatten)]
    /// Where the data is.
    pub data: DataSettings,
    /// Linked sessions, as files. Default: DATA_DIR/sessions.
    #[arg(long, env = "SESSIONS_DIR")]
    pub sessions_dir: Option<PathBuf>,
    /// Telegram ids of the first admins, separated by commas.
    #[arg(long, env = "ADMIN_IDS", default_value = "")]
    pub admin_ids: String,
    /// Whom a blocked person may write to.
    #[arg(long, env = "SUPPORT_CONTACT")]
    pub support_contact: Option<String>,
    /// The time zone that the bot's dates are in.
    #[arg(long, env = "DISPLAY_TIMEZONE", default_value = "Europe/Moscow")]
    pub display_timezone: String,
    /// Whether one may log in by a code on one phone: on (to the number that Telegram says is theirs), typed (to any), off.
    #[arg(long, env = "ONE_PHONE_LOGIN", default_value = "on")]
    pub one_phone_login: String,
    /// How often linked sessions are checked, like 6h or 30m.
    #[arg(long, env = "SESSION_CHECK_INTERVAL", default_value = "6h")]
    pub session_check_interval: String,
    /// How the session is called in Telegram's list of devices.
    #[arg(long, env = "DEVICE_NAME", default_value = "qr-login")]
    pub device_name: String,
    /// The Bot API server. Plain http only to loopback.
    #[arg(long, env = "BOT_API_URL", default_value = "https://api.telegram.org")]
    pub bot_api_url: String,
    /// Whether updates come by webhook: on or off (long polling).
    #[arg(long, env = "BOT_WEBHOOK", default_value = "off")]
    pub bot_webhook: String,
    /// A private MTProto network instead of Telegram's, as a TOML file.
    #[arg(long, env = "TELEGRAM_NETWORK_FILE")]
    pub telegram_network_file: Option<PathBuf>,
    /// Whether the log names Telegram ids: on or off (account ids alone).
    #[arg(long, env = "LOG_TELEGRAM_IDS", default_value = "on")]
    pub log_telegram_ids: String,
}

/// The settings that the other commands need too.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct DataSettings {
    /// Where the private PostgreSQL, the master key and the sessions live.
    #[arg(long, env = "DATA_DIR", default_value = "./data", global = true)]
    pub data_dir: PathBuf,
    /// The key that seals linked sessions. Default: DATA_DIR/master.key.
    #[arg(long, env = "MASTER_KEY_FILE", global = true)]
    pub master_key_file: Option<PathBuf>,
    /// The tier table, as a TOML file.
    #[arg(long, env = "TIERS_FILE", global = true)]
    pub tiers_file: Option<PathBuf>,
    /// Connections to PostgreSQL at most; a few more are kept for what must not wait.
    #[arg(long, env = "DATABASE_POOL_SIZE", default_value = "16", global = true)]
    pub database_pool_size: String,
}
