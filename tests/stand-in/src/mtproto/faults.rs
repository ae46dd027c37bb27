//! Faults of Telegram, on demand.

use std::collections::VecDeque;
use std::sync::Arc;

use grammers_tl_types::enums;

use super::state::{KeyName, State};
use super::{Server, tl};

/// How a call is to fail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// With an RPC error, such as 420 `FLOOD_WAIT_5`.
    Error(i32, String),
    /// With no answer at all.
    Silence,
    /// The line breaks before anything is done.
    HangUp,
    /// It is done, and the line breaks before the answer is there.
    LoseAnswer,
}

/// The faults in waiting; part of the state.
#[derive(Default)]
pub struct Plan {
    calls: VecDeque<(String, Failure)>,
    pub airplane: bool,
    pub wants_email: bool,
    lost_updates: u32,
    doubled_updates: u32,
    hold_updates: bool,
    held_updates: Vec<KeyName>,
}

impl Plan {
    /// The failure in store for a call of `method`, used up by asking.
    pub fn take(&mut self, method: &str) -> Option<Failure> {
        let position = self.calls.iter().position(|(name, _)| name == method)?;
        self.calls.remove(position).map(|(_, failure)| failure)
    }
}

impl State {
    /// Tells `key` that its login token was accepted, unless that is to go wrong.
    pub fn push_login_token(&mut self, key: KeyName, now: i64) {
        let plan = &mut self.faults;
        if plan.lost_updates > 0 {
            plan.lost_updates -= 1;
            return;
        }
        if plan.hold_updates {
            plan.held_updates.push(key);
            return;
        }
        let twice = plan.doubled_updates > 0;
        plan.doubled_updates = plan.doubled_updates.saturating_sub(1);
        let update = tl::update_short(enums::Update::LoginToken, now);
        self.push(key, &update);
        if twice {
            self.push(key, &update);
        }
    }
}

/// Makes things go wrong; clones act on the same server. Methods go by their TL names, such as
/// `auth.exportLoginToken`.
#[derive(Clone)]
pub struct Faults(pub(super) Arc<Server>);

impl Faults {
    /// The next `times` calls of `method` get this RPC error.
    pub fn fail(&self, method: &str, code: i32, message: &str, times: usize) {
        self.plan(method, Failure::Error(code, message.into()), times);
    }

    /// The next call of `method` gets `FLOOD_WAIT_<seconds>`.
    pub fn flood_wait(&self, method: &str, seconds: u32) {
        self.fail(method, 420, &format!("FLOOD_WAIT_{seconds}"), 1);
    }

    /// The next `times` imports find the token expired.
    pub fn expire_imports(&self, times: usize) {
        self.fail("auth.importLoginToken", 400, "AUTH_TOKEN_EXPIRED", times);
    }

    /// The next `times` calls of `method` find the key unknown, as real data centres do for a second or two after a
    /// migration.
    pub fn unregistered(&self, method: &str, times: usize) {
        self.fail(method, 401, "AUTH_KEY_UNREGISTERED", times);
    }

    /// The next `times` calls of `method` get no answer and do nothing.
    pub fn silence(&self, method: &str, times: usize) {
        self.plan(method, Failure::Silence, times);
    }

    /// The next call of `method` breaks the line of its key; nothing is done.
    pub fn hang_up(&self, method: &str) {
        self.plan(method, Failure::HangUp, 1);
    }

    /// The next call of `method` is done, and the line of its key breaks before the answer is there.
    pub fn lose_answer(&self, method: &str) {
        self.plan(method, Failure::LoseAnswer, 1);
    }

    /// Forgets the call failures that have not happened yet.
    pub fn clear(&self) {
        self.0.change(|state| state.faults.calls.clear());
    }

    /// Hangs up on every client, once.
    pub fn drop_connections(&self) {
        self.0.change(State::close_connections);
    }

    /// Airplane mode: while on, every connection is dropped and none gets through.
    pub fn airplane(&self, on: bool) {
        self.0.change(|state| {
            state.faults.airplane = on;
            if on {
                state.close_connections();
            }
        });
    }

    /// Whether airplane mode is on.
    pub fn is_airplane(&self) -> bool {
        self.0.lock().faults.airplane
    }

    /// Instead of the next login code Telegram wants an email address to be set up, in an app.
    pub fn want_email(&self) {
        self.0.change(|state| state.faults.wants_email = true);
    }

    /// The next `updateLoginToken` is lost on its way.
    pub fn lose_next_update(&self) {
        self.0.change(|state| state.faults.lost_updates += 1);
    }

    /// The next `updateLoginToken` arrives twice.
    pub fn double_next_update(&self) {
        self.0.change(|state| state.faults.doubled_updates += 1);
    }

    /// Holds every `updateLoginToken` back until [`Self::release_updates`].
    pub fn hold_updates(&self) {
        self.0.change(|state| state.faults.hold_updates = true);
    }

    /// Delivers what was held back, and holds no more.
    pub fn release_updates(&self) {
        let now = self.0.clock.unix_seconds();
        self.0.change(|state| {
            state.faults.hold_updates = false;
            for key in std::mem::take(&mut state.faults.held_updates) {
                state.push_login_token(key, now);
            }
        });
    }

    /// Forgets every auth key: clients get the transport error 404, as for a key that was destroyed.
    pub fn forget_keys(&self) {
        self.0.change(|state| {
            state.keys.clear();
            state.tokens.clear();
            state.close_connections();
        });
    }

    fn plan(&self, method: &str, failure: Failure, times: usize) {
        self.0.change(|state| {
            state.faults.calls.extend(std::iter::repeat_n((method.to_owned(), failure), times));
        });
    }
}
