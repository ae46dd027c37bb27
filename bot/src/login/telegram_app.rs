//! The application that logs in, as registered at my.telegram.org, and which Telegram it logs in at.

use secrecy::SecretString;

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
