//! The master key: a file beside the database, never in it. It seals linked sessions and the keys of running logins. Keys for
//! everything else are derived from it: see [`DerivedKeys`].
//!
//! How the file looks, and how it is written, is in [`key_file`]. The keys of a running process change with the file: see
//! [`MasterKey::reload`].
//!
//! A sealed blob is `1 | key id (4 bytes) | nonce (24) | ciphertext and tag`, XChaCha20-Poly1305.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use domain::AccountId;
use zeroize::Zeroizing;

use crate::crypto::{NONCE, decrypt, encrypt, hex, mac, random};
use crate::derived_keys::{self, DerivedKeys, SecretKey};
use crate::key_file::{self, KEY_ID, Key, KeyFile, MasterKeyError};

const FORMAT: u8 = 1;
const HEADER: usize = 1 + KEY_ID;

/// The master key, and those before it. They change while the process runs, when the key is rotated; the root never does.
pub struct MasterKey {
    /// None: a key without a file.
    path: Option<PathBuf>,
    derived: Arc<DerivedKeys>,
    /// Opens what pages give.
    workers: SecretKey,
    telegram_sessions: Zeroizing<[u8; 32]>,
    keys: RwLock<Keys>,
}

/// What was read of the file.
struct Keys {
    /// As the file is.
    file: KeyFile,
    /// Keys that have left the file since the process began. They open what was read from the database before.
    gone: Vec<Arc<Key>>,
}

/// What changed when the file was read again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reloaded {
    /// Nothing.
    Same,
    /// There are new keys, or another key seals.
    Changed,
    /// A key has left the file: nothing in the database is sealed with it any more.
    Retired,
}

impl MasterKey {
    /// The key in the file.
    ///
    /// # Errors
    /// [`MasterKeyError`]: missing, malformed, readable by others, or unreadable; each names the file.
    pub fn load(path: &Path) -> Result<Self, MasterKeyError> {
        Ok(Self::of(KeyFile::read(path)?, Some(path.to_owned())))
    }

    /// The key in the file; where there is none, a new one, in a file of mode 0600. And whether this call made it.
    ///
    /// # Errors
    /// [`MasterKeyError`]: malformed, unreadable, or the file cannot be made; each names the file.
    pub fn load_or_make(path: &Path) -> Result<(Self, bool), MasterKeyError> {
        match Self::load(path) {
            Err(MasterKeyError::Missing(_)) => {}
            loaded => return Ok((loaded?, false)),
        }
        let is_new = KeyFile::random().create(path)?;
        // Read back: of two processes that start at once, both take the key that won.
        Ok((Self::load(path)?, is_new))
    }

    /// Writes a new key to a file that is not there yet, with mode 0600. Returns its id.
    ///
    /// # Errors
    /// [`MasterKeyError::Exists`]; the file cannot be written.
    pub fn make(path: &Path) -> Result<String, MasterKeyError> {
        let file = KeyFile::random();
        match file.create(path)? {
            true => Ok(file.sealing().id()),
            false => Err(MasterKeyError::Exists(path.to_owned())),
        }
    }

    /// Removes the file, for the caller that made it. A file that holds another key by now stays.
    ///
    /// # Errors
    /// [`MasterKeyError`]: it cannot be read or removed.
    pub(crate) fn unmake(&self, path: &Path) -> Result<(), MasterKeyError> {
        if KeyFile::read(path)?.ids() == self.read().file.ids() {
            key_file::remove(path)?;
        }
        Ok(())
    }

    /// A random key without a file, for tests.
    pub fn random() -> Self {
        Self::of(KeyFile::random(), None)
    }

    fn of(file: KeyFile, path: Option<PathBuf>) -> Self {
        let root = file.root().clone();
        Self {
            path,
            derived: Arc::new(DerivedKeys::of(root.id(), &root.secret)),
            workers: derived_keys::workers_key(&root.secret),
            telegram_sessions: derived_keys::derive(&root.secret, "telegram session"),
            keys: RwLock::new(Keys { file, gone: Vec::new() }),
        }
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, Keys> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the file again. Where it cannot be used, the keys stay as they were.
    ///
    /// # Errors
    /// As with [`Self::load`]; [`MasterKeyError::OtherRoot`]: it is another installation's file.
    pub fn reload(&self) -> Result<Reloaded, MasterKeyError> {
        let Some(path) = &self.path else { return Ok(Reloaded::Same) };
        let file = KeyFile::read(path)?;
        if file.root().id() != self.root_id() {
            return Err(MasterKeyError::OtherRoot { path: path.clone(), id: file.root().id() });
        }
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        if file.ids() == keys.file.ids() {
            return Ok(Reloaded::Same);
        }
        let gone: Vec<_> = keys.file.keys().filter(|key| !file.knows(&key.id())).cloned().collect();
        let reloaded = if gone.is_empty() { Reloaded::Changed } else { Reloaded::Retired };
        keys.gone.extend(gone);
        keys.file = file;
        Ok(reloaded)
    }

    /// The file as it was read last.
    pub(crate) fn file(&self) -> KeyFile {
        self.read().file.clone()
    }

    /// Where the file is.
    pub(crate) fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// The id of the key that seals: 8 hex digits that reveal nothing of it.
    pub fn id(&self) -> String {
        self.read().file.sealing().id()
    }

    /// The id of the root, which stays through rotations: what a database is stamped with.
    pub fn root_id(&self) -> &str {
        self.derived.root_id()
    }

    /// Whether the file holds the key of this id.
    pub fn knows(&self, key_id: &str) -> bool {
        self.read().file.knows(key_id)
    }

    /// The keys that come from the root.
    pub fn derived(&self) -> &Arc<DerivedKeys> {
        &self.derived
    }

    /// A keyed HMAC of a person's session at Telegram, by Telegram's number for it. Only workers need it, so it is not one of
    /// the [derived keys](DerivedKeys).
    pub fn session_hmac(&self, account: AccountId, telegram_hash: i64) -> [u8; 32] {
        mac(&*self.telegram_sessions, &[account.0.as_bytes(), &telegram_hash.to_be_bytes()])
    }

    /// Opens what a page gave.
    pub(crate) fn open_input(&self, bound_to: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        derived_keys::open_input(&self.workers, bound_to, sealed)
    }

    /// Seals a text. It can be opened only with the same `aad`.
    pub fn seal(&self, aad: &[u8], plain: &[u8]) -> Vec<u8> {
        let key = self.read().file.sealing().clone();
        let nonce = random::<NONCE>();
        let mut blob = vec![FORMAT];
        blob.extend(key.id);
        blob.extend(nonce);
        blob.extend(encrypt(&key.secret, nonce, aad, plain));
        blob
    }

    /// Opens what was sealed; None for another `aad`, an unknown key, or a blob that was changed. For a key that it does not
    /// know it reads the file again: another process may have rotated the key a moment ago.
    pub fn open(&self, aad: &[u8], blob: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (header, rest) = blob.split_at_checked(HEADER)?;
        let (nonce, ciphertext) = rest.split_at_checked(NONCE)?;
        if header[0] != FORMAT {
            return None;
        }
        let key = self.key(&header[1..]).or_else(|| {
            self.reload().ok()?;
            self.key(&header[1..])
        })?;
        decrypt(&key.secret, nonce.try_into().ok()?, aad, ciphertext)
    }

    fn key(&self, id: &[u8]) -> Option<Arc<Key>> {
        let keys = self.read();
        keys.file.keys().chain(&keys.gone).find(|key| key.id == id).cloned()
    }
}

impl std::fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MasterKey").field("id", &self.id()).finish_non_exhaustive()
    }
}

/// The id of the master key that sealed a blob; None for a blob that no master key has sealed.
pub fn key_id_of(blob: &[u8]) -> Option<String> {
    (blob.len() > HEADER + NONCE && blob[0] == FORMAT).then(|| hex(&blob[1..HEADER]))
}
