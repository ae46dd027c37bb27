//! Files with secrets in them, which other users of the machine must not be able to read.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

/// Why a file with a secret is not used.
#[derive(Debug, thiserror::Error)]
pub enum SecretFileError {
    /// Its group or others may read, write or run it.
    #[error("{} can be read by others: run chmod 600 {}", .0.display(), .0.display())]
    Open(PathBuf),
    /// It could not be read.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// The text of a file with a secret. Files that a container or systemd mounts for this service alone may have any mode:
/// Docker's are in `/run/secrets`, systemd's in `CREDENTIALS_DIRECTORY`.
///
/// # Errors
/// [`SecretFileError`].
pub fn read(path: &Path) -> Result<Zeroizing<String>, SecretFileError> {
    let credentials =
        std::env::var_os("CREDENTIALS_DIRECTORY").filter(|it| !it.is_empty()).map(PathBuf::from);
    let mounted = [Some(PathBuf::from("/run/secrets")), credentials];
    let real = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    match mounted.iter().flatten().any(|directory| real.starts_with(directory)) {
        true => read_open(path, 0),
        false => read_private(path),
    }
}

/// The text of a file that its owner alone may read, wherever it is.
///
/// # Errors
/// [`SecretFileError`].
pub(crate) fn read_private(path: &Path) -> Result<Zeroizing<String>, SecretFileError> {
    read_open(path, 0o077)
}

fn read_open(path: &Path, forbidden: u32) -> Result<Zeroizing<String>, SecretFileError> {
    let io_error = |source| SecretFileError::Io { path: path.to_owned(), source };
    let mut file = File::open(path).map_err(io_error)?;
    // Of the file that is open: another one may take its name meanwhile.
    let metadata = file.metadata().map_err(io_error)?;
    if metadata.is_file() && metadata.mode() & forbidden != 0 {
        return Err(SecretFileError::Open(path.to_owned()));
    }
    let mut text = Zeroizing::new(String::new());
    file.read_to_string(&mut text).map_err(io_error)?;
    Ok(text)
}
