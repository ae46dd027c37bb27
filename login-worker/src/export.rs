//! Handing a linked session over to another service: what Telegram and the key have to do with it. Telegram kills a key that is
//! used in two places, so the session leaves this service for good. The steps, the event and the mark are in
//! `app::sessions::hand_over`; between them this module
//!
//! 1. asks Telegram whether the session lives: one that was ended there is recorded as such, and not handed over
//! 2. writes the key as text in a format that the other service reads
//! 3. removes the session's file

use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use app::App;
use app::sessions::hand_over::{self, HandOver, HandOverError};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;
use domain::{AccountError, AccountId};
use eventlog::{Context, DatabaseError, StoreError};
use tracing::Instrument;
use vault::{Linked, MasterKey};
use zeroize::Zeroizing;

use super::check::{self, Found};
use super::connection::CallError;
use super::network::Network;
use super::seal::{self, OpenError};
use super::session::LoginSession;
use super::session_files;
use super::telegram_app::TelegramApp;

/// The format of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Telethon's `StringSession`: `1`, then base64url of data centre (1 byte), IPv4 (4), port (2, big-endian), key (256).
    Telethon,
    /// One line of JSON: `{"home_dc", "dc_options": […], "peer_infos": […]}`, the fields of grammers-session's
    /// `SessionData` as that crate's feature `serde` reads and writes their types; keys in hex.
    Grammers,
}

/// Hands sessions over.
pub struct Exporter {
    /// The use case.
    pub app: App,
    /// Opens the session.
    pub master: MasterKey,
    /// The Telegram that the sessions are of.
    pub network: Network,
    /// The application that asks Telegram whether a session lives. None: Telegram is not asked.
    pub asks_as: Option<TelegramApp>,
    /// Where their files are.
    pub sessions_dir: PathBuf,
}

/// A session as text. It is a secret: with it, another can use the account.
pub struct Exported {
    /// To be printed once.
    pub words: Zeroizing<String>,
    session: HandOver,
}

/// Why a session is not handed over.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The person has ended it in Telegram.
    #[error("the session was ended in Telegram: there is none to hand over until the person logs in again")]
    Ended,
    /// It was imported, and is another account's than the person's.
    #[error(
        "the session that was imported is another account's: it was dropped, and there is none to hand over"
    )]
    OtherAccount,
    /// It was imported, and nobody has asked Telegram yet whose it is.
    #[error(
        "the session was imported, and Telegram was not asked yet whose it is: set TELEGRAM_API_ID and TELEGRAM_API_HASH"
    )]
    OwnerUnknown,
    /// Whether it lives is not known.
    #[error("Telegram cannot be asked whether the session lives ({0}): nothing was handed over, try again")]
    Unasked(CallError),
    /// It does not open.
    #[error(transparent)]
    Sealed(#[from] OpenError),
    /// It has no key for its own data centre.
    #[error("the session has no key")]
    NoKey,
    /// It cannot be had, or the account refuses.
    #[error(transparent)]
    HandOver(#[from] HandOverError),
    /// The account's answer to the end of a session.
    #[error(transparent)]
    Account(#[from] StoreError<AccountError>),
    /// The database failed.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

impl Exporter {
    /// Up to the text. May be repeated until [`Self::finish`].
    ///
    /// # Errors
    /// [`ExportError`]: the session is not linked, over, in use, or cannot be opened. Then it was not handed over.
    pub async fn begin(
        &self,
        account: AccountId,
        format: Format,
        context: Context,
    ) -> Result<Exported, ExportError> {
        let mut session = hand_over::take(&self.app, account).await?;
        let login_id = session.linked().login_id.clone();
        let span = tracing::error_span!("hand_over", login.id = login_id.short(), account.id = %account);
        match self.hand_over(&mut session, format, context).instrument(span).await {
            Ok(words) => Ok(Exported { words, session }),
            Err(error) => {
                session.release(&self.app).await?;
                Err(error)
            }
        }
    }

    async fn hand_over(
        &self,
        handed: &mut HandOver,
        format: Format,
        context: Context,
    ) -> Result<Zeroizing<String>, ExportError> {
        let App { store, vault, clock, .. } = &self.app;
        let Linked { account_id: account, login_id, sealed, .. } = handed.linked().clone();
        let session = Arc::new(seal::open(&self.master, account, &login_id, &self.network, &sealed)?);
        let text = to_text(&session, format).ok_or(ExportError::NoKey)?;
        if !handed.is_repeated() {
            let owner = vault.subject(account).await?.map(|subject| subject.telegram_id);
            match self.look(&session, owner).await? {
                Found::Alive => {}
                Found::Over => {
                    check::revoke(store, vault, clock, handed.linked()).await?;
                    session_files::update_ended(vault, &self.sessions_dir, account, owner).await;
                    return Err(ExportError::Ended);
                }
                Found::OtherAccount => {
                    check::reject(store, vault, clock, handed.linked()).await?;
                    session_files::update_ended(vault, &self.sessions_dir, account, owner).await;
                    return Err(ExportError::OtherAccount);
                }
            }
            // The answer of Telegram may have taken longer than the loan lasts.
            handed.keep(&self.app).await?;
        }
        handed.record(&self.app, context).await?;
        session_files::update_ended(vault, &self.sessions_dir, account, session.user_id()).await;
        Ok(text)
    }

    async fn look(&self, session: &Arc<LoginSession>, owner: Option<i64>) -> Result<Found, ExportError> {
        match &self.asks_as {
            Some(app) => check::look(app, session, owner).await.map_err(ExportError::Unasked),
            None if session.user_id().is_none() => Err(ExportError::OwnerUnknown),
            None => Ok(Found::Alive),
        }
    }

    /// The text is printed: nothing of the session is kept.
    ///
    /// # Errors
    /// The database failed; the session stays marked as handed over.
    pub async fn finish(&self, exported: &Exported) -> Result<(), DatabaseError> {
        exported.session.finish(&self.app).await
    }
}

fn to_text(session: &LoginSession, format: Format) -> Option<Zeroizing<String>> {
    let dcs = session.dcs();
    let home = dcs.iter().find(|dc| dc.id == session.home())?;
    let key = Zeroizing::new(home.auth_key?);
    match format {
        Format::Telethon => {
            let mut bytes = Zeroizing::new(Vec::with_capacity(263));
            bytes.push(u8::try_from(home.id).ok()?);
            bytes.extend(home.ipv4.ip().octets());
            bytes.extend(home.ipv4.port().to_be_bytes());
            bytes.extend(&key[..]);
            Some(Zeroizing::new(format!("1{}", URL_SAFE.encode(&bytes[..]))))
        }
        Format::Grammers => {
            let mut text = Zeroizing::new(format!("{{\"home_dc\":{},\"dc_options\":[", home.id));
            for (number, dc) in dcs.iter().enumerate() {
                let comma = if number == 0 { "" } else { "," };
                let key = dc.auth_key.map(|key| hex(&key));
                let key = key.as_ref().map_or("null", |key| key.as_str());
                write!(
                    text,
                    "{comma}{{\"id\":{},\"ipv4\":\"{}\",\"ipv6\":\"{}\",\"auth_key\":{key}}}",
                    dc.id, dc.ipv4, dc.ipv6
                )
                .expect("a string takes everything");
            }
            text.push_str("],\"peer_infos\":[");
            if let Some(id) = session.user_id() {
                write!(text, "{{\"User\":{{\"id\":{id},\"auth\":null,\"bot\":false,\"is_self\":true}}}}")
                    .expect("a string takes everything");
            }
            text.push_str("]}");
            Some(text)
        }
    }
}

/// The key in hex, in quotation marks.
fn hex(key: &[u8]) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(2 * key.len() + 2));
    text.push('"');
    for byte in key {
        write!(text, "{byte:02x}").expect("a string takes everything");
    }
    text.push('"');
    text
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn session() -> LoginSession {
        let session = LoginSession::new(&Network::Telegram);
        assert!(session.add_key(2, [0xab; 256]));
        session.set_user_id(139_883_458);
        session
    }

    #[test]
    fn telethons_text_is_its_version_and_263_bytes_in_base64() {
        let text = to_text(&session(), Format::Telethon).unwrap();
        assert_eq!(text.len(), 1 + 352, "Telethon tells IPv4 from IPv6 by the length");
        let bytes = URL_SAFE.decode(&text[1..]).unwrap();
        assert_eq!((text.as_bytes()[0], bytes[0], bytes.len()), (b'1', 2, 263));
        assert_eq!(bytes[5..7], 443u16.to_be_bytes());
        assert_eq!(bytes[7..], [0xab; 256]);
    }

    #[test]
    fn grammers_text_has_the_names_of_its_own_types() {
        let text = to_text(&session(), Format::Grammers).unwrap();
        let data: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(data["home_dc"], 2);
        let home = data["dc_options"].as_array().unwrap().iter().find(|dc| dc["id"] == 2).unwrap();
        assert_eq!(home["auth_key"], "ab".repeat(256));
        home["ipv4"].as_str().unwrap().parse::<std::net::SocketAddrV4>().unwrap();
        home["ipv6"].as_str().unwrap().parse::<std::net::SocketAddrV6>().unwrap();
        let other = data["dc_options"].as_array().unwrap().iter().find(|dc| dc["id"] == 4).unwrap();
        assert_eq!(other["auth_key"], Value::Null);
        let own = json!({"User": {"id": 139_883_458, "auth": null, "bot": false, "is_self": true}});
        assert_eq!(data["peer_infos"], json!([own]));
    }

    #[test]
    fn a_session_without_a_key_has_no_text() {
        let session = LoginSession::new(&Network::Telegram);
        assert!(to_text(&session, Format::Telethon).is_none());
    }
}
