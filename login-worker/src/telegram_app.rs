//! The application that logs in, as registered at my.telegram.org, and which Telegram it logs in at.

use grammers_client::tl::{functions, types};
use secrecy::{ExposeSecret, SecretString};

use super::network::Network;

/// The application that logs in, and where.
#[derive(Clone, Debug)]
pub struct TelegramApp {
    /// Its number.
    pub api_id: i32,
    /// Its secret.
    pub api_hash: SecretString,
    /// How a person's list of devices names it.
    pub device_name: String,
    /// Which Telegram.
    pub network: Network,
}

impl TelegramApp {
    /// The request to send a login code to a number, in any way in which a person can read it.
    pub(super) fn send_code(&self, phone: &str) -> functions::auth::SendCode {
        functions::auth::SendCode {
            phone_number: phone.to_owned(),
            api_id: self.api_id,
            api_hash: self.api_hash.expose_secret().to_owned(),
            settings: types::CodeSettings {
                allow_flashcall: false,
                current_number: false,
                allow_app_hash: false,
                allow_missed_call: false,
                allow_firebase: false,
                unknown_number: false,
                logout_tokens: None,
                token: None,
                app_sandbox: None,
            }
            .into(),
        }
    }
}
