//! The whole state that the page draws, as CONTRACT.md shows it, and its version.

use std::sync::Mutex;

use serde_json::{Value, json};
use tokio::sync::watch;

use super::{INVITE, Sandbox};
use crate::accounts::{Account, Password};

/// The state that was published last. Its `now` is added when it is sent.
pub(super) struct Published {
    version: Mutex<u64>,
    state: watch::Sender<Value>,
}

impl Default for Published {
    fn default() -> Self {
        Self { version: Mutex::new(0), state: watch::Sender::new(Value::Null) }
    }
}

impl Sandbox {
    /// Publishes the state, with a new version, if it differs from the one before.
    pub(super) fn refresh(&self) -> Value {
        let published = &self.inner.published;
        let mut version = published.version.lock().expect("nothing panics while it is held");
        let mut state = self.state();
        state["version"] = (*version).into();
        if *published.state.borrow() != state {
            *version += 1;
            state["version"] = (*version).into();
            published.state.send_replace(state.clone());
        }
        drop(version);
        self.dated(state)
    }

    /// Follows the state; the value has no `now` yet.
    pub(super) fn states(&self) -> watch::Receiver<Value> {
        self.inner.published.state.subscribe()
    }

    pub(super) fn dated(&self, mut state: Value) -> Value {
        state["now"] = self.inner.clock.unix_seconds().into();
        state
    }

    fn state(&self) -> Value {
        let telegram = &self.inner.telegram;
        let bot = &telegram.bot_api;
        let persons: Vec<Value> =
            telegram.accounts.all().iter().map(|account| self.person(account)).collect();
        json!({
            "bot": {
                "id": bot.id(), "name": bot.name(), "username": bot.username(),
                "commands": bot.private_commands(), "menu_button": bot.menu_buttons(),
            },
            "service": self.inner.service.status(),
            "airplane": bot.airplane(),
            "invite": INVITE,
            "persons": persons,
        })
    }

    fn person(&self, account: &Account) -> Value {
        let telegram = &self.inner.telegram;
        let chat = telegram.person(account.id);
        let password = account.password.clone();
        let on = password.is_some();
        let Password { text, hint } = password.unwrap_or_else(|| password_of(account));
        json!({
            "id": account.id, "first_name": account.first_name, "last_name": account.last_name,
            "username": account.username, "language_code": account.language_code,
            "typing": chat.sees_typing(),
            "messages": chat.messages(),
            "phone": {
                "number": account.phone, "online": !telegram.bot_api.airplane(), "dc": account.dc,
                "password": {"on": on, "password": text, "hint": hint},
                "notices": self.notices(account.id),
                "sessions": self.sessions(account.id),
            },
        })
    }

    fn notices(&self, account: i64) -> Vec<Value> {
        let notices = self.inner.telegram.mtproto.notices(account);
        let shown = notices.iter().map(|notice| {
            let kind = if notice.code.is_some() { "login_code" } else { "new_login" };
            let mut shown = json!({"id": notice.id, "at": notice.at, "kind": kind, "text": notice.text});
            if let Some(code) = &notice.code {
                shown["code"] = code.as_str().into();
            }
            shown
        });
        shown.collect()
    }

    fn sessions(&self, account: i64) -> Vec<Value> {
        let sessions = self.inner.telegram.mtproto.authorizations();
        let of_account =
            sessions.iter().filter(|session| session.account == account && !session.password_pending);
        of_account
            .map(|session| {
                json!({
                    "hash": session.hash.to_string(), "current": session.phone, "device": session.device.model,
                    "app": session.app(), "platform": session.device.platform(), "ip": "127.0.0.1",
                    "created_at": session.created_at, "active_at": session.created_at,
                })
            })
            .collect()
    }
}

/// The 2-step password that a person has while the switch is on.
pub(super) fn password_of(account: &Account) -> Password {
    match account.language_code.as_deref() {
        Some("ru") => Password::new("correct horse", "the usual one"),
        _ => Password::new("battery staple", "as on the fridge"),
    }
}
