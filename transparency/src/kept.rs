//! What was signed, kept outside of the database: `DATA_DIR/checkpoints/<log id>/latest`, and one file a day beside it
//! (`2026-11-29`). A database that does not extend these is not signed.
//!
//! A file is replaced as a whole, and is safe on the disk before anybody else sees the checkpoint.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::note::{Checkpoint, Note};

/// The folder with what was signed. A cheap clone.
#[derive(Clone, Debug)]
pub struct Kept {
    folder: PathBuf,
}

/// A checkpoint that was kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptCheckpoint {
    /// The signed note.
    pub note: String,
    /// What it says.
    pub checkpoint: Checkpoint,
}

impl Kept {
    /// In this folder, which is made when something is kept.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Of DATA_DIR.
    pub fn of_data_dir(data_dir: &Path) -> Self {
        Self::new(data_dir.join("checkpoints"))
    }

    /// The last checkpoint of each log that was kept. A file that is none is named in the error: it may hide a history.
    ///
    /// # Errors
    /// A file cannot be read, or holds no checkpoint.
    pub fn latest(&self) -> io::Result<Vec<KeptCheckpoint>> {
        let mut latest = Vec::new();
        let entries = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(latest),
            entries => entries?,
        };
        for entry in entries {
            let path = entry?.path().join("latest");
            match fs::read_to_string(&path) {
                Err(error)
                    if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {}
                read => latest.push(parse(read?).ok_or_else(|| {
                    let text = format!("{} holds no checkpoint", path.display());
                    io::Error::new(io::ErrorKind::InvalidData, text)
                })?),
            }
        }
        latest.sort_by(|one, other| one.checkpoint.origin.cmp(&other.checkpoint.origin));
        Ok(latest)
    }

    /// The last checkpoint of this log.
    ///
    /// # Errors
    /// As with [`Self::latest`].
    pub fn latest_of(&self, origin: &str) -> io::Result<Option<KeptCheckpoint>> {
        Ok(self.latest()?.into_iter().find(|kept| kept.checkpoint.origin == origin))
    }

    /// Keeps a checkpoint. Returns when it would survive a power cut.
    ///
    /// # Errors
    /// The disk is full or gone, and the like.
    pub fn keep(&self, checkpoint: &Checkpoint, note: &Note, now: Timestamp) -> io::Result<()> {
        let folder = self.folder.join(log_id(&checkpoint.origin));
        make_folder(&folder, &self.folder)?;
        let text = note.to_string();
        replace(&folder, "latest", &text)?;
        // The first of each day stays.
        let day = now.strftime("%Y-%m-%d").to_string();
        if !folder.join(&day).exists() {
            replace(&folder, &day, &text)?;
        }
        File::open(&folder)?.sync_all()
    }
}

/// The last part of an origin: the id of the log.
pub fn log_id(origin: &str) -> &str {
    origin.rsplit('/').next().unwrap_or(origin)
}

/// Makes a folder that only we can read, where there is none. It survives a power cut.
pub(crate) fn make_folder(folder: &Path, parent: &Path) -> io::Result<()> {
    if !folder.is_dir() {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        File::open(parent)?.sync_all()?;
    }
    Ok(())
}

/// Puts a file in the place of another one, as a whole.
pub(crate) fn replace(folder: &Path, name: &str, text: &str) -> io::Result<()> {
    let draft = folder.join(format!(".{name}.new"));
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(draft, folder.join(name))
}

fn parse(note: String) -> Option<KeptCheckpoint> {
    let checkpoint = Checkpoint::parse(&Note::parse(&note)?.text)?;
    Some(KeptCheckpoint { note, checkpoint })
}
