//! A key that is nowhere but in this process's memory, for what has to wait on a disk for a moment: without the process, nobody can
//! read it.

use zeroize::Zeroizing;

use crate::crypto::{NONCE, decrypt, encrypt, random};

/// A random key.
pub struct ScratchKey(Zeroizing<[u8; 32]>);

impl ScratchKey {
    /// A new one.
    pub fn random() -> Self {
        Self(Zeroizing::new(random()))
    }

    /// Seals the piece of this number. No two pieces may have the same number.
    pub fn seal(&self, number: u64, plain: &[u8]) -> Vec<u8> {
        encrypt(&self.0, nonce_of(number), &[], plain)
    }

    /// Opens it; None where it is not what was sealed under this number.
    pub fn open(&self, number: u64, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        decrypt(&self.0, nonce_of(number), &[], sealed)
    }
}

fn nonce_of(number: u64) -> [u8; NONCE] {
    let mut nonce = [0; NONCE];
    nonce[..8].copy_from_slice(&number.to_le_bytes());
    nonce
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_is_opened_by_the_same_key_under_its_number_alone() {
        let (key, other) = (ScratchKey::random(), ScratchKey::random());
        let sealed = key.seal(7, b"a name");
        assert_eq!(key.open(7, &sealed).as_deref().map(Vec::as_slice), Some(&b"a name"[..]));
        assert!(key.open(8, &sealed).is_none() && other.open(7, &sealed).is_none());
        assert!(!sealed.windows(6).any(|part| part == b"a name"));
    }
}
