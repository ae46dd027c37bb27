//! What became of the session that a login linked.

use domain::{AccountId, LoginId};
use eventlog::DatabaseError;

use crate::app::App;

/// What became of the session that a login linked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionState {
    /// The service uses it.
    Linked,
    /// The person logged out, or ended it in Telegram.
    Ended,
    /// Another service has it.
    HandedOver,
    /// A later login of the same person linked another one.
    Replaced,
}

impl SessionState {
    /// `linked`, `ended`, `handed_over`, `replaced`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Linked => "linked",
            Self::Ended => "ended",
            Self::HandedOver => "handed_over",
            Self::Replaced => "replaced",
        }
    }
}

/// The state of the session that this login of the account linked. The login has succeeded. The log and the vault are asked,
/// not a view, which may be behind.
///
/// # Errors
/// The database failed.
pub async fn state_of(
    app: &App,
    account_id: AccountId,
    login_id: &LoginId,
) -> Result<SessionState, DatabaseError> {
    let sessions = app.vault.linked_by(account_id).await?;
    let account = app.store.load_account(account_id).await?;
    let has_ended = account.is_unlinked(login_id);
    // A session is linked a moment before its login is confirmed, and the one before it is put away a moment after that. In
    // between, both are there.
    Ok(match sessions.contains(login_id) && !has_ended {
        true => SessionState::Linked,
        false if sessions.iter().any(|other| other != login_id) => SessionState::Replaced,
        false if account.is_handed_over(login_id) && !has_ended => SessionState::HandedOver,
        false => SessionState::Ended,
    })
}
