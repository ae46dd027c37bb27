//! One check for each kind of value. Each says what the value should be.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use domain::{Tier, TierTerms, Tiers};
use eventlog::Database;
use ipnet::IpNet;
use jiff::tz::TimeZone;
use secrecy::{ExposeSecret, SecretString};
use transparency::{NoteKey, Witnesses};
use url::Url;
use web::OnePhoneLogin;

use super::bad_setting::BadSetting;
use super::secret::secret;

pub fn api_id() -> Result<Option<i32>, BadSetting> {
    let Some(text) = secret("TELEGRAM_API_ID")? else { return Ok(None) };
    let api_id = text.expose_secret().trim().parse().ok().filter(|id: &i32| *id > 0);
    Ok(Some(api_id.ok_or_else(|| BadSetting::new("TELEGRAM_API_ID", "is not a positive number"))?))
}

/// The bot's token.
///
/// # Errors
/// It is missing, or does not look like one.
pub fn bot_token() -> Result<SecretString, BadSetting> {
    let token = required("BOT_TOKEN", "from @BotFather")?;
    let well_formed = token.expose_secret().split_once(':').is_some_and(|(id, key)| {
        !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit()) && key.len() >= 8
    });
    match well_formed {
        true => Ok(token),
        false => Err(BadSetting::new("BOT_TOKEN", "is not a bot token, which looks like 123456:ABC-DEF")),
    }
}

/// The URL of a database, where it is set.
pub fn database_url(setting: &'static str) -> Result<Option<SecretString>, BadSetting> {
    let url = secret(setting)?;
    if let Some(url) = &url {
        Database::check_url(url).map_err(|error| BadSetting::database(setting, &error))?;
    }
    Ok(url)
}

/// The URL of a standby, where it is set.
pub fn read_url(is_private: bool) -> Result<Option<SecretString>, BadSetting> {
    match database_url("DATABASE_READ_URL")? {
        Some(_) if is_private => {
            Err(BadSetting::new("DATABASE_READ_URL", "names a standby of DATABASE_URL, which is not set"))
        }
        url => Ok(url),
    }
}

pub fn time_zone(name: &str) -> Result<TimeZone, BadSetting> {
    TimeZone::get(name)
        .map_err(|_| BadSetting::new("DISPLAY_TIMEZONE", format!("no time zone is called {name:?}")))
}

pub fn required(setting: &'static str, whence: &str) -> Result<SecretString, BadSetting> {
    secret(setting)?.ok_or_else(|| not_set(setting, whence))
}

pub fn not_set(setting: &'static str, whence: &str) -> BadSetting {
    BadSetting::new(setting, format!("is not set ({whence})"))
}

pub fn address(setting: &'static str, text: &str) -> Result<SocketAddr, BadSetting> {
    text.trim()
        .parse()
        .map_err(|_| BadSetting::new(setting, format!("{text:?} is not an address like 127.0.0.1:8010")))
}

pub fn on_off(setting: &'static str, text: &str) -> Result<bool, BadSetting> {
    match text.trim() {
        "on" | "true" | "1" => Ok(true),
        "off" | "false" | "0" => Ok(false),
        other => Err(BadSetting::new(setting, format!("{other:?} is neither on nor off"))),
    }
}

/// Whether and how the one-phone way is offered.
///
/// # Errors
/// It is none of the three.
pub fn one_phone_login(text: &str) -> Result<OnePhoneLogin, BadSetting> {
    match text.trim() {
        "on" | "true" | "1" => Ok(OnePhoneLogin::On),
        "typed" => Ok(OnePhoneLogin::Typed),
        "off" | "false" | "0" => Ok(OnePhoneLogin::Off),
        other => {
            Err(BadSetting::new("ONE_PHONE_LOGIN", format!("{other:?} is neither on nor off nor typed")))
        }
    }
}

/// The Telegram ids of `ADMIN_IDS`.
///
/// # Errors
/// One of them is no number.
pub fn admin_ids(text: &str) -> Result<Vec<i64>, BadSetting> {
    let ids = text.split([',', ' ']).filter(|id| !id.is_empty());
    let id = |id: &str| {
        id.parse().map_err(|_| BadSetting::new("ADMIN_IDS", format!("{id:?} is not a Telegram id")))
    };
    ids.map(id).collect()
}

/// Addresses, or networks like 10.0.0.0/8, separated by commas; or none.
pub fn trusted_proxies(text: &str) -> Result<Vec<IpNet>, BadSetting> {
    let network = |text: &str| match text.parse::<IpAddr>() {
        Ok(address) => Ok(IpNet::from(address)),
        Err(_) => text.parse().map_err(|_| {
            let problem = format!("{text:?} is neither an address nor a network like 10.0.0.0/8");
            BadSetting::new("TRUSTED_PROXIES", problem)
        }),
    };
    text.split([',', ' ']).filter(|text| !text.is_empty() && *text != "none").map(network).collect()
}

/// Who signs checkpoints besides the log itself; None: nobody.
pub fn witnesses(text: &str) -> Result<Option<Witnesses>, BadSetting> {
    match text.trim() {
        "" => Ok(None),
        text => text.parse().map(Some).map_err(|bad| BadSetting::new("WITNESSES", bad)),
    }
}

/// The verifier keys of logs, separated by commas.
pub fn witness_logs(text: &str) -> Result<Vec<NoteKey>, BadSetting> {
    let key = |text: &str| {
        NoteKey::parse(text).filter(|key| !key.is_of_witness()).ok_or_else(|| {
            BadSetting::new(
                "WITNESS_LOGS",
                format!("{text:?} is not the verifier key of a log (NAME+ID+KEY)"),
            )
        })
    };
    text.split([',', ' ', '\n']).filter(|text| !text.is_empty()).map(key).collect()
}

pub fn auth_base_url(text: &str, private: bool) -> Result<String, BadSetting> {
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

pub fn interval(text: &str) -> Result<Duration, BadSetting> {
    let bad =
        || BadSetting::new("SESSION_CHECK_INTERVAL", format!("{text:?} is not a time span like 6h or 30m"));
    let span: jiff::SignedDuration = text.parse().map_err(|_| bad())?;
    Duration::try_from(span).ok().filter(|it| *it >= Duration::from_secs(1)).ok_or_else(bad)
}

pub fn device_name(text: &str) -> Result<String, BadSetting> {
    let text = text.trim();
    if text.is_empty() || text.chars().count() > 64 || text.chars().any(char::is_control) {
        return Err(BadSetting::new("DEVICE_NAME", "must be 1 to 64 printable characters"));
    }
    Ok(text.to_owned())
}

pub fn pool_size(text: &str) -> Result<u32, BadSetting> {
    let size = text.trim().parse().ok().filter(|size| (2..=1_000).contains(size));
    size.ok_or_else(|| {
        BadSetting::new(
            "DATABASE_POOL_SIZE",
            format!("{text:?} is not a number of connections from 2 to 1000"),
        )
    })
}

pub fn read_tiers(path: &Path) -> Result<Tiers, BadSetting> {
    let bad = |problem: String| BadSetting::new("TIERS_FILE", format!("{}: {problem}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| bad(error.to_string()))?;
    let table: BTreeMap<Tier, TierTerms> =
        toml::from_str(&text).map_err(|error| bad(error.message().to_owned()))?;
    Ok(Tiers::default().with(table))
}
