//! Which Telegram to talk to: Telegram's own data centres, or the private server that a network file describes, for
//! tests and sandboxes.
//!
//! ```toml
//! home_dc = 2
//! page_origin = "http://127.0.0.1:8040"   # optional: may embed the login page besides Telegram's web clients
//! [[dc]]
//! id = 2
//! addr = "127.0.0.1:4430"
//! [rsa]
//! n = "<decimal>"                         # the server's public key, 2048 bits
//! e = "65537"
//! ```
//! Everything in it has to be on this machine, so that a network file can never send a login elsewhere.
//!
//! The network also marks the database (`vault::installation`), so that a test's data and a real deployment's cannot
//! meet.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr, SocketAddrV4};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use num_bigint::BigUint;
use serde::Deserialize;
use sha2::{Digest, Sha256};

/// Which Telegram to talk to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Network {
    /// Telegram itself.
    Telegram,
    /// A server on this machine.
    Private(Arc<PrivateNetwork>),
}

/// A private MTProto server.
#[derive(Debug, PartialEq, Eq)]
pub struct PrivateNetwork {
    /// Where a login begins.
    pub home_dc: i32,
    /// Its data centres, the home among them. All are loopback addresses.
    pub dcs: BTreeMap<i32, SocketAddrV4>,
    /// Its public key.
    pub rsa: PublicKey,
    /// May embed the login page besides Telegram's web clients.
    pub page_origin: Option<String>,
}

/// An RSA public key of 2048 bits, in decimal.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    /// The modulus.
    pub n: String,
    /// The exponent.
    pub e: String,
}

/// What is wrong with a network file, in one line.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// It cannot be read.
    #[error("TELEGRAM_NETWORK_FILE {path}: cannot be read: {source}")]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It has a mistake.
    #[error("TELEGRAM_NETWORK_FILE {path}: {problem}")]
    Bad {
        /// Which file.
        path: PathBuf,
        /// What and where.
        problem: String,
    },
}

impl Network {
    /// The network that a file describes.
    ///
    /// # Errors
    /// [`NetworkError`], where the file is missing, misspelt, or names an address that is not on this machine.
    pub fn read(path: &Path) -> Result<Self, NetworkError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| NetworkError::Read { path: path.to_owned(), source })?;
        Self::parse(&text).map_err(|problem| NetworkError::Bad { path: path.to_owned(), problem })
    }

    /// The network that a file's text describes, or what is wrong with it, in one line.
    ///
    /// # Errors
    /// The first problem found.
    pub fn parse(text: &str) -> Result<Self, String> {
        let file: NetworkFile =
            toml::from_str(text).map_err(|error| error.message().lines().collect::<Vec<_>>().join(" "))?;
        let mut dcs = BTreeMap::new();
        for dc in file.dc {
            let address = loopback(dc.id, &dc.addr)?;
            if dcs.insert(dc.id, address).is_some() {
                return Err(format!("data centre {} is there twice", dc.id));
            }
        }
        if !dcs.contains_key(&file.home_dc) {
            return Err(format!("home_dc {} is not among the data centres", file.home_dc));
        }
        let rsa = PublicKey { n: file.rsa.n, e: file.rsa.e };
        rsa.check()?;
        if let Some(origin) = &file.page_origin {
            check_origin(origin)?;
        }
        Ok(Self::Private(Arc::new(PrivateNetwork {
            home_dc: file.home_dc,
            dcs,
            rsa,
            page_origin: file.page_origin,
        })))
    }

    /// What a database is stamped with at its first start. A private network is its server's key: the ports may change.
    pub fn stamp(&self) -> String {
        match self {
            Self::Telegram => "telegram".to_owned(),
            Self::Private(private) => {
                let digest = Sha256::digest(format!("{}\n{}", private.rsa.n, private.rsa.e));
                let short: String = digest[..8].iter().map(|byte| format!("{byte:02x}")).collect();
                format!("private:{short}")
            }
        }
    }

    /// The origin that may embed the login page besides Telegram's web clients.
    pub fn page_origin(&self) -> Option<&str> {
        match self {
            Self::Telegram => None,
            Self::Private(private) => private.page_origin.as_deref(),
        }
    }

    /// Whether it is on this machine. Everything else has to be there, too.
    pub const fn is_private(&self) -> bool {
        matches!(self, Self::Private(_))
    }
}

impl PublicKey {
    fn check(&self) -> Result<(), String> {
        let n = decimal(&self.n).ok_or("rsa.n is not a decimal number")?;
        let e = decimal(&self.e).ok_or("rsa.e is not a decimal number")?;
        if n.bits() != 2048 {
            return Err(format!("rsa.n has {} bits; 2048 are needed", n.bits()));
        }
        if e < BigUint::from(3u8) || !e.bit(0) || e.bits() > 64 {
            return Err("rsa.e is not an odd number from 3 up".to_owned());
        }
        Ok(())
    }
}

/// Without the numbers: a modulus fills the screen.
impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PublicKey")
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NetworkFile {
    home_dc: i32,
    dc: Vec<DcEntry>,
    rsa: RsaEntry,
    page_origin: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DcEntry {
    id: i32,
    addr: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RsaEntry {
    n: String,
    e: String,
}

fn decimal(text: &str) -> Option<BigUint> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| BigUint::parse_bytes(text.as_bytes(), 10)).flatten()
}

/// MTProto uses IPv4 here, as grammers does by default.
fn loopback(id: i32, text: &str) -> Result<SocketAddrV4, String> {
    match text.parse() {
        Ok(SocketAddr::V4(address)) if address.ip().is_loopback() => Ok(address),
        Ok(_) => Err(format!("data centre {id}: {text:?} is not an IPv4 loopback address (127.0.0.1:PORT)")),
        Err(_) => Err(format!("data centre {id}: {text:?} is not an address and port")),
    }
}

/// An origin is copied into a security header, so it may hold scheme, loopback host and port, and nothing more.
fn check_origin(origin: &str) -> Result<(), String> {
    let bad = || format!("page_origin {origin:?} is not an origin on this machine (http://127.0.0.1:PORT)");
    let host_and_port =
        origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://")).ok_or_else(bad)?;
    let host = match host_and_port.rsplit_once(':') {
        Some((host, port)) if port.parse::<u16>().is_ok_and(|port| port.to_string().len() <= 5) => host,
        Some((host, _)) if host.starts_with('[') && host_and_port.ends_with(']') => host_and_port,
        Some(_) => return Err(bad()),
        None => host_and_port,
    };
    let bare = host.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(host);
    let is_loopback = host == "localhost" || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    if is_loopback { Ok(()) } else { Err(bad()) }
}

#[cfg(test)]
mod tests;
