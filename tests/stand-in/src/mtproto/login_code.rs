//! Login by a code that Telegram sends to the account's other devices: `auth.sendCode`, `auth.signIn`.

use grammers_tl_types::{Serializable, enums, functions, types};

use super::crypto::random;
use super::rpc::{Answer, Call, RpcError, error, unregistered};
use super::state::{Code, Login};
use super::{Server, sessions, tl};
use crate::accounts::{Number, digits};

const CODE_LENGTH: usize = 5;
/// After so many wrong codes the right one is refused too.
const WRONG_TRIES: u32 = 5;

/// `auth.sendCode`. The code appears among the account's notices.
pub fn send(server: &Server, call: &Call, query: functions::auth::SendCode) -> Answer {
    if query.api_id <= 0 || query.api_hash.is_empty() {
        return Err(error(400, "API_ID_INVALID"));
    }
    if std::mem::take(&mut server.lock().faults.wants_email) {
        return Ok(no_code().to_bytes());
    }
    let by_app = enums::auth::SentCodeType::App(types::auth::SentCodeTypeApp { length: CODE_LENGTH as i32 });
    start(server, call, &query.phone_number, by_app, Some(enums::auth::CodeType::Sms))
}

/// `auth.resendCode`: another code, by SMS, in place of the one before.
pub fn resend(server: &Server, call: &Call, query: functions::auth::ResendCode) -> Answer {
    withdraw(server, &query.phone_number, &query.phone_code_hash)?;
    let by_sms = enums::auth::SentCodeType::Sms(types::auth::SentCodeTypeSms { length: CODE_LENGTH as i32 });
    start(server, call, &query.phone_number, by_sms, None)
}

/// `auth.cancelCode`.
pub fn cancel(server: &Server, query: functions::auth::CancelCode) -> Answer {
    withdraw(server, &query.phone_number, &query.phone_code_hash)?;
    Ok(true.to_bytes())
}

/// `auth.signIn`.
pub fn sign_in(server: &Server, call: &Call, query: functions::auth::SignIn) -> Answer {
    let entered = query.phone_code.filter(|code| !code.is_empty());
    let entered = entered.ok_or_else(|| error(400, "PHONE_CODE_EMPTY"))?;
    let now = server.clock.unix_seconds();
    let mut state = server.lock();
    let code = state
        .codes
        .get_mut(&query.phone_code_hash)
        .filter(|code| code.phone == digits(&query.phone_number))
        .filter(|code| code.expires_at > now && code.wrong_tries < WRONG_TRIES)
        .ok_or_else(|| error(400, "PHONE_CODE_EXPIRED"))?;
    if code.digits != entered {
        code.wrong_tries += 1;
        return Err(error(400, "PHONE_CODE_INVALID"));
    }
    let Some(account) = code.account else {
        let sign_up = types::auth::AuthorizationSignUpRequired { terms_of_service: None };
        return Ok(enums::auth::Authorization::SignUpRequired(sign_up).to_bytes());
    };
    state.codes.remove(&query.phone_code_hash);
    let account = server.accounts.get(account).ok_or_else(unregistered)?;
    let grant = sessions::new_grant(account.id, now);
    let key = state.keys.get_mut(&call.key_name()).ok_or_else(unregistered)?;
    if account.password.is_some() {
        key.login = Login::PasswordPending(grant);
        return Err(error(401, "SESSION_PASSWORD_NEEDED"));
    }
    sessions::authorise(server, &mut state, call.key_name(), grant);
    Ok(tl::authorization(&account).to_bytes())
}

fn start(
    server: &Server,
    call: &Call,
    phone: &str,
    way: enums::auth::SentCodeType,
    next_type: Option<enums::auth::CodeType>,
) -> Answer {
    let account = match server.accounts.number(phone) {
        Number::Invalid => return Err(error(400, "PHONE_NUMBER_INVALID")),
        Number::Banned => return Err(error(400, "PHONE_NUMBER_BANNED")),
        Number::Unregistered => None,
        Number::Registered(id) => server.accounts.get(id),
    };
    if let Some(account) = account.as_ref().filter(|account| account.dc != call.dc) {
        return Err(error(303, &format!("PHONE_MIGRATE_{}", account.dc)));
    }
    let now = server.clock.unix_seconds();
    let number = u32::from_le_bytes(random()) % 10u32.pow(CODE_LENGTH as u32);
    let code = format!("{number:0CODE_LENGTH$}");
    let phone_code_hash = hex::encode(random::<9>());
    let mut state = server.lock();
    if let Some(account) = &account {
        let text = format!(
            "Login code: {code}. Do not give this code to anyone, even if they say they are from Telegram!"
        );
        state.notify(account.id, now, text, Some(code.clone()));
    }
    let issued = Code {
        number: state.next_number(),
        phone: digits(phone),
        account: account.map(|account| account.id),
        digits: code,
        expires_at: now + server.code_lifetime.as_secs() as i64,
        wrong_tries: 0,
    };
    state.codes.insert(phone_code_hash.clone(), issued);
    let sent = types::auth::SentCode { r#type: way, phone_code_hash, next_type, timeout: None };
    Ok(enums::auth::SentCode::Code(sent).to_bytes())
}

/// Codes go to an email address from now on, which the account has none of.
fn no_code() -> enums::auth::SentCode {
    let set_up = types::auth::SentCodeTypeSetUpEmailRequired {
        apple_signin_allowed: false,
        google_signin_allowed: false,
    };
    let r#type = enums::auth::SentCodeType::SetUpEmailRequired(set_up);
    let phone_code_hash = hex::encode(random::<9>());
    enums::auth::SentCode::Code(types::auth::SentCode {
        r#type,
        phone_code_hash,
        next_type: None,
        timeout: None,
    })
}

fn withdraw(server: &Server, phone: &str, hash: &str) -> Result<(), RpcError> {
    let mut state = server.lock();
    let known = state.codes.get(hash).is_some_and(|code| code.phone == digits(phone));
    if !known {
        return Err(error(400, "PHONE_CODE_EXPIRED"));
    }
    state.codes.remove(hash);
    Ok(())
}
