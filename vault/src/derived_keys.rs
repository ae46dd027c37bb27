//! Keys that come from the root of the master key, and so survive its rotations. They make the ids of logins and the HMACs that
//! stand for people, and they seal what a page and a worker tell each other. No linked session opens with them.
//!
//! A process that only serves HTTP needs nothing else. `qr-login key api` writes them to a file, which takes the place of the
//! master key's on such a machine: JSON, each key in base64url. What a page gives is sealed to the workers' public key (HPKE,
//! RFC 9180: X25519, HKDF-SHA256, ChaCha20-Poly1305), whose secret half only the master key gives.

use std::collections::BTreeMap;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::{ApiKeyId, LoginId};
use hpke::aead::ChaCha20Poly1305;
use hpke::kdf::HkdfSha256;
use hpke::kem::X25519HkdfSha256;
use hpke::{Deserializable, Kem, OpModeR, OpModeS, Serializable, single_shot_open, single_shot_seal};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::crypto::{NONCE, decrypt, encrypt, mac, mac_begins_with, random};
use crate::key_file::{self, MasterKeyError};

const LOGIN_ID_MAC: usize = 6;
const ADMIN_TOKEN_MAC: usize = 6;
const API_KEY_MAC: usize = 4;
const FORMAT: &str = "qr-login api keys 1";
/// What HPKE binds every input to, besides its login and kind.
const INPUT: &[u8] = b"qr-login/page input/2";
const ENCAPSULATED: usize = 32;

/// Random bytes of an order, which the id of what was ordered is made from.
pub type OrderSeed = [u8; 18];

type PublicKey = <X25519HkdfSha256 as Kem>::PublicKey;
pub(crate) type SecretKey = <X25519HkdfSha256 as Kem>::PrivateKey;

/// The keys. They never change while a database lives.
pub struct DerivedKeys {
    root_id: String,
    login_ids: Zeroizing<[u8; 32]>,
    persons: Zeroizing<[u8; 32]>,
    logins: Zeroizing<[u8; 32]>,
    phone_numbers: Zeroizing<[u8; 32]>,
    webhook: Zeroizing<[u8; 32]>,
    challenges: Zeroizing<[u8; 32]>,
    workers: PublicKey,
}

/// The file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    format: String,
    /// The id of the root that the keys come from.
    root: String,
    /// By their labels.
    keys: BTreeMap<String, Zeroizing<String>>,
    /// The workers' public key.
    workers: String,
}

impl DerivedKeys {
    /// From a root.
    pub(crate) fn of(root_id: String, root: &[u8; 32]) -> Self {
        let workers = X25519HkdfSha256::derive_keypair(&*derive(root, "page input")).1;
        Self::with(root_id, workers, |label| Some(derive(root, label))).expect("every label has a key")
    }

    fn with(
        root_id: String,
        workers: PublicKey,
        mut key: impl FnMut(&str) -> Option<Zeroizing<[u8; 32]>>,
    ) -> Option<Self> {
        Some(Self {
            root_id,
            login_ids: key("login id")?,
            persons: key("person")?,
            logins: key("login")?,
            phone_numbers: key("phone number")?,
            webhook: key("bot-webhook")?,
            challenges: key("challenge")?,
            workers,
        })
    }

    /// Those of a random master key, for tests.
    pub fn random() -> Self {
        Self::of("00000000".to_owned(), &random())
    }

    /// Those in a file that [`Self::to_text`] has made; None where it is not such a file.
    ///
    /// # Errors
    /// [`MasterKeyError`]: missing, readable by others, malformed, or unreadable; each names the file.
    pub fn load(path: &Path) -> Result<Option<Self>, MasterKeyError> {
        let text = key_file::read_text(path)?;
        if !key_file::is_of_derived_keys(&text) {
            return Ok(None);
        }
        Self::parse(&text)
            .map(Some)
            .ok_or_else(|| MasterKeyError::Malformed { path: path.to_owned(), line: 1 })
    }

    fn parse(text: &str) -> Option<Self> {
        let stored: Stored = serde_json::from_str(text).ok()?;
        let bytes = |text: &str| {
            let bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(text).ok()?);
            Some(Zeroizing::new(<[u8; 32]>::try_from(bytes.as_slice()).ok()?))
        };
        let workers = PublicKey::from_bytes(&*bytes(&stored.workers)?).ok()?;
        let keys = Self::with(stored.root, workers, |label| bytes(stored.keys.get(label)?))?;
        (stored.format == FORMAT).then_some(keys)
    }

    /// The file that a machine gets which only serves HTTP. It is a secret.
    pub fn to_text(&self) -> Zeroizing<String> {
        let keys = [
            ("login id", &self.login_ids),
            ("person", &self.persons),
            ("login", &self.logins),
            ("phone number", &self.phone_numbers),
            ("bot-webhook", &self.webhook),
            ("challenge", &self.challenges),
        ];
        let base64 = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let stored = Stored {
            format: FORMAT.to_owned(),
            root: self.root_id.clone(),
            keys: keys.map(|(label, key)| (label.to_owned(), Zeroizing::new(base64(&**key)))).into(),
            workers: base64(&self.workers.to_bytes()),
        };
        Zeroizing::new(serde_json::to_string_pretty(&stored).expect("strings") + "\n")
    }

    /// The id of the root that they come from: what a database is stamped with.
    pub fn root_id(&self) -> &str {
        &self.root_id
    }

    /// The id of the login that an order starts: its 18 random bytes and 6 of a MAC, by which [`Self::made`] knows it.
    pub fn login_id(&self, order: &OrderSeed) -> LoginId {
        let tag = mac(&*self.login_ids, &[order]);
        login_id(&[&order[..], &tag[..LOGIN_ID_MAC]].concat())
    }

    /// Whether [`Self::login_id`] has made this id: another one is refused without a look into the database. The chance that a
    /// made-up id passes is 1 in 2^48.
    pub fn made(&self, login_id: &LoginId) -> bool {
        let Ok(bytes) = URL_SAFE_NO_PAD.decode(login_id.as_str()) else { return false };
        let Some((order, tag)) = bytes.split_first_chunk::<{ size_of::<OrderSeed>() }>() else {
            return false;
        };
        tag.len() == LOGIN_ID_MAC && mac_begins_with(&*self.login_ids, order, tag)
    }

    /// The MAC in a token of an admin's session.
    pub(crate) fn admin_token_mac(&self, secret: &[u8; 32]) -> [u8; ADMIN_TOKEN_MAC] {
        let tag = mac(&*self.login_ids, &[&admin_token_message(secret)]);
        *tag.first_chunk().expect("6 of 32 bytes")
    }

    /// Whether a token of an admin's session has its MAC.
    pub(crate) fn made_admin_token(&self, secret: &[u8; 32], tag: &[u8]) -> bool {
        tag.len() == ADMIN_TOKEN_MAC && mac_begins_with(&*self.login_ids, &admin_token_message(secret), tag)
    }

    /// The half of an API key's id that is a MAC of the other.
    pub(crate) fn api_key_mac(&self, number: [u8; 4]) -> [u8; API_KEY_MAC] {
        let tag = mac(&*self.login_ids, &[&api_key_message(&number)]);
        *tag.first_chunk().expect("4 of 32 bytes")
    }

    /// Whether the id of an API key has its MAC. The chance that a made-up one passes is 1 in 2^32.
    pub(crate) fn made_api_key(&self, key_id: &ApiKeyId) -> bool {
        let Ok(id) = u64::from_str_radix(key_id.as_str(), 16) else { return false };
        let (number, tag) = (id.to_be_bytes(), id.to_be_bytes());
        mac_begins_with(&*self.login_ids, &api_key_message(&number[..4]), &tag[4..])
    }

    /// A keyed HMAC of the Telegram id, for tables that must not hold the id itself.
    pub fn person_hmac(&self, telegram_id: i64) -> [u8; 32] {
        mac(&*self.persons, &[&telegram_id.to_be_bytes()])
    }

    /// A keyed HMAC of a login's id.
    pub(crate) fn login_hmac(&self, login: &LoginId) -> [u8; 32] {
        mac(&*self.logins, &[login.as_str().as_bytes()])
    }

    /// A keyed HMAC of a phone number's digits.
    pub(crate) fn phone_number_hmac(&self, digits: &str) -> [u8; 32] {
        mac(&*self.phone_numbers, &[digits.as_bytes()])
    }

    /// What Telegram sends along with an update, so that nobody else can.
    pub fn webhook_secret(&self) -> &[u8; 32] {
        &self.webhook
    }

    /// Seals what a worker tells a page: nonce (24 bytes), ciphertext and tag.
    pub(crate) fn seal_challenge(&self, bound_to: &[u8], plain: &[u8]) -> Vec<u8> {
        let nonce = random::<NONCE>();
        [&nonce[..], &encrypt(&self.challenges, nonce, bound_to, plain)].concat()
    }

    /// Opens what [`Self::seal_challenge`] has sealed; None for anything else.
    pub(crate) fn open_challenge(&self, bound_to: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, ciphertext) = sealed.split_first_chunk::<NONCE>()?;
        decrypt(&self.challenges, *nonce, bound_to, ciphertext)
    }

    /// Seals what the messages of a webhook are signed with: nonce (24 bytes), ciphertext and tag. It opens with the same
    /// `bound_to` alone, in every process, also after rotations of the master key: all of them sign.
    pub fn seal_webhook_secret(&self, bound_to: &[u8], plain: &[u8]) -> Vec<u8> {
        let nonce = random::<NONCE>();
        [&nonce[..], &encrypt(&self.webhook_secrets(), nonce, bound_to, plain)].concat()
    }

    /// Opens what [`Self::seal_webhook_secret`] has sealed; None for anything else.
    pub fn open_webhook_secret(&self, bound_to: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, ciphertext) = sealed.split_first_chunk::<NONCE>()?;
        decrypt(&self.webhook_secrets(), *nonce, bound_to, ciphertext)
    }

    /// Not from the root: the files of derived keys that were written before there were webhooks have it as well.
    fn webhook_secrets(&self) -> Zeroizing<[u8; 32]> {
        derive(&self.challenges, "webhook secret")
    }

    /// Seals what a page gives, so that only workers open it: an encapsulated key (32 bytes), ciphertext and tag.
    pub(crate) fn seal_input(&self, bound_to: &[u8], plain: &[u8]) -> Vec<u8> {
        let sealed = single_shot_seal::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
            &OpModeS::Base,
            &self.workers,
            INPUT,
            plain,
            bound_to,
        );
        let (encapsulated, ciphertext) = sealed.expect("a key of X25519 and a short text are sealed always");
        [&encapsulated.to_bytes()[..], &ciphertext].concat()
    }
}

impl std::fmt::Debug for DerivedKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DerivedKeys").field("root_id", &self.root_id).finish_non_exhaustive()
    }
}

/// The workers' secret key.
pub(crate) fn workers_key(root: &[u8; 32]) -> SecretKey {
    X25519HkdfSha256::derive_keypair(&*derive(root, "page input")).0
}

/// Opens what [`DerivedKeys::seal_input`] has sealed; None for anything else.
pub(crate) fn open_input(workers: &SecretKey, bound_to: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (encapsulated, ciphertext) = sealed.split_at_checked(ENCAPSULATED)?;
    let encapsulated = <X25519HkdfSha256 as Kem>::EncappedKey::from_bytes(encapsulated).ok()?;
    single_shot_open::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
        &OpModeR::Base,
        workers,
        &encapsulated,
        INPUT,
        ciphertext,
        bound_to,
    )
    .map(Zeroizing::new)
    .ok()
}

/// The id of a login that nobody ordered, for tests. No key has [made](DerivedKeys::made) it.
pub fn random_login_id() -> LoginId {
    login_id(&random::<24>())
}

fn login_id(bytes: &[u8]) -> LoginId {
    URL_SAFE_NO_PAD.encode(bytes).parse().expect("24 bytes are 32 characters of base64url")
}

/// Longer than an [`OrderSeed`]: under one key, the MAC of a login's id is never that of a token.
fn admin_token_message(secret: &[u8; 32]) -> Zeroizing<Vec<u8>> {
    Zeroizing::new([b"admin session ", &secret[..]].concat())
}

/// Of another length than an [`OrderSeed`] and the message of a token.
fn api_key_message(number: &[u8]) -> Vec<u8> {
    [&b"id of an API key "[..], number].concat()
}

pub(crate) fn derive(root: &[u8; 32], label: &str) -> Zeroizing<[u8; 32]> {
    Zeroizing::new(mac(root, &[b"derive/", label.as_bytes()]))
}
