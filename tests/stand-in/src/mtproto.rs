//! The stand-in's data centres: real MTProto on loopback sockets, with a test key of their own.
//!
//! Layers, outside in: [`connection`] frames bytes, [`messages`] decrypts and answers service messages, [`rpc`] finds
//! the method; [`login_token`], [`login_code`], [`password`], [`sessions`] and [`directory`] are the methods.
//! All data centres share one [`state::State`]; an auth key is known to the one that made it.
//!
//! Deliberately absent: messages between people, gzip (no request here is large enough for a client to use it),
//! temporary keys, any transport but "full".

mod connection;
mod crypto;
mod directory;
pub(crate) mod exchange;
mod faults;
mod handshake;
mod login_code;
mod login_token;
mod messages;
mod password;
mod rpc;
pub(crate) mod rsa;
mod sessions;
mod srp;
mod state;
mod tl;

use std::fmt::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::accounts::{Accounts, digits};
use crate::clock::Clock;

pub use exchange::exchange_key;
pub use faults::{Failure, Faults};
pub use sessions::Session;
pub use state::{Device, InTwoPlaces, KeyId, Notice};

use state::{Grant, Login, State};

/// How the data centres are to be.
#[derive(Clone)]
pub struct MtProtoOptions {
    /// The clock of the data centres.
    pub clock: Clock,
    /// The accounts.
    pub accounts: Accounts,
    /// The data centre that the network file names as home.
    pub home_dc: i32,
    /// Number and port of each; port 0 takes a free one.
    pub dcs: Vec<(i32, u16)>,
    /// How long a login token is valid.
    pub token_lifetime: Duration,
    /// How long a login code is valid.
    pub code_lifetime: Duration,
}

impl Default for MtProtoOptions {
    fn default() -> Self {
        Self {
            clock: Clock::system(),
            accounts: Accounts::default(),
            home_dc: 2,
            dcs: vec![(2, 0), (4, 0)],
            token_lifetime: Duration::from_secs(30),
            code_lifetime: Duration::from_secs(300),
        }
    }
}

/// The running data centres. Clones are the same ones; they stop when the last is dropped.
#[derive(Clone)]
pub struct MtProto {
    server: Arc<Server>,
    _listeners: Arc<Listeners>,
}

/// What all connections share.
pub(crate) struct Server {
    clock: Clock,
    accounts: Accounts,
    home_dc: i32,
    addresses: Vec<(i32, SocketAddr)>,
    token_lifetime: Duration,
    code_lifetime: Duration,
    rsa: rsa::RsaKey,
    state: Mutex<State>,
    changes: watch::Sender<u64>,
}

struct Listeners {
    tasks: Vec<JoinHandle<()>>,
    server: Arc<Server>,
}

impl Drop for Listeners {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
        self.server.lock().close_connections();
    }
}

impl Server {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no change of the state panics")
    }

    /// Changes the state and wakes all tasks that wait for a change.
    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let result = change(&mut self.lock());
        self.changes.send_modify(|version| *version += 1);
        result
    }
}

impl MtProto {
    /// Starts a listener on loopback for each data centre.
    ///
    /// # Errors
    /// When a port is taken.
    pub async fn start(options: MtProtoOptions) -> std::io::Result<Self> {
        let mut addresses = Vec::new();
        let mut sockets = Vec::new();
        for (dc, port) in options.dcs {
            let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
            addresses.push((dc, socket.local_addr()?));
            sockets.push((dc, socket));
        }
        let server = Arc::new(Server {
            clock: options.clock,
            accounts: options.accounts,
            home_dc: options.home_dc,
            addresses,
            token_lifetime: options.token_lifetime,
            code_lifetime: options.code_lifetime,
            rsa: rsa::RsaKey::test(),
            state: Mutex::default(),
            changes: watch::Sender::new(0),
        });
        let tasks = sockets
            .into_iter()
            .map(|(dc, socket)| {
                let server = server.clone();
                tokio::spawn(async move {
                    while let Ok((stream, _)) = socket.accept().await {
                        tokio::spawn(connection::serve(server.clone(), dc, stream));
                    }
                })
            })
            .collect();
        Ok(Self { _listeners: Arc::new(Listeners { tasks, server: server.clone() }), server })
    }

    /// The text of the `TELEGRAM_NETWORK_FILE` that leads a service here.
    pub fn network_toml(&self, page_origin: Option<&str>) -> String {
        let mut text = format!("home_dc = {}\n", self.server.home_dc);
        if let Some(origin) = page_origin {
            let _ = writeln!(text, "page_origin = \"{origin}\"");
        }
        for (id, address) in &self.server.addresses {
            let _ = write!(text, "\n[[dc]]\nid = {id}\naddr = \"{address}\"\n");
        }
        let _ = write!(text, "\n[rsa]\nn = \"{}\"\ne = \"{}\"\n", rsa::N, rsa::E);
        text
    }

    /// Where a data centre listens.
    pub fn address(&self, dc: i32) -> Option<SocketAddr> {
        self.server.addresses.iter().find(|(id, _)| *id == dc).map(|(_, address)| *address)
    }

    /// The data centres' public RSA key: modulus and exponent, decimal.
    pub fn rsa_key(&self) -> (&'static str, &'static str) {
        (rsa::N, rsa::E)
    }

    /// Who exists here.
    pub fn accounts(&self) -> &Accounts {
        &self.server.accounts
    }

    /// Faults on demand.
    pub fn faults(&self) -> Faults {
        Faults(self.server.clone())
    }

    /// A counter that grows with every call and every change made from outside.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.server.changes.subscribe()
    }

    /// Every session of every account, oldest first; phones too.
    pub fn authorizations(&self) -> Vec<Session> {
        sessions::all(&self.server.lock(), |_| true)
    }

    /// The sessions of one account, but for its own phone's: what a service has linked.
    pub fn sessions_of(&self, account: i64) -> Vec<Session> {
        sessions::all(&self.server.lock(), |grant| grant.account == account && !grant.phone)
    }

    /// Adds a session that some client was let into at this time (Unix seconds), with a key that nobody uses here. Returns its
    /// hash.
    pub fn add_session(&self, account: i64, device: Device, created_at: i64) -> i64 {
        let dc = self.server.accounts.get(account).map_or(self.server.home_dc, |account| account.dc);
        let auth_key = crypto::random::<256>();
        let grant = sessions::new_grant(account, created_at);
        let hash = grant.hash;
        self.server.change(|state| {
            state.add_key(dc, auth_key, 0);
            if let Some(key) = state.keys.get_mut(&(dc, KeyId::of(&auth_key))) {
                (key.device, key.login) = (device, Login::Authorised(grant));
            }
        });
        hash
    }

    /// Ends a session as the person can in Telegram, without a phone; false where there is none of that hash.
    pub fn end_session(&self, account: i64, hash: i64) -> bool {
        self.server.change(|state| sessions::revoke(state, account, hash))
    }

    /// Whether `auth.logOut` was called with this key.
    pub fn logged_out(&self, key: KeyId) -> bool {
        self.server.lock().keys.iter().any(|((_, id), known)| *id == key && known.asked_to_log_out)
    }

    /// How many tokens were accepted, and then neither used nor taken back.
    pub fn hanging_acceptances(&self) -> usize {
        self.whose_acceptances_hang().len()
    }

    /// The accounts that accepted those.
    pub fn whose_acceptances_hang(&self) -> Vec<i64> {
        let state = self.server.lock();
        state.tokens.values().filter_map(|token| Some(token.accepted.as_ref()?.account)).collect()
    }

    /// The keys that two owners used at once, which on the real Telegram kills them (`AUTH_KEY_DUPLICATED`).
    pub fn keys_in_two_places(&self) -> Vec<InTwoPlaces> {
        self.server.lock().keys.values().filter_map(|key| key.in_two_places).collect()
    }

    /// The keys of the current connections.
    pub fn keys_in_use(&self) -> Vec<KeyId> {
        let state = self.server.lock();
        let mut keys: Vec<_> = state.connections.values().filter_map(|it| it.key).map(|(_, id)| id).collect();
        keys.sort_unstable();
        keys.dedup();
        keys
    }

    /// How often a method was called, by its TL name; failed and silenced calls count too.
    pub fn calls(&self, method: &str) -> u64 {
        self.server.lock().calls.get(method).copied().unwrap_or_default()
    }

    /// Waits until a method has been called `times` times in all.
    pub async fn wait_for_call(&self, method: &str, times: u64) {
        self.wait_until(|mtproto| mtproto.calls(method) >= times).await;
    }

    /// Waits until the condition holds; checks it after every call and every change.
    pub async fn wait_until(&self, is_so: impl Fn(&Self) -> bool) {
        let mut changes = self.changes();
        while !is_so(self) {
            changes.changed().await.expect("the server outlives its handles");
        }
    }

    /// What Telegram's service account wrote to a person, oldest first.
    pub fn notices(&self, account: i64) -> Vec<Notice> {
        self.server.lock().notices.iter().filter(|notice| notice.account == account).cloned().collect()
    }

    /// The login code that was sent for a number last, also for one that nobody has registered.
    pub fn last_code(&self, phone: &str) -> Option<String> {
        let phone = digits(phone);
        let state = self.server.lock();
        let sent = state.codes.values().filter(|code| code.phone == phone).max_by_key(|code| code.number);
        sent.map(|code| code.digits.clone())
    }

    /// What Telegram does when a person sends a text in a chat: login codes of theirs in it stop to work.
    pub fn code_seen_in_chat(&self, account: i64, text: &str) {
        self.server.change(|state| {
            state.codes.retain(|_, code| code.account != Some(account) || !text.contains(&code.digits));
        });
    }

    /// The client that a login token would let in; None for a token that nobody issued.
    pub fn device_of_token(&self, token: &[u8]) -> Option<Device> {
        let state = self.server.lock();
        let key = state.tokens.get(token)?.key;
        state.keys.get(&key).map(|key| key.device.clone())
    }

    /// Whether a phone that scans this token now lets its client in.
    pub fn takes_token(&self, token: &[u8]) -> bool {
        let now = self.server.clock.unix_seconds();
        let state = self.server.lock();
        state
            .tokens
            .get(token)
            .is_some_and(|token| token.expires_at > now && login_token::accepted(&state, token.key).is_none())
    }

    /// Logs a phone in, by its key alone.
    pub(crate) fn let_phone_in(&self, account: i64, dc: i32, key: KeyId, device: Device) {
        let created_at = self.server.clock.unix_seconds();
        self.server.change(|state| {
            let old = |known: &state::Key| {
                known.login.grant().is_some_and(|grant| grant.account == account && grant.phone)
            };
            for known in state.keys.values_mut().filter(|known| old(known)) {
                known.login = Login::Anonymous;
            }
            let grant = Grant { phone: true, ..sessions::new_grant(account, created_at) };
            if let Some(known) = state.keys.get_mut(&(dc, key)) {
                known.device = device;
                known.login = Login::Authorised(grant);
            }
        });
    }

    /// Whether this key is logged in as the account.
    pub(crate) fn is_authorised(&self, account: i64, dc: i32, key: KeyId) -> bool {
        let state = self.server.lock();
        let login = state.keys.get(&(dc, key)).map(|known| &known.login);
        matches!(login, Some(Login::Authorised(grant)) if grant.account == account)
    }
}
