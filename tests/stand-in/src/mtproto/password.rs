//! The 2-step password: `account.getPassword` and `auth.checkPassword`. A challenge is good for one try.

use grammers_tl_types::{Serializable, enums, functions, types};

use super::crypto::random;
use super::rpc::{Answer, Call, error, unregistered};
use super::rsa::padded;
use super::srp::{Challenge, G, Verifier, prime};
use super::state::Login;
use super::{Server, sessions, tl};

/// `account.getPassword`: a fresh challenge where there is a password.
pub fn get(server: &Server, call: &Call) -> Answer {
    let account = {
        let state = server.lock();
        let key = state.keys.get(&call.key_name()).ok_or_else(unregistered)?;
        let grant = key.login.grant().ok_or_else(unregistered)?;
        server.accounts.get(grant.account).ok_or_else(unregistered)?
    };
    let new_algo = algorithm(random(), random());
    let mut answer = types::account::Password {
        has_recovery: false,
        has_secure_values: false,
        has_password: account.password.is_some(),
        current_algo: None,
        srp_b: None,
        srp_id: None,
        hint: None,
        email_unconfirmed_pattern: None,
        new_algo,
        new_secure_algo: enums::SecurePasswordKdfAlgo::Unknown,
        secure_random: random::<256>().to_vec(),
        pending_reset_date: None,
        login_email_pattern: None,
    };
    if let Some(password) = account.password {
        let verifier = verifier(server, &password.text);
        answer.current_algo = Some(algorithm(verifier.salt1, verifier.salt2));
        answer.hint = (!password.hint.is_empty()).then_some(password.hint);
        let challenge = Challenge::new(verifier);
        answer.srp_id = Some(challenge.id);
        answer.srp_b = Some(challenge.g_b.to_vec());
        if let Some(key) = server.lock().keys.get_mut(&call.key_name()) {
            key.challenge = Some(challenge);
        }
    }
    Ok(enums::account::Password::Password(answer).to_bytes())
}

/// `auth.checkPassword`: the last step of a login with a password.
pub fn check(server: &Server, call: &Call, query: functions::auth::CheckPassword) -> Answer {
    let (grant, challenge) = {
        let mut state = server.lock();
        let key = state.keys.get_mut(&call.key_name()).ok_or_else(unregistered)?;
        let Login::PasswordPending(grant) = key.login.clone() else { return Err(unregistered()) };
        (grant, key.challenge.take())
    };
    let account = server.accounts.get(grant.account).ok_or_else(unregistered)?;
    let enums::InputCheckPasswordSrp::Srp(proof) = query.password else {
        return Err(error(400, "PASSWORD_HASH_INVALID"));
    };
    let challenge = challenge
        .filter(|challenge| challenge.id == proof.srp_id)
        .ok_or_else(|| error(400, "SRP_ID_INVALID"))?;
    if !challenge.accepts(&proof.a, &proof.m1) {
        return Err(error(400, "PASSWORD_HASH_INVALID"));
    }
    sessions::authorise(server, &mut server.lock(), call.key_name(), grant);
    Ok(tl::authorization(&account).to_bytes())
}

fn verifier(server: &Server, password: &str) -> Verifier {
    let known = server.lock().verifiers.get(password).cloned();
    known.unwrap_or_else(|| {
        let verifier = Verifier::of(password);
        server.lock().verifiers.insert(password.to_owned(), verifier.clone());
        verifier
    })
}

fn algorithm(salt1: [u8; 16], salt2: [u8; 16]) -> enums::PasswordKdfAlgo {
    types::PasswordKdfAlgoSha256Sha256Pbkdf2Hmacsha512iter100000Sha256ModPow {
        salt1: salt1.to_vec(),
        salt2: salt2.to_vec(),
        g: i32::from(G),
        p: padded::<256>(&prime()).to_vec(),
    }
    .into()
}
