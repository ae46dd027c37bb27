//! The sealed copy of a linked session: `SESSIONS_DIR/user_<telegram id>.session`, one line of JSON, mode 0600, in a
//! directory of mode 0700:
//!
//! ```json
//! {"version":1,"account_id":"…","login_id":"…","key_id":"…","sealed":"<base64url>"}
//! ```
//! The file is there whole or not at all, whenever the machine stops. The service uses the vault's copy, never this one.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::{AccountId, LoginId};
use serde::{Deserialize, Serialize};
use vault::Linked;

/// How the name of a file begins that is not written to its end.
const DRAFT: &str = ".user_";

/// The content of a session file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionFile {
    version: u8,
    /// Whose it is.
    pub account_id: AccountId,
    /// The login that linked it.
    pub login_id: LoginId,
    /// The master key that it is sealed with.
    pub key_id: String,
    sealed: String,
}

impl SessionFile {
    /// The file of a linked session.
    pub fn of(linked: &Linked) -> Self {
        let Linked { account_id, login_id, key_id, sealed } = linked;
        Self {
            version: 1,
            account_id: *account_id,
            login_id: login_id.clone(),
            key_id: key_id.clone(),
            sealed: URL_SAFE_NO_PAD.encode(sealed),
        }
    }

    #[cfg(test)]
    pub fn sealed(&self) -> Option<Vec<u8>> {
        URL_SAFE_NO_PAD.decode(&self.sealed).ok()
    }
}

/// Where a person's file is.
pub fn path(directory: &Path, telegram_id: i64) -> PathBuf {
    directory.join(format!("user_{telegram_id}.session"))
}

/// The Telegram ids that have a file. Drafts and foreign files are left out.
///
/// # Errors
/// The directory cannot be read.
pub fn telegram_ids(directory: &Path) -> io::Result<Vec<i64>> {
    let mut ids = Vec::new();
    let entries = match std::fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(ids),
        entries => entries?,
    };
    for entry in entries {
        let name = entry?.file_name();
        let id = name.to_str().and_then(|name| name.strip_prefix("user_")?.strip_suffix(".session"));
        ids.extend(id.and_then(|id| id.parse::<i64>().ok()));
    }
    Ok(ids)
}

/// Creates the directory, and takes away the rights of others.
///
/// # Errors
/// It cannot be created, or is another user's.
pub fn prepare(directory: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    std::fs::set_permissions(directory, Permissions::from_mode(0o700))
}

/// Replaces a person's file, and returns once the new one survives a power cut.
///
/// # Errors
/// For example, the disk is full, or the directory is gone. The file before is then still there.
pub fn write(directory: &Path, telegram_id: i64, content: SessionFile) -> io::Result<()> {
    write_many(directory, &[(telegram_id, content)])
}

/// The same for many people. The directory is not looked through: it may have the files of a hundred thousand.
///
/// # Errors
/// One cannot be written. Those before it are.
pub fn write_many(directory: &Path, files: &[(i64, SessionFile)]) -> io::Result<()> {
    prepare(directory)?;
    for (telegram_id, content) in files {
        put(directory, *telegram_id, content)?;
    }
    File::open(directory)?.sync_all()
}

fn put(directory: &Path, telegram_id: i64, content: &SessionFile) -> io::Result<()> {
    let text = serde_json::to_string(content).map_err(io::Error::other)? + "\n";
    let mut suffix = [0; 8];
    getrandom::fill(&mut suffix).map_err(io::Error::other)?;
    // The name does not end in `.session`, so a list of the sessions never has half of one.
    let draft = directory.join(format!("{DRAFT}{telegram_id}.{:016x}", u64::from_le_bytes(suffix)));
    let written = (|| {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
        // Root may rotate the key of a service that is another user's.
        let owner = std::fs::metadata(directory)?;
        if owner.uid() != file.metadata()?.uid() {
            fchown(&file, Some(owner.uid()), Some(owner.gid()))?;
        }
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&draft, path(directory, telegram_id))
    })();
    if written.is_err() {
        // It may not have been created at all.
        let _ = std::fs::remove_file(&draft);
    }
    written
}

/// A person's file, where there is one.
///
/// # Errors
/// It cannot be read, or is no session file.
pub fn read(directory: &Path, telegram_id: i64) -> io::Result<Option<SessionFile>> {
    match std::fs::read_to_string(path(directory, telegram_id)) {
        Ok(text) => serde_json::from_str(&text).map(Some).map_err(io::Error::other),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Removes a person's file, if it is there.
///
/// # Errors
/// The file is there and cannot be removed.
pub fn remove(directory: &Path, telegram_id: i64) -> io::Result<()> {
    remove_drafts(directory, &format!("{DRAFT}{telegram_id}."))?;
    match std::fs::remove_file(path(directory, telegram_id)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Err(_) => Ok(()),
        Ok(()) => File::open(directory)?.sync_all(),
    }
}

/// Removes what processes left that were killed while they wrote. Where another one writes just now, it has to do so again.
///
/// # Errors
/// The directory cannot be read or written.
pub fn remove_all_drafts(directory: &Path) -> io::Result<()> {
    remove_drafts(directory, DRAFT)
}

fn remove_drafts(directory: &Path, beginning: &str) -> io::Result<()> {
    let entries = match std::fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(beginning) {
            match std::fs::remove_file(entry.path()) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                Ok(()) | Err(_) => {}
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
