//! The server's side of the 2-step password proof (core.telegram.org/api/srp), with Telegram's own prime and g = 3.

use hmac::{Hmac, KeyInit, Mac};
use num_bigint::BigUint;
use sha2::Sha512;

use super::crypto::{random, sha256};
use super::rsa::padded;

/// Telegram's published 2048-bit safe prime; the key exchange uses it too.
const PRIME: &str = "c71caeb9c6b1c9048e6c522f70f13f73980d40238e3e21c14934d037563d930f48198a0aa7c14058229493d22530f4dbfa336f6e0ac925139543aed44cce7c3720fd51f69458705ac68cd4fe6b6b13abdc9746512969328454f18faf8c595f642477fe96bb2a941d5bcd1d4ac8cc49880708fa9b378e3c4f3a9060bee67cf9a4a4a695811051907e162753b56b0f6b410dba74d8a84b2a14b3144e0ef1284754fd17ed950d5965b4b9dd46582db1178d169c6bc465b0d6ff9ca3928fef5b9ae4e418fc15e83ebea0f87fa9ff5eed70050ded2849f47bf959d956850ce929851f0d8115f635b105ee2e4e15d04b2454bf6f4fadf034b10403119cd8e3b92fcc5b";

/// The generator.
pub const G: u8 = 3;

/// Telegram's prime as a number.
pub fn prime() -> BigUint {
    BigUint::parse_bytes(PRIME.as_bytes(), 16).expect("a constant")
}

/// What a server keeps of a password: the salts and `v = g^x`.
#[derive(Clone)]
pub struct Verifier {
    pub salt1: [u8; 16],
    pub salt2: [u8; 16],
    v: BigUint,
}

impl Verifier {
    /// Derives the verifier with fresh salts: 100,000 rounds, so keep it.
    pub fn of(password: &str) -> Self {
        let (salt1, salt2) = (random::<16>(), random::<16>());
        let salted = |data: &[u8], salt: &[u8]| sha256(&[salt, data, salt]);
        let first = salted(&salted(password.as_bytes(), &salt1), &salt2);
        let x = salted(&pbkdf2_sha512(&first, &salt1, 100_000), &salt2);
        let v = BigUint::from(G).modpow(&BigUint::from_bytes_be(&x), &prime());
        Self { salt1, salt2, v }
    }
}

/// One challenge, good for one proof.
pub struct Challenge {
    /// `srp_id`.
    pub id: i64,
    /// `srp_B`.
    pub g_b: [u8; 256],
    b: BigUint,
    verifier: Verifier,
}

impl Challenge {
    /// A fresh challenge for the password behind `verifier`.
    pub fn new(verifier: Verifier) -> Self {
        let b = BigUint::from_bytes_be(&random::<256>());
        let k = sha256(&[&padded::<256>(&prime()), &padded::<256>(&BigUint::from(G))]);
        let g_b =
            (BigUint::from_bytes_be(&k) * &verifier.v + BigUint::from(G).modpow(&b, &prime())) % prime();
        Self { id: i64::from_le_bytes(random()), g_b: padded(&g_b), b, verifier }
    }

    /// Whether `m1` proves knowledge of the password, for the client's `A`.
    pub fn accepts(&self, a: &[u8], m1: &[u8]) -> bool {
        let (p, a) = (prime(), BigUint::from_bytes_be(a));
        if a == BigUint::ZERO || a >= p {
            return false;
        }
        let g_a = padded::<256>(&a);
        let u = BigUint::from_bytes_be(&sha256(&[&g_a, &self.g_b]));
        let shared = (a * self.verifier.v.modpow(&u, &p) % &p).modpow(&self.b, &p);
        let session_key = sha256(&[&padded::<256>(&shared)]);
        let mut p_xor_g = sha256(&[&padded::<256>(&p)]);
        p_xor_g.iter_mut().zip(sha256(&[&padded::<256>(&BigUint::from(G))])).for_each(|(x, g)| *x ^= g);
        let salts = (sha256(&[&self.verifier.salt1]), sha256(&[&self.verifier.salt2]));
        sha256(&[&p_xor_g, &salts.0, &salts.1, &g_a, &self.g_b, &session_key])[..] == *m1
    }
}

/// PBKDF2-HMAC-SHA-512 for an output of one block, which is all that SRP here asks for.
fn pbkdf2_sha512(password: &[u8], salt: &[u8], rounds: u32) -> [u8; 64] {
    let keyed = Hmac::<Sha512>::new_from_slice(password).expect("HMAC takes a key of any length");
    let mut block: [u8; 64] =
        keyed.clone().chain_update(salt).chain_update(1u32.to_be_bytes()).finalize().into_bytes().into();
    let mut derived = block;
    for _ in 1..rounds {
        block = keyed.clone().chain_update(block).finalize().into_bytes().into();
        derived.iter_mut().zip(block).for_each(|(sum, byte)| *sum ^= byte);
    }
    derived
}
