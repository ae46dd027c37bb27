//! MTProto 2.0 message encryption as a server does it, and the random bytes it needs.
//!
//! grammers' own functions know the client's direction only. The two differ by an offset into the auth key:
//! 0 for what a client sends, 8 for what a server sends (core.telegram.org/mtproto/description).

use grammers_crypto::aes;
use sha1::Sha1;
use sha2::{Digest, Sha256};

const FROM_CLIENT: usize = 0;
const FROM_SERVER: usize = 8;

/// `N` bytes from the operating system.
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
    bytes
}

/// SHA-256 of the parts, one after the other.
pub fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    parts.iter().for_each(|part| hash.update(part));
    hash.finalize().into()
}

/// SHA-1 of the bytes.
pub fn sha1(bytes: &[u8]) -> [u8; 20] {
    Sha1::digest(bytes).into()
}

/// The message inside `packet`, which is what follows the key id: message key, ciphertext. None for a packet that
/// was not made with this key.
pub fn decrypt_from_client(packet: &[u8], auth_key: &[u8; 256]) -> Option<Vec<u8>> {
    let (message_key, ciphertext) = packet.split_first_chunk::<16>()?;
    if ciphertext.is_empty() || !ciphertext.len().is_multiple_of(16) {
        return None;
    }
    let mut plain = ciphertext.to_vec();
    let (key, iv) = derive(auth_key, message_key, FROM_CLIENT);
    aes::ige_decrypt(&mut plain, &key, &iv);
    (message_key_of(auth_key, &plain, FROM_CLIENT) == *message_key).then_some(plain)
}

/// Message key and ciphertext: what follows the key id in a packet from the server.
pub fn encrypt_to_client(message: &[u8], auth_key: &[u8; 256]) -> Vec<u8> {
    let mut padded = message.to_vec();
    let padding = 12 + (16 - (message.len() + 12) % 16) % 16;
    padded.extend_from_slice(&random::<32>()[..padding]);
    let message_key = message_key_of(auth_key, &padded, FROM_SERVER);
    let (key, iv) = derive(auth_key, &message_key, FROM_SERVER);
    aes::ige_encrypt(&mut padded, &key, &iv);
    [&message_key[..], &padded].concat()
}

fn message_key_of(auth_key: &[u8; 256], padded: &[u8], x: usize) -> [u8; 16] {
    let large = sha256(&[&auth_key[88 + x..120 + x], padded]);
    large[8..24].try_into().expect("16 of 32 bytes")
}

fn derive(auth_key: &[u8; 256], message_key: &[u8; 16], x: usize) -> ([u8; 32], [u8; 32]) {
    let a = sha256(&[message_key, &auth_key[x..x + 36]]);
    let b = sha256(&[&auth_key[40 + x..76 + x], message_key]);
    let splice = |outer: &[u8; 32], inner: &[u8; 32]| {
        let mut spliced = *outer;
        spliced[8..24].copy_from_slice(&inner[8..24]);
        spliced
    };
    (splice(&a, &b), splice(&b, &a))
}
