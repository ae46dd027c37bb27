//! Settings: environment variables and, but for secrets, flags. Each is checked here, once, and a bad one is told in one
//! line that names it and says what it should be.

mod secret;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bot::login::{Network, TelegramApp};
use domain::Tiers;
use eventlog::database::PoolSettings;
use jiff::tz::TimeZone;
use secrecy::{ExposeSecret, SecretString};
use url::Url;

pub use secret::secret;

/// Where an application's id and hash come from.
const MY_TELEGRAM: &str = "from https://my.telegram.org";

/// A setting that is missing or bad: its name, and what it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{setting}: {problem}")]
pub struct BadSetting {
    /// The environment variable.
    pub setting: &'static str,
    /// What is wrong, and what would be right.
    pub problem: String,
}

impl BadSetting {
    /// For this setting.
    pub fn new(setting: &'static str, problem: impl Into<String>) -> Self {
        Self { setting, problem: problem.into() }
    }
}

/// What a process does. A deployment may spread these over several.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// HTTP.
    Api,
    /// The chat and the login workers.
    Bot,
    /// Sequencer, projections, reactions.
    Projector,
}

/// The settings as flags; each falls back to the environment. All text: [`Config::from_settings`] checks.
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
    /// Whether one may log in by a code on one phone: on or off.
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

/// Where the data is.
#[derive(Clone, Debug)]
pub struct DataConfig {
    /// None: a private PostgreSQL under `data_dir`.
    pub database_url: Option<SecretString>,
    /// How its connections are used.
    pub pool: PoolSettings,
    /// Absolute.
    pub data_dir: PathBuf,
    /// The master key's file.
    pub master_key_file: PathBuf,
    /// The tier table.
    pub tiers: Arc<Tiers>,
}

/// Everything `serve` needs, checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// What this process does.
    pub roles: BTreeSet<Role>,
    /// Where the data is.
    pub data: DataConfig,
    /// `<id>:<secret>`.
    pub bot_token: SecretString,
    /// From my.telegram.org.
    pub api_id: i32,
    /// From my.telegram.org.
    pub api_hash: SecretString,
    /// Without a slash at its end.
    pub auth_base_url: String,
    /// HTTP.
    pub listen_addr: SocketAddr,
    /// Health and metrics.
    pub ops_listen_addr: SocketAddr,
    /// Linked sessions, as files.
    pub sessions_dir: PathBuf,
    /// Telegram ids.
    pub admin_ids: Vec<i64>,
    /// Whom a blocked person may write to.
    pub support_contact: Option<String>,
    /// The zone of the bot's dates.
    pub display_timezone: TimeZone,
    /// The one-phone way.
    pub one_phone_login: bool,
    /// Between two checks of a linked session.
    pub session_check_interval: Duration,
    /// In Telegram's list of devices.
    pub device_name: String,
    /// The Bot API server.
    pub bot_api_url: Url,
    /// Updates by webhook.
    pub bot_webhook: bool,
    /// Telegram's own data centres, or a private network's.
    pub network: Network,
    /// Whether the log names Telegram ids.
    pub log_telegram_ids: bool,
}

impl DataConfig {
    /// Checks the settings that every command needs.
    ///
    /// # Errors
    /// The first bad one.
    pub fn from_settings(settings: &DataSettings) -> Result<Self, BadSetting> {
        let data_dir = std::path::absolute(&settings.data_dir)
            .map_err(|error| BadSetting::new("DATA_DIR", format!("not a path: {error}")))?;
        let master_key_file = settings.master_key_file.clone().unwrap_or_else(|| data_dir.join("master.key"));
        let tiers = match &settings.tiers_file {
            None => Tiers::default(),
            Some(path) => read_tiers(path)?,
        };
        Ok(Self {
            database_url: secret("DATABASE_URL")?,
            pool: PoolSettings { size: pool_size(&settings.database_pool_size)?, ..PoolSettings::default() },
            data_dir,
            master_key_file,
            tiers: Arc::new(tiers),
        })
    }
}

impl Config {
    /// Checks everything, in the order in which a person would set it up.
    ///
    /// # Errors
    /// The first setting that is missing or bad.
    pub fn from_settings(settings: &Settings) -> Result<Self, BadSetting> {
        let bot_token = required("BOT_TOKEN", "from @BotFather")?;
        let well_formed = bot_token.expose_secret().split_once(':').is_some_and(|(id, key)| {
            !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit()) && key.len() >= 8
        });
        if !well_formed {
            return Err(BadSetting::new("BOT_TOKEN", "is not a bot token, which looks like 123456:ABC-DEF"));
        }
        let api_id = api_id()?.ok_or_else(|| not_set("TELEGRAM_API_ID", MY_TELEGRAM))?;
        let api_hash = required("TELEGRAM_API_HASH", MY_TELEGRAM)?;
        let base = settings.auth_base_url.as_deref().map(str::trim).filter(|it| !it.is_empty());
        let base = base.ok_or_else(|| {
            BadSetting::new(
                "AUTH_BASE_URL",
                "is not set: the public https origin of the Mini App, like https://login.example.org",
            )
        })?;
        let network = match &settings.telegram_network_file {
            None => Network::Telegram,
            Some(path) => Network::read(path)
                .map_err(|error| BadSetting::new("TELEGRAM_NETWORK_FILE", error.to_string()))?,
        };
        let private = !matches!(network, Network::Telegram);
        let data = DataConfig::from_settings(&settings.data)?;
        let config = Self {
            roles: roles(&settings.role)?,
            bot_token,
            api_id,
            api_hash,
            auth_base_url: auth_base_url(base, private)?,
            listen_addr: address("LISTEN_ADDR", &settings.listen_addr)?,
            ops_listen_addr: ops_listen_addr(settings)?,
            sessions_dir: settings.sessions_dir.clone().unwrap_or_else(|| data.data_dir.join("sessions")),
            admin_ids: admin_ids(&settings.admin_ids)?,
            support_contact: settings.support_contact.clone().filter(|it| !it.trim().is_empty()),
            display_timezone: TimeZone::get(&settings.display_timezone).map_err(|_| {
                BadSetting::new(
                    "DISPLAY_TIMEZONE",
                    format!("no time zone is called {:?}", settings.display_timezone),
                )
            })?,
            one_phone_login: on_off("ONE_PHONE_LOGIN", &settings.one_phone_login)?,
            session_check_interval: interval(&settings.session_check_interval)?,
            device_name: device_name(&settings.device_name)?,
            bot_api_url: bot_api_url(&settings.bot_api_url, private)?,
            bot_webhook: on_off("BOT_WEBHOOK", &settings.bot_webhook)?,
            network,
            log_telegram_ids: on_off("LOG_TELEGRAM_IDS", &settings.log_telegram_ids)?,
            data,
        };
        if private && !config.listen_addr.ip().is_loopback() {
            return Err(BadSetting::new(
                "LISTEN_ADDR",
                "must be loopback while TELEGRAM_NETWORK_FILE is set",
            ));
        }
        Ok(config)
    }
}

/// Where health and metrics are served.
///
/// # Errors
/// It is not an address.
pub fn ops_listen_addr(settings: &Settings) -> Result<SocketAddr, BadSetting> {
    address("OPS_LISTEN_ADDR", &settings.ops_listen_addr)
}

/// Which application speaks to Telegram, for a command that may do without.
///
/// # Errors
/// A setting that is bad.
pub fn telegram_app(settings: &Settings, network: &Network) -> Result<Option<TelegramApp>, BadSetting> {
    let (Some(api_id), Some(api_hash)) = (api_id()?, secret("TELEGRAM_API_HASH")?) else { return Ok(None) };
    let device_name = device_name(&settings.device_name)?;
    Ok(Some(TelegramApp { api_id, api_hash, device_name, network: network.clone() }))
}

fn api_id() -> Result<Option<i32>, BadSetting> {
    let Some(text) = secret("TELEGRAM_API_ID")? else { return Ok(None) };
    let api_id = text.expose_secret().trim().parse().ok().filter(|id: &i32| *id > 0);
    Ok(Some(api_id.ok_or_else(|| BadSetting::new("TELEGRAM_API_ID", "is not a positive number"))?))
}

fn required(setting: &'static str, whence: &str) -> Result<SecretString, BadSetting> {
    secret(setting)?.ok_or_else(|| not_set(setting, whence))
}

fn not_set(setting: &'static str, whence: &str) -> BadSetting {
    BadSetting::new(setting, format!("is not set ({whence})"))
}

fn roles(text: &str) -> Result<BTreeSet<Role>, BadSetting> {
    let role = |name: &str| match name.trim() {
        "api" => Ok(Role::Api),
        "bot" => Ok(Role::Bot),
        "projector" => Ok(Role::Projector),
        other => Err(BadSetting::new("ROLE", format!("{other:?} is none of api, bot, projector"))),
    };
    text.split(',').map(role).collect()
}

fn address(setting: &'static str, text: &str) -> Result<SocketAddr, BadSetting> {
    text.trim()
        .parse()
        .map_err(|_| BadSetting::new(setting, format!("{text:?} is not an address like 127.0.0.1:8010")))
}

fn on_off(setting: &'static str, text: &str) -> Result<bool, BadSetting> {
    match text.trim() {
        "on" | "true" | "1" => Ok(true),
        "off" | "false" | "0" => Ok(false),
        other => Err(BadSetting::new(setting, format!("{other:?} is neither on nor off"))),
    }
}

fn admin_ids(text: &str) -> Result<Vec<i64>, BadSetting> {
    let ids = text.split([',', ' ']).filter(|id| !id.is_empty());
    let id = |id: &str| {
        id.parse().map_err(|_| BadSetting::new("ADMIN_IDS", format!("{id:?} is not a Telegram id")))
    };
    ids.map(id).collect()
}

fn auth_base_url(text: &str, private: bool) -> Result<String, BadSetting> {
    let text = text.trim_end_matches('/');
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://").filter(|_| private));
    let origin = host.is_some_and(|host| !host.is_empty() && !host.contains(['/', '?', '#', ' ']));
    if origin {
        Ok(text.to_owned())
    } else {
        Err(BadSetting::new(
            "AUTH_BASE_URL",
            format!("{text:?} is not an https origin like https://login.example.org"),
        ))
    }
}

/// The Bot API server; plain http only to loopback, and a private network's only there.
///
/// # Errors
/// Anything else.
pub fn bot_api_url(text: &str, private: bool) -> Result<Url, BadSetting> {
    let bad = |problem: &str| BadSetting::new("BOT_API_URL", format!("{text:?} {problem}"));
    let url = Url::parse(text.trim()).map_err(|_| bad("is not a URL like https://api.telegram.org"))?;
    let loopback = match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    };
    match url.scheme() {
        "http" if loopback => Ok(url),
        _ if private => Err(bad("must be http on loopback while TELEGRAM_NETWORK_FILE is set")),
        "https" => Ok(url),
        _ => Err(bad("is not https (plain http only to loopback)")),
    }
}

fn interval(text: &str) -> Result<Duration, BadSetting> {
    let bad =
        || BadSetting::new("SESSION_CHECK_INTERVAL", format!("{text:?} is not a time span like 6h or 30m"));
    let span: jiff::SignedDuration = text.parse().map_err(|_| bad())?;
    Duration::try_from(span).ok().filter(|it| *it >= Duration::from_secs(1)).ok_or_else(bad)
}

fn device_name(text: &str) -> Result<String, BadSetting> {
    let text = text.trim();
    if text.is_empty() || text.chars().count() > 64 || text.chars().any(char::is_control) {
        return Err(BadSetting::new("DEVICE_NAME", "must be 1 to 64 printable characters"));
    }
    Ok(text.to_owned())
}

fn pool_size(text: &str) -> Result<u32, BadSetting> {
    let size = text.trim().parse().ok().filter(|size| (2..=1_000).contains(size));
    size.ok_or_else(|| {
        BadSetting::new(
            "DATABASE_POOL_SIZE",
            format!("{text:?} is not a number of connections from 2 to 1000"),
        )
    })
}

fn read_tiers(path: &std::path::Path) -> Result<Tiers, BadSetting> {
    let bad = |problem: String| BadSetting::new("TIERS_FILE", format!("{}: {problem}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| bad(error.to_string()))?;
    let table: BTreeMap<domain::Tier, domain::TierTerms> =
        toml::from_str(&text).map_err(|error| bad(error.message().to_owned()))?;
    Ok(Tiers::default().with(table))
}
