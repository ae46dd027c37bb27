//! Signed checkpoints and their keys: C2SP signed-note and tlog-checkpoint, with Ed25519.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, VerifyingKey};
use sha2::{Digest, Sha256};

use crate::tree::Hash;

/// A verifier key, of a kind: of a log (1), or of a witness (4).
pub struct Key {
    name: String,
    id: [u8; 4],
    kind: u8,
    key: VerifyingKey,
}

/// The keys that are known, and how many of the witnesses among them must have signed.
pub struct Keys(Vec<Key>, usize);

/// What a log has signed, and which of the known witnesses have signed it too.
pub struct Checkpoint {
    pub origin: String,
    pub size: u64,
    pub root: Hash,
    pub witnesses: Vec<String>,
}

impl Keys {
    /// From keys, and `N of` among them, with spaces and lines between.
    pub fn parse(text: &str) -> Option<Self> {
        let words: Vec<_> = text.split_whitespace().filter(|word| *word != "of").collect();
        let keys = words.iter().filter(|word| number(word).is_none()).map(|word| Key::parse(word));
        let required = words.iter().find_map(|word| number(word)).unwrap_or(0);
        Some(Self(keys.collect::<Option<_>>()?, usize::try_from(required).ok()?))
    }
}

impl Key {
    /// From `<name>+<id>+<key>`.
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, '+');
        let (name, id, material) = (parts.next()?, parts.next()?, STANDARD.decode(parts.next()?).ok()?);
        let (kind, key) = material.split_first()?;
        let digest = Sha256::new().chain_update(name).chain_update(b"\n").chain_update(&material).finalize();
        let (is_known, key_id) = ([1, 4].contains(kind), digest[..4].try_into().ok()?);
        let is_whole = is_known && id == format!("{:08x}", u32::from_be_bytes(key_id));
        let key = VerifyingKey::from_bytes(key.try_into().ok()?).ok()?;
        is_whole.then(|| Self { name: name.to_owned(), id: key_id, kind: *kind, key })
    }

    /// Whether this is its signature of the text.
    fn has_signed(&self, text: &str, signature: &[u8]) -> bool {
        let (time, timed) = signature.split_first_chunk().unwrap_or((&[0; 8], &[]));
        let cosigned = format!("cosignature/v1\ntime {}\n{text}", u64::from_be_bytes(*time));
        let (message, signature) = if self.kind == 4 { (&*cosigned, timed) } else { (text, signature) };
        Signature::from_slice(signature)
            .is_ok_and(|signature| self.key.verify_strict(message.as_bytes(), &signature).is_ok())
    }
}

/// The checkpoint in a note that one of these keys has signed as its log, and enough of the witnesses. A bad signature of a known key
/// spoils the note.
pub fn signed_checkpoint(note: &str, Keys(keys, required): &Keys) -> Result<Checkpoint, String> {
    let (text, signatures) = note.rsplit_once("\n\n").ok_or("it is no signed note")?;
    let text = format!("{text}\n");
    let mut lines = text.split('\n');
    let [Some(origin), Some(size), Some(root)] = [(); 3].map(|()| lines.next()) else {
        return Err("it is no checkpoint".to_owned());
    };
    let root = STANDARD.decode(root).ok().and_then(|root| root.try_into().ok());
    let (Some(size), Some(root)) = (number(size), root) else { return Err("it is no checkpoint".to_owned()) };
    let (mut is_signed, mut witnesses) = (false, Vec::new());
    for line in signatures.lines() {
        let parts = line.strip_prefix("\u{2014} ").and_then(|line| line.split_once(' '));
        let blob = parts.and_then(|(name, blob)| Some((name, STANDARD.decode(blob).ok()?)));
        let Some((name, blob)) = blob.filter(|(_, blob)| blob.len() > 4) else {
            return Err("a line of it is no signature".to_owned());
        };
        for key in keys.iter().filter(|key| key.name == name && blob.starts_with(&key.id)) {
            match (key.has_signed(&text, &blob[4..]), key.kind) {
                (false, _) => return Err(format!("the signature of {name} is not one of this checkpoint")),
                (true, 1) => is_signed |= name == origin,
                (true, _) if witnesses.iter().any(|witness| witness == name) => {}
                (true, _) => witnesses.push(name.to_owned()),
            }
        }
    }
    match (is_signed, witnesses.len()) {
        (true, seen) if seen >= *required => {
            Ok(Checkpoint { origin: origin.to_owned(), size, root, witnesses })
        }
        (true, seen) => Err(format!("it is signed by {seen} of the {required} witnesses that it needs")),
        (false, _) => Err(format!("it is not signed by the key of {origin}")),
    }
}

/// A decimal number without signs and leading zeroes.
pub fn number(text: &str) -> Option<u64> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    is_plain.then(|| text.parse().ok()).flatten()
}
