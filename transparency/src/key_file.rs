//! CHECKPOINT_KEY_FILE: the keys that sign checkpoints. Text, one key of Ed25519 a line: its seed, 32 bytes in base64. The first
//! line is the newest key; which one signs is said by the log (`CheckpointKeyChanged`). The key of a witness is in such a file, too.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::SigningKey;
use vault::secret_file::{self, SecretFileError};
use zeroize::Zeroizing;

/// The keys of a file. They are wiped when they are dropped, and never printed.
pub struct SigningKeys(Vec<SigningKey>);

/// Why there is no key. Each names the file, and not the setting.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// Others can read it, or it cannot be read.
    #[error(transparent)]
    File(#[from] SecretFileError),
    /// A line that is no key.
    #[error("{}: line {line} is not a key (32 bytes in base64)", path.display())]
    Malformed {
        /// Which file.
        path: PathBuf,
        /// Which line, from 1.
        line: usize,
    },
    /// It cannot be written.
    #[error("{} cannot be written", path.display())]
    Write {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl KeyFileError {
    /// Whether there is no file.
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::File(SecretFileError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound)
    }
}

impl SigningKeys {
    /// Reads the file.
    ///
    /// # Errors
    /// [`KeyFileError`]; each names the file.
    pub fn load(path: &Path) -> Result<Self, KeyFileError> {
        let text = secret_file::read(path)?;
        let mut keys = Vec::new();
        for (line, text) in (1..).zip(text.lines()).filter(|(_, text)| !text.trim().is_empty()) {
            let malformed = || KeyFileError::Malformed { path: path.to_owned(), line };
            let seed = STANDARD.decode(text.trim()).map(Zeroizing::new).map_err(|_| malformed())?;
            let seed: &[u8; 32] = seed.as_slice().try_into().map_err(|_| malformed())?;
            keys.push(SigningKey::from_bytes(seed));
        }
        match keys.is_empty() {
            true => Err(KeyFileError::Malformed { path: path.to_owned(), line: 1 }),
            false => Ok(Self(keys)),
        }
    }

    /// The same; where there is no file, one with a new key is made, of mode 0600.
    ///
    /// # Errors
    /// [`KeyFileError`].
    pub fn load_or_make(path: &Path) -> Result<Self, KeyFileError> {
        match Self::load(path) {
            Err(error) if error.is_missing() => {}
            loaded => return loaded,
        }
        let draft = write_draft(path, &[new_key()]).map_err(write_error(path))?;
        let placed = fs::hard_link(&draft, path);
        fs::remove_file(&draft).map_err(write_error(path))?;
        match placed {
            // Another process has made one: that one counts.
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(write_error(path)(error));
            }
            _ => {}
        }
        sync_directory(path).map_err(write_error(path))?;
        Self::load(path)
    }

    /// Puts a new key before those in the file, and returns it.
    ///
    /// # Errors
    /// [`KeyFileError`]: the file is as before.
    pub fn add_key(path: &Path) -> Result<SigningKey, KeyFileError> {
        let mut keys = Self::load(path)?.0;
        keys.insert(0, new_key());
        let real = fs::canonicalize(path).map_err(write_error(path))?;
        let draft = write_draft(&real, &keys).map_err(write_error(path))?;
        fs::rename(&draft, &real).and_then(|()| sync_directory(&real)).map_err(write_error(path))?;
        Ok(keys.swap_remove(0))
    }

    /// The newest.
    pub fn newest(&self) -> &SigningKey {
        &self.0[0]
    }

    /// The one with this public key.
    pub fn of(&self, public_key: &[u8; 32]) -> Option<&SigningKey> {
        self.0.iter().find(|key| key.verifying_key().as_bytes() == public_key)
    }
}

impl std::fmt::Debug for SigningKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SigningKeys").finish_non_exhaustive()
    }
}

fn new_key() -> SigningKey {
    let mut seed = Zeroizing::new([0; 32]);
    getrandom::fill(seed.as_mut_slice()).expect("the system has a source of randomness");
    SigningKey::from_bytes(&seed)
}

fn write_draft(path: &Path, keys: &[SigningKey]) -> io::Result<PathBuf> {
    let mut text = Zeroizing::new(String::with_capacity(48 * keys.len()));
    for key in keys {
        let seed = Zeroizing::new(key.to_bytes());
        STANDARD.encode_string(seed.as_slice(), &mut text);
        text.push('\n');
    }
    let draft = path.with_extension(format!("new-{}", std::process::id()));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    Ok(draft)
}

fn sync_directory(path: &Path) -> io::Result<()> {
    let directory = path.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(directory)?.sync_all()
}

fn write_error(path: &Path) -> impl Fn(io::Error) -> KeyFileError {
    let path = path.to_owned();
    move |source| KeyFileError::Write { path: path.clone(), source }
}
