//! Whether the log may be signed, and with what: it must extend all that was signed before, on the disk and in the database, and
//! the key that the log names must be in CHECKPOINT_KEY_FILE.

use std::path::PathBuf;

use eventlog::Database;

use crate::history::{self, History, NoHistory};
use crate::kept::Kept;
use crate::key_file::SigningKeys;
use crate::note::Note;
use crate::stored::{StoredTree, TreeError};
use crate::tiles::Edge;
use crate::witnesses::Witnesses;

/// What a keeper needs of the settings.
#[derive(Clone, Debug)]
pub struct KeeperSettings {
    /// The host of AUTH_BASE_URL: the first part of a new log's name.
    pub host: String,
    /// CHECKPOINT_KEY_FILE.
    pub key_file: PathBuf,
    /// Where what was signed is kept.
    pub kept: Kept,
    /// Who signs checkpoints besides the log itself.
    pub witnesses: Option<Witnesses>,
}

/// Why nothing is signed.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The log is not the one that was signed.
    History(String),
    /// The key, the disk, or the tree in the database.
    Other(String),
}

/// What is signed with.
#[derive(Debug)]
pub(crate) struct Signer {
    pub history: History,
    pub keys: SigningKeys,
}

/// What the comparison with all that was signed has found.
#[derive(Debug)]
pub(crate) enum Compared {
    /// The log extends it.
    Extends {
        signer: Box<Signer>,
        /// The last checkpoint in the database, where it is of this log.
        last: Option<Note>,
    },
    Fault(Fault),
}

impl Fault {
    pub(crate) fn text(&self) -> &str {
        match self {
            Self::History(text) | Self::Other(text) => text,
        }
    }
}

/// Compares the tree with this edge with what was signed. At the very first start it gives the log its name and key.
pub(crate) async fn compare(
    db: &Database,
    settings: &KeeperSettings,
    epoch: i64,
    edge: &Edge,
) -> Result<Compared, TreeError> {
    let history_fault = |text| Ok(Compared::Fault(Fault::History(text)));
    let other_fault = |text| Ok(Compared::Fault(Fault::Other(text)));
    let kept = match settings.kept.latest() {
        Ok(kept) => kept,
        Err(error) => return other_fault(format!("what was signed before cannot be read: {error}")),
    };
    let tree = StoredTree::new(db);
    let mut state = tree.state().await?;
    if state.origin.is_none() {
        let keys = match SigningKeys::load_or_make(&settings.key_file) {
            Ok(keys) => keys,
            Err(error) => return other_fault(format!("CHECKPOINT_KEY_FILE: {error}")),
        };
        history::begin(db, epoch, &settings.host, &keys).await?;
        state = tree.state().await?;
    }
    let history = match History::read(db, &state).await {
        Ok(history) => history,
        Err(NoHistory::Database(error)) => return Err(error.into()),
        Err(NoHistory::Tree(error)) => return Err(error),
        Err(error) => return other_fault(error.to_string()),
    };
    // The last one in the database was signed too, by this machine or another.
    let last = state.checkpoint.as_deref().and_then(Note::parse);
    let last = last.and_then(|note| Some((note.checkpoint(&history.key)?, note)));
    for signed in kept.iter().map(|kept| &kept.checkpoint).chain(last.iter().map(|(signed, _)| signed)) {
        if history.before.contains(&signed.origin) {
            continue;
        }
        if signed.origin != history.origin {
            return history_fault(format!(
                "this database is not the one whose log {} was signed up to position {}",
                signed.origin, signed.size
            ));
        }
        if signed.size > edge.size() {
            return history_fault(format!(
                "the log ends at position {}, but was signed up to position {}",
                edge.size(),
                signed.size
            ));
        }
        if tree.root_at(signed.size).await? != signed.root {
            return history_fault(format!(
                "the log up to position {} is not the one that was signed",
                signed.size
            ));
        }
    }
    let keys = match SigningKeys::load(&settings.key_file) {
        Ok(keys) => keys,
        Err(error) => return other_fault(format!("CHECKPOINT_KEY_FILE: {error}")),
    };
    if keys.of(&history.key.bytes()).is_none() {
        return other_fault(format!(
            "CHECKPOINT_KEY_FILE: {} does not hold the key that signs this log ({}); copy it from the machine that led before",
            settings.key_file.display(),
            history.key
        ));
    }
    let last = last.filter(|(signed, _)| signed.origin == history.origin).map(|(_, note)| note);
    Ok(Compared::Extends { signer: Box::new(Signer { history, keys }), last })
}
