//! The master key's file: text, one key a line in base64url. The first line seals, every line opens, and the last one is the
//! root that derived keys come from, so that they survive a rotation. The root stays in the file for ever.
//!
//! A rotation takes the file through these states. `S` seals, `N` is the new key, `R` is the root, which `S` may be as well:
//!
//! ```text
//! S … R       ── with_next ──▶ S N S … R     N opens, S still seals: every process learns N first
//! S N S … R   ── promoted  ──▶ N S … R       N seals, S opens
//! N S … R     ── finished  ──▶ N R           nothing is sealed with S any more
//! ```
//!
//! So a key that stands between two lines of the first one is the next key.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

use crate::crypto::{hex, mac, random};
use crate::secret_file::{self, SecretFileError};

/// The length of a key's id.
pub(crate) const KEY_ID: usize = 4;

/// How the extension of a file begins that is not written to its end yet.
const DRAFT: &str = "new-";

/// One line of the file.
pub(crate) struct Key {
    pub(crate) id: [u8; KEY_ID],
    pub(crate) secret: Zeroizing<[u8; 32]>,
}

/// The lines of a file.
#[derive(Clone)]
pub(crate) struct KeyFile {
    /// Never empty.
    lines: Vec<Arc<Key>>,
}

/// Why there is no master key.
#[derive(Debug, thiserror::Error)]
pub enum MasterKeyError {
    /// No file.
    #[error("master key file {} is missing", .0.display())]
    Missing(PathBuf),
    /// There is a file, where a new one was to be made.
    #[error("master key file {} exists, and is not overwritten", .0.display())]
    Exists(PathBuf),
    /// Other users can read it.
    #[error("master key file {} can be read by others: run chmod 600 {}", .0.display(), .0.display())]
    Open(PathBuf),
    /// A line is not a key: 32 bytes in base64url.
    #[error("master key file {}: line {line} is not a key (32 bytes in base64url)", path.display())]
    Malformed {
        /// Which file.
        path: PathBuf,
        /// Which line, from 1.
        line: usize,
    },
    /// It holds what `qr-login key api` has written.
    #[error(
        "master key file {} holds the keys of a process that serves HTTP alone (--role api); copy the whole master key here",
        .0.display()
    )]
    ApiOnly(PathBuf),
    /// Its last line is another key than before.
    #[error("master key file {}: its last line is another root ({id})", path.display())]
    OtherRoot {
        /// Which file.
        path: PathBuf,
        /// The root that it holds.
        id: String,
    },
    /// It could not be read or written.
    #[error("master key file {}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl Key {
    fn new(secret: [u8; 32]) -> Self {
        let digest = mac(&secret, &[b"key id"]);
        let id = digest[..KEY_ID].try_into().expect("a digest is longer than an id");
        Self { id, secret: Zeroizing::new(secret) }
    }

    /// 8 hex digits that reveal nothing of the key.
    pub(crate) fn id(&self) -> String {
        hex(&self.id)
    }
}

impl KeyFile {
    /// One new key.
    pub(crate) fn random() -> Self {
        Self { lines: vec![Arc::new(Key::new(random()))] }
    }

    /// The file of this path.
    ///
    /// # Errors
    /// [`MasterKeyError`]: missing, malformed, readable by others, or unreadable.
    pub(crate) fn read(path: &Path) -> Result<Self, MasterKeyError> {
        let text = read_text(path)?;
        match is_of_derived_keys(&text) {
            true => Err(MasterKeyError::ApiOnly(path.to_owned())),
            false => Self::parse(path, &text),
        }
    }

    fn parse(path: &Path, text: &str) -> Result<Self, MasterKeyError> {
        let malformed = |line| MasterKeyError::Malformed { path: path.to_owned(), line };
        let mut lines = Vec::new();
        for (number, line) in (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty()) {
            let bytes =
                URL_SAFE_NO_PAD.decode(line.trim()).map(Zeroizing::new).map_err(|_| malformed(number))?;
            let secret = <[u8; 32]>::try_from(bytes.as_slice()).map_err(|_| malformed(number))?;
            lines.push(Arc::new(Key::new(secret)));
        }
        if lines.is_empty() { Err(malformed(1)) } else { Ok(Self { lines }) }
    }

    /// The key that seals.
    pub(crate) fn sealing(&self) -> &Arc<Key> {
        &self.lines[0]
    }

    /// The key that derived keys come from.
    pub(crate) fn root(&self) -> &Arc<Key> {
        self.lines.last().expect("a master key file has at least one line")
    }

    /// The key that every process has to know before it seals.
    pub(crate) fn next(&self) -> Option<&Arc<Key>> {
        let sealing = self.sealing().id;
        let is_before = self.lines.iter().skip(2).any(|key| key.id == sealing);
        self.lines.get(1).filter(|key| is_before && key.id != sealing)
    }

    /// Every line. A key may stand in two.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &Arc<Key>> {
        self.lines.iter()
    }

    /// The ids of the lines.
    pub(crate) fn ids(&self) -> Vec<String> {
        self.lines.iter().map(|key| key.id()).collect()
    }

    /// Whether it holds the key of this id.
    pub(crate) fn knows(&self, key_id: &str) -> bool {
        self.lines.iter().any(|key| key.id() == key_id)
    }

    /// With a new key, which opens and does not seal yet.
    pub(crate) fn with_next(&self) -> Self {
        let mut lines = vec![self.sealing().clone(), Arc::new(Key::new(random()))];
        lines.extend(self.lines.iter().cloned());
        Self { lines }
    }

    /// The next key seals.
    pub(crate) fn promoted(&self) -> Self {
        match self.next() {
            Some(_) => Self { lines: self.lines[1..].to_vec() },
            None => self.clone(),
        }
    }

    /// Without the keys between the first one and the root.
    pub(crate) fn finished(&self) -> Self {
        let mut lines = vec![self.sealing().clone()];
        if self.root().id != self.sealing().id {
            lines.push(self.root().clone());
        }
        Self { lines }
    }

    /// Writes the whole file or none, and never over an existing one. False: it was there.
    ///
    /// # Errors
    /// [`MasterKeyError::Io`].
    pub(crate) fn create(&self, path: &Path) -> Result<bool, MasterKeyError> {
        let create = || {
            let draft = self.write_draft(path, None)?;
            let placed = fs::hard_link(&draft, path);
            fs::remove_file(&draft)?;
            match placed {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(false),
                placed => placed?,
            }
            File::open(directory(path))?.sync_all()?;
            Ok(true)
        };
        create().map_err(|error| io_error(path, error))
    }

    /// Replaces the file: a reader reads the one before or this one. It keeps its owner, so that root may rotate the
    /// key of a service that is another user's.
    ///
    /// # Errors
    /// [`MasterKeyError::Io`]: the file is as before.
    pub(crate) fn replace(&self, path: &Path) -> Result<(), MasterKeyError> {
        let replace = || {
            // A link to the file stays one.
            let path = &fs::canonicalize(path)?;
            let draft = self.write_draft(path, Some(&fs::metadata(path)?))?;
            if let Err(error) = fs::rename(&draft, path) {
                fs::remove_file(&draft)?;
                return Err(error);
            }
            remove_drafts(path)?;
            File::open(directory(path))?.sync_all()
        };
        replace().map_err(|error| io_error(path, error))
    }

    /// A file beside `path`, safe on the disk, of the owner of the file that it is to replace.
    fn write_draft(&self, path: &Path, before: Option<&fs::Metadata>) -> io::Result<PathBuf> {
        let mut text = Zeroizing::new(String::with_capacity(44 * self.lines.len()));
        for key in &self.lines {
            URL_SAFE_NO_PAD.encode_string(key.secret.as_slice(), &mut text);
            text.push('\n');
        }
        let draft = path.with_extension(format!("{DRAFT}{}", hex(&random::<8>())));
        let written = (|| {
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
            if let Some(before) = before
                && (before.uid(), before.gid()) != (file.metadata()?.uid(), file.metadata()?.gid())
            {
                fchown(&file, Some(before.uid()), Some(before.gid()))?;
            }
            file.write_all(text.as_bytes())?;
            file.sync_all()
        })();
        match written {
            Ok(()) => Ok(draft),
            Err(error) => {
                // It may not have been created at all.
                let _ = fs::remove_file(&draft);
                Err(error)
            }
        }
    }
}

/// Removes what a process left that was killed while it wrote: it holds keys.
fn remove_drafts(path: &Path) -> io::Result<()> {
    let begins_with = path.with_extension(DRAFT);
    for entry in fs::read_dir(directory(path))? {
        let entry = entry?.path();
        if entry.as_os_str().as_encoded_bytes().starts_with(begins_with.as_os_str().as_encoded_bytes()) {
            fs::remove_file(entry)?;
        }
    }
    Ok(())
}

/// Removes the file.
///
/// # Errors
/// [`MasterKeyError::Io`].
pub(crate) fn remove(path: &Path) -> Result<(), MasterKeyError> {
    fs::remove_file(path).map_err(|error| io_error(path, error))
}

fn io_error(path: &Path, source: io::Error) -> MasterKeyError {
    MasterKeyError::Io { path: path.to_owned(), source }
}

/// The text of a file with keys.
///
/// # Errors
/// [`MasterKeyError`]: missing, readable by others, or unreadable.
pub(crate) fn read_text(path: &Path) -> Result<Zeroizing<String>, MasterKeyError> {
    secret_file::read_private(path).map_err(|error| match error {
        SecretFileError::Open(path) => MasterKeyError::Open(path),
        SecretFileError::Io { path, source } if source.kind() == io::ErrorKind::NotFound => {
            MasterKeyError::Missing(path)
        }
        SecretFileError::Io { path, source } => MasterKeyError::Io { path, source },
    })
}

/// Whether a key file holds [derived keys](crate::DerivedKeys), and no master key.
pub(crate) fn is_of_derived_keys(text: &str) -> bool {
    text.trim_start().starts_with('{')
}

fn directory(path: &Path) -> &Path {
    path.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
