//! What the log says of the signed history: its name, and which key signs. Both follow from the log alone, so every process that reads
//! the same log knows the same.

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use domain::{Event, HISTORY_STREAM, HistoryEvent, StreamKind};
use ed25519_dalek::VerifyingKey;
use eventlog::{Database, DatabaseError, Log};

use crate::key_file::SigningKeys;
use crate::note::{NoteKey, hex};
use crate::stored::{State, TreeError};

/// The name of the log, its key, and the names before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct History {
    /// The name.
    pub origin: String,
    /// Signs checkpoints.
    pub key: NoteKey,
    /// The names that the log had before it branched.
    pub before: BTreeSet<String>,
    /// The size from which on this name and key sign.
    pub since: u64,
}

/// Why the log has no name or key.
#[derive(Debug, thiserror::Error)]
pub enum NoHistory {
    /// The database failed.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The tree cannot be read.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// No leader has begun one.
    #[error("no checkpoint was signed yet: the service has not led in this database")]
    None,
    /// A key that is none.
    #[error("the key in the log is no key of Ed25519 (position {0})")]
    BadKey(i64),
}

impl History {
    /// As the log has it now, beginning with what the row of the tree says.
    ///
    /// # Errors
    /// [`NoHistory`].
    pub async fn read(db: &Database, state: &State) -> Result<Self, NoHistory> {
        let (Some(first), Some(key)) = (&state.origin, &state.public_key) else {
            return Err(NoHistory::None);
        };
        let mut key = public_key(key).ok_or(NoHistory::BadKey(0))?;
        let (mut origin, mut before, mut since) = (first.clone(), BTreeSet::new(), 0);
        for event in Log::new(db).stream(StreamKind::History, HISTORY_STREAM).await? {
            match &event.event {
                Ok(Event::History(HistoryEvent::LogBranched { log_id, previous, .. })) => {
                    before.insert(std::mem::replace(&mut origin, renamed(first, log_id)));
                    before.insert(previous.origin.clone());
                }
                Ok(Event::History(HistoryEvent::CheckpointKeyChanged { public_key: changed, .. })) => {
                    let bytes = STANDARD.decode(changed).ok().and_then(|bytes| public_key(&bytes));
                    key = bytes.ok_or(NoHistory::BadKey(event.position))?;
                }
                _ => continue,
            }
            since = event.position.unsigned_abs();
        }
        let key = NoteKey::of_log(&origin, key);
        Ok(Self { origin, key, before, since })
    }
}

/// The first start: the log gets its name and its key.
pub(crate) async fn begin(
    db: &Database,
    epoch: i64,
    host: &str,
    keys: &SigningKeys,
) -> Result<(), DatabaseError> {
    let origin = format!("{host}/qr-login/{}", new_log_id());
    let public_key = keys.newest().verifying_key().to_bytes();
    sqlx::query!(
        "update log_tree set origin = $2, public_key = $3 where epoch = $1 and origin is null",
        epoch,
        origin,
        &public_key
    )
    .execute(db.pool())
    .await?;
    Ok(())
}

/// The origin with another log's id as its last part.
pub fn renamed(origin: &str, log_id: &str) -> String {
    match origin.rsplit_once('/') {
        Some((before, _)) => format!("{before}/{log_id}"),
        None => log_id.to_owned(),
    }
}

/// A random name for a log: 16 lowercase hexadecimal digits.
pub fn new_log_id() -> String {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).expect("the system has a source of randomness");
    hex(&bytes)
}

fn public_key(bytes: &[u8]) -> Option<VerifyingKey> {
    VerifyingKey::from_bytes(bytes.try_into().ok()?).ok()
}
