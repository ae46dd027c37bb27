//! The person who asked for a login: only their account may confirm it, and not if it is blocked.

use domain::AccountId;
use eventlog::{DatabaseError, Store};
use vault::Vault;

/// The person who asked for a login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// May log in, with this Telegram id and no other.
    MayLogIn(i64),
    /// Refused everywhere.
    Blocked,
    /// Was erased meanwhile.
    Erased,
}

impl Owner {
    /// The owner of an account's login, as of now.
    ///
    /// # Errors
    /// The database failed.
    pub async fn of(store: &Store, vault: &Vault, account_id: AccountId) -> Result<Self, DatabaseError> {
        let (account, subject) = tokio::try_join!(store.load_account(account_id), vault.subject(account_id))?;
        if account.is_erased() {
            return Ok(Self::Erased);
        }
        if account.is_blocked() {
            return Ok(Self::Blocked);
        }
        Ok(subject.map_or(Self::Erased, |subject| Self::MayLogIn(subject.telegram_id)))
    }
}
