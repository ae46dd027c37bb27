//! Settings: environment variables and, but for secrets, flags. Each is checked here, once, and all bad ones are told, each in one
//! line that names it and says what it should be.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use domain::Tiers;
use eventlog::database::PoolSettings;
use ipnet::IpNet;
use jiff::tz::TimeZone;
use login_worker::{Network, NetworkError, TelegramApp};
use secrecy::SecretString;
use telemetry::traces::TraceSettings;
use transparency::{NoteKey, Witnesses};
use url::Url;
use web::OnePhoneLogin;

mod bad_setting;
mod checks;
mod role;
mod secret;
mod settings;
mod traces;

use bad_setting::Collected;
pub use bad_setting::{BadSetting, BadSettings};
use checks::{
    address, api_id, auth_base_url, database_url, device_name, interval, not_set, on_off, one_phone_login,
    pool_size, read_tiers, read_url, required, time_zone, trusted_proxies, witness_logs, witnesses,
};
pub use checks::{admin_ids, bot_api_url, bot_token};
pub use role::Role;
use role::roles;
pub use secret::secret;
pub use settings::{DataSettings, HEADINGS, Settings, VARIABLES, Variable, variables_help};
use traces::trace_settings;

/// Where an application's id and hash come from.
const MY_TELEGRAM: &str = "from https://my.telegram.org";

/// Where the data is.
#[derive(Clone, Debug)]
pub struct DataConfig {
    /// None: a private PostgreSQL under `data_dir`.
    pub database_url: Option<SecretString>,
    /// The same database for the role that owns it. None: `database_url` is the owner's.
    pub database_owner_url: Option<SecretString>,
    /// A standby of it, for reads. None: the primary answers them.
    pub database_read_url: Option<SecretString>,
    /// How its connections are used.
    pub pool: PoolSettings,
    /// Absolute.
    pub data_dir: PathBuf,
    /// The master key's file.
    pub master_key_file: PathBuf,
    /// The key that signs checkpoints.
    pub checkpoint_key_file: PathBuf,
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
    /// Who signs checkpoints besides the log itself.
    pub witnesses: Option<Witnesses>,
    /// The logs that this installation is a witness of.
    pub witness_logs: Vec<NoteKey>,
    /// Linked sessions, as files.
    pub sessions_dir: PathBuf,
    /// Telegram ids.
    pub admin_ids: Vec<i64>,
    /// Whether admins get the last checkpoint of each day.
    pub checkpoints_to_chat: bool,
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
    /// Where traces go; None: there are none.
    pub traces: Option<TraceSettings>,
}

impl DataConfig {
    /// Checks the settings that every command needs.
    ///
    /// # Errors
    /// Each that is bad.
    pub fn from_settings(settings: &DataSettings) -> Result<Self, BadSettings> {
        let mut bad = Collected::default();
        let data_dir = bad.take(data_dir(settings));
        let [database_url, database_owner_url] =
            ["DATABASE_URL", "DATABASE_OWNER_URL"].map(|setting| bad.take(database_url(setting)));
        let is_private = database_url.as_ref().is_some_and(Option::is_none);
        let database_read_url = bad.take(read_url(is_private));
        let tiers = bad.take(settings.tiers_file.as_deref().map_or(Ok(Tiers::default()), read_tiers));
        let size = bad.take(pool_size(&settings.database_pool_size));
        let whole = || {
            let data_dir = data_dir?;
            Some(Self {
                database_url: database_url?,
                database_owner_url: database_owner_url?,
                database_read_url: database_read_url?,
                pool: PoolSettings { size: size?, ..PoolSettings::default() },
                master_key_file: master_key_file(settings, &data_dir),
                checkpoint_key_file: checkpoint_key_file(settings, &data_dir),
                data_dir,
                tiers: Arc::new(tiers?),
            })
        };
        let whole = whole();
        bad.finish(whole)
    }
}

impl Config {
    /// Checks everything, in the order in which a person would set it up.
    ///
    /// # Errors
    /// Each setting that is missing or bad.
    pub fn from_settings(settings: &Settings) -> Result<Self, BadSettings> {
        let mut bad = Collected::default();
        let bot_token = bad.take(bot_token());
        let api_id =
            bad.take(api_id().and_then(|id| id.ok_or_else(|| not_set("TELEGRAM_API_ID", MY_TELEGRAM))));
        let api_hash = bad.take(required("TELEGRAM_API_HASH", MY_TELEGRAM));
        let network = bad.take(network(settings));
        // What a bad network file would ask of the others is not known.
        let private = network.as_ref().map(Network::is_private);
        let base = bad.take(base_url(settings, private.unwrap_or(true)));
        let data = bad.take(DataConfig::from_settings(&settings.data));
        let roles = bad.take(roles(&settings.role));
        let listen_addr = bad.take(listen_addr(settings).and_then(|addr| {
            match private == Some(true) && !addr.ip().is_loopback() {
                true => {
                    Err(BadSetting::new("LISTEN_ADDR", "must be loopback while TELEGRAM_NETWORK_FILE is set"))
                }
                false => Ok(addr),
            }
        }));
        let trusted_proxies = bad.take(trusted_proxies(&settings.trusted_proxies));
        let ops_listen_addr = bad.take(ops_listen_addr(settings));
        let witnesses = bad.take(witnesses(&settings.witnesses));
        let witness_logs = bad.take(witness_logs(&settings.witness_logs));
        let admin_ids = bad.take(admin_ids(&settings.admin_ids));
        let checkpoints_to_chat = bad.take(on_off("CHECKPOINTS_TO_CHAT", &settings.checkpoints_to_chat));
        let display_timezone = bad.take(time_zone(&settings.display_timezone));
        let one_phone_login = bad.take(one_phone_login(&settings.one_phone_login));
        let session_check_interval = bad.take(interval(&settings.session_check_interval));
        let device_name = bad.take(device_name(&settings.device_name));
        let bot_api_url = bad.take(bot_api_url(&settings.bot_api_url, private.unwrap_or(false)));
        let bot_webhook = bad.take(on_off("BOT_WEBHOOK", &settings.bot_webhook));
        let log_telegram_ids = bad.take(on_off("LOG_TELEGRAM_IDS", &settings.log_telegram_ids));
        let traces = bad.take(trace_settings());
        let whole = || {
            let data = data?;
            Some(Self {
                roles: roles?,
                bot_token: bot_token?,
                api_id: api_id?,
                api_hash: api_hash?,
                auth_base_url: base?,
                listen_addr: listen_addr?,
                trusted_proxies: trusted_proxies?,
                ops_listen_addr: ops_listen_addr?,
                witnesses: witnesses?,
                witness_logs: witness_logs?,
                sessions_dir: sessions_dir(settings, &data.data_dir),
                admin_ids: admin_ids?,
                checkpoints_to_chat: checkpoints_to_chat?,
                support_contact: settings.support_contact.clone().filter(|it| !it.trim().is_empty()),
                display_timezone: display_timezone?,
                one_phone_login: one_phone_login?,
                session_check_interval: session_check_interval?,
                device_name: device_name?,
                bot_api_url: bot_api_url?,
                bot_webhook: bot_webhook?,
                network: network?,
                log_telegram_ids: log_telegram_ids?,
                traces: traces?,
                data,
            })
        };
        let whole = whole();
        bad.finish(whole)
    }
}

/// Where the data is, absolute.
///
/// # Errors
/// It is no path.
pub fn data_dir(settings: &DataSettings) -> Result<PathBuf, BadSetting> {
    std::path::absolute(&settings.data_dir)
        .map_err(|error| BadSetting::new("DATA_DIR", format!("not a path: {error}")))
}

/// Where CHECKPOINT_KEY_FILE is.
fn checkpoint_key_file(settings: &DataSettings, data_dir: &Path) -> PathBuf {
    settings.checkpoint_key_file.clone().unwrap_or_else(|| data_dir.join("checkpoint.key"))
}

/// Where the master key is.
pub fn master_key_file(settings: &DataSettings, data_dir: &Path) -> PathBuf {
    settings.master_key_file.clone().unwrap_or_else(|| data_dir.join("master.key"))
}

/// Where linked sessions are, as files.
pub fn sessions_dir(settings: &Settings, data_dir: &Path) -> PathBuf {
    settings.sessions_dir.clone().unwrap_or_else(|| data_dir.join("sessions"))
}

/// Which Telegram.
///
/// # Errors
/// The file that describes a private one is bad.
pub fn network(settings: &Settings) -> Result<Network, BadSetting> {
    match &settings.telegram_network_file {
        None => Ok(Network::Telegram),
        Some(path) => Network::read(path).map_err(|error| {
            // The error's own text begins with the setting's name.
            let (path, problem) = match error {
                NetworkError::Read { path, source } => (path, format!("cannot be read: {source}")),
                NetworkError::Bad { path, problem } => (path, problem),
            };
            BadSetting::new("TELEGRAM_NETWORK_FILE", format!("{}: {problem}", path.display()))
        }),
    }
}

/// The public origin, without a slash at its end. In a private network it may be http.
///
/// # Errors
/// It is missing, or no origin.
pub fn base_url(settings: &Settings, private: bool) -> Result<String, BadSetting> {
    let base = settings.auth_base_url.as_deref().map(str::trim).filter(|it| !it.is_empty());
    let base = base.ok_or_else(|| {
        BadSetting::new(
            "AUTH_BASE_URL",
            "is not set: the public https origin of the Mini App, like https://login.example.org",
        )
    })?;
    auth_base_url(base, private)
}

/// Whether this process has a role. A bad `ROLE` counts as all of them.
pub fn has_role(settings: &Settings, role: Role) -> bool {
    roles(&settings.role).map_or(true, |roles| roles.contains(&role))
}

/// Where HTTP is served.
///
/// # Errors
/// It is not an address.
pub fn listen_addr(settings: &Settings) -> Result<SocketAddr, BadSetting> {
    address("LISTEN_ADDR", &settings.listen_addr)
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
