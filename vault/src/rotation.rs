//! Rotating the master key, beside running processes (`qr-login key rotate`):
//!
//! 1. A new key is written to the file, as one that opens and does not seal. The database names it.
//! 2. Every process reads the file within two seconds. Where each has announced the new key ([`Process`]), the database names
//!    it as the key that seals: from here on no process starts without it.
//! 3. The new key becomes the first line: each process seals with it once it has read that.
//!
//! And `--finish`:
//!
//! 4. Every process has sealed with the new key alone for longer than a statement may take.
//! 5. What is sealed with another key is opened and sealed anew, row by row, and only where the row is still the same.
//! 6. Nothing is left: the keys between the first line and the root leave the file.
//!
//! A process that dies at any point leaves a file with which every process can go on; the same command goes on from there. One
//! rotation runs at a time. The file on another machine is a copy: where a process there does not know a key, the rotation
//! stops and says so, and changes nothing.
//!
//! [`Process`]: crate::processes::Process

use std::path::PathBuf;
use std::time::Duration;

use eventlog::database::{Connection, Database, DatabaseError};
use sqlx::Executor;

use crate::installation::{self, InstallationError};
use crate::key_file::{KeyFile, MasterKeyError};
use crate::master::MasterKey;
use crate::vault::Vault;

/// A process that gave no sign of life for so long, and is not present, is gone.
const GONE_AFTER: Duration = Duration::from_secs(20);
/// How long what was sealed with the key before may be on its way to the database: longer than a statement may take.
const SETTLED_AFTER: Duration = Duration::from_secs(30);

/// A rotation, in the hands of one process.
#[derive(Debug)]
pub struct Rotation {
    vault: Vault,
    master: MasterKey,
    path: PathBuf,
    /// As long as it is open, no other rotation runs.
    _lock: Connection,
}

/// Why a rotation does not go on.
#[derive(Debug, thiserror::Error)]
pub enum RotationError {
    /// Another one runs.
    #[error("another `qr-login key rotate` runs")]
    Busy,
    /// The next key was made on another machine.
    #[error(
        "a rotation to the key {id} was begun with another copy of the key file: copy that file to {} and run this again",
        path.display()
    )]
    BegunElsewhere {
        /// The next key.
        id: String,
        /// The file here.
        path: PathBuf,
    },
    /// The key was not rotated yet, or not everywhere.
    #[error("the new key does not seal yet: run `qr-login key rotate` first")]
    NotRotated,
    /// Rows that do not open.
    #[error(
        "{count} sealed rows do not open with any key of the file: the old keys stay in it (the first is of the login {login})"
    )]
    Unopened {
        /// How many.
        count: usize,
        /// Which login the first of them is of.
        login: String,
    },
    /// The key file.
    #[error("MASTER_KEY_FILE")]
    MasterKey(#[from] MasterKeyError),
    /// The file is not this database's.
    #[error(transparent)]
    Installation(#[from] InstallationError),
    /// The database failed.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

impl From<sqlx::Error> for RotationError {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error.into())
    }
}

/// How a rotation stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// It waits for these processes: their machines and numbers.
    WaitsFor(Vec<String>),
    /// It is done. The id of the key that seals.
    Done(String),
}

impl Rotation {
    /// Takes the rotation of this database's key in hand. `path` is the key file.
    ///
    /// # Errors
    /// [`RotationError::Busy`]; the file is not this database's.
    pub async fn begin(db: &Database, path: PathBuf) -> Result<Self, RotationError> {
        let mut lock = db.direct().await?;
        lock.execute("begin; set local idle_in_transaction_session_timeout = 0").await?;
        let is_free = sqlx::query_scalar!(
            r#"select pg_try_advisory_xact_lock(hashtextextended('rotate', 0)) as "is_free!""#
        )
        .fetch_one(&mut lock)
        .await?;
        if !is_free {
            return Err(RotationError::Busy);
        }
        let master = installation::existing_master_key(db, &path).await?;
        Ok(Self { vault: Vault::new(db), master, path, _lock: lock })
    }

    /// Whether the rotation before is not finished: something is sealed with another key than the first one.
    ///
    /// # Errors
    /// The database failed.
    pub async fn is_unfinished(&self) -> Result<bool, RotationError> {
        let file = self.master.file();
        let has_others = file.next().is_none() && file.ids() != file.finished().ids();
        let sealed_with = self.vault.sealed_with().await?;
        Ok(has_others || (file.next().is_none() && sealed_with.iter().any(|id| *id != file.sealing().id())))
    }

    /// Step 1. Repeated, it changes nothing.
    ///
    /// # Errors
    /// [`RotationError::BegunElsewhere`]; the file cannot be written.
    pub async fn add_key(&self) -> Result<(), RotationError> {
        if self.master.file().next().is_none() {
            self.name_next(None).await?;
            self.replace(&self.master.file().with_next())?;
        }
        self.name_next(self.master.file().next().map(|key| key.id())).await
    }

    /// Names the next key in the database, unless it seals already; where one is named, it has to be this one.
    async fn name_next(&self, next: Option<String>) -> Result<(), RotationError> {
        let named = sqlx::query_scalar!(
            "update installation
                set next_key_id = coalesce(next_key_id, case when sealing_key_id is distinct from $1 then $1 end)
             returning next_key_id",
            next
        )
        .fetch_one(self.vault.db.pool())
        .await?;
        match named {
            Some(id) if next.as_ref() != Some(&id) => {
                Err(RotationError::BegunElsewhere { id, path: self.path.clone() })
            }
            _ => Ok(()),
        }
    }

    /// Steps 2 and 3, if every process knows the new key.
    ///
    /// # Errors
    /// [`RotationError`].
    pub async fn promote(&self) -> Result<Progress, RotationError> {
        let file = self.master.file();
        if let Some(next) = file.next() {
            let mut transaction = self.vault.db.begin("begin").await?;
            sqlx::query!("select from installation for update").fetch_one(&mut *transaction).await?;
            let ignorant = sqlx::query_scalar!(
                "select machine from vault.processes
                  where not $1 = any(opens)
                    and (seen_at > clock_timestamp() - make_interval(secs => $2)
                         or vault.presence_id(holder) in (select vault.present()))
                  order by machine",
                next.id(),
                GONE_AFTER.as_secs_f64()
            )
            .fetch_all(&mut *transaction)
            .await?;
            if !ignorant.is_empty() {
                transaction.rollback().await?;
                return Ok(Progress::WaitsFor(ignorant));
            }
            sqlx::query!("update installation set sealing_key_id = $1, next_key_id = null", next.id())
                .execute(&mut *transaction)
                .await?;
            transaction.commit().await?;
            self.replace(&file.promoted())?;
        }
        Ok(Progress::Done(self.master.id()))
    }

    /// Step 4: whether every process seals with the new key alone.
    ///
    /// # Errors
    /// [`RotationError::NotRotated`]: no process may do so yet.
    pub async fn settled(&self) -> Result<Progress, RotationError> {
        let stamp = sqlx::query!("select sealing_key_id, next_key_id from installation")
            .fetch_one(self.vault.db.pool())
            .await?;
        let (file, id) = (self.master.file(), self.master.id());
        if file.next().is_some()
            || stamp.next_key_id.is_some()
            || stamp.sealing_key_id.is_some_and(|it| it != id)
        {
            return Err(RotationError::NotRotated);
        }
        let others = sqlx::query_scalar!(
            "select machine from vault.processes
              where (seals <> $1 or sealed_otherwise_until > clock_timestamp() - make_interval(secs => $3))
                and (seen_at > clock_timestamp() - make_interval(secs => $2)
                     or vault.presence_id(holder) in (select vault.present()))
              order by machine",
            id,
            GONE_AFTER.as_secs_f64(),
            SETTLED_AFTER.as_secs_f64()
        )
        .fetch_all(self.vault.db.pool())
        .await?;
        Ok(if others.is_empty() { Progress::Done(id) } else { Progress::WaitsFor(others) })
    }

    /// Step 5. Returns how many rows were sealed anew. It may be dropped at any point, and called again.
    ///
    /// # Errors
    /// [`RotationError::Unopened`]: rows that no key opens; the others are sealed anew all the same.
    pub async fn reseal(&self) -> Result<u64, RotationError> {
        let mut resealed = 0;
        loop {
            let pass = self.vault.reseal(&self.master).await?;
            resealed += pass.resealed;
            if let Some(login) = pass.unopened.first() {
                return Err(RotationError::Unopened { count: pass.unopened.len(), login: login.clone() });
            }
            // A row that was moved meanwhile may have been missed.
            if pass.resealed == 0 && pass.changed == 0 && !self.is_sealed_otherwise().await? {
                return Ok(resealed);
            }
        }
    }

    async fn is_sealed_otherwise(&self) -> Result<bool, RotationError> {
        Ok(self.vault.sealed_with().await?.iter().any(|id| *id != self.master.id()))
    }

    /// Step 6. Returns how many keys have left the file.
    ///
    /// # Errors
    /// The file cannot be written; it is then as before.
    pub fn retire(&self) -> Result<usize, RotationError> {
        let (file, finished) = (self.master.file(), self.master.file().finished());
        let retired = file.ids().len() - finished.ids().len();
        if retired > 0 {
            self.replace(&finished)?;
        }
        Ok(retired)
    }

    /// The key file here.
    pub fn path(&self) -> &std::path::Path {
        &self.path
    }

    fn replace(&self, file: &KeyFile) -> Result<(), RotationError> {
        file.replace(&self.path)?;
        self.master.reload()?;
        Ok(())
    }
}
