//! Where an account is logged in: the list of devices, ending one of them, logging out.

use grammers_tl_types::{Serializable, enums, functions, types};

use super::Server;
use super::crypto::random;
use super::login_token::accepted;
use super::rpc::{Answer, Call, error, unregistered};
use super::state::{Device, Grant, Key, KeyId, KeyName, Login, State};
use crate::accounts::Account;

/// One place where an account is logged in, or about to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// What Telegram calls it; never 0.
    pub hash: i64,
    /// Whose it is.
    pub account: i64,
    /// The data centre of its key.
    pub dc: i32,
    /// Its key.
    pub key: KeyId,
    /// What the client says of itself.
    pub device: Device,
    /// Unix seconds.
    pub created_at: i64,
    /// When its key was last used: Unix seconds.
    pub active_at: i64,
    /// The account's own phone.
    pub phone: bool,
    /// The token or code was good, the 2-step password has still to come.
    pub password_pending: bool,
}

impl Session {
    /// The application, as the list of devices names it.
    pub fn app(&self) -> String {
        let name = if self.phone { "Telegram" } else { &self.device.model };
        format!("{name} {}", self.device.app_version)
    }
}

/// A place in the account's list of devices for a new login.
pub fn new_grant(account: i64, now: i64) -> Grant {
    Grant { account, hash: i64::from_le_bytes(random()) | 1, created_at: now, phone: false }
}

/// Logs the key in for good.
pub fn authorise(server: &Server, state: &mut State, key: KeyName, grant: Grant) {
    let Some(known) = state.keys.get_mut(&key) else { return };
    known.login = Login::Authorised(grant.clone());
    known.challenge = None;
    let device = known.device.model.clone();
    state.tokens.retain(|_, token| token.accepted.as_ref().is_none_or(|given| given.hash != grant.hash));
    if !grant.phone {
        let text = format!("New login. We detected a login into your account from a new device: {device}.");
        state.notify(grant.account, server.clock.unix_seconds(), text, None);
    }
}

/// The sessions that a choice of grants makes, oldest first.
pub fn all(state: &State, choose: impl Fn(&Grant) -> bool) -> Vec<Session> {
    let mut sessions: Vec<_> = state
        .keys
        .iter()
        .filter_map(|(name, key)| key.login.grant().map(|grant| (name, key, grant)))
        .filter(|(_, _, grant)| choose(grant))
        .map(|(name, key, grant)| describe(key, *name, grant))
        .collect();
    sessions.sort_by_key(|session| (session.created_at, session.hash));
    sessions
}

pub fn describe(key: &Key, (dc, id): KeyName, grant: &Grant) -> Session {
    Session {
        hash: grant.hash,
        account: grant.account,
        dc,
        key: id,
        device: key.device.clone(),
        created_at: grant.created_at,
        active_at: key.active_at.max(grant.created_at),
        phone: grant.phone,
        password_pending: matches!(key.login, Login::PasswordPending(_)),
    }
}

/// Ends a session of the account, as a person does in Telegram; false where there is none of that hash.
pub fn revoke(state: &mut State, account: i64, hash: i64) -> bool {
    let key = state
        .keys
        .values_mut()
        .find(|key| key.login.grant().is_some_and(|grant| (grant.account, grant.hash) == (account, hash)));
    key.map(|key| key.login = Login::Anonymous).is_some()
}

/// `auth.logOut`: also takes back an acceptance that the client has not seen yet.
pub fn log_out(server: &Server, call: &Call) -> Answer {
    let mut state = server.lock();
    let name = call.key_name();
    let was_accepted = accepted(&state, name).is_some();
    state.tokens.retain(|_, token| token.key != name);
    let key = state.keys.get_mut(&name).ok_or_else(unregistered)?;
    key.asked_to_log_out = true;
    key.challenge = None;
    let login = std::mem::replace(&mut key.login, Login::Anonymous);
    if let Some(grant) = login.grant() {
        // What this key was given by another data centre's token is not left lying there.
        state.tokens.retain(|_, token| token.accepted.as_ref().is_none_or(|given| given.hash != grant.hash));
    }
    if login == Login::Anonymous && !was_accepted {
        return Err(unregistered());
    }
    Ok(enums::auth::LoggedOut::Out(types::auth::LoggedOut { future_auth_token: None }).to_bytes())
}

/// `account.getAuthorizations`.
pub fn list(server: &Server, call: &Call, account: &Account) -> Answer {
    let sessions = all(&server.lock(), |grant| grant.account == account.id);
    let authorizations = sessions
        .iter()
        .map(|session| to_tl(session, (session.dc, session.key) == call.key_name(), session.password_pending))
        .collect();
    let answer = types::account::Authorizations { authorization_ttl_days: 180, authorizations };
    Ok(enums::account::Authorizations::Authorizations(answer).to_bytes())
}

/// `account.resetAuthorization`.
pub fn end(
    server: &Server,
    call: &Call,
    account: &Account,
    query: functions::account::ResetAuthorization,
) -> Answer {
    let mut state = server.lock();
    let own = state.keys.get(&call.key_name()).and_then(|key| key.login.grant());
    if own.is_some_and(|grant| grant.hash == query.hash) || !revoke(&mut state, account.id, query.hash) {
        return Err(error(400, "HASH_INVALID"));
    }
    Ok(true.to_bytes())
}

/// `auth.resetAuthorizations`: ends all but the caller's.
pub fn end_others(server: &Server, call: &Call, account: &Account) -> Answer {
    let mut state = server.lock();
    for (name, key) in &mut state.keys {
        if *name != call.key_name() && key.login.grant().is_some_and(|grant| grant.account == account.id) {
            key.login = Login::Anonymous;
        }
    }
    Ok(true.to_bytes())
}

/// A session in TL, for the list of devices.
pub fn to_tl(session: &Session, current: bool, password_pending: bool) -> enums::Authorization {
    enums::Authorization::Authorization(types::Authorization {
        current,
        official_app: session.phone,
        password_pending,
        encrypted_requests_disabled: true,
        call_requests_disabled: true,
        unconfirmed: false,
        hash: if current { 0 } else { session.hash },
        device_model: session.device.model.clone(),
        platform: session.device.platform().into(),
        system_version: session.device.system_version.clone(),
        api_id: session.device.api_id,
        app_name: if session.phone { "Telegram".into() } else { session.device.model.clone() },
        app_version: session.device.app_version.clone(),
        date_created: session.created_at as i32,
        date_active: session.active_at as i32,
        ip: "127.0.0.1".into(),
        country: "Russia".into(),
        region: String::new(),
    })
}
