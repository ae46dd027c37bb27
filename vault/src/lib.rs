//! The vault: state that is not derived from events and never rebuilt. Who a person is, invite codes, attempts with
//! their leases and keys, live QR tokens, linked sessions. What must not outlive a person or a login lives here and
//! not in the log, because here a row can be deleted.
//!
//! Every write of a worker says `and epoch = $n`: a worker that was frozen while another one took its attempt over can
//! change nothing. Leases run on the database's clock alone.

use eventlog::database::{Database, DatabaseError};

mod after_erasure;
mod attempts;
mod codes;
mod columns;
pub mod installation;
pub mod lease;
pub mod limits;
mod master;
mod pending_input;
pub mod presence;
mod sessions;
mod subjects;
mod tokens;
mod user_input;

pub use after_erasure::KeptAfterErasure;
pub use attempts::Claimed;
pub use codes::{CodeError, normalise_code, random_code};
pub use lease::{Lease, Leases};
pub use limits::{LimitError, LoginLimits};
pub use master::{MasterKey, MasterKeyError, key_id_of, random_login_id};
pub use pending_input::{InputKind, PendingInput};
pub use presence::Presence;
pub use sessions::{Borrowed, Linked, RetireReason, RetiredKey, Taken};
pub use subjects::{PersonKey, Subject};
pub use tokens::LiveToken;
pub use user_input::{PasswordChallenge, PasswordProof, UserInput};

/// The vault of one database.
#[derive(Clone, Debug)]
pub struct Vault {
    db: Database,
}

/// Why a worker's write did not happen.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// Another worker has taken the attempt over, or it was closed: give up what you hold.
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
}

/// What a statement with `and epoch = $n` has reached: one row, or nobody's.
fn fenced_unless(rows: u64) -> Result<(), VaultError> {
    if rows == 0 { Err(VaultError::Fenced) } else { Ok(()) }
}

#[cfg(test)]
mod tests;
