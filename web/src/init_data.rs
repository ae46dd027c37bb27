//! Telegram's launch data ("initData"): it says who opened the Mini App. No field is used before the signature over all of them
//! was verified.
//!
//! A page sends the same launch data with every request, so what was verified is kept ([`cache`]); its age is
//! checked each time.
//!
//! Source: <https://core.telegram.org/bots/webapps#validating-data-received-via-the-mini-app>

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signature, VerifyingKey};
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use texts::Language;

mod cache;
mod error;
#[cfg(test)]
mod tests;
mod verified;

use cache::VerifiedCache;
pub use error::InitDataError;
pub use verified::Opener;
use verified::{Verified, check_age};

/// Telegram's production key for the third-party form, hex.
const TELEGRAM_KEY: &str = "e7bf03a2fa4602af4580703d88dda5bb59f32ed8b02a56c187fe7d34caed242d";
/// Longer than any real launch data. It bounds the work that a stranger can cause.
const MAX_LENGTH_BYTES: usize = 4096;

/// The fields of `user` that are used here.
#[derive(Deserialize)]
struct User {
    id: i64,
    language_code: Option<String>,
}

/// A contact that Telegram has signed. Not `Debug`: it holds a phone number.
#[derive(Deserialize)]
pub struct SignedContact {
    /// Whose number it is.
    pub user_id: i64,
    /// With or without a plus.
    pub phone_number: String,
}

/// Verifies launch data for one bot.
pub struct Verifier {
    secret: [u8; 32],
    bot_id: String,
    telegram_key: VerifyingKey,
    cache: VerifiedCache,
}

impl Verifier {
    /// For the bot with this token (`<id>:<secret>`).
    pub fn new(bot_token: &SecretString) -> Self {
        let token = bot_token.expose_secret();
        let secret = hmac(b"WebAppData", token.as_bytes()).finalize().into_bytes().into();
        let key = hex::decode(TELEGRAM_KEY).ok().and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
        let telegram_key = key.and_then(|bytes| VerifyingKey::from_bytes(&bytes).ok());
        Self {
            secret,
            bot_id: token.split(':').next().unwrap_or_default().to_owned(),
            telegram_key: telegram_key.expect("the constant is a key"),
            cache: VerifiedCache::default(),
        }
    }

    /// Who opened the Mini App: the HMAC form where there is a `hash`, else the Ed25519 form.
    ///
    /// # Errors
    /// [`InitDataError`]: first what is wrong with the form, then the signature, then the age.
    pub fn verify(&self, raw: &str, now: Timestamp) -> Result<Opener, InitDataError> {
        if raw.len() > MAX_LENGTH_BYTES {
            return Err(InitDataError::TooLong);
        }
        let name = cache::name(raw);
        if let Some(verified) = self.cache.get(&name) {
            verified.check_age(now)?;
            return Ok(verified.opener);
        }
        let verified = self.verify_anew(raw)?;
        verified.check_age(now)?;
        self.cache.put(name, verified, now);
        Ok(verified.opener)
    }

    /// The person and the phone number of a contact that Telegram has signed: the answer to `requestContact`, as the page hands
    /// it on, `contact=…&auth_date=…&hash=…`.
    ///
    /// # Errors
    /// [`InitDataError`], as for launch data.
    pub fn verify_contact(&self, raw: &str, now: Timestamp) -> Result<SignedContact, InitDataError> {
        if raw.len() > MAX_LENGTH_BYTES {
            return Err(InitDataError::TooLong);
        }
        let fields = parse(raw)?;
        let hash = fields.get("hash").ok_or(InitDataError::Missing("hash"))?;
        self.verify_hash(&fields, hash)?;
        check_age(signed_at(&fields)?, now)?;
        let contact = fields.get("contact").ok_or(InitDataError::Missing("contact"))?;
        serde_json::from_str(contact).map_err(|_| InitDataError::Malformed)
    }

    /// Who opened the Mini App, and SHA-256 of what Telegram has signed: the same for every spelling of one launch, with either
    /// signature or both.
    ///
    /// # Errors
    /// [`InitDataError`], as [`Self::verify`].
    pub fn verify_launch(&self, raw: &str, now: Timestamp) -> Result<(Opener, [u8; 32]), InitDataError> {
        let opener = self.verify(raw, now)?;
        let signed = check_string(&parse(raw)?, &["hash", "signature"]);
        Ok((opener, Sha256::digest(signed).into()))
    }

    fn verify_hash(&self, fields: &BTreeMap<String, String>, hash: &str) -> Result<(), InitDataError> {
        // Telegram writes it in lower case. One launch has one form, then.
        if hash.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Err(InitDataError::Malformed);
        }
        let hash = hex::decode(hash).map_err(|_| InitDataError::Malformed)?;
        let signed = hmac(&self.secret, check_string(fields, &["hash"]).as_bytes());
        signed.verify_slice(&hash).map_err(|_| InitDataError::Forged)
    }

    fn verify_anew(&self, raw: &str) -> Result<Verified, InitDataError> {
        let fields = parse(raw)?;
        if let Some(hash) = fields.get("hash") {
            self.verify_hash(&fields, hash)?;
        } else {
            let signature = fields.get("signature").ok_or(InitDataError::Missing("hash"))?;
            let bytes = URL_SAFE_NO_PAD
                .decode(signature.trim_end_matches('='))
                .map_err(|_| InitDataError::Malformed)?;
            let signature = Signature::from_slice(&bytes).map_err(|_| InitDataError::Malformed)?;
            let signed =
                format!("{}:WebAppData\n{}", self.bot_id, check_string(&fields, &["hash", "signature"]));
            self.telegram_key
                .verify_strict(signed.as_bytes(), &signature)
                .map_err(|_| InitDataError::Forged)?;
        }
        let signed_at = signed_at(&fields)?;
        let user = fields.get("user").ok_or(InitDataError::Missing("user"))?;
        let user: User = serde_json::from_str(user).map_err(|_| InitDataError::Malformed)?;
        let language = Language::of(user.language_code.as_deref());
        Ok(Verified { opener: Opener { id: user.id, language }, signed_at })
    }
}

fn parse(raw: &str) -> Result<BTreeMap<String, String>, InitDataError> {
    let mut fields = BTreeMap::new();
    for (key, value) in form_urlencoded::parse(raw.as_bytes()) {
        if fields.insert(key.into_owned(), value.into_owned()).is_some() {
            return Err(InitDataError::DuplicateKey);
        }
    }
    Ok(fields)
}

/// The pairs that are signed: sorted, `key=value`, one a line.
fn check_string(fields: &BTreeMap<String, String>, without: &[&str]) -> String {
    let pairs = fields.iter().filter(|(key, _)| !without.contains(&key.as_str()));
    pairs.map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join("\n")
}

fn signed_at(fields: &BTreeMap<String, String>) -> Result<Timestamp, InitDataError> {
    let stamp = fields.get("auth_date").ok_or(InitDataError::Missing("auth_date"))?;
    // A number, not what else can be parsed as one: with a sign, or zeros before it.
    if stamp.starts_with('0') || !stamp.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(InitDataError::Malformed);
    }
    let seconds = stamp.parse().map_err(|_| InitDataError::Malformed)?;
    Timestamp::from_second(seconds).map_err(|_| InitDataError::Malformed)
}

fn hmac(key: &[u8], message: &[u8]) -> Hmac<Sha256> {
    Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length").chain_update(message)
}
