//! The master key: a file beside the database, never in it. It seals linked sessions and the keys of running logins. Other
//! keys are derived from it: those of login ids, of the webhook's secret, and of the HMACs that stand for people.
//!
//! The file is text, one key a line in base64url: the first line seals, every line opens, the last one is the root that
//! derived keys come from, so that they survive a rotation.
//!
//! A sealed blob is `1 | key id (4 bytes) | nonce (24) | ciphertext and tag`, XChaCha20-Poly1305.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use domain::LoginId;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

const FORMAT: u8 = 1;
const HEADER: usize = 1 + KEY_ID;
const KEY_ID: usize = 4;
const NONCE: usize = 24;
const LOGIN_ID_MAC: usize = 6;

/// Random bytes of an order, which the id of what was ordered is made from.
pub type OrderSeed = [u8; 18];

/// The master key, and those before it.
pub struct MasterKey {
    /// The key that seals is the first, the root the last; never empty.
    keys: Vec<Key>,
    id: String,
}

struct Key {
    id: [u8; KEY_ID],
    secret: Zeroizing<[u8; 32]>,
}

/// Why there is no master key.
#[derive(Debug, thiserror::Error)]
pub enum MasterKeyError {
    /// No file.
    #[error("master key file {} is missing", .0.display())]
    Missing(PathBuf),
    /// A line is not a key: 32 bytes in base64url.
    #[error("master key file {}: line {line} is not a key (32 bytes in base64url)", path.display())]
    Malformed {
        /// Which file.
        path: PathBuf,
        /// Which line, from 1.
        line: usize,
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

impl MasterKey {
    /// The key in the file.
    ///
    /// # Errors
    /// [`MasterKeyError`]: missing, malformed or unreadable; each names the file.
    pub fn load(path: &Path) -> Result<Self, MasterKeyError> {
        match fs::read_to_string(path).map(Zeroizing::new) {
            Ok(text) => Self::parse(path, &text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(MasterKeyError::Missing(path.to_owned()))
            }
            Err(source) => Err(MasterKeyError::Io { path: path.to_owned(), source }),
        }
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
        let line = Zeroizing::new(URL_SAFE_NO_PAD.encode(random::<32>()) + "\n");
        let is_new = write_new(path, line.as_bytes())
            .map_err(|source| MasterKeyError::Io { path: path.to_owned(), source })?;
        // Read back: of two processes that start at once, both take the key that won.
        Ok((Self::load(path)?, is_new))
    }

    /// Removes the file, for the caller that made it. A file that holds another key by now stays.
    ///
    /// # Errors
    /// [`MasterKeyError`]: it cannot be read or removed.
    pub(crate) fn unmake(&self, path: &Path) -> Result<(), MasterKeyError> {
        if Self::load(path)?.keys_are(self) {
            fs::remove_file(path).map_err(|source| MasterKeyError::Io { path: path.to_owned(), source })?;
        }
        Ok(())
    }

    fn keys_are(&self, other: &Self) -> bool {
        self.keys.iter().map(|key| key.id).eq(other.keys.iter().map(|key| key.id))
    }

    /// A random key without a file, for tests.
    pub fn random() -> Self {
        Self::of(vec![Key::new(random())])
    }

    fn parse(path: &Path, text: &str) -> Result<Self, MasterKeyError> {
        let malformed = |line| MasterKeyError::Malformed { path: path.to_owned(), line };
        let mut keys = Vec::new();
        for (number, line) in (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty()) {
            let bytes =
                URL_SAFE_NO_PAD.decode(line.trim()).map(Zeroizing::new).map_err(|_| malformed(number))?;
            let secret = <[u8; 32]>::try_from(bytes.as_slice()).map_err(|_| malformed(number))?;
            keys.push(Key::new(secret));
        }
        if keys.is_empty() { Err(malformed(1)) } else { Ok(Self::of(keys)) }
    }

    fn of(keys: Vec<Key>) -> Self {
        let id = hex(&keys[0].id);
        Self { keys, id }
    }

    /// The id of the key that seals: 8 hex digits that reveal nothing of it.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The id of the root, which stays through rotations: what a database is stamped with.
    pub fn root_id(&self) -> String {
        hex(&self.root().id)
    }

    fn root(&self) -> &Key {
        self.keys.last().expect("a master key has at least one line")
    }

    /// Whether what the key of this id sealed can be opened.
    pub fn knows(&self, key_id: &str) -> bool {
        self.keys.iter().any(|key| hex(&key.id) == key_id)
    }

    /// The key for a purpose, derived from the root.
    pub fn derive(&self, label: &str) -> [u8; 32] {
        mac(&*self.root().secret, &[b"derive/", label.as_bytes()])
    }

    /// Seals a text. It can be opened only with the same `aad`.
    pub fn seal(&self, aad: &[u8], plain: &[u8]) -> Vec<u8> {
        let key = &self.keys[0];
        let nonce = random::<NONCE>();
        let mut blob = vec![FORMAT];
        blob.extend(key.id);
        blob.extend(nonce);
        blob.extend(encrypt(&key.secret, nonce, aad, plain));
        blob
    }

    /// Opens what was sealed; None for another `aad`, an unknown key, or a blob that was changed.
    pub fn open(&self, aad: &[u8], blob: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (header, rest) = blob.split_at_checked(HEADER)?;
        let (nonce, ciphertext) = rest.split_at_checked(NONCE)?;
        let key = self.keys.iter().find(|key| header[0] == FORMAT && header[1..] == key.id)?;
        decrypt(&key.secret, nonce.try_into().ok()?, aad, ciphertext)
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
        let mut mac = hmac_of(&self.derive("login id"));
        mac.update(order);
        tag.len() == LOGIN_ID_MAC && mac.verify_truncated_left(tag).is_ok()
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
        f.debug_struct("MasterKey").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Key {
    fn new(secret: [u8; 32]) -> Self {
        let digest = mac(&secret, &[b"key id"]);
        let id = digest[..KEY_ID].try_into().expect("a digest is longer than an id");
        Self { id, secret: Zeroizing::new(secret) }
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

/// Bytes of the system's secure source.
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the system has a source of randomness");
    bytes
}

/// HMAC-SHA256.
pub(super) fn mac(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = hmac_of(key);
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().into()
}

fn hmac_of(key: &[u8]) -> Hmac<Sha256> {
    <Hmac<Sha256> as KeyInit>::new_from_slice(key).expect("HMAC takes keys of any length")
}

/// XChaCha20-Poly1305.
pub(super) fn encrypt(key: &[u8; 32], nonce: [u8; NONCE], aad: &[u8], plain: &[u8]) -> Vec<u8> {
    XChaCha20Poly1305::new(key.into())
        .encrypt(&XNonce::from(nonce), Payload { msg: plain, aad })
        .expect("what is sealed here is far below the cipher's 256 GiB")
}

/// The reverse of [`encrypt`]; None where key, `aad` or ciphertext are other ones.
pub(super) fn decrypt(
    key: &[u8; 32],
    nonce: [u8; NONCE],
    aad: &[u8],
    ciphertext: &[u8],
) -> Option<Zeroizing<Vec<u8>>> {
    XChaCha20Poly1305::new(key.into())
        .decrypt(&XNonce::from(nonce), Payload { msg: ciphertext, aad })
        .map(Zeroizing::new)
        .ok()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Writes the whole file or none, and never over an existing one. False: it was there.
fn write_new(path: &Path, bytes: &[u8]) -> io::Result<bool> {
    let directory = path.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let draft = path.with_extension(format!("new-{}", hex(&random::<8>())));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    let placed = fs::hard_link(&draft, path);
    fs::remove_file(&draft)?;
    let is_new = match placed {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => false,
        placed => {
            placed?;
            true
        }
    };
    File::open(directory)?.sync_all()?;
    Ok(is_new)
}
