//! For `fuzz/` alone: the answers of a hostile data centre, without a connection.

use super::*;

/// What step this is about, and the bytes that came.
pub fn exchange(step: u8, answer: &[u8]) {
    let nonces = Nonces { nonce: [1; 16], server_nonce: [2; 16], new_nonce: Zeroizing::new([3; 32]) };
    let (key, iv) = generate_key_data_from_nonce(&nonces.server_nonce, &nonces.new_nonce);
    match step % 5 {
        // The number to factorise.
        0 => {
            // Any number of 2048 bits is a modulus to encrypt with.
            let n = (BigUint::from(1u8) << 2048u32) - BigUint::from(159u8);
            let rsa = PublicKey { n: n.to_string(), e: "65537".to_owned() };
            // A worker takes a panic of grammers for a refusal, as here.
            let asked = std::panic::catch_unwind(|| request_dh(answer, &nonces, &rsa, 7));
            if let Ok(Ok(request)) = asked {
                let number =
                    |bytes: &[u8]| bytes.iter().fold(0u128, |sum, byte| sum << 8 | u128::from(*byte));
                assert_eq!(number(&request.p) * number(&request.q), number(answer));
                assert!(
                    number(&request.p) > 1 && request.p <= request.q || request.p.len() < request.q.len()
                );
            }
        }
        // The sealed half, as it comes.
        1 => {
            if let Ok(answer) = tl::enums::ServerDhParams::from_bytes(answer) {
                let _ = open_dh_answer(answer, &nonces, &key, &iv);
            }
        }
        // A sealed half of a server that knows the secret nonce: its content is the input.
        2 | 3 => {
            let mut sealed = [&Sha1::digest(answer)[..], answer].concat();
            sealed.resize(sealed.len().next_multiple_of(16).max(32), 0);
            aes::ige_encrypt(&mut sealed, &key, &iv);
            let sealed = tl::types::ServerDhParamsOk {
                nonce: nonces.nonce,
                server_nonce: nonces.server_nonce,
                encrypted_answer: sealed,
            };
            if let Ok(theirs) = open_dh_answer(sealed.into(), &nonces, &key, &iv) {
                let _ = OurHalf::of(&theirs);
            }
        }
        _ => {
            if let Ok(finished) = tl::enums::SetClientDhParamsAnswer::from_bytes(answer) {
                let _ = check_finished(&finished, &nonces, &[5; 256]);
            }
        }
    }
}
