//! Auth key creation, the server's side (core.telegram.org/mtproto/auth_key):
//!
//! 1. `req_pq_multi` → a product to factor and the key's fingerprint
//! 2. `req_DH_params` → the nonce, RSA-encrypted for us, opens the Diffie-Hellman exchange
//! 3. `set_client_DH_params` → both sides hold the auth key

use grammers_crypto::{AuthKey, aes, generate_key_data_from_nonce};
use grammers_tl_types::{Deserializable, Serializable, enums, functions, types};
use num_bigint::BigUint;

use super::Server;
use super::crypto::{random, sha1};
use super::rsa::padded;
use super::srp::prime;
use super::tl::parse;

const P: u64 = 0x494C_553B;
const Q: u64 = 0x5391_1073;

/// How far one connection has come.
#[derive(Default)]
pub enum Handshake {
    /// Nothing asked yet.
    #[default]
    Idle,
    /// Step 1 answered.
    Challenged { nonce: [u8; 16], server_nonce: [u8; 16] },
    /// Step 2 answered.
    Opened { nonce: [u8; 16], server_nonce: [u8; 16], new_nonce: [u8; 32], a: BigUint },
}

impl Handshake {
    /// Answers the next step; the key made in step 3 is registered with `server` for `dc`. None: the client broke
    /// the protocol, and the connection ends.
    pub fn step(&mut self, server: &Server, dc: i32, body: &[u8]) -> Option<Vec<u8>> {
        if let Some(call) = parse::<functions::ReqPqMulti>(body) {
            return Some(self.challenge(server, call.nonce));
        }
        match (std::mem::take(self), parse(body)) {
            (Self::Challenged { nonce, server_nonce }, Some(call)) => {
                self.open(server, nonce, server_nonce, &call)
            }
            (Self::Opened { nonce, server_nonce, new_nonce, a }, None) => {
                finish(server, dc, nonce, server_nonce, new_nonce, &a, parse(body)?)
            }
            _ => None,
        }
    }

    /// Step 1.
    fn challenge(&mut self, server: &Server, nonce: [u8; 16]) -> Vec<u8> {
        let server_nonce = random();
        *self = Self::Challenged { nonce, server_nonce };
        enums::ResPq::Pq(types::ResPq {
            nonce,
            server_nonce,
            pq: (P * Q).to_be_bytes().into(),
            server_public_key_fingerprints: vec![server.rsa.fingerprint()],
        })
        .to_bytes()
    }

    /// Step 2.
    fn open(
        &mut self,
        server: &Server,
        nonce: [u8; 16],
        server_nonce: [u8; 16],
        call: &functions::ReqDhParams,
    ) -> Option<Vec<u8>> {
        let fingerprint = server.rsa.fingerprint();
        if (call.nonce, call.server_nonce, call.public_key_fingerprint) != (nonce, server_nonce, fingerprint)
        {
            return None;
        }
        let new_nonce = match inner_data(server, &call.encrypted_data)? {
            enums::PQInnerData::Data(data) => data.new_nonce,
            enums::PQInnerData::Dc(data) => data.new_nonce,
            enums::PQInnerData::Temp(_) | enums::PQInnerData::TempDc(_) => return None,
        };
        // Telegram's has 2048 bits; this one is as good for a test, and a tenth of the work.
        let a = BigUint::from_bytes_be(&random::<32>());
        let inner = enums::ServerDhInnerData::Data(types::ServerDhInnerData {
            nonce,
            server_nonce,
            g: 3,
            dh_prime: padded::<256>(&prime()).into(),
            g_a: padded::<256>(&BigUint::from(3u8).modpow(&a, &prime())).into(),
            server_time: server.clock.unix_seconds() as i32,
        })
        .to_bytes();
        let mut encrypted_answer = [&sha1(&inner)[..], &inner].concat();
        encrypted_answer.resize(encrypted_answer.len().next_multiple_of(16), 0);
        let (key, iv) = generate_key_data_from_nonce(&server_nonce, &new_nonce);
        aes::ige_encrypt(&mut encrypted_answer, &key, &iv);
        *self = Self::Opened { nonce, server_nonce, new_nonce, a };
        let answer = types::ServerDhParamsOk { nonce, server_nonce, encrypted_answer };
        Some(enums::ServerDhParams::Ok(answer).to_bytes())
    }
}

/// What the client has encrypted, by RSA_PAD or in the way before it.
fn inner_data(server: &Server, encrypted: &[u8]) -> Option<enums::PQInnerData> {
    if let Some(data) = server.rsa.decrypt(encrypted) {
        return enums::PQInnerData::from_bytes(&data).ok();
    }
    let (hash, data) = server.rsa.decrypt_without_padding(encrypted)?;
    let inner = enums::PQInnerData::from_bytes(&data).ok()?;
    (sha1(&inner.to_bytes())[..] == hash).then_some(inner)
}

/// Step 3.
fn finish(
    server: &Server,
    dc: i32,
    nonce: [u8; 16],
    server_nonce: [u8; 16],
    new_nonce: [u8; 32],
    a: &BigUint,
    mut call: functions::SetClientDhParams,
) -> Option<Vec<u8>> {
    if (call.nonce, call.server_nonce) != (nonce, server_nonce)
        || !call.encrypted_data.len().is_multiple_of(16)
    {
        return None;
    }
    let (key, iv) = generate_key_data_from_nonce(&server_nonce, &new_nonce);
    aes::ige_decrypt(&mut call.encrypted_data, &key, &iv);
    let enums::ClientDhInnerData::Data(inner) =
        enums::ClientDhInnerData::from_bytes(call.encrypted_data.get(20..)?).ok()?;
    let auth_key = padded::<256>(&BigUint::from_bytes_be(&inner.g_b).modpow(a, &prime()));
    // The first salt is agreed on without being sent.
    let half = |bytes: &[u8]| i64::from_le_bytes(bytes[..8].try_into().expect("8 bytes"));
    server.lock().add_key(dc, auth_key, half(&new_nonce) ^ half(&server_nonce));
    let new_nonce_hash1 = AuthKey::from_bytes(auth_key).calc_new_nonce_hash(&new_nonce, 1);
    let answer = types::DhGenOk { nonce, server_nonce, new_nonce_hash1 };
    Some(enums::SetClientDhParamsAnswer::DhGenOk(answer).to_bytes())
}
