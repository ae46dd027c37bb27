//! Auth key creation, the client's side, with the RSA key of any server: the phone uses it. That of grammers accepts only
//! Telegram's keys.

use std::net::SocketAddr;

use anyhow::{Context, Result, bail, ensure};
use grammers_crypto::{AuthKey, aes, factorize, generate_key_data_from_nonce, rsa};
use grammers_mtproto::{mtp, transport};
use grammers_mtsender::{Sender, ServerAddr};
use grammers_tl_types::{Deserializable, Serializable, enums, functions, types};
use num_bigint::BigUint;

use super::crypto::{random, sha1};
use super::rsa::padded;

/// Makes a new auth key with the data centre at `address`, whose RSA key is `n` and `e` (decimal).
///
/// # Errors
/// When the server cannot be reached or does not hold to the protocol.
pub async fn exchange_key(address: SocketAddr, n: &str, e: &str) -> Result<[u8; 256]> {
    let rsa_key = rsa::Key::new(n, e).context("the RSA key is no pair of decimal numbers")?;
    let plain = mtp::Plain::new();
    let mut sender = Sender::connect(transport::Full::new(), plain, ServerAddr::Tcp { address }).await?;

    let nonce = random();
    let enums::ResPq::Pq(challenge) = sender.invoke(&functions::ReqPqMulti { nonce }).await?;
    ensure!(challenge.nonce == nonce, "the server answered another handshake");
    let server_nonce = challenge.server_nonce;
    let product = challenge.pq.as_slice().try_into().context("pq is not 8 bytes")?;
    let (p, q) = factorize(u64::from_be_bytes(product));
    let (p, q) = (big_endian(p), big_endian(q));

    let new_nonce = random();
    let inner =
        types::PQInnerData { pq: challenge.pq, p: p.clone(), q: q.clone(), nonce, server_nonce, new_nonce };
    let encrypted_data =
        rsa::encrypt_hashed(&enums::PQInnerData::Data(inner).to_bytes(), &rsa_key, &random());
    let public_key_fingerprint =
        *challenge.server_public_key_fingerprints.first().context("the server names no RSA key")?;
    let call = functions::ReqDhParams { nonce, server_nonce, p, q, public_key_fingerprint, encrypted_data };
    let enums::ServerDhParams::Ok(mut opened) = sender.invoke(&call).await? else {
        bail!("the server refused the exchange");
    };
    let (key, iv) = generate_key_data_from_nonce(&server_nonce, &new_nonce);
    ensure!(opened.encrypted_answer.len().is_multiple_of(16), "the answer is not whole blocks");
    aes::ige_decrypt(&mut opened.encrypted_answer, &key, &iv);
    let answer = opened.encrypted_answer.get(20..).context("the answer is too short")?;
    let enums::ServerDhInnerData::Data(theirs) = enums::ServerDhInnerData::from_bytes(answer)?;
    ensure!((theirs.nonce, theirs.server_nonce) == (nonce, server_nonce), "the server mixed up handshakes");

    let prime = BigUint::from_bytes_be(&theirs.dh_prime);
    // The protocol asks for 2048 bits; a phone that does not exist needs no more than these.
    let b = BigUint::from_bytes_be(&random::<32>());
    let g_b = BigUint::from(theirs.g as u32).modpow(&b, &prime).to_bytes_be();
    let auth_key = padded::<256>(&BigUint::from_bytes_be(&theirs.g_a).modpow(&b, &prime));
    let ours = types::ClientDhInnerData { nonce, server_nonce, retry_id: 0, g_b };
    let ours = enums::ClientDhInnerData::Data(ours).to_bytes();
    let mut encrypted_data = [&sha1(&ours)[..], &ours].concat();
    encrypted_data.resize(encrypted_data.len().next_multiple_of(16), 0);
    aes::ige_encrypt(&mut encrypted_data, &key, &iv);
    let call = functions::SetClientDhParams { nonce, server_nonce, encrypted_data };
    let enums::SetClientDhParamsAnswer::DhGenOk(done) = sender.invoke(&call).await? else {
        bail!("the server refused our half of the key");
    };
    let expected = AuthKey::from_bytes(auth_key).calc_new_nonce_hash(&new_nonce, 1);
    ensure!(done.new_nonce_hash1 == expected, "the two sides made different keys");
    Ok(auth_key)
}

fn big_endian(number: u64) -> Vec<u8> {
    let bytes = number.to_be_bytes();
    bytes[bytes.iter().position(|&byte| byte != 0).unwrap_or(7)..].to_vec()
}
