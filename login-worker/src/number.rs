//! Whether a phone number is on Telegram. An admin asks, and Telegram is asked in one of two ways:
//!
//! - with the admin's own linked session: `contacts.resolvePhone`, and where that finds no account `contacts.importContacts`,
//!   whose contact is deleted again at once;
//! - without a linked session: Telegram is asked to send a login code there (`auth.sendCode`, at most once), and the code is
//!   cancelled. The key for this is made anew and dropped.
//!
//! The number stays in memory: it is in no log, event or error.

use std::sync::Arc;
use std::time::Duration;

use domain::AccountId;
use eventlog::DatabaseError;
use grammers_client::tl::enums::auth::{SentCode, SentCodeType};
use grammers_client::tl::enums::contacts::{ImportedContacts, ResolvedPeer};
use grammers_client::tl::{enums, functions, types};
use tokio::time::timeout;
use vault::{MasterKey, Taken, Vault};

use super::connection::{CALL_LIMIT, CallError, Connection};
use super::exchange;
use super::imported;
use super::seal;
use super::session::LoginSession;
use super::telegram_app::TelegramApp;

/// How Telegram is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// With the linked session of the admin who asks.
    OwnSession,
    /// By sending a login code.
    Code,
}

/// What Telegram says about a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// An account has this number.
    OnTelegram,
    /// No account is found: the number is not registered, banned, or hidden by its owner.
    NotFound,
    /// Telegram sends codes there, not through its apps. It does not say whether an account has the number.
    TakesCodes,
    /// Not a phone number.
    Invalid,
    /// Banned from Telegram.
    Banned,
    /// Telegram asks to wait this long before the next question.
    FloodLimited(Duration),
    /// Too many codes were asked for this number. Another number may do.
    NumberFlooded,
    /// Telegram does not answer.
    Unreachable,
    /// The linked session is of no use, or in use right now.
    NoSession,
    /// Telegram refuses for a reason of its own.
    Refused,
}

/// Asks Telegram about numbers.
#[derive(Clone, Debug)]
pub struct NumberCheck {
    /// Where linked sessions are.
    pub vault: Vault,
    /// Opens them.
    pub master: Arc<MasterKey>,
    /// As which application, and where.
    pub telegram: TelegramApp,
}

impl NumberCheck {
    /// How a question of this admin would be asked.
    ///
    /// # Errors
    /// The database failed.
    pub async fn way(&self, asker: AccountId) -> Result<Way, DatabaseError> {
        Ok(if self.vault.linked(asker).await?.is_some() { Way::OwnSession } else { Way::Code })
    }

    /// Asks about a number, `+` and digits.
    ///
    /// # Errors
    /// The database failed.
    pub async fn ask(&self, asker: AccountId, phone: &str, way: Way) -> Result<Verdict, DatabaseError> {
        match way {
            Way::OwnSession => self.by_session(asker, phone).await,
            Way::Code => Ok(self.by_code(phone).await.unwrap_or_else(|error| verdict(&error))),
        }
    }

    async fn by_session(&self, asker: AccountId, phone: &str) -> Result<Verdict, DatabaseError> {
        let Taken::Free(borrowed) = self.vault.take_linked(asker).await? else {
            return Ok(Verdict::NoSession);
        };
        let linked = &borrowed.linked;
        let asker_id = self.vault.subject(asker).await?.map(|subject| subject.telegram_id);
        let opened =
            seal::open(&self.master, asker, &linked.login_id, &self.telegram.network, &linked.sealed);
        let verdict = match opened {
            Ok(session) => {
                let session = Arc::new(session);
                let connection = Connection::open(&self.telegram, &session);
                let asked = async {
                    // Of an imported session Telegram says first whose it is.
                    match asker_id {
                        Some(id) if imported::is_of(&connection, &session, id).await? => {
                            find(&connection, session.home(), phone).await
                        }
                        _ => Ok(Verdict::NoSession),
                    }
                };
                let found = timeout(CALL_LIMIT, asked).await;
                connection.close().await;
                match found {
                    Ok(Ok(verdict)) => verdict,
                    Ok(Err(error)) => verdict(&error),
                    Err(_) => Verdict::Unreachable,
                }
            }
            Err(_) => Verdict::NoSession,
        };
        self.vault.release_linked(&borrowed).await?;
        Ok(verdict)
    }

    async fn by_code(&self, phone: &str) -> Result<Verdict, CallError> {
        let session = Arc::new(LoginSession::new(&self.telegram.network));
        let mut dc_id = session.home();
        // Once more where the number's own data centre is another one.
        for _ in 0..2 {
            self.make_key(&session, dc_id).await?;
            let connection = Connection::open(&self.telegram, &session);
            let answer = connection.call(dc_id, &self.telegram.send_code(phone)).await;
            let sent = match answer {
                Err(CallError::Elsewhere(elsewhere)) => {
                    connection.close().await;
                    dc_id = elsewhere;
                    continue;
                }
                Ok(SentCode::Code(sent)) => sent,
                Ok(_) => {
                    connection.close().await;
                    return Ok(Verdict::TakesCodes);
                }
                Err(error) => {
                    connection.close().await;
                    return Err(error);
                }
            };
            let cancel = functions::auth::CancelCode {
                phone_number: phone.to_owned(),
                phone_code_hash: sent.phone_code_hash,
            };
            if let Err(error) = connection.call(dc_id, &cancel).await {
                tracing::debug!(
                    error = &error as &dyn std::error::Error,
                    "A login code that was sent to try a number was not taken back"
                );
            }
            connection.close().await;
            return Ok(match sent.r#type {
                // The code goes to an app that is logged in.
                SentCodeType::App(_) => Verdict::OnTelegram,
                _ => Verdict::TakesCodes,
            });
        }
        Ok(Verdict::Refused)
    }

    async fn make_key(&self, session: &LoginSession, dc_id: i32) -> Result<(), CallError> {
        let unreachable = |why: &str| CallError::Unreachable(why.to_owned());
        let address = session.address(dc_id).ok_or_else(|| unreachable("an unknown data centre"))?;
        let key = exchange::make_key(&self.telegram.network, address).await;
        let key = key.map_err(|error| unreachable(&error.to_string()))?;
        let _ = session.add_key(dc_id, key);
        Ok(())
    }
}

async fn find(connection: &Connection, home: i32, phone: &str) -> Result<Verdict, CallError> {
    let resolve = functions::contacts::ResolvePhone { phone: phone.to_owned() };
    match connection.call(home, &resolve).await {
        Ok(ResolvedPeer::Peer(_)) => return Ok(Verdict::OnTelegram),
        Err(CallError::Refused { name, .. }) if name == "PHONE_NOT_OCCUPIED" => {}
        Err(error) => return Err(error),
    }
    let contact = types::InputPhoneContact {
        client_id: 1,
        phone: phone.to_owned(),
        first_name: "?".to_owned(),
        last_name: String::new(),
        note: None,
    };
    let import = functions::contacts::ImportContacts { contacts: vec![contact.into()] };
    let ImportedContacts::Contacts(answer) = connection.call(home, &import).await?;
    let users = answer.users.iter().filter_map(|user| match user {
        enums::User::User(user) => {
            Some(types::InputUser { user_id: user.id, access_hash: user.access_hash.unwrap_or_default() })
        }
        enums::User::Empty(_) => None,
    });
    let id: Vec<_> = users.map(Into::into).collect();
    if id.is_empty() {
        return Ok(Verdict::NotFound);
    }
    if let Err(error) = connection.call(home, &functions::contacts::DeleteContacts { id }).await {
        tracing::warn!(
            error = &error as &dyn std::error::Error,
            "A contact that was added to try a number was not deleted again"
        );
    }
    Ok(Verdict::OnTelegram)
}

fn verdict(error: &CallError) -> Verdict {
    match error {
        CallError::FloodWait(wait) => Verdict::FloodLimited(*wait),
        CallError::Unreachable(_) | CallError::Restart => Verdict::Unreachable,
        CallError::Unregistered | CallError::KeyLost(_) => Verdict::NoSession,
        CallError::Refused { name, .. } => match name.as_str() {
            "PHONE_NUMBER_INVALID" => Verdict::Invalid,
            "PHONE_NUMBER_BANNED" => Verdict::Banned,
            "PHONE_NUMBER_FLOOD" => Verdict::NumberFlooded,
            _ => Verdict::Refused,
        },
        CallError::PasswordNeeded | CallError::TokenExpired | CallError::Elsewhere(_) => Verdict::Refused,
    }
}
