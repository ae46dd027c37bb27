//! The vault of one database. Each other module adds the methods for one kind of thing that it keeps.

use eventlog::database::{Database, DatabaseError, Transaction};
use eventlog::store::Fence;

/// The vault of one database.
#[derive(Clone, Debug)]
pub struct Vault {
    pub(crate) db: Database,
}

/// Why a worker's write did not happen.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// Another worker has taken the attempt over, or it was closed.
    #[error("the attempt belongs to another worker now")]
    Fenced,
    /// The database failed.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

impl From<sqlx::Error> for VaultError {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error.into())
    }
}

impl Vault {
    /// The vault of this database.
    pub fn new(db: &Database) -> Self {
        Self { db: db.clone() }
    }

    /// The ids of all master keys that something in the database is sealed with. While this is empty, and only then, a
    /// missing master key may be made anew.
    ///
    /// # Errors
    /// The database failed.
    pub async fn sealed_with(&self) -> Result<Vec<String>, DatabaseError> {
        let ids = sqlx::query_scalar!(
            r#"select key_id as "key_id!" from vault.sessions
             union select key_id from vault.retired_keys
             union select key_id from vault.attempts where key_id is not null
             order by 1"#
        )
        .fetch_all(self.db.pool())
        .await?;
        Ok(ids)
    }

    /// A transaction in which no other worker can take the attempt over. Where the worker freezes in it, the database ends
    /// it after two seconds.
    pub(crate) async fn begin_as(&self, fence: &Fence) -> Result<Transaction, VaultError> {
        let begin = "begin; set local idle_in_transaction_session_timeout = '2s'";
        let mut transaction = self.db.begin(begin).await?;
        let held = sqlx::query!(
            "select from vault.attempts
              where login_id = $1 and attempt = $2 and epoch = $3 for no key update",
            fence.login_id.as_str(),
            i64::from(fence.attempt),
            fence.epoch
        )
        .fetch_optional(&mut *transaction)
        .await?;
        if held.is_some() { Ok(transaction) } else { Err(VaultError::Fenced) }
    }
}

/// Fails where a statement with `and epoch = $n` has found no row.
pub(crate) fn fenced_unless(rows: u64) -> Result<(), VaultError> {
    if rows == 0 { Err(VaultError::Fenced) } else { Ok(()) }
}
