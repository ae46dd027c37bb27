//! Whether Telegram answers this application, for an operator who checks a deployment.
//!
//! 1. A key is made with the home data centre: the whole handshake.
//! 2. Telegram is asked for its configuration, which has its time.
//! 3. Telegram is asked for a login token, which it gives to an application that it knows. Nobody sees the token, and it dies
//!    by itself.
//! 4. The key is dropped. It was never stored, and belongs to nobody.

use std::io;
use std::net::SocketAddrV4;
use std::sync::Arc;

use grammers_client::sender::InvocationError;
use grammers_client::tl::{enums, functions};
use jiff::Timestamp;
use secrecy::ExposeSecret;

use super::connection::{CallError, Connection};
use super::exchange::{self, ExchangeError};
use super::session::LoginSession;
use super::telegram_app::TelegramApp;

/// What Telegram answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answered {
    /// Which data centre.
    pub dc_id: i32,
    /// Where it is.
    pub address: SocketAddrV4,
    /// Its time, to the second.
    pub time: Timestamp,
}

/// Why Telegram does not serve this application.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProbeError {
    /// No connection, or no answer.
    #[error("data centre {dc_id} at {address} cannot be reached: {why}")]
    Unreachable {
        /// Which data centre.
        dc_id: i32,
        /// Where it should be.
        address: SocketAddrV4,
        /// As the system says it.
        why: String,
    },
    /// The handshake was refused: somebody else answers in its place, or the network file has another server's key.
    #[error("data centre {dc_id} at {address} is not the Telegram that was expected: {why}")]
    OtherServer {
        /// Which data centre.
        dc_id: i32,
        /// Where.
        address: SocketAddrV4,
        /// Which step failed.
        why: String,
    },
    /// Telegram does not know the application's id and hash.
    #[error("Telegram does not take the application's id and hash ({0})")]
    AppRefused(String),
    /// Any other answer.
    #[error("Telegram answers: {0}")]
    Other(CallError),
}

/// Asks Telegram.
///
/// # Errors
/// [`ProbeError`].
pub async fn probe(app: &TelegramApp) -> Result<Answered, ProbeError> {
    let session = Arc::new(LoginSession::new(&app.network));
    let dc_id = session.home();
    let address = session.address(dc_id).expect("the address of the home data centre is built in");
    let unreachable = |why: String| ProbeError::Unreachable { dc_id, address, why };
    let key = exchange::make_key(&app.network, address).await.map_err(|error| match error {
        ExchangeError::NoAnswer => unreachable("no answer in time".to_owned()),
        ExchangeError::Connection(InvocationError::Io(error)) => unreachable(words(&error)),
        ExchangeError::Refused(_) | ExchangeError::Connection(_) => {
            ProbeError::OtherServer { dc_id, address, why: error.to_string() }
        }
    })?;
    let _ = session.add_key(dc_id, key);
    let connection = Connection::open(app, &session);
    let answer = ask(&connection, app, dc_id).await;
    connection.close().await;
    match answer {
        Ok(time) => Ok(Answered { dc_id, address, time }),
        Err(CallError::Unreachable(why)) => Err(unreachable(why)),
        Err(CallError::Refused { name, .. }) if name.starts_with("API_ID") => {
            Err(ProbeError::AppRefused(name))
        }
        Err(error) => Err(ProbeError::Other(error)),
    }
}

async fn ask(connection: &Connection, app: &TelegramApp, dc_id: i32) -> Result<Timestamp, CallError> {
    let enums::Config::Config(config) = connection.call(dc_id, &functions::help::GetConfig {}).await?;
    let token = functions::auth::ExportLoginToken {
        api_id: app.api_id,
        api_hash: app.api_hash.expose_secret().to_owned(),
        except_ids: Vec::new(),
    };
    connection.call(dc_id, &token).await?;
    Ok(Timestamp::from_second(i64::from(config.date)).unwrap_or(Timestamp::UNIX_EPOCH))
}

fn words(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        io::ErrorKind::UnexpectedEof => "the connection was closed".to_owned(),
        _ => error.to_string(),
    }
}
