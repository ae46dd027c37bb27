//! Signed notes and checkpoints: C2SP signed-note, tlog-checkpoint and tlog-cosignature, with Ed25519.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use sha2::{Digest, Sha256};

use crate::merkle::Hash;

/// The signature types of C2SP signed-note that are used here.
const ED25519: u8 = 0x01;
const COSIGNATURE: u8 = 0x04;
/// What a reader takes at most: 16 signatures of any kind fit.
const LONGEST_NOTE: usize = 128 * 1024;

/// What a log says of itself at one size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which log.
    pub origin: String,
    /// How many leaves.
    pub size: u64,
    /// The root over them.
    pub root: Hash,
}

/// A note: its text, which ends in a line break, and its signatures, none of which was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// What is signed.
    pub text: String,
    /// By whom.
    pub signatures: Vec<NoteSignature>,
}

/// A line of a note with a signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoteSignature {
    /// The name of the key.
    pub name: String,
    /// The key's id, and the signature.
    pub blob: Vec<u8>,
}

/// A public key that notes are checked with: a vkey of C2SP signed-note.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoteKey {
    /// The name that stands before its signatures.
    pub name: String,
    kind: u8,
    key: VerifyingKey,
}

impl Checkpoint {
    /// The text that is signed.
    pub fn text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, STANDARD.encode(self.root))
    }

    /// From the text of a note; None: it is no checkpoint. Lines after the third are not read.
    pub fn parse(text: &str) -> Option<Self> {
        let mut lines = text.strip_suffix('\n')?.split('\n');
        let (origin, size, root) = (lines.next()?, lines.next()?, lines.next()?);
        let size = plain_number(size)?;
        let root = STANDARD.decode(root).ok()?.try_into().ok()?;
        (!origin.is_empty() && lines.all(|line| !line.is_empty())).then(|| Self {
            origin: origin.to_owned(),
            size,
            root,
        })
    }

    /// Signs it, as the log of its origin does.
    pub fn sign(&self, key: &SigningKey) -> Note {
        let text = self.text();
        let mut blob = key_id(&self.origin, ED25519, &key.verifying_key()).to_vec();
        blob.extend(key.sign(text.as_bytes()).to_bytes());
        Note { text, signatures: vec![NoteSignature { name: self.origin.clone(), blob }] }
    }
}

impl Note {
    /// From its text and lines; None: it is no note.
    pub fn parse(note: &str) -> Option<Self> {
        let is_plain = note.len() <= LONGEST_NOTE && note.bytes().all(|byte| byte >= b' ' || byte == b'\n');
        let (text, signatures) = note.rsplit_once("\n\n").filter(|_| is_plain)?;
        let signatures = signatures.strip_suffix('\n')?.split('\n');
        let signatures = signatures.map(NoteSignature::parse).collect::<Option<Vec<_>>>()?;
        Some(Self { text: format!("{text}\n"), signatures })
    }

    /// Whether this key has signed it.
    pub fn is_signed_by(&self, key: &NoteKey) -> bool {
        let mut of_key = self.signatures.iter().filter(|signature| key.is_named_in(signature)).peekable();
        of_key.peek().is_some() && of_key.all(|signature| key.has_signed(&self.text, signature))
    }

    /// The checkpoint in it, where this key has signed it.
    pub fn checkpoint(&self, key: &NoteKey) -> Option<Checkpoint> {
        self.is_signed_by(key).then(|| Checkpoint::parse(&self.text)).flatten()
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.signatures.iter().try_for_each(|signature| writeln!(f, "{signature}"))
    }
}

impl NoteSignature {
    /// A line without its break; None: it is no signature.
    pub fn parse(line: &str) -> Option<Self> {
        let (name, blob) = line.strip_prefix("\u{2014} ")?.split_once(' ')?;
        let blob = STANDARD.decode(blob).ok().filter(|blob| blob.len() > 4)?;
        is_key_name(name).then(|| Self { name: name.to_owned(), blob })
    }

    /// A witness's statement that it has seen this checkpoint at this time, in seconds since 1970.
    pub fn cosign(text: &str, name: &str, key: &SigningKey, time: u64) -> Self {
        let mut blob = key_id(name, COSIGNATURE, &key.verifying_key()).to_vec();
        blob.extend(time.to_be_bytes());
        blob.extend(key.sign(cosigned(text, time).as_bytes()).to_bytes());
        Self { name: name.to_owned(), blob }
    }

    /// When a witness has seen the checkpoint, in seconds since 1970; None: this is no signature of a witness.
    pub fn time(&self) -> Option<u64> {
        let (time, signature) = self.blob.get(4..)?.split_first_chunk()?;
        (signature.len() == 64).then_some(u64::from_be_bytes(*time))
    }
}

impl fmt::Display for NoteSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\u{2014} {} {}", self.name, STANDARD.encode(&self.blob))
    }
}

impl NoteKey {
    /// Of a log with this origin.
    pub fn of_log(origin: &str, key: VerifyingKey) -> Self {
        Self { name: origin.to_owned(), kind: ED25519, key }
    }

    /// Of a witness of this name.
    pub fn of_witness(name: &str, key: VerifyingKey) -> Self {
        Self { name: name.to_owned(), kind: COSIGNATURE, key }
    }

    /// From a vkey, `<name>+<id>+<key>`; None: it is none, or of a kind that is not known here.
    pub fn parse(vkey: &str) -> Option<Self> {
        let mut parts = vkey.trim().splitn(3, '+');
        let (name, id, material) = (parts.next()?, parts.next()?, STANDARD.decode(parts.next()?).ok()?);
        let (kind, key) = material.split_first().filter(|(kind, _)| [ED25519, COSIGNATURE].contains(kind))?;
        let key = VerifyingKey::from_bytes(key.try_into().ok()?).ok()?;
        let key = Self { name: name.to_owned(), kind: *kind, key };
        (is_key_name(name) && hex(&key.id()) == id).then_some(key)
    }

    /// Whether it is a witness's.
    pub const fn is_of_witness(&self) -> bool {
        self.kind == COSIGNATURE
    }

    /// Whether the signature says that it is of this key: it has the key's name and id.
    pub fn is_named_in(&self, signature: &NoteSignature) -> bool {
        signature.name == self.name && signature.blob.starts_with(&self.id())
    }

    /// Whether the signature is this key's, of this text.
    pub fn has_signed(&self, text: &str, signature: &NoteSignature) -> bool {
        self.is_named_in(signature) && self.verifies(text, &signature.blob[4..])
    }

    /// The 32 bytes of the key.
    pub fn bytes(&self) -> [u8; 32] {
        self.key.to_bytes()
    }

    fn id(&self) -> [u8; 4] {
        key_id(&self.name, self.kind, &self.key)
    }

    fn verifies(&self, text: &str, signature: &[u8]) -> bool {
        let is_right = |message: &str, signature: &[u8]| {
            Signature::from_slice(signature)
                .is_ok_and(|signature| self.key.verify_strict(message.as_bytes(), &signature).is_ok())
        };
        match (self.kind, signature.split_first_chunk()) {
            (ED25519, _) => is_right(text, signature),
            (_, Some((time, signature))) => is_right(&cosigned(text, u64::from_be_bytes(*time)), signature),
            (_, None) => false,
        }
    }
}

impl fmt::Display for NoteKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let material = [&[self.kind][..], self.key.as_bytes()].concat();
        write!(f, "{}+{}+{}", self.name, hex(&self.id()), STANDARD.encode(material))
    }
}

fn cosigned(text: &str, time: u64) -> String {
    format!("cosignature/v1\ntime {time}\n{text}")
}

fn key_id(name: &str, kind: u8, key: &VerifyingKey) -> [u8; 4] {
    let digest =
        Sha256::new().chain_update(name).chain_update([b'\n', kind]).chain_update(key.as_bytes()).finalize();
    [digest[0], digest[1], digest[2], digest[3]]
}

fn is_key_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(|letter: char| letter.is_whitespace() || letter == '+')
}

/// In lowercase.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A decimal number without signs and leading zeroes.
pub(crate) fn plain_number(text: &str) -> Option<u64> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    is_plain.then(|| text.parse().ok()).flatten()
}
