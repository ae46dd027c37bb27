//! A person's phone with Telegram on it. The stand-in logs it in; everything after that is real MTProto,
//! with a real key.

use std::time::Duration;

use anyhow::Context;
use base64::Engine;
use base64::engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD};
use grammers_mtproto::{mtp, transport};
use grammers_mtsender::{InvocationError, Sender, ServerAddr, connect_with_auth};
use grammers_tl_types::{self as tl, RemoteCall, enums, functions, types};
use tokio::sync::Mutex;

use crate::mtproto::{Device, KeyId, MtProto, exchange_key};

/// How long the phone waits for an answer.
const PATIENCE: Duration = Duration::from_secs(15);

/// Why the phone could not do it.
#[derive(Debug)]
pub enum PhoneError {
    /// Telegram said no.
    Refused {
        /// Such as 400.
        code: i32,
        /// Such as `AUTH_TOKEN_EXPIRED`.
        name: String,
    },
    /// What the camera saw is no login link.
    NotALoginCode,
    /// Telegram cannot be reached.
    Unreachable(anyhow::Error),
}

impl PhoneError {
    /// The error's name: Telegram's own, `NOT_A_LOGIN_CODE` or `AIRPLANE_MODE`.
    pub fn name(&self) -> &str {
        match self {
            Self::Refused { name, .. } => name,
            Self::NotALoginCode => "NOT_A_LOGIN_CODE",
            Self::Unreachable(_) => "AIRPLANE_MODE",
        }
    }
}

impl std::fmt::Display for PhoneError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Refused { code, name } => write!(f, "Telegram refused: {code} {name}"),
            Self::NotALoginCode => f.write_str("this is not a login link"),
            Self::Unreachable(_) => f.write_str("Telegram cannot be reached"),
        }
    }
}

impl std::error::Error for PhoneError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Unreachable(error) => Some(error.as_ref()),
            Self::Refused { .. } | Self::NotALoginCode => None,
        }
    }
}

/// One account's phone.
pub struct Phone {
    telegram: MtProto,
    account: i64,
    key: Mutex<Option<(i32, [u8; 256])>>,
}

impl Phone {
    /// The phone of the account with this id; it connects when it is first used.
    pub fn new(telegram: &MtProto, account: i64) -> Self {
        Self { telegram: telegram.clone(), account, key: Mutex::default() }
    }

    /// Whose phone it is.
    pub fn account(&self) -> i64 {
        self.account
    }

    /// Accepts a login, as after "Link Desktop Device": a `tg://login?token=…` link or the bare base64url token.
    /// Gives the device that was let in.
    ///
    /// # Errors
    /// When Telegram refuses the token, or cannot be reached, or the text is no such link.
    pub async fn scan(&self, link: &str) -> Result<types::Authorization, PhoneError> {
        let token = token_in(link).ok_or(PhoneError::NotALoginCode)?;
        let enums::Authorization::Authorization(session) =
            self.call(functions::auth::AcceptLoginToken { token }).await?;
        Ok(session)
    }

    /// Where the account is logged in; the phone itself is `current`.
    ///
    /// # Errors
    /// When Telegram cannot be reached.
    pub async fn devices(&self) -> Result<Vec<types::Authorization>, PhoneError> {
        let enums::account::Authorizations::Authorizations(list) =
            self.call(functions::account::GetAuthorizations {}).await?;
        let one = |session| match session {
            enums::Authorization::Authorization(session) => session,
        };
        Ok(list.authorizations.into_iter().map(one).collect())
    }

    /// Ends one of the other sessions.
    ///
    /// # Errors
    /// `HASH_INVALID` where there is none of that hash.
    pub async fn end_session(&self, hash: i64) -> Result<(), PhoneError> {
        self.call(functions::account::ResetAuthorization { hash }).await.map(drop)
    }

    /// Ends all sessions but this phone's.
    ///
    /// # Errors
    /// When Telegram cannot be reached.
    pub async fn end_other_sessions(&self) -> Result<(), PhoneError> {
        self.call(functions::auth::ResetAuthorizations {}).await.map(drop)
    }

    /// Logs the phone in, so that it stands in the list of devices before its first use.
    ///
    /// # Errors
    /// When Telegram cannot be reached.
    pub async fn log_in(&self) -> Result<(), PhoneError> {
        self.connect().await.map(drop)
    }

    async fn call<R: RemoteCall>(&self, query: R) -> Result<R::Return, PhoneError> {
        let mut sender = self.connect().await?;
        let device = self.device();
        let call = functions::InvokeWithLayer {
            layer: tl::LAYER,
            query: functions::InitConnection {
                api_id: device.api_id,
                device_model: device.model,
                system_version: device.system_version,
                app_version: device.app_version,
                system_lang_code: "en".into(),
                lang_pack: String::new(),
                lang_code: "en".into(),
                proxy: None,
                params: None,
                query,
            },
        };
        let answer = tokio::time::timeout(PATIENCE, sender.invoke(&call)).await;
        let answer = answer.map_err(|_| PhoneError::Unreachable(anyhow::anyhow!("no answer")))?;
        answer.map_err(|error| match error {
            InvocationError::Rpc(error) => {
                let name = error.value.map_or(error.name.clone(), |value| format!("{}_{value}", error.name));
                PhoneError::Refused { code: error.code, name }
            }
            other => PhoneError::Unreachable(other.into()),
        })
    }

    /// A connection to the account's data centre, with a key that is logged in there.
    async fn connect(&self) -> Result<Sender<transport::Full, mtp::Encrypted>, PhoneError> {
        self.try_connect().await.map_err(PhoneError::Unreachable)
    }

    async fn try_connect(&self) -> anyhow::Result<Sender<transport::Full, mtp::Encrypted>> {
        let account = self.telegram.accounts().get(self.account).context("the account is gone")?;
        let dc = account.dc;
        let address = self.telegram.address(dc).with_context(|| format!("no data centre {dc}"))?;
        let good = |key: &[u8; 256]| self.telegram.is_authorised(account.id, dc, KeyId::of(key));
        let mut key = self.key.lock().await;
        let auth_key = match *key {
            Some((at, auth_key)) if at == dc && good(&auth_key) => auth_key,
            _ => {
                let (n, e) = self.telegram.rsa_key();
                let auth_key = exchange_key(address, n, e).await?;
                self.telegram.let_phone_in(account.id, dc, KeyId::of(&auth_key), self.device());
                *key = Some((dc, auth_key));
                auth_key
            }
        };
        Ok(connect_with_auth(transport::Full::new(), ServerAddr::Tcp { address }, auth_key).await?)
    }

    fn device(&self) -> Device {
        let name = self.telegram.accounts().get(self.account).map(|account| account.first_name);
        Device {
            api_id: 1,
            model: format!("{}'s phone", name.unwrap_or_default()),
            system_version: "iOS 26.1".into(),
            app_version: "12.0".into(),
        }
    }
}

/// The token in a login link, or in the text that the Mini App lets people copy.
pub fn token_in(link: &str) -> Option<Vec<u8>> {
    let link = link.trim();
    let encoded = match link.split_once("login?token=") {
        Some(("tg://", token)) => token,
        Some(_) => return None,
        None => link,
    };
    let token = URL_SAFE_NO_PAD.decode(encoded).or_else(|_| URL_SAFE.decode(encoded)).ok()?;
    (token.len() >= 16).then_some(token)
}
