//! Launch data of a Mini App, signed as Telegram signs it: an HMAC with the bot's token in `hash`, and in `signature`
//! an Ed25519 signature, here with a key of this stand-in (which no service may accept in place of Telegram's own).

use base64::Engine;
use base64::engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD};
use ed25519_dalek::Signer;
use form_urlencoded::byte_serialize;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::json;
use sha2::Sha256;

use super::BotApi;
use crate::accounts::Account;

/// How a Mini App is opened.
#[derive(Clone, Debug, Default)]
pub struct Launch<'a> {
    /// `startapp`, where it was opened by a link instead of a button.
    pub start_param: Option<&'a str>,
    /// How old the data is; negative: from the future.
    pub age_seconds: i64,
    /// Signed with another token, as by somebody who made it up.
    pub forged: bool,
}

impl BotApi {
    /// The query string that Telegram hands to a Mini App of this person.
    pub fn launch_data(&self, person: &Account, launch: &Launch<'_>) -> String {
        let mut user = json!({"id": person.id, "first_name": person.first_name, "allows_write_to_pm": true});
        user["last_name"] = person.last_name.as_deref().unwrap_or_default().into();
        for (field, value) in [("username", &person.username), ("language_code", &person.language_code)] {
            if let Some(value) = value {
                user[field] = value.as_str().into();
            }
        }
        let mut fields = vec![("user".to_owned(), telegram_json(&user))];
        if let Some(start_param) = launch.start_param {
            let chat = i64::from_be_bytes(random());
            fields.push(("chat_instance".into(), chat.to_string()));
            fields.push(("chat_type".into(), "sender".into()));
            fields.push(("start_param".into(), start_param.into()));
        } else {
            fields.insert(0, ("query_id".into(), format!("AA{}", URL_SAFE.encode(random::<18>()))));
        }
        fields.push(("auth_date".into(), (self.now() - launch.age_seconds).to_string()));
        let to_sign = format!("{}:WebAppData\n{}", self.id(), check_string(&fields));
        let signature = self.inner.signing_key.sign(to_sign.as_bytes());
        fields.push(("signature".into(), URL_SAFE_NO_PAD.encode(signature.to_bytes())));
        self.hashed(fields, launch.forged)
    }

    /// The phone number that a person let a Mini App have (`requestContact`), signed like launch data.
    pub fn signed_contact(&self, person: &Account) -> String {
        let mut contact = json!({"user_id": person.id, "phone_number": person.phone.trim_start_matches('+')});
        contact["first_name"] = person.first_name.as_str().into();
        if let Some(last_name) = &person.last_name {
            contact["last_name"] = last_name.as_str().into();
        }
        let fields = vec![
            ("contact".to_owned(), telegram_json(&contact)),
            ("auth_date".to_owned(), self.now().to_string()),
        ];
        self.hashed(fields, false)
    }

    fn hashed(&self, mut fields: Vec<(String, String)>, forged: bool) -> String {
        let token = if forged { "7000000001:somebody-elses" } else { self.token() };
        let key = hmac(b"WebAppData", token.as_bytes());
        fields.push(("hash".into(), hex::encode(hmac(&key, check_string(&fields).as_bytes()))));
        let encoded = fields.iter().map(|(name, value)| format!("{name}={}", percent_encoded(value)));
        encoded.collect::<Vec<_>>().join("&")
    }
}

/// Fields in order of their names, a line each.
fn check_string(fields: &[(String, String)]) -> String {
    let mut lines: Vec<String> = fields.iter().map(|(name, value)| format!("{name}={value}")).collect();
    lines.sort();
    lines.join("\n")
}

/// Telegram's JSON escapes slashes, which a reader that rebuilds instead of keeping the text stumbles over.
fn telegram_json(value: &serde_json::Value) -> String {
    value.to_string().replace('/', "\\/")
}

/// As `encodeURIComponent` does: a space is `%20`, never a plus.
fn percent_encoded(value: &str) -> String {
    byte_serialize(value.as_bytes()).collect::<String>().replace('+', "%20")
}

fn hmac(key: &[u8], message: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(message);
    mac.finalize().into_bytes().into()
}

pub(super) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the system has randomness");
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Published data that Telegram itself signed, from the test suite of the public init-data packages.
    #[test]
    fn the_check_string_gives_the_hash_that_telegram_gave() {
        let signed = "user=%7B%22id%22%3A279058397%2C%22first_name%22%3A%22Vladislav%20%2B%20-%20%3F%20%5C%2F%22%2C%22last_name%22%3A%22Kibenko%22%2C%22username%22%3A%22vdkfrost%22%2C%22language_code%22%3A%22ru%22%2C%22is_premium%22%3Atrue%2C%22allows_write_to_pm%22%3Atrue%2C%22photo_url%22%3A%22https%3A%5C%2F%5C%2Ft.me%5C%2Fi%5C%2Fuserpic%5C%2F320%5C%2F4FPEE4tmP3ATHa57u6MqTDih13LTOiMoKoLDRG4PnSA.svg%22%7D&chat_instance=8134722200314281151&chat_type=private&auth_date=1733584787&signature=zL-ucjNyREiHDE8aihFwpfR9aggP2xiAo3NSpfe-p7IbCisNlDKlo7Kb6G4D0Ao2mBrSgEk4maLSdv6MLIlADQ&hash=2174df5b000556d044f3f020384e879c8efcab55ddea2ced4eb752e93e7080d6";
        let mut fields: Vec<(String, String)> =
            form_urlencoded::parse(signed.as_bytes()).into_owned().collect();
        let (_, hash) = fields.pop().unwrap();
        let key = hmac(b"WebAppData", b"7342037359:AAFZehRPBRs8Seg40oDjTMIW8uTGPuW1zfQ");
        assert_eq!(hex::encode(hmac(&key, check_string(&fields).as_bytes())), hash);
    }
}
