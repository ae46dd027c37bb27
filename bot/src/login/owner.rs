//! Whose login it is: the account that confirms has to be the account that asked, and may not be blocked.

use domain::AccountId;
use eventlog::{DatabaseError, Store};
use vault::Vault;

/// What is known of the person who asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// May log in, as this Telegram id and no other.
    MayLogIn(i64),
    /// Refused everywhere.
    Blocked,
    /// Has been forgotten meanwhile.
    Erased,
}

impl Owner {
    /// The owner of an account's login, as of now.
    ///
    /// # Errors
    /// The database failed.
    pub async fn of(store: &Store, vault: &Vault, account_id: AccountId) -> Result<Self, DatabaseError> {
        let account = store.load_account(account_id).await?;
        if account.is_erased() {
            return Ok(Self::Erased);
        }
        if account.is_blocked() {
            return Ok(Self::Blocked);
        }
        let subject = vault.subject(account_id).await?;
        Ok(subject.map_or(Self::Erased, |subject| Self::MayLogIn(subject.telegram_id)))
    }
}
