//! The master key: a file beside the database, never in it. It seals linked sessions and the keys of running logins. Other
//! keys are derived from it: those of login ids, of the webhook's secret, and of the HMACs that stand for people.
//!
//! How the file looks, and how it is written, is in [`mod@file`]. The keys of a running process change with the file: see
//! [`MasterKey::reload`].
//!
//! A sealed blob is `1 | key id (4 bytes) | nonce (24) | ciphertext and tag`, XChaCha20-Poly1305.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::LoginId;
use zeroize::Zeroizing;

use crate::crypto::{NONCE, decrypt, encrypt, hex, mac, mac_begins_with, random};

pub(crate) mod file;

use file::{KEY_ID, Key, KeyFile};

pub use file::MasterKeyError;

const FORMAT: u8 = 1;
const HEADER: usize = 1 + KEY_ID;
const LOGIN_ID_MAC: usize = 6;

/// Random bytes of an order, which the id of what was ordered is made from.
pub type OrderSeed = [u8; 18];

/// The master key, and those before it. They change while the process runs, when the key is rotated; the root never does.
pub struct MasterKey {
    /// None: a key without a file.
    path: Option<PathBuf>,
    root: Arc<Key>,
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
            file::remove(path)?;
        }
        Ok(())
    }

    /// A random key without a file, for tests.
    pub fn random() -> Self {
        Self::of(KeyFile::random(), None)
    }

    fn of(file: KeyFile, path: Option<PathBuf>) -> Self {
        Self { path, root: file.root().clone(), keys: RwLock::new(Keys { file, gone: Vec::new() }) }
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
    pub fn root_id(&self) -> String {
        self.root.id()
    }

    /// Whether the file holds the key of this id.
    pub fn knows(&self, key_id: &str) -> bool {
        self.read().file.knows(key_id)
    }

    /// The key for a purpose, derived from the root.
    pub fn derive(&self, label: &str) -> [u8; 32] {
        mac(&*self.root.secret, &[b"derive/", label.as_bytes()])
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

    /// The id of the login that an order starts: its 18 random bytes and 6 of a MAC, by which [`Self::made`] knows it.
    pub fn login_id(&self, order: &OrderSeed) -> LoginId {
        let tag = mac(&self.derive("login id"), &[order]);
        login_id(&[&order[..], &tag[..LOGIN_ID_MAC]].concat())
    }

    /// Whether [`Self::login_id`] has made this id: another one is refused without a look into the database. The chance that a
    /// made-up id passes is 1 in 2^48.
    pub fn made(&self, login_id: &LoginId) -> bool {
        let Ok(bytes) = URL_SAFE_NO_PAD.decode(login_id.as_str()) else { return false };
        let Some((order, tag)) = bytes.split_first_chunk::<{ size_of::<OrderSeed>() }>() else {
            return false;
        };
        tag.len() == LOGIN_ID_MAC && mac_begins_with(&self.derive("login id"), order, tag)
    }

    /// A keyed HMAC: equal for equal values of one kind, and reveals nothing of them.
    pub fn hmac(&self, label: &str, value: &[u8]) -> [u8; 32] {
        mac(&self.derive(label), &[value])
    }

    /// A keyed HMAC of the Telegram id, for tables that must not hold the id itself.
    pub fn person_hmac(&self, telegram_id: i64) -> [u8; 32] {
        mac(&self.derive("person"), &[&telegram_id.to_be_bytes()])
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

/// The id of a login that nobody ordered, for tests. A master key has not [made](MasterKey::made) it.
pub fn random_login_id() -> LoginId {
    login_id(&random::<24>())
}

fn login_id(bytes: &[u8]) -> LoginId {
    URL_SAFE_NO_PAD.encode(bytes).parse().expect("24 bytes are 32 characters of base64url")
}
