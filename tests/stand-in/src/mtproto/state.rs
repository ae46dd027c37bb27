//! The state of all data centres: auth keys, login tokens, codes, connections, calls.

use std::collections::HashMap;

use jiff::Timestamp;
use tokio::sync::mpsc;

use super::crypto::sha1;
use super::faults::Plan;
use super::srp::{Challenge, Verifier};

/// Names an auth key of one data centre: the low 64 bits of its SHA-1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId(pub [u8; 8]);

impl KeyId {
    /// The id of this key.
    pub fn of(auth_key: &[u8; 256]) -> Self {
        Self(sha1(auth_key)[12..].try_into().expect("8 of 20 bytes"))
    }
}

/// When a message was written, as its number says: seconds, then nanoseconds times four.
fn moment(message_id: i64) -> Timestamp {
    let nanoseconds = ((message_id & 0xffff_ffff) >> 2).min(999_999_999);
    Timestamp::new(message_id >> 32, nanoseconds as i32).unwrap_or_default()
}

/// A key lives on one data centre; another does not know it.
pub(super) type KeyName = (i32, KeyId);

#[derive(Default)]
pub struct State {
    pub keys: HashMap<KeyName, Key>,
    pub tokens: HashMap<Vec<u8>, Token>,
    pub codes: HashMap<String, Code>,
    pub notices: Vec<Notice>,
    pub connections: HashMap<u64, Connection>,
    pub calls: HashMap<String, u64>,
    pub faults: Plan,
    /// Verifiers by password text: deriving one is slow.
    pub verifiers: HashMap<String, Verifier>,
    last_number: u64,
}

pub struct Key {
    pub auth_key: [u8; 256],
    pub salt: i64,
    pub login: Login,
    pub device: Device,
    pub challenge: Option<Challenge>,
    pub asked_to_log_out: bool,
    /// When it was last used for a call: Unix seconds.
    pub active_at: i64,
    /// The connection that used it for the first time most recently.
    pub connection: u64,
    /// The id of the first message of that connection. Message ids are times.
    pub began: i64,
    pub in_two_places: Option<InTwoPlaces>,
}

/// A key that two owners used at once. Times are the senders' own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InTwoPlaces {
    /// Which.
    pub key: KeyId,
    /// Whose session it was by then, if anybody's.
    pub account: Option<i64>,
    /// When the later one began.
    pub began: Timestamp,
    /// When the earlier one sent a message again, for the first time.
    pub spoke: Timestamp,
}

/// How far a key is logged in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Login {
    Anonymous,
    PasswordPending(Grant),
    Authorised(Grant),
}

/// What a key has been given: a place in an account's list of devices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    pub account: i64,
    pub hash: i64,
    pub created_at: i64,
    /// The account's own phone, let in by the stand-in itself.
    pub phone: bool,
}

impl Login {
    pub fn grant(&self) -> Option<&Grant> {
        match self {
            Self::Anonymous => None,
            Self::PasswordPending(grant) | Self::Authorised(grant) => Some(grant),
        }
    }
}

/// What a client says of itself in `initConnection`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Device {
    /// The application's id.
    pub api_id: i32,
    /// Such as `iPhone 17`.
    pub model: String,
    /// Such as `iOS 26.1`.
    pub system_version: String,
    /// Such as `12.0`.
    pub app_version: String,
}

impl Device {
    /// The system's name without its version.
    pub fn platform(&self) -> &str {
        self.system_version.split_whitespace().next().unwrap_or_default()
    }
}

/// A login token: who asked for it, and who accepted it.
pub struct Token {
    pub key: KeyName,
    pub expires_at: i64,
    pub except_ids: Vec<i64>,
    pub accepted: Option<Grant>,
}

/// A login code on its way in.
pub struct Code {
    /// Grows with every code sent.
    pub number: u64,
    pub phone: String,
    pub account: Option<i64>,
    pub digits: String,
    pub expires_at: i64,
    pub wrong_tries: u32,
}

/// A message of Telegram's service account to a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Grows by one, over all persons.
    pub id: u64,
    /// Whom it is for.
    pub account: i64,
    /// Unix seconds.
    pub at: i64,
    /// The login code in it; none in a notice of a new login.
    pub code: Option<String>,
    /// What it says.
    pub text: String,
}

pub struct Connection {
    pub key: Option<KeyName>,
    pub orders: mpsc::UnboundedSender<Order>,
}

/// What a connection is told to do.
pub enum Order {
    /// Send this to the client.
    Push(Vec<u8>),
    /// Hang up.
    Close,
}

impl State {
    /// A number never given before.
    pub fn next_number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    pub fn add_key(&mut self, dc: i32, auth_key: [u8; 256], salt: i64) {
        *self.calls.entry("set_client_DH_params".to_owned()).or_default() += 1;
        let key = Key {
            auth_key,
            salt,
            login: Login::Anonymous,
            device: Device::default(),
            challenge: None,
            asked_to_log_out: false,
            active_at: 0,
            connection: 0,
            began: 0,
            in_two_places: None,
        };
        self.keys.insert((dc, KeyId::of(&auth_key)), key);
    }

    /// Notes that a connection speaks with a key, known here. One that speaks again after a later one began to
    /// belongs to somebody who did not know that the key had moved on; what it had said before, and is read only now,
    /// does not count.
    pub fn hear(&mut self, connection: u64, name: KeyName, message_id: i64) {
        let spoke_before = match self.connections.get_mut(&connection) {
            Some(known) => known.key.replace(name) == Some(name),
            None => return,
        };
        if let Some(key) = self.keys.get_mut(&name) {
            if !spoke_before && message_id > key.began {
                key.connection = connection;
                key.began = message_id;
            }
            if key.in_two_places.is_none() && key.connection != connection && message_id > key.began {
                let account = key.login.grant().map(|grant| grant.account);
                let (began, spoke) = (moment(key.began), moment(message_id));
                key.in_two_places = Some(InTwoPlaces { key: name.1, account, began, spoke });
            }
        }
    }

    /// Sends `body` to every connection of a key, if any.
    pub fn push(&self, key: KeyName, body: &[u8]) {
        for connection in self.connections.values().filter(|connection| connection.key == Some(key)) {
            // A connection that is just ending loses it, as on a real network.
            let _ = connection.orders.send(Order::Push(body.to_vec()));
        }
    }

    /// Closes the connections that use this key.
    pub fn hang_up(&self, key: KeyName) {
        for connection in self.connections.values().filter(|connection| connection.key == Some(key)) {
            let _ = connection.orders.send(Order::Close);
        }
    }

    /// Hangs up on everybody.
    pub fn close_connections(&mut self) {
        for (_, connection) in self.connections.drain() {
            let _ = connection.orders.send(Order::Close);
        }
    }

    pub fn notify(&mut self, account: i64, at: i64, text: String, code: Option<String>) {
        let id = self.next_number();
        self.notices.push(Notice { id, account, at, code, text });
    }
}
