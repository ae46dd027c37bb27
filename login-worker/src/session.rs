//! The MTProto session of a login, in memory: the home data centre, an auth key for each data centre that it has spoken to,
//! and, once logged in, the account. This is the `Session` that grammers works on.
//!
//! Not here: a way to replace a key. Where Telegram has forgotten one (transport error 404), grammers makes another one silently
//! and hands it over. A key that was never sealed would be lost with the process, so it is refused, and the login decides what
//! to do.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddrV4, SocketAddrV6};
use std::sync::{Mutex, MutexGuard};

use grammers_client::session::types::{DcOption, PeerId, PeerInfo, UpdateState, UpdatesState};
use grammers_client::session::{BoxFuture, Session, SessionData};
use zeroize::{Zeroize, Zeroizing};

use super::network::Network;

/// An MTProto auth key.
pub type AuthKey = [u8; 256];

/// The layout of a snapshot; a new one gets a new number.
const SNAPSHOT_VERSION: u8 = 1;
/// Data centre, address, port, key.
const ENTRY_SIZE_BYTES: usize = 4 + 4 + 2 + 256;

/// A login's session.
pub struct LoginSession {
    state: Mutex<State>,
    /// A private server's addresses come from its file. Addresses that the server itself tells are ignored.
    addresses_fixed: bool,
}

struct State {
    /// Where requests go now.
    home_dc: i32,
    /// The home in a snapshot: the last one known to answer for this login.
    settled_dc: i32,
    user_id: Option<i64>,
    dcs: BTreeMap<i32, DcOption>,
    /// Grows with every change worth sealing.
    generation: u64,
}

/// grammers has made a key by itself, which is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Telegram does not know the auth key for data centre {0} any more")]
pub struct KeyRefused(pub i32);

/// These bytes are no snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the stored session does not have a session's shape")]
pub struct BadSnapshot;

impl LoginSession {
    /// A session without any key.
    pub fn new(network: &Network) -> Self {
        let (home_dc, dcs) = match network {
            Network::Telegram => {
                let known = SessionData::default();
                (known.home_dc, known.dc_options.into_iter().collect())
            }
            Network::Private(private) => {
                let dcs =
                    private.dcs.iter().map(|(id, address)| (*id, dc_option(*id, *address, None))).collect();
                (private.home_dc, dcs)
            }
        };
        let state = State { home_dc, settled_dc: home_dc, user_id: None, dcs, generation: 0 };
        Self { state: Mutex::new(state), addresses_fixed: network.is_private() }
    }

    /// The data centre to which requests go.
    pub fn home(&self) -> i32 {
        self.lock().home_dc
    }

    /// Sends requests to another data centre. A snapshot keeps naming the one before until [`Self::settle`].
    pub fn move_to(&self, dc_id: i32) {
        self.lock().home_dc = dc_id;
    }

    /// From now on a snapshot names the data centre to which requests go.
    pub fn settle(&self) {
        let mut state = self.lock();
        if state.settled_dc != state.home_dc {
            state.settled_dc = state.home_dc;
            state.generation += 1;
        }
    }

    /// The account that is logged in, once Telegram has said so.
    pub fn user_id(&self) -> Option<i64> {
        self.lock().user_id
    }

    /// Notes the account that is logged in.
    pub fn set_user_id(&self, user_id: i64) {
        let mut state = self.lock();
        if state.user_id != Some(user_id) {
            state.user_id = Some(user_id);
            state.generation += 1;
        }
    }

    /// The address of a data centre, if it is known.
    pub fn address(&self, dc_id: i32) -> Option<SocketAddrV4> {
        self.lock().dcs.get(&dc_id).map(|dc| dc.ipv4)
    }

    /// Whether there is a key for a data centre.
    pub fn has_key(&self, dc_id: i32) -> bool {
        self.lock().dcs.get(&dc_id).is_some_and(|dc| dc.auth_key.is_some())
    }

    /// The data centres that there are keys for, the home first.
    pub fn keyed_dcs(&self) -> Vec<i32> {
        let state = self.lock();
        let keyed = state.dcs.values().filter(|dc| dc.auth_key.is_some()).map(|dc| dc.id);
        let mut dcs: Vec<_> = keyed.collect();
        dcs.sort_by_key(|id| *id != state.home_dc);
        dcs
    }

    /// All data centres that are known, in order, with their keys.
    pub(super) fn dcs(&self) -> Vec<DcOption> {
        self.lock().dcs.values().cloned().collect()
    }

    /// Puts in the key for a data centre that has none; false where it is unknown or has one.
    #[must_use]
    pub fn add_key(&self, dc_id: i32, mut key: AuthKey) -> bool {
        let mut state = self.lock();
        let added = match state.dcs.get_mut(&dc_id) {
            Some(dc) if dc.auth_key.is_none() => {
                dc.auth_key = Some(key);
                true
            }
            _ => false,
        };
        state.generation += u64::from(added);
        key.zeroize();
        added
    }

    /// Forgets every key and the account: Telegram has forgotten them, or they were logged out.
    pub fn forget_keys(&self) {
        let mut state = self.lock();
        for dc in state.dcs.values_mut() {
            dc.auth_key.zeroize();
        }
        state.user_id = None;
        state.generation += 1;
    }

    /// A number that grows with every change worth sealing.
    pub fn generation(&self) -> u64 {
        self.lock().generation
    }

    /// Everything worth keeping, and its generation:
    /// `version | home_dc | user_id or 0 | (dc_id, IPv4, port, key)…`, little-endian.
    pub fn snapshot(&self) -> (u64, Zeroizing<Vec<u8>>) {
        let state = self.lock();
        let keyed: Vec<_> = state.dcs.values().filter_map(|dc| Some((dc, dc.auth_key?))).collect();
        let mut bytes = Zeroizing::new(Vec::with_capacity(13 + keyed.len() * ENTRY_SIZE_BYTES));
        bytes.push(SNAPSHOT_VERSION);
        bytes.extend(state.settled_dc.to_le_bytes());
        bytes.extend(state.user_id.unwrap_or(0).to_le_bytes());
        for (dc, mut key) in keyed {
            bytes.extend(dc.id.to_le_bytes());
            bytes.extend(dc.ipv4.ip().octets());
            bytes.extend(dc.ipv4.port().to_le_bytes());
            bytes.extend(key);
            key.zeroize();
        }
        (state.generation, bytes)
    }

    /// The session that a snapshot was taken of.
    ///
    /// # Errors
    /// [`BadSnapshot`] for any other bytes.
    pub fn restore(network: &Network, snapshot: &[u8]) -> Result<Self, BadSnapshot> {
        let (&version, rest) = snapshot.split_first().ok_or(BadSnapshot)?;
        let (home_dc, rest) = rest.split_first_chunk::<4>().ok_or(BadSnapshot)?;
        let (user_id, entries) = rest.split_first_chunk::<8>().ok_or(BadSnapshot)?;
        if version != SNAPSHOT_VERSION || entries.len() % ENTRY_SIZE_BYTES != 0 {
            return Err(BadSnapshot);
        }
        let session = Self::new(network);
        let mut state = session.lock();
        state.home_dc = i32::from_le_bytes(*home_dc);
        state.settled_dc = state.home_dc;
        let user_id = i64::from_le_bytes(*user_id);
        state.user_id = (user_id != 0).then_some(user_id);
        for entry in entries.chunks_exact(ENTRY_SIZE_BYTES) {
            let (id, rest) = entry.split_first_chunk::<4>().ok_or(BadSnapshot)?;
            let (ip, rest) = rest.split_first_chunk::<4>().ok_or(BadSnapshot)?;
            let (port, key) = rest.split_first_chunk::<2>().ok_or(BadSnapshot)?;
            let id = i32::from_le_bytes(*id);
            let sealed_at = SocketAddrV4::new(Ipv4Addr::from(*ip), u16::from_le_bytes(*port));
            let known_at = state.dcs.get(&id).map(|dc| dc.ipv4);
            let address = if session.addresses_fixed { known_at.ok_or(BadSnapshot)? } else { sealed_at };
            let key = key.try_into().map_err(|_| BadSnapshot)?;
            state.dcs.insert(id, dc_option(id, address, Some(key)));
        }
        drop(state);
        Ok(session)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics while it holds the session")
    }
}

/// No key stays in memory.
impl Drop for State {
    fn drop(&mut self) {
        for dc in self.dcs.values_mut() {
            dc.auth_key.zeroize();
        }
    }
}

fn dc_option(id: i32, ipv4: SocketAddrV4, auth_key: Option<AuthKey>) -> DcOption {
    let ipv6 = SocketAddrV6::new(ipv4.ip().to_ipv6_mapped(), ipv4.port(), 0, 0);
    DcOption { id, ipv4, ipv6, auth_key }
}

/// Peers and update state are not kept: the service reads no conversation.
impl Session for LoginSession {
    type Error = KeyRefused;

    fn home_dc_id(&self) -> Result<i32, KeyRefused> {
        Ok(self.home())
    }

    fn set_home_dc_id(&self, dc_id: i32) -> BoxFuture<'_, Result<(), KeyRefused>> {
        self.move_to(dc_id);
        Box::pin(async { Ok(()) })
    }

    fn dc_option(&self, dc_id: i32) -> Result<Option<DcOption>, KeyRefused> {
        Ok(self.lock().dcs.get(&dc_id).cloned())
    }

    fn set_dc_option(&self, told: &DcOption) -> BoxFuture<'_, Result<(), KeyRefused>> {
        let mut state = self.lock();
        let known = state.dcs.get(&told.id);
        let known_key = known.and_then(|dc| dc.auth_key);
        let changes_key = told.auth_key.is_some() && told.auth_key != known_key;
        let is_nowhere = *told.ipv4.ip() == Ipv4Addr::UNSPECIFIED && *told.ipv6.ip() == Ipv6Addr::UNSPECIFIED;
        let answer = if changes_key { Err(KeyRefused(told.id)) } else { Ok(()) };
        if answer.is_ok() && !self.addresses_fixed && !is_nowhere {
            state.dcs.insert(told.id, DcOption { auth_key: known_key, ..told.clone() });
        }
        Box::pin(async move { answer })
    }

    fn peer(&self, peer: PeerId) -> BoxFuture<'_, Result<Option<PeerInfo>, KeyRefused>> {
        let user_id = self.user_id().filter(|_| peer == PeerId::self_user());
        let info = user_id.map(|id| PeerInfo::User { id, auth: None, bot: Some(false), is_self: Some(true) });
        Box::pin(async move { Ok(info) })
    }

    fn cache_peer(&self, peer: PeerInfo) -> BoxFuture<'_, Result<(), KeyRefused>> {
        if let PeerInfo::User { id, is_self: Some(true), .. } = peer {
            self.set_user_id(id);
        }
        Box::pin(async { Ok(()) })
    }

    fn updates_state(&self) -> BoxFuture<'_, Result<UpdatesState, KeyRefused>> {
        Box::pin(async { Ok(UpdatesState::default()) })
    }

    fn set_update_state(&self, _: UpdateState) -> BoxFuture<'_, Result<(), KeyRefused>> {
        Box::pin(async { Ok(()) })
    }
}

#[cfg(test)]
mod tests;
