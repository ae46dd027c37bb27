//! Login by QR code (core.telegram.org/api/qr-login):
//!
//! 1. the client exports a token and shows it;
//! 2. the phone accepts it, on the account's own data centre;
//! 3. the client is told by `updateLoginToken`, or finds out by its next export;
//! 4. its next export logs it in, asks for the password, or sends it to the account's data centre, where it imports
//!    the token it was given.
//!
//! A token that was replaced by a later one stays good until it expires.

use grammers_tl_types::{Serializable, enums, functions, types};

use super::rpc::{Answer, Call, error, unregistered};
use super::state::{Grant, KeyName, Login, State, Token};
use super::{Server, sessions, tl};
use crate::accounts::Account;

/// Steps 1 and 4.
pub fn export(server: &Server, call: &Call, query: functions::auth::ExportLoginToken) -> Answer {
    if query.api_id <= 0 || query.api_hash.is_empty() {
        return Err(error(400, "API_ID_INVALID"));
    }
    let key = call.key_name();
    let expires_at = server.clock.unix_seconds() + server.token_lifetime.as_secs() as i64;
    let mut state = server.lock();
    match state.keys.get(&key).map(|known| known.login.clone()) {
        None => return Err(unregistered()),
        Some(Login::Authorised(grant)) => return success(server, &grant),
        Some(Login::PasswordPending(_)) => return Err(error(401, "SESSION_PASSWORD_NEEDED")),
        Some(Login::Anonymous) => {}
    }
    let Some(grant) = accepted(&state, key) else {
        let token = new_token();
        let issued = Token { key, expires_at, except_ids: query.except_ids, accepted: None };
        state.tokens.insert(token.clone(), issued);
        let answer = types::auth::LoginToken { expires: expires_at as i32, token };
        return Ok(enums::auth::LoginToken::Token(answer).to_bytes());
    };
    let account = server.accounts.get(grant.account).ok_or_else(unregistered)?;
    if account.dc == call.dc {
        return log_in(server, &mut state, key, &account, grant);
    }
    let token = new_token();
    let handed_over = Token { key, expires_at, except_ids: Vec::new(), accepted: Some(grant) };
    state.tokens.insert(token.clone(), handed_over);
    let answer = types::auth::LoginTokenMigrateTo { dc_id: account.dc, token };
    Ok(enums::auth::LoginToken::MigrateTo(answer).to_bytes())
}

/// Step 4, on the account's own data centre.
pub fn import(server: &Server, call: &Call, query: functions::auth::ImportLoginToken) -> Answer {
    let now = server.clock.unix_seconds();
    let mut state = server.lock();
    let token = state.tokens.get(&query.token).ok_or_else(|| error(400, "AUTH_TOKEN_INVALID"))?;
    if token.expires_at <= now {
        return Err(error(400, "AUTH_TOKEN_EXPIRED"));
    }
    let grant = token.accepted.clone().ok_or_else(|| error(400, "AUTH_TOKEN_INVALID"))?;
    let account = server.accounts.get(grant.account).ok_or_else(unregistered)?;
    if account.dc != call.dc {
        let answer = types::auth::LoginTokenMigrateTo { dc_id: account.dc, token: query.token };
        return Ok(enums::auth::LoginToken::MigrateTo(answer).to_bytes());
    }
    log_in(server, &mut state, call.key_name(), &account, grant)
}

/// Step 2, called by the phone.
pub fn accept(server: &Server, account: &Account, query: functions::auth::AcceptLoginToken) -> Answer {
    let now = server.clock.unix_seconds();
    let mut state = server.lock();
    let token = state.tokens.get(&query.token).ok_or_else(|| error(400, "AUTH_TOKEN_INVALID"))?;
    let key = token.key;
    if accepted(&state, key).is_some() {
        return Err(error(400, "AUTH_TOKEN_ALREADY_ACCEPTED"));
    }
    if token.expires_at <= now {
        return Err(error(400, "AUTH_TOKEN_EXPIRED"));
    }
    if token.except_ids.contains(&account.id) {
        return Err(error(400, "AUTH_TOKEN_EXCEPTION"));
    }
    let grant = sessions::new_grant(account.id, now);
    let session = sessions::describe(state.keys.get(&key).ok_or_else(unregistered)?, key, &grant);
    let session = sessions::to_tl(&session, false, account.password.is_some());
    if let Some(token) = state.tokens.get_mut(&query.token) {
        token.accepted = Some(grant);
    }
    state.push_login_token(key, now);
    Ok(session.to_bytes())
}

/// Gives the key what the phone granted it, as far as no password stands in the way.
fn log_in(server: &Server, state: &mut State, key: KeyName, account: &Account, grant: Grant) -> Answer {
    let known = state.keys.get_mut(&key).ok_or_else(unregistered)?;
    if account.password.is_some() {
        known.login = Login::PasswordPending(grant);
        return Err(error(401, "SESSION_PASSWORD_NEEDED"));
    }
    sessions::authorise(server, state, key, grant.clone());
    success(server, &grant)
}

fn success(server: &Server, grant: &Grant) -> Answer {
    let account = server.accounts.get(grant.account).ok_or_else(unregistered)?;
    let answer = types::auth::LoginTokenSuccess { authorization: tl::authorization(&account) };
    Ok(enums::auth::LoginToken::Success(answer).to_bytes())
}

/// What was granted to a key by accepting any of its tokens.
pub fn accepted(state: &State, key: KeyName) -> Option<Grant> {
    state.tokens.values().find(|token| token.key == key && token.accepted.is_some())?.accepted.clone()
}

fn new_token() -> Vec<u8> {
    super::crypto::random::<33>().to_vec()
}
