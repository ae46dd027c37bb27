//! Logging a session out at Telegram.

use grammers_client::tl::functions;

use super::connection::{CallError, Connection};
use super::session::LoginSession;

/// What came of logging a session out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogOut {
    /// Telegram has ended the session.
    Done,
    /// It was logged in at no data centre. A session that waits for its 2-step password is not logged in either.
    WasNotIn,
    /// Telegram did not answer.
    Unclear,
}

/// Logs a session out at each data centre where it has a key.
pub async fn log_out(connection: &Connection, session: &LoginSession) -> LogOut {
    let mut outcome = LogOut::WasNotIn;
    for dc_id in session.keyed_dcs() {
        match connection.call(dc_id, &functions::auth::LogOut {}).await {
            Ok(_) if outcome != LogOut::Unclear => outcome = LogOut::Done,
            Ok(_) | Err(CallError::Unregistered | CallError::KeyLost(_) | CallError::PasswordNeeded) => {}
            Err(_) => outcome = LogOut::Unclear,
        }
    }
    outcome
}
