//! Settings: environment variables and, but for secrets, flags. Each is checked here, once, and a bad one is told in one
//! line that names it and says what it should be.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use api::OnePhoneLogin;
use domain::Tiers;
use eventlog::database::PoolSettings;
use ipnet::IpNet;
use jiff::tz::TimeZone;
use login_worker::{Network, TelegramApp};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

mod bad_setting;
mod checks;
mod role;
mod secret;
mod settings;

pub use bad_setting::BadSetting;
use checks::{
    address, api_id, auth_base_url, device_name, interval, not_set, on_off, one_phone_login, pool_size,
    read_tiers, required, trusted_proxies,
};
pub use checks::{admin_ids, bot_api_url};
pub use role::Role;
use role::roles;
pub use secret::secret;
pub use settings::{DataSettings, Settings};

/// Where an application's id and hash come from.
const MY_TELEGRAM: &str = "from https://my.telegram.org";

/// Where the data is.
#[derive(Clone, Debug)]
pub struct DataConfig {
    /// None: a private PostgreSQL under `data_dir`.
    pub database_url: Option<SecretString>,
    /// The same database for the role that owns it. None: `database_url` is the owner's.
    pub database_owner_url: Option<SecretString>,
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
    /// Reverse proxies that are believed whom they ask for.
    pub trusted_proxies: Vec<IpNet>,
    /// Health and metrics.
    pub ops_listen_addr: SocketAddr,
    /// Linked sessions, as files.
    pub sessions_dir: PathBuf,
    /// Telegram ids.
    pub admin_ids: Vec<i64>,
    /// The contact that a blocked person may write to.
    pub support_contact: Option<String>,
    /// The zone of the bot's dates.
    pub display_timezone: TimeZone,
    /// The one-phone way.
    pub one_phone_login: OnePhoneLogin,
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
            database_owner_url: secret("DATABASE_OWNER_URL")?,
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
            trusted_proxies: trusted_proxies(&settings.trusted_proxies)?,
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
            one_phone_login: one_phone_login(&settings.one_phone_login)?,
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
