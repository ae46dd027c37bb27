//! Remote procedure calls: removes wrappers, applies faults, and finds the method. Who may call what:
//!
//! - any key: `help.*`, the ways to log in, `auth.logOut`;
//! - a key that has still to prove a password: those, everything else is `SESSION_PASSWORD_NEEDED`;
//! - an authorised key: everything. To any other key the rest is `AUTH_KEY_UNREGISTERED`.

use grammers_tl_types::{Deserializable, Identifiable, Serializable, enums, functions, types};

use super::faults::Failure;
use super::state::{Device, KeyId, KeyName, Login};
use super::tl::{self, Rest, parse};
use super::{Server, directory, login_code, login_token, password, sessions};
use crate::accounts::Account;

/// One call, as it came in.
pub struct Call {
    pub dc: i32,
    pub key: KeyId,
    pub body: Vec<u8>,
}

impl Call {
    pub fn key_name(&self) -> KeyName {
        (self.dc, self.key)
    }
}

/// An RPC error, such as 400 `AUTH_TOKEN_EXPIRED`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RpcError {
    pub code: i32,
    pub name: String,
}

pub fn error(code: i32, name: &str) -> RpcError {
    RpcError { code, name: name.into() }
}

pub fn unregistered() -> RpcError {
    error(401, "AUTH_KEY_UNREGISTERED")
}

/// The answer's bytes, or the error.
pub type Answer = Result<Vec<u8>, RpcError>;

impl Server {
    /// Answers a call; None: with silence.
    pub fn answer(&self, call: Call) -> Option<Answer> {
        let call = self.unwrap(call);
        let method = grammers_tl_types::name_for_id(tl::constructor(&call.body)?);
        let fault = {
            let mut state = self.lock();
            if let Some(key) = state.keys.get_mut(&call.key_name()) {
                key.active_at = self.clock.unix_seconds();
            }
            state.faults.take(method)
        };
        let answer = match fault {
            Some(Failure::Silence) => None,
            Some(Failure::Error(code, name)) => Some(Err(error(code, &name))),
            Some(Failure::HangUp) => {
                self.lock().hang_up(call.key_name());
                None
            }
            Some(Failure::LoseAnswer) => {
                let _ = self.dispatch(&call);
                self.lock().hang_up(call.key_name());
                None
            }
            None => Some(self.dispatch(&call)),
        };
        tracing::debug!(dc = call.dc, method, error = ?answer.as_ref().and_then(|it| it.as_ref().err()), "called");
        // Counted after it has happened, so that a test that waits for the call finds its effect.
        self.change(|state| *state.calls.entry(method.to_owned()).or_default() += 1);
        answer
    }

    /// Peels `invokeWithLayer` and its like off, and notes what the client says of itself.
    fn unwrap(&self, call: Call) -> Call {
        let Call { dc, key, body } = call;
        let inner = if let Some(wrapper) = parse::<functions::InvokeWithLayer<Rest>>(&body) {
            wrapper.query
        } else if let Some(wrapper) = parse::<functions::InvokeWithoutUpdates<Rest>>(&body) {
            wrapper.query
        } else if let Some(wrapper) = parse::<functions::InitConnection<Rest>>(&body) {
            if let Some(known) = self.lock().keys.get_mut(&(dc, key)) {
                known.device = Device {
                    api_id: wrapper.api_id,
                    model: wrapper.device_model,
                    system_version: wrapper.system_version,
                    app_version: wrapper.app_version,
                };
            }
            wrapper.query
        } else {
            return Call { dc, key, body };
        };
        self.unwrap(Call { dc, key, body: inner.0 })
    }

    fn dispatch(&self, call: &Call) -> Answer {
        self.without_login(call).unwrap_or_else(|| {
            let account = self.authorised(call)?;
            self.with_login(call, &account)
        })
    }

    /// The account that the call's key is authorised for.
    fn authorised(&self, call: &Call) -> Result<Account, RpcError> {
        let state = self.lock();
        let key = state.keys.get(&call.key_name()).ok_or_else(unregistered)?;
        match &key.login {
            Login::Anonymous => Err(unregistered()),
            Login::PasswordPending(_) => Err(error(401, "SESSION_PASSWORD_NEEDED")),
            Login::Authorised(grant) => self.accounts.get(grant.account).ok_or_else(unregistered),
        }
    }

    /// What any key may call.
    fn without_login(&self, call: &Call) -> Option<Answer> {
        let body = &call.body[..];
        let now = self.clock.unix_seconds();
        Some(if is::<functions::help::GetConfig>(body) {
            Ok(tl::config(call.dc, &self.addresses, now))
        } else if is::<functions::help::GetNearestDc>(body) {
            let nearest =
                types::NearestDc { country: "RU".into(), this_dc: call.dc, nearest_dc: self.home_dc };
            Ok(enums::NearestDc::Dc(nearest).to_bytes())
        } else if let Some(query) = parse(body) {
            login_token::export(self, call, query)
        } else if let Some(query) = parse(body) {
            login_token::import(self, call, query)
        } else if is::<functions::account::GetPassword>(body) {
            password::get(self, call)
        } else if let Some(query) = parse(body) {
            password::check(self, call, query)
        } else if let Some(query) = parse(body) {
            login_code::send(self, call, query)
        } else if let Some(query) = parse(body) {
            login_code::resend(self, call, query)
        } else if let Some(query) = parse(body) {
            login_code::cancel(self, query)
        } else if let Some(query) = parse(body) {
            login_code::sign_in(self, call, query)
        } else if is::<functions::auth::LogOut>(body) {
            sessions::log_out(self, call)
        } else {
            return None;
        })
    }

    /// What only an authorised key may call.
    fn with_login(&self, call: &Call, account: &Account) -> Answer {
        let body = &call.body[..];
        let date = self.clock.unix_seconds() as i32;
        if is::<functions::updates::GetState>(body) {
            let state = types::updates::State { pts: 1, qts: 0, date, seq: 1, unread_count: 0 };
            Ok(enums::updates::State::State(state).to_bytes())
        } else if is::<functions::updates::GetDifference>(body) {
            let nothing = types::updates::DifferenceEmpty { date, seq: 1 };
            Ok(enums::updates::Difference::Empty(nothing).to_bytes())
        } else if let Some(query) = parse(body) {
            login_token::accept(self, account, query)
        } else if is::<functions::account::GetAuthorizations>(body) {
            sessions::list(self, call, account)
        } else if let Some(query) = parse(body) {
            sessions::end(self, call, account, query)
        } else if is::<functions::auth::ResetAuthorizations>(body) {
            sessions::end_others(self, call, account)
        } else if let Some(query) = parse(body) {
            directory::get_users(self, account, query)
        } else if let Some(query) = parse(body) {
            directory::get_full_user(self, account, query)
        } else if let Some(query) = parse(body) {
            directory::resolve_phone(self, account, query)
        } else if let Some(query) = parse(body) {
            directory::import_contacts(self, account, query)
        } else {
            Err(error(400, "METHOD_INVALID"))
        }
    }
}

fn is<T: Identifiable + Deserializable>(body: &[u8]) -> bool {
    tl::constructor(body) == Some(T::CONSTRUCTOR_ID)
}
