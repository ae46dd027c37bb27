//! Where messages may go. The maker of a webhook chooses an address, and this process connects to it: so an address inside of our
//! network is refused, however it is written.
//!
//! 1. [`Policy::check`] looks at the URL when it is given, and again at each try: https alone, no user, no password. A host that is an
//!    address is looked at here, in whatever form: `url` reads `0x7f.1` and `2130706433` as 127.0.0.1.
//! 2. A name is resolved once for each connection, by [`Guard`]. Every address that it has must be public. The connection then goes to
//!    one of these addresses: nobody resolves the name a second time.
//! 3. No redirect is followed ([`crate::transport`]).
//!
//! In a private network, which is for tests and on loopback alone, addresses of loopback are allowed as well, also by http.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use futures::future::BoxFuture;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

/// The longest address of a webhook.
pub const LONGEST_URL: usize = 2_000;

/// What is allowed besides public addresses by https.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// Nothing.
    Public,
    /// Loopback, by http and https.
    PublicAndLoopback,
}

/// Why a message cannot go to an address. The address itself is not told: its path may be a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadAddress {
    /// It is no URL with a host, or is too long.
    #[error("the address is not a URL of at most {LONGEST_URL} characters")]
    Malformed,
    /// Another scheme.
    #[error("the address does not begin with https://")]
    Scheme,
    /// `https://user:password@…`.
    #[error("the address has a user or a password in it")]
    Credentials,
    /// `…#fragment`, which no server sees.
    #[error("the address has a fragment (#…)")]
    Fragment,
    /// The host is an address inside of a network.
    #[error("the host is, or leads to, an address that is not public")]
    NotPublic,
}

/// Names to addresses.
pub(crate) type Lookup = Arc<dyn Fn(String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> + Send + Sync>;

/// Which addresses one kind of connection may go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    Public,
    Loopback,
    Both,
}

/// Resolves names for connections, and refuses those that lead to where none may go.
#[derive(Clone)]
pub(crate) struct Guard {
    reach: Reach,
    lookup: Lookup,
}

impl Policy {
    /// By the network that the database is stamped with.
    pub fn of_network(stamp: Option<&str>) -> Self {
        match stamp {
            None | Some("telegram") => Self::Public,
            Some(_) => Self::PublicAndLoopback,
        }
    }

    /// The URL of a webhook.
    ///
    /// # Errors
    /// [`BadAddress`].
    pub fn check(self, text: &str) -> Result<Url, BadAddress> {
        if text.len() > LONGEST_URL {
            return Err(BadAddress::Malformed);
        }
        let url = Url::parse(text).map_err(|_| BadAddress::Malformed)?;
        let reach = self.reach(url.scheme()).ok_or(BadAddress::Scheme)?;
        if !url.username().is_empty() || url.password().is_some() || has_at_sign(text) {
            return Err(BadAddress::Credentials);
        }
        if url.fragment().is_some() {
            return Err(BadAddress::Fragment);
        }
        let may_go = match url.host().ok_or(BadAddress::Malformed)? {
            Host::Domain(name) => match reach {
                Reach::Public => !is_name_of_loopback(name),
                Reach::Loopback => is_name_of_loopback(name),
                Reach::Both => true,
            },
            Host::Ipv4(address) => reach.covers(address.into()),
            Host::Ipv6(address) => reach.covers(address.into()),
        };
        if may_go { Ok(url) } else { Err(BadAddress::NotPublic) }
    }

    /// Where connections of this scheme may go; None: nowhere.
    pub(crate) fn reach(self, scheme: &str) -> Option<Reach> {
        match (self, scheme) {
            (Self::Public, "https") => Some(Reach::Public),
            (Self::PublicAndLoopback, "https") => Some(Reach::Both),
            (Self::PublicAndLoopback, "http") => Some(Reach::Loopback),
            _ => None,
        }
    }
}

/// An empty user and password leave no trace in a parsed URL.
fn has_at_sign(text: &str) -> bool {
    let after_scheme = text.split_once(':').map_or(text, |(_, rest)| rest).trim_start_matches(['/', '\\']);
    let end = after_scheme.find(['/', '\\', '?', '#']).unwrap_or(after_scheme.len());
    after_scheme[..end].contains('@')
}

/// RFC 6761, section 6.3.
fn is_name_of_loopback(name: &str) -> bool {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    name == "localhost" || name.ends_with(".localhost")
}

impl Reach {
    pub(crate) fn covers(self, address: IpAddr) -> bool {
        match self {
            Self::Public => is_public(address),
            Self::Loopback => address.is_loopback(),
            Self::Both => is_public(address) || address.is_loopback(),
        }
    }
}

impl Guard {
    pub(crate) fn new(reach: Reach, lookup: Lookup) -> Self {
        Self { reach, lookup }
    }

    async fn addresses(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        let addresses = (self.lookup)(name.to_owned()).await?;
        if addresses.is_empty() {
            return Err(io::Error::new(io::ErrorKind::NotFound, "the name has no address"));
        }
        // One that is not public is enough: who controls the name would only have to wait for their turn.
        if addresses.iter().all(|address| self.reach.covers(*address)) {
            Ok(addresses)
        } else {
            Err(io::Error::new(io::ErrorKind::PermissionDenied, BadAddress::NotPublic))
        }
    }
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.clone();
        Box::pin(async move {
            let addresses = guard.addresses(name.as_str()).await?;
            // The port comes from the URL.
            let addresses: Addrs = Box::new(addresses.into_iter().map(|address| SocketAddr::new(address, 0)));
            Ok(addresses)
        })
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard").field("reach", &self.reach).finish_non_exhaustive()
    }
}

/// As the system resolves names.
pub(crate) fn system_lookup() -> Lookup {
    Arc::new(|name| {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name, 0)).await?;
            Ok(found.map(|it| it.ip()).collect())
        })
    })
}

/// Whether an address is one that everybody on the internet reaches the same machine by.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

/// Not in IANA's IPv4 Special-Purpose Address Registry, nor multicast.
fn is_public_v4(address: Ipv4Addr) -> bool {
    let is_special = match address.octets() {
        // This network; private (RFC 1918); loopback; link-local.
        [0, ..] | [10, ..] | [127, ..] | [169, 254, ..] | [192, 168, ..] => true,
        [172, second, ..] => (16..32).contains(&second),
        // Shared by a carrier's customers (RFC 6598).
        [100, second, ..] => (64..128).contains(&second),
        // IETF protocols, documentation, the relays of 6to4.
        [192, 0, 0 | 2, _] | [198, 51, 100, _] | [203, 0, 113, _] | [192, 88, 99, _] => true,
        // Benchmarks.
        [198, 18 | 19, ..] => true,
        // Multicast, reserved, broadcast.
        [first, ..] => first >= 224,
    };
    !is_special
}

/// Global unicast (2000::/3) without what IANA's IPv6 Special-Purpose Address Registry has in it. So neither an IPv4 address in IPv6
/// (mapped, translated by NAT64, 6to4, Teredo), nor a local one.
fn is_public_v6(address: Ipv6Addr) -> bool {
    match address.segments() {
        // IETF protocols with Teredo, benchmarks and ORCHID; documentation; 6to4; documentation.
        [0x2001, second, ..] if second < 0x200 => false,
        [0x2001, 0xdb8, ..] | [0x2002, ..] => false,
        [0x3fff, second, ..] if second < 0x1000 => false,
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

#[cfg(test)]
mod tests;
