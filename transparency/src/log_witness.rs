//! As a witness of other logs: it signs that it has seen a checkpoint, and that the checkpoint extends what it has seen of that log
//! before. C2SP tlog-witness, for the logs in WITNESS_LOGS.
//!
//! 1. A log that is not known, and a checkpoint that it has not signed, are refused before the database is asked.
//! 2. The row of the log is locked, so that of two checkpoints at once the second one must extend the first.
//! 3. What was signed last is known from the database and from `DATA_DIR/witnessed`; the greater one counts. So a database that
//!    is restored from a backup takes nothing back.
//! 4. The new checkpoint must be proven to extend it. It is kept in both, and then signed.

use std::fs::{self, File};
use std::io;
use std::path::PathBuf;

use ed25519_dalek::{SigningKey, VerifyingKey};
use eventlog::{Clock, Database, DatabaseError};
use sha2::{Digest, Sha256};
use tokio::task::spawn_blocking;

use crate::add_checkpoint::AddCheckpoint;
use crate::kept::{make_folder, replace};
use crate::key_file::{KeyFileError, SigningKeys};
use crate::merkle::{Hash, empty_root, is_consistent};
use crate::note::{Checkpoint, Note, NoteKey, NoteSignature, hex};

/// What a witness needs of the settings.
#[derive(Clone, Debug)]
pub struct WitnessSettings {
    /// The host of AUTH_BASE_URL: the first part of a new witness's name.
    pub host: String,
    /// DATA_DIR: its key and what it has signed are there.
    pub data_dir: PathBuf,
    /// The keys of the logs that it signs. A log may have several, for as long as it changes its key.
    pub logs: Vec<NoteKey>,
}

/// A witness of other logs.
pub struct LogWitness {
    db: Database,
    clock: Clock,
    settings: WitnessSettings,
    key: NoteKey,
    signing_key: SigningKey,
}

/// Why this installation cannot be a witness.
#[derive(Debug, thiserror::Error)]
pub enum NoWitness {
    /// The database failed.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The key cannot be read or made.
    #[error("the key of the witness: {0}")]
    Key(#[from] KeyFileError),
    /// Another machine has made it.
    #[error("{} does not hold the key that this witness signs with ({key}); copy it from the machine that has it", path.display())]
    OtherKey {
        /// Which file.
        path: PathBuf,
        /// The public key.
        key: Box<NoteKey>,
    },
    /// What the database has as its public key is none.
    #[error("the key of the witness in the database is no key of Ed25519")]
    BadKey,
}

/// Why a checkpoint is not signed. Each is a status of C2SP tlog-witness.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// 400: the request has another form.
    #[error("this is no request of C2SP tlog-witness")]
    Malformed,
    /// 404: the log is none of those in WITNESS_LOGS.
    #[error("this log is not known here")]
    UnknownLog,
    /// 403: no key that is known of the log has signed.
    #[error("the checkpoint is not signed by a key of this log that is known here")]
    NotSigned,
    /// 409: another size was signed last.
    #[error("the last checkpoint that was signed here has size {0}")]
    OtherSize(u64),
    /// 422: it does not extend what was signed.
    #[error("the checkpoint is not proven to extend the last one that was signed here")]
    NotConsistent,
    /// 503: the database failed.
    #[error("the database does not answer")]
    Database(#[source] DatabaseError),
    /// 503: the disk failed, or holds another history than the database.
    #[error("what was signed cannot be read or kept")]
    Disk(#[source] io::Error),
}

impl From<sqlx::Error> for NoWitness {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error.into())
    }
}

impl From<sqlx::Error> for Refusal {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error.into())
    }
}

impl LogWitness {
    /// Of this installation. At the first start it gets a name and a key.
    ///
    /// # Errors
    /// [`NoWitness`].
    pub async fn open(db: &Database, clock: &Clock, settings: WitnessSettings) -> Result<Self, NoWitness> {
        let path = settings.data_dir.join("witness.key");
        let key = match public_key(db).await? {
            Some(key) => key,
            None => {
                let made = SigningKeys::load_or_make(&path)?.newest().verifying_key().to_bytes();
                sqlx::query!(
                    "insert into log_witness (name, public_key) values ($1, $2) on conflict do nothing",
                    format!("{}/qr-login/witness", settings.host),
                    &made
                )
                .execute(db.pool())
                .await?;
                public_key(db).await?.ok_or(NoWitness::BadKey)?
            }
        };
        let keys = SigningKeys::load(&path)?;
        let Some(signing_key) = keys.of(&key.bytes()).cloned() else {
            return Err(NoWitness::OtherKey { path, key: Box::new(key) });
        };
        Ok(Self { db: db.clone(), clock: clock.clone(), settings, key, signing_key })
    }

    /// What its signatures are checked with.
    pub const fn key(&self) -> &NoteKey {
        &self.key
    }

    /// Signs a checkpoint: takes the body of `add-checkpoint`, and returns that of the answer.
    ///
    /// # Errors
    /// [`Refusal`].
    pub async fn add_checkpoint(&self, body: &str) -> Result<String, Refusal> {
        let AddCheckpoint { old_size, proof, checkpoint: note } =
            AddCheckpoint::parse(body).ok_or(Refusal::Malformed)?;
        let new = Checkpoint::parse(&note.text).ok_or(Refusal::Malformed)?;
        // Step 1.
        self.must_be_signed(&note, &new)?;
        let size = i64::try_from(new.size).map_err(|_| Refusal::Malformed)?;
        if old_size > new.size {
            return Err(Refusal::Malformed);
        }
        // Step 2.
        let mut transaction = self.db.begin("begin").await?;
        let nothing = empty_root();
        sqlx::query!(
            "insert into witnessed_logs (origin, size, root, note) values ($1, 0, $2, '') on conflict do nothing",
            new.origin,
            &nothing
        )
        .execute(&mut *transaction)
        .await?;
        let row =
            sqlx::query!("select size, root from witnessed_logs where origin = $1 for update", new.origin)
                .fetch_one(&mut *transaction)
                .await?;
        // Step 3.
        let root = row.root.try_into().map_err(|_| other_history(&new.origin))?;
        let last = self.greater((row.size.unsigned_abs(), root), &new.origin).await?;
        // Step 4.
        if old_size != last.0 {
            return Err(Refusal::OtherSize(last.0));
        }
        let is_tree = new.size > 0 || new.root == nothing;
        if !is_tree || !is_consistent(last, (new.size, new.root), &proof) {
            return Err(Refusal::NotConsistent);
        }
        let time = self.clock.now().as_second().unsigned_abs();
        let signature = NoteSignature::cosign(&note.text, &self.key.name, &self.signing_key, time);
        let own = |signature: &NoteSignature| self.keys_of(&new.origin).any(|key| key.is_named_in(signature));
        let mut signatures: Vec<NoteSignature> = note.signatures.into_iter().filter(own).collect();
        signatures.push(signature.clone());
        let kept = Note { text: note.text, signatures }.to_string();
        self.keep(&new.origin, kept.clone()).await?;
        sqlx::query!(
            "update witnessed_logs set size = $2, root = $3, note = $4, cosigned_at = clock_timestamp() where origin = $1",
            new.origin,
            size,
            &new.root,
            kept
        )
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(format!("{signature}\n"))
    }

    /// The last checkpoint that was signed here of the log with this hash (SHA-256 of its origin, in hex); None: none was.
    ///
    /// # Errors
    /// The database's.
    pub async fn checkpoint(&self, origin_hash: &str) -> Result<Option<String>, DatabaseError> {
        let known = self.settings.logs.iter().find(|key| hash_of(&key.name) == origin_hash);
        let Some(key) = known else { return Ok(None) };
        let note = sqlx::query_scalar!("select note from witnessed_logs where origin = $1", key.name)
            .fetch_optional(self.db.pool())
            .await?;
        Ok(note)
    }

    fn keys_of<'a>(&'a self, origin: &'a str) -> impl Iterator<Item = &'a NoteKey> {
        self.settings.logs.iter().filter(move |key| key.name == origin)
    }

    /// A key of the log must have signed, and a bad signature of any of its keys spoils the note.
    fn must_be_signed(&self, note: &Note, checkpoint: &Checkpoint) -> Result<(), Refusal> {
        let mut keys = self.keys_of(&checkpoint.origin).peekable();
        if keys.peek().is_none() {
            return Err(Refusal::UnknownLog);
        }
        let mut is_signed = false;
        for key in keys.filter(|key| note.signatures.iter().any(|signature| key.is_named_in(signature))) {
            if !note.is_signed_by(key) {
                return Err(Refusal::NotSigned);
            }
            is_signed = true;
        }
        if is_signed { Ok(()) } else { Err(Refusal::NotSigned) }
    }

    /// What was signed last: as the database has it, or as the disk has it.
    async fn greater(&self, stored: (u64, Hash), origin: &str) -> Result<(u64, Hash), Refusal> {
        let file = self.folder().join(hash_of(origin));
        let text = match spawn_blocking(move || fs::read_to_string(file)).await.map_err(io::Error::from) {
            Ok(Err(error)) if error.kind() == io::ErrorKind::NotFound => return Ok(stored),
            read => read.flatten().map_err(Refusal::Disk)?,
        };
        let kept = Note::parse(&text).and_then(|note| Checkpoint::parse(&note.text));
        let kept = kept.filter(|kept| kept.origin == origin).ok_or_else(|| other_history(origin))?;
        match kept.size.cmp(&stored.0) {
            std::cmp::Ordering::Less => Ok(stored),
            std::cmp::Ordering::Greater => Ok((kept.size, kept.root)),
            std::cmp::Ordering::Equal if kept.root == stored.1 => Ok(stored),
            std::cmp::Ordering::Equal => Err(other_history(origin)),
        }
    }

    async fn keep(&self, origin: &str, note: String) -> Result<(), Refusal> {
        let (data_dir, folder, name) = (self.settings.data_dir.clone(), self.folder(), hash_of(origin));
        let write = move || {
            make_folder(&folder, &data_dir)?;
            replace(&folder, &name, &note)?;
            File::open(folder)?.sync_all()
        };
        let kept = spawn_blocking(write).await;
        kept.map_err(io::Error::from).flatten().map_err(Refusal::Disk)
    }

    fn folder(&self) -> PathBuf {
        self.settings.data_dir.join("witnessed")
    }
}

impl std::fmt::Debug for LogWitness {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LogWitness").field("key", &self.key).finish_non_exhaustive()
    }
}

/// What the signatures of this installation are checked with, as a witness; None: it has never been one.
///
/// # Errors
/// [`NoWitness`].
pub async fn public_key(db: &Database) -> Result<Option<NoteKey>, NoWitness> {
    let row = sqlx::query!("select name, public_key from log_witness").fetch_optional(db.pool()).await?;
    let Some(row) = row else { return Ok(None) };
    let bytes = row.public_key.as_slice().try_into().map_err(|_| NoWitness::BadKey)?;
    let key = VerifyingKey::from_bytes(bytes).map_err(|_| NoWitness::BadKey)?;
    Ok(Some(NoteKey::of_witness(&row.name, key)))
}

/// As C2SP tlog-witness names a log in a path.
pub fn hash_of(origin: &str) -> String {
    hex(&Sha256::digest(origin))
}

fn other_history(origin: &str) -> Refusal {
    let text = format!("DATA_DIR/witnessed and the database do not agree on what was signed of {origin}");
    Refusal::Disk(io::Error::new(io::ErrorKind::InvalidData, text))
}
