//! A stand-in Bot API server: real HTTP on loopback, as strict as Telegram's and with the same error texts, so that a bot that
//! works here also works there. One bot, the people of [`Accounts`], a private chat with each, and one group.
//!
//! Not here: media, inline mode, payments. Other methods answer `404 Not Found`.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

use ed25519_dalek::SigningKey;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::accounts::Accounts;
use crate::clock::Clock;
use crate::mtproto::MtProto;

mod faults;
mod keyboard;
mod launch;
mod messages;
mod params;
mod person;
mod profile;
mod refusal;
mod server;
mod state;
#[cfg(test)]
mod tests;
mod text;
mod updates;

pub use faults::{Fault, Which};
pub use keyboard::{Action, Button, Keyboard};
pub use launch::Launch;
pub use person::{Answer, ChatPerson};
pub use profile::Command;
pub use state::{Call, From, GROUP_ID, Message};
pub use text::Entity;

use state::State;

/// The bot's id on this Telegram.
pub const BOT_ID: i64 = 7_000_000_001;

/// The server. Clones are the same server; it runs until the runtime ends.
#[derive(Clone)]
pub struct BotApi {
    inner: Arc<Inner>,
}

struct Inner {
    token: String,
    accounts: Accounts,
    clock: Clock,
    address: SocketAddr,
    state: Mutex<State>,
    /// Changes with every change of the state: long polls and watchers wait for it.
    changed: watch::Sender<u64>,
    /// True: airplane mode.
    cut: watch::Sender<bool>,
    /// Changes when delayed answers are sent.
    released: watch::Sender<()>,
    signing_key: SigningKey,
    http: reqwest::Client,
    front: Mutex<Option<SocketAddr>>,
    /// The data centres of the same Telegram, which get the texts that people write.
    mtproto: OnceLock<MtProto>,
}

impl BotApi {
    /// Starts the server on a free loopback port. A token must begin with [`BOT_ID`]; without one a fresh one is made.
    ///
    /// # Errors
    /// Where no port can be bound.
    pub async fn start(accounts: Accounts, clock: Clock, token: Option<String>) -> std::io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let state = Mutex::new(State::new(clock.unix_seconds()));
        let api = Self {
            inner: Arc::new(Inner {
                token: token.unwrap_or_else(fresh_token),
                accounts,
                clock,
                address: listener.local_addr()?,
                state,
                changed: watch::Sender::new(0),
                cut: watch::Sender::new(false),
                released: watch::Sender::new(()),
                signing_key: SigningKey::from_bytes(&launch::random()),
                http: reqwest::Client::builder().no_proxy().build().map_err(std::io::Error::other)?,
                front: Mutex::new(None),
                mtproto: OnceLock::new(),
            }),
        };
        server::run(api.clone(), listener);
        tokio::spawn(api.clone().deliver_to_webhook(api.inner.cut.subscribe()));
        Ok(api)
    }

    /// What `BOT_API_URL` has to be.
    pub fn url(&self) -> String {
        format!("http://{}", self.inner.address)
    }

    /// What `BOT_TOKEN` has to be.
    pub fn token(&self) -> &str {
        &self.inner.token
    }

    /// The bot's id.
    pub fn id(&self) -> i64 {
        BOT_ID
    }

    /// The bot's name.
    pub fn name(&self) -> &'static str {
        "QR Login"
    }

    /// The bot's username, without the @.
    pub fn username(&self) -> &'static str {
        "qr_login_sandbox_bot"
    }

    /// The public half of the key that signs launch data here, in hex.
    pub fn ed25519_public_key(&self) -> String {
        hex::encode(self.inner.signing_key.verifying_key().to_bytes())
    }

    /// A person's side of their chat with the bot. There must be an account of that id.
    pub fn person(&self, id: i64) -> ChatPerson {
        ChatPerson::new(self.clone(), id)
    }

    /// Changes with every change of chats, commands or answers.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.inner.changed.subscribe()
    }

    /// Lets the next matching call fail. Faults add up.
    pub fn fail_next(&self, which: impl Into<Which>, fault: Fault) {
        self.state().faults.add(which.into(), fault);
    }

    /// Lets every answer go that [`Fault::HeldAnswer`] holds back, and every request that [`Fault::HeldRequest`] does.
    pub fn release_answers(&self) {
        self.inner.released.send_replace(());
    }

    /// Airplane mode: connections break and new ones are dropped, until it is off again.
    pub fn set_airplane(&self, on: bool) {
        self.inner.cut.send_replace(on);
        self.touch();
    }

    /// Whether airplane mode is on.
    pub fn airplane(&self) -> bool {
        *self.inner.cut.borrow()
    }

    /// Delivers the last update to the bot once more, with its id. False where there was none.
    pub fn redeliver_last_update(&self) -> bool {
        let redelivered = self.state().updates.redeliver_last();
        self.touch();
        redelivered
    }

    /// Queues an update as these bytes, made from its id, without a check; returns the id.
    pub fn inject_update(&self, update: impl FnOnce(i64) -> Vec<u8>) -> i64 {
        let id = self.state().updates.inject(update);
        self.touch();
        id
    }

    /// How many updates the bot has not confirmed yet.
    pub fn pending_updates(&self) -> usize {
        self.state().updates.pending()
    }

    /// Every call so far, oldest first.
    pub fn calls(&self) -> Vec<Call> {
        self.state().calls.clone()
    }

    /// How often a method was called, with any result.
    pub fn count_calls(&self, method: &str) -> usize {
        self.state().calls.iter().filter(|call| call.method.eq_ignore_ascii_case(method)).count()
    }

    /// The target of https webhooks: the service's own address, in place of DNS and the TLS proxy before it.
    pub fn set_front(&self, service: SocketAddr) {
        *self.inner.front.lock().expect("nothing panics while it is held") = Some(service);
    }

    /// The commands of private chats by language; `""` is any other.
    pub fn private_commands(&self) -> serde_json::Value {
        serde_json::json!(self.state().profile.private_commands())
    }

    /// Menu buttons by person; `""` is the default.
    pub fn menu_buttons(&self) -> serde_json::Value {
        self.state().profile.menu_buttons().into()
    }

    /// What the bot says about itself: `description` or `short_description`, in this language; `""` is any other.
    pub fn profile_text(&self, what: &str, language: &str) -> Option<String> {
        self.state().profile.text(what, language).map(str::to_owned)
    }

    /// Passes texts that people write to the data centres. Only the first call counts.
    pub fn join(&self, mtproto: &MtProto) {
        let _ = self.inner.mtproto.set(mtproto.clone());
    }

    fn accounts(&self) -> &Accounts {
        &self.inner.accounts
    }

    fn now(&self) -> i64 {
        self.inner.clock.unix_seconds()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.inner.state.lock().expect("nothing panics while it is held")
    }

    /// Wakes all tasks that wait for a change.
    fn touch(&self) {
        self.inner.changed.send_modify(|changes| *changes += 1);
    }
}

fn fresh_token() -> String {
    use base64::Engine;
    let secret = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(launch::random::<25>());
    format!("{BOT_ID}:A{secret}")
}
