//! The whole stand-in: both protocols over one set of people.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::accounts::Accounts;
use crate::bot_api::{BotApi, ChatPerson};
use crate::clock::Clock;
use crate::mtproto::{MtProto, MtProtoOptions};
use crate::phone::Phone;

/// How the stand-in is to be.
#[derive(Clone)]
pub struct Options {
    /// What time it is there.
    pub clock: Clock,
    /// Who exists: Ilya and Anna, unless said otherwise.
    pub accounts: Accounts,
    /// The bot's token; fresh and random without one.
    pub bot_token: Option<String>,
    /// How long a login token (a QR code) lives.
    pub token_lifetime: Duration,
    /// How long a login code lives.
    pub code_lifetime: Duration,
}

impl Default for Options {
    fn default() -> Self {
        let mtproto = MtProtoOptions::default();
        Self {
            clock: mtproto.clock,
            accounts: mtproto.accounts,
            bot_token: None,
            token_lifetime: mtproto.token_lifetime,
            code_lifetime: mtproto.code_lifetime,
        }
    }
}

/// A running Telegram. Clones are the same one.
#[derive(Clone)]
pub struct Telegram {
    /// The Bot API server.
    pub bot_api: BotApi,
    /// The data centres.
    pub mtproto: MtProto,
    /// Who exists.
    pub accounts: Accounts,
    phones: Arc<Mutex<HashMap<i64, Arc<Phone>>>>,
}

impl Telegram {
    /// Starts both sides on free loopback ports.
    ///
    /// # Errors
    /// Where no port can be bound.
    pub async fn start(options: Options) -> std::io::Result<Self> {
        let Options { clock, accounts, bot_token, token_lifetime, code_lifetime } = options;
        let bot_api = BotApi::start(accounts.clone(), clock.clone(), bot_token).await?;
        let mtproto = MtProto::start(MtProtoOptions {
            clock,
            accounts: accounts.clone(),
            token_lifetime,
            code_lifetime,
            ..MtProtoOptions::default()
        })
        .await?;
        bot_api.join(&mtproto);
        Ok(Self { bot_api, mtproto, accounts, phones: Arc::default() })
    }

    /// A person's side of the chat with the bot.
    pub fn person(&self, id: i64) -> ChatPerson {
        self.bot_api.person(id)
    }

    /// A person's phone, always the same one.
    pub fn phone(&self, id: i64) -> Arc<Phone> {
        let mut phones = self.phones.lock().expect("nothing panics while it is held");
        phones.entry(id).or_insert_with(|| Arc::new(Phone::new(&self.mtproto, id))).clone()
    }

    /// Writes `network.toml` into a folder: what `TELEGRAM_NETWORK_FILE` has to name.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn write_network_file(&self, folder: &Path, page_origin: Option<&str>) -> std::io::Result<PathBuf> {
        let path = folder.join("network.toml");
        std::fs::write(&path, self.mtproto.network_toml(page_origin))?;
        Ok(path)
    }

    /// Airplane mode of both protocols: nothing can be reached while it is on.
    pub fn set_airplane(&self, on: bool) {
        self.bot_api.set_airplane(on);
        self.mtproto.faults().airplane(on);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accounts::ILYA;

    #[tokio::test]
    async fn both_sides_are_one_telegram() {
        let telegram = Telegram::start(Options::default()).await.unwrap();
        let phone = telegram.phone(ILYA);
        phone.log_in().await.unwrap();
        assert!(Arc::ptr_eq(&phone, &telegram.phone(ILYA)));
        telegram.set_airplane(true);
        assert_eq!(phone.devices().await.unwrap_err().name(), "AIRPLANE_MODE");
        assert!(telegram.bot_api.airplane());
        telegram.set_airplane(false);
        assert_eq!(phone.devices().await.unwrap().len(), 1);
    }
}
