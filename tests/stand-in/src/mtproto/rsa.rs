//! The RSA key with which the stand-in's data centres prove themselves in the handshake. It is fixed and public,
//! so nothing real may ever trust it; `TELEGRAM_NETWORK_FILE` names its public half.

use grammers_tl_types::Serializable;
use num_bigint::BigUint;

use super::crypto::{sha1, sha256};

/// Modulus, decimal: the form in which the network file and grammers take it.
pub const N: &str = "20585301658235403772636714043269865164410425810998004591897036232328431265748473646895252226920958555707137480994487200148427290416168006572749651760942182869166569469834517360915504589956876854476510683321795206400572731334034497159554185724328233281546170516417041793488771595848781913002236106557837509787137543061096989796006465091651048323919036671010656243331159574023159339134224777565426550363453595599253969193068241126150506366976032072056639191377482954663070060994138508410468462096065332694083585435136873552104324584110379895515029492059970157549373830257826277943462969075316220462606557402304260120839";
/// Public exponent, decimal.
pub const E: &str = "65537";
const D: &str = "2a160aaedb396937f4368752a488e6b229bd02eef894be107b39b3f1649eccd0e5797cc467c9b54147a8b5b7d7563c56aff3c261c50accffe8625c5e014a7fe1d4eb7d303a0e3f0da5f34db01ce5fa73b30ac93f81d3c6d15e0a8875b0f44bdc766dae794fb56c26a86cad8feebab0d8ae5256cd5ebca2ed7ae1ef620e76d8356e20ae8ba3f10d661625adb0abc789a267d7c749860871a6bca631bed8f20a764c1fba915b17099d6f8a4937e0ab46e4921901446fabc874261a260b64cd3e8bda5c6b8c5337761799d72a14b6f9f0e2574a38afab271160755cc401fddb4f6a10cbf5f8fd3017875f876b8a04be227e8a3f49dc65b93c98e645700f4302a605";

/// The private half, ready to decrypt.
pub struct RsaKey {
    n: BigUint,
    d: BigUint,
}

impl RsaKey {
    /// The test key.
    pub fn test() -> Self {
        let parse = |text: &str, radix| BigUint::parse_bytes(text.as_bytes(), radix).expect("a constant");
        Self { n: parse(N, 10), d: parse(D, 16) }
    }

    /// By which a client picks this key: the low 64 bits of the SHA-1 over modulus and exponent.
    pub fn fingerprint(&self) -> i64 {
        let mut bytes = self.n.to_bytes_be().to_bytes();
        vec![1u8, 0, 1].serialize(&mut bytes);
        i64::from_le_bytes(sha1(&bytes)[12..].try_into().expect("8 of 20 bytes"))
    }

    /// Takes RSA_PAD off again (core.telegram.org/mtproto/auth_key, 4.1): the data and its padding, 192 bytes.
    pub fn decrypt(&self, encrypted: &[u8]) -> Option<Vec<u8>> {
        let number = BigUint::from_bytes_be(encrypted).modpow(&self.d, &self.n);
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
}

/// A number as exactly `N` big-endian bytes.
pub fn padded<const N: usize>(number: &BigUint) -> [u8; N] {
    let bytes = number.to_bytes_be();
    let mut padded = [0; N];
    padded[N - bytes.len()..].copy_from_slice(&bytes);
    padded
}
