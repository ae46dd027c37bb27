//! The RSA key with which the stand-in's data centres prove themselves in the handshake. It is fixed and public,
//! so nothing real may ever trust it; `TELEGRAM_NETWORK_FILE` names its public half.

use grammers_tl_types::Serializable;
use num_bigint::BigUint;

use super::crypto::{sha1, sha256};

/// Modulus, decimal: the form in which the network file and grammers take it.
pub const N: &str = "20585301658235403772636714043269865164410425810998004591897036232328431265748473646895252226920958555707137480994487200148427290416168006572749651760942182869166569469834517360915504589956876854476510683321795206400572731334034497159554185724328233281546170516417041793488771595848781913002236106557837509787137543061096989796006465091651048323919036671010656243331159574023159339134224777565426550363453595599253969193068241126150506366976032072056639191377482954663070060994138508410468462096065332694083585435136873552104324584110379895515029492059970157549373830257826277943462969075316220462606557402304260120839";
/// Public exponent, decimal.
pub const E: &str = "65537";
/// The two primes of the modulus, in hexadecimal.
const PRIMES: [&str; 2] = [
    "da7280f9f38d29ca6ec23eb4323d14f24cb98a0ec0ee338f5ceaaa55a7d66735e9a1c9781a86639bc554bbf3276ba529c9a9b317ad60d18cda709f933d566aba2aa23b0f9f6b47422ece39d896ba985291c503db5904644a3e375a32af800829093f61709e141a29f4fcc1f976abcb7c74eda4e0f33b55f155caf7a99d27a885",
    "bf1974988843607e90831c90bb46ba213b2c8ef068cc6797e9e6301f244b571ef231c1c199af71dbf9a78bfd782312350686359048fc3f3865d7630806a0de6e0464d4556f0b5607877bb3a70a81dc778b90766318c2546d1dd7f3d116d057914cec7304824f3f2d5b12adef052dacbb42c3c162671707661d49722d932edf1b",
];

/// The private half, ready to decrypt by the Chinese remainder theorem: a thousand logins at once are to wait for
/// themselves, not for their Telegram.
pub struct RsaKey {
    n: BigUint,
    p: BigUint,
    q: BigUint,
    d_mod_p: BigUint,
    d_mod_q: BigUint,
    q_inverse: BigUint,
}

impl RsaKey {
    /// The test key.
    pub fn test() -> Self {
        let parse = |text: &str, radix| BigUint::parse_bytes(text.as_bytes(), radix).expect("a constant");
        let [p, q] = PRIMES.map(|prime| parse(prime, 16));
        let e = parse(E, 10);
        let inverse = |of: &BigUint, modulus: &BigUint| of.modinv(modulus).expect("primes have inverses");
        Self {
            n: parse(N, 10),
            d_mod_p: inverse(&e, &(&p - 1u8)),
            d_mod_q: inverse(&e, &(&q - 1u8)),
            q_inverse: inverse(&q, &p),
            p,
            q,
        }
    }

    /// By which a client picks this key: the low 64 bits of the SHA-1 over modulus and exponent.
    pub fn fingerprint(&self) -> i64 {
        let mut bytes = self.n.to_bytes_be().to_bytes();
        vec![1u8, 0, 1].serialize(&mut bytes);
        i64::from_le_bytes(sha1(&bytes)[12..].try_into().expect("8 of 20 bytes"))
    }

    /// Takes RSA_PAD off again (core.telegram.org/mtproto/auth_key, 4.1): the data and its padding, 192 bytes.
    pub fn decrypt(&self, encrypted: &[u8]) -> Option<Vec<u8>> {
        let number = self.to_the_d(&BigUint::from_bytes_be(encrypted));
        let block = padded::<256>(&number);
        let (masked_key, ciphertext) = block.split_at(32);
        let mut data = ciphertext.to_vec();
        let mut temporary_key = sha256(&[ciphertext]);
        temporary_key.iter_mut().zip(masked_key).for_each(|(byte, mask)| *byte ^= mask);
        grammers_crypto::aes::ige_decrypt(&mut data, &temporary_key, &[0; 32]);
        let hash = data.split_off(192);
        data.reverse();
        (sha256(&[&temporary_key, &data])[..] == hash).then_some(data)
    }

    /// What is encrypted as it was before RSA_PAD, and as Telethon still does it: SHA-1, data, padding. The hash and what follows.
    pub fn decrypt_without_padding(&self, encrypted: &[u8]) -> Option<([u8; 20], Vec<u8>)> {
        let block = padded::<256>(&self.to_the_d(&BigUint::from_bytes_be(encrypted)));
        let (&zero, rest) = block.split_first()?;
        let (hash, data) = rest.split_first_chunk()?;
        (zero == 0).then(|| (*hash, data.to_vec()))
    }

    fn to_the_d(&self, number: &BigUint) -> BigUint {
        let (of_p, of_q) = (number.modpow(&self.d_mod_p, &self.p), number.modpow(&self.d_mod_q, &self.q));
        let distance = (of_p + &self.p - &of_q % &self.p) % &self.p;
        of_q + distance * &self.q_inverse % &self.p * &self.q
    }
}

/// A number as exactly `N` big-endian bytes.
pub fn padded<const N: usize>(number: &BigUint) -> [u8; N] {
    let bytes = number.to_bytes_be();
    let mut padded = [0; N];
    padded[N - bytes.len()..].copy_from_slice(&bytes);
    padded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_raised_to_the_public_exponent_comes_back() {
        let key = RsaKey::test();
        let e = BigUint::parse_bytes(E.as_bytes(), 10).unwrap();
        for number in [BigUint::from(2u8), BigUint::from_bytes_be(&[0x5a; 255]), &key.n - 2u8] {
            assert_eq!(key.to_the_d(&number.modpow(&e, &key.n)), number);
        }
    }
}
