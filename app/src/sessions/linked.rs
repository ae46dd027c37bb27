//! The session that is linked for good: which login linked it, since when, and when it was last seen alive.

use domain::{AccountId, LoginId, LoginStatus};
use eventlog::DatabaseError;
use jiff::Timestamp;

use crate::app::App;

/// A person's linked session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkedSession {
    /// The login that linked it.
    pub login_id: LoginId,
    /// When it was linked.
    pub linked_at: Timestamp,
    /// When Telegram last knew it; None: it was not asked since.
    pub last_seen_at: Option<Timestamp>,
}

/// The session of this person; None: none is linked here.
///
/// # Errors
/// The database failed.
pub async fn linked(app: &App, account: AccountId) -> Result<Option<LinkedSession>, DatabaseError> {
    let Some(login_id) = confirmed(app, account).await? else { return Ok(None) };
    // A process that died in between has recorded the end, and not taken the session away.
    if app.store.load_account(account).await?.is_unlinked(&login_id) {
        return Ok(None);
    }
    let seen = app.vault.seen(account, &login_id).await?;
    Ok(seen.map(|seen| LinkedSession { login_id, linked_at: seen.linked_at, last_seen_at: seen.alive_at }))
}

/// The latest login of this person that has linked a session for good, or what stands for one where the session was imported. The
/// events say so: the views may be behind them.
pub(super) async fn confirmed(app: &App, account: AccountId) -> Result<Option<LoginId>, DatabaseError> {
    let imported = app.store.load_account(account).await?;
    for login_id in app.vault.linked_by(account).await? {
        if imported.has_imported(&login_id)
            || app.store.load_login(&login_id).await?.status() == Some(LoginStatus::Authorized)
        {
            return Ok(Some(login_id));
        }
    }
    Ok(None)
}
