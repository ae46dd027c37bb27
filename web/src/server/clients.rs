//! How much one client may have of a server: so many connections, and so many requests through a reverse proxy, for each address.
//!
//! The address is the peer's. Where the peer is a trusted proxy, it is the last one in `X-Forwarded-For` that is none: what
//! stands before it may be made up. An IPv6 client has a whole network of 64 bits, and counts by that.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, PoisonError};

use hyper::HeaderMap;
use ipnet::IpNet;

/// The name of the header in which a proxy says for whom it asks.
const FORWARDED_FOR: &str = "x-forwarded-for";

/// The clients of a server, by address.
#[derive(Debug)]
pub struct Clients {
    most: usize,
    proxies: Vec<IpNet>,
    taken: Mutex<HashMap<Client, usize>>,
}

/// Whom connections and requests are counted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Client {
    V4(Ipv4Addr),
    /// The upper half of an IPv6 address.
    V6([u16; 4]),
}

/// A connection or a request that counts for its client, until dropped.
#[derive(Debug)]
pub(super) struct Counted {
    clients: Arc<Clients>,
    client: Client,
}

/// One more would be too many for this client.
#[derive(Debug)]
pub(super) struct TooMany;

impl Clients {
    /// At most so many for each address. `proxies` are believed whom they ask for, and may have any number of connections.
    pub fn new(most: usize, proxies: Vec<IpNet>) -> Arc<Self> {
        Arc::new(Self { most, proxies, taken: Mutex::default() })
    }

    /// As many as there is room for.
    pub fn unlimited() -> Arc<Self> {
        Self::new(usize::MAX, Vec::new())
    }

    /// Whether this address is a trusted proxy's.
    pub(super) fn is_proxy(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.proxies.iter().any(|network| network.contains(&address))
    }

    /// Counts a connection of this address.
    pub(super) fn connection(self: &Arc<Self>, address: IpAddr) -> Result<Counted, TooMany> {
        self.count(Client::of(address))
    }

    /// Counts a request that a proxy passed on; None: it does not say for whom.
    pub(super) fn request(self: &Arc<Self>, headers: &HeaderMap) -> Result<Option<Counted>, TooMany> {
        match self.forwarded_for(headers) {
            Some(address) => self.count(Client::of(address)).map(Some),
            None => Ok(None),
        }
    }

    fn forwarded_for(&self, headers: &HeaderMap) -> Option<IpAddr> {
        let values = headers.get_all(FORWARDED_FOR).iter().rev().filter_map(|value| value.to_str().ok());
        let mut addresses = values.flat_map(|value| value.rsplit(',')).map(|text| text.trim().parse().ok());
        // What cannot be read came from outside, and so did all before it.
        addresses.find_map(|address| match address {
            Some(address) if self.is_proxy(address) => None,
            other => Some(other),
        })?
    }

    fn count(self: &Arc<Self>, client: Client) -> Result<Counted, TooMany> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let count = taken.entry(client).or_default();
        if *count >= self.most {
            return Err(TooMany);
        }
        *count += 1;
        Ok(Counted { clients: Arc::clone(self), client })
    }
}

impl Client {
    fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::V4(address),
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                Self::V6([a, b, c, d])
            }
        }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut taken = self.clients.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Entry::Occupied(mut count) = taken.entry(self.client) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(values: &[&str]) -> HeaderMap {
        values.iter().map(|value| (FORWARDED_FOR.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn a_client_gets_so_many_at_a_time_and_its_neighbours_their_own() {
        let clients = Clients::new(2, Vec::new());
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        let first = clients.connection(address("192.0.2.1")).unwrap();
        let _second = clients.connection(address("::ffff:192.0.2.1")).unwrap();
        assert!(clients.connection(address("192.0.2.1")).is_err());
        let _other = clients.connection(address("192.0.2.2")).unwrap();
        drop(first);
        drop(clients.connection(address("192.0.2.1")).unwrap());

        let _one = clients.connection(address("2001:db8::1")).unwrap();
        let _two = clients.connection(address("2001:db8::ffff:2")).unwrap();
        assert!(clients.connection(address("2001:db8::3")).is_err(), "the same network of 64 bits");
        let _neighbour = clients.connection(address("2001:db8:0:1::1")).unwrap();
        assert_eq!(clients.taken.lock().unwrap().len(), 4);
    }

    #[test]
    fn the_last_address_that_is_no_proxy_is_the_client() {
        let clients = Clients::new(1, vec!["10.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()]);
        let client = |values: &[&str]| clients.forwarded_for(&headers(values)).map(|it| it.to_string());
        assert_eq!(client(&["192.0.2.1"]).as_deref(), Some("192.0.2.1"));
        assert_eq!(client(&["198.51.100.7, 192.0.2.1, 10.1.2.3"]).as_deref(), Some("192.0.2.1"));
        assert_eq!(client(&["198.51.100.7", "192.0.2.1,10.1.2.3", "::1"]).as_deref(), Some("192.0.2.1"));
        assert_eq!(client(&["198.51.100.7, unknown, 10.1.2.3"]), None);
        assert_eq!(client(&["10.1.2.3"]), None);
        assert_eq!(client(&[]), None);
    }
}
