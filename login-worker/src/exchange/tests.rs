//! The parts of the key exchange against what Telegram's documents ask for; the whole of it is in `tests/mtproto` of the stand-in.

use super::*;

/// Telegram's production key, as grammers has it built in under the fingerprint -3414540481677951611.
const TELEGRAM_N: &str = "29379598170669337022986177149456128565388431120058863768162556424047512191330847455146\
576344487764408661701890505066208632169112269581063774293102577308490531282748465986139880977280302242772832972539403531\
316010870401287642763009136156734339538042419388722777357134487746169093539093850251243897188928735903389451772730245253\
062963384108812842079887538976360465290946139638691491496062099570836476454855996319192747663615955633778034897140982517\
446405334423701359108810182097749467210509584293428076654573384828809574217079944388301239431309115013843331317877374435\
868468779972014486325557807783825502498215169806323";

fn nonces() -> Nonces {
    Nonces { nonce: [1; 16], server_nonce: [2; 16], new_nonce: Zeroizing::new([3; 32]) }
}

fn offer(g: i32, g_a: BigUint) -> tl::types::ServerDhInnerData {
    let prime = BigUint::parse_bytes(PRIME_HEX, 16).unwrap();
    tl::types::ServerDhInnerData {
        nonce: [1; 16],
        server_nonce: [2; 16],
        g,
        dh_prime: prime.to_bytes_be(),
        g_a: g_a.to_bytes_be(),
        server_time: 0,
    }
}

fn sealed(inner: &tl::types::ServerDhInnerData) -> tl::enums::ServerDhParams {
    let plain = tl::enums::ServerDhInnerData::Data(inner.clone()).to_bytes();
    let mut bytes = [&Sha1::digest(&plain)[..], &plain].concat();
    bytes.resize(bytes.len().next_multiple_of(16), 0);
    let (key, iv) = generate_key_data_from_nonce(&[2; 16], &[3; 32]);
    aes::ige_encrypt(&mut bytes, &key, &iv);
    tl::enums::ServerDhParams::Ok(tl::types::ServerDhParamsOk {
        nonce: [1; 16],
        server_nonce: [2; 16],
        encrypted_answer: bytes,
    })
}

fn opened(answer: tl::enums::ServerDhParams) -> Result<tl::types::ServerDhInnerData, String> {
    let (key, iv) = generate_key_data_from_nonce(&[2; 16], &[3; 32]);
    open_dh_answer(answer, &nonces(), &key, &iv).map_err(|error| error.to_string())
}

#[test]
fn an_rsa_key_is_named_as_telegram_names_its_own() {
    let rsa = PublicKey { n: TELEGRAM_N.into(), e: "65537".into() };
    assert_eq!(fingerprint(&rsa), -3_414_540_481_677_951_611);
}

#[test]
fn an_answer_is_opened_only_as_it_was_sealed() {
    let good = offer(3, BigUint::from(1u8) << 2000u32);
    assert_eq!(opened(sealed(&good)).unwrap().g, 3);

    let tl::enums::ServerDhParams::Ok(mut tampered) = sealed(&good) else { panic!() };
    tampered.encrypted_answer[40] ^= 1;
    assert!(opened(tl::enums::ServerDhParams::Ok(tampered)).is_err());

    let other_nonce = tl::types::ServerDhInnerData { nonce: [9; 16], ..good.clone() };
    assert!(opened(sealed(&other_nonce)).unwrap_err().contains("nonce"));

    let tl::enums::ServerDhParams::Ok(mut short) = sealed(&good) else { panic!() };
    short.encrypted_answer.truncate(16);
    assert!(opened(tl::enums::ServerDhParams::Ok(short)).unwrap_err().contains("length"));
}

#[test]
fn a_weak_half_of_the_secret_is_refused() {
    let prime = BigUint::parse_bytes(PRIME_HEX, 16).unwrap();
    let fine = BigUint::from(1u8) << 2000u32;
    assert!(OurHalf::of(&offer(3, fine.clone())).is_ok());
    for weak in [BigUint::from(1u8), &prime - 1u8, BigUint::from(1u8) << 1983u32, prime.clone()] {
        assert!(OurHalf::of(&offer(3, weak)).is_err());
    }
    for g in [-3, 0, 1, 2, 5, 6] {
        assert!(OurHalf::of(&offer(g, fine.clone())).is_err());
    }
    let other_prime = tl::types::ServerDhInnerData { dh_prime: vec![0xff; 256], ..offer(3, fine) };
    assert!(OurHalf::of(&other_prime).is_err());
}

#[test]
fn a_server_with_another_secret_is_refused() {
    let hash = grammers_crypto::AuthKey::from_bytes([5; 256]).calc_new_nonce_hash(&[3; 32], 1);
    let finished = |hash| {
        tl::enums::SetClientDhParamsAnswer::DhGenOk(tl::types::DhGenOk {
            nonce: [1; 16],
            server_nonce: [2; 16],
            new_nonce_hash1: hash,
        })
    };
    assert!(check_finished(&finished(hash), &nonces(), &[5; 256]).is_ok());
    assert!(check_finished(&finished(hash), &nonces(), &[6; 256]).is_err());
    assert!(check_finished(&finished([0; 16]), &nonces(), &[5; 256]).is_err());
}

#[test]
fn a_number_without_two_odd_factors_is_refused_before_it_is_factorised() {
    let rsa = PublicKey { n: TELEGRAM_N.into(), e: "65537".into() };
    for pq in [&0u64.to_be_bytes()[..], &4u64.to_be_bytes(), &[1, 2, 3]] {
        assert!(request_dh(pq, &nonces(), &rsa, 0).is_err());
    }
    let request = request_dh(&(1_000_003u64 * 1_000_033).to_be_bytes(), &nonces(), &rsa, 7).unwrap();
    assert_eq!((request.p, request.q), (shortest(1_000_003), shortest(1_000_033)));
}

/// Found by `fuzz/fuzz_targets/exchange.rs`: a search that never ends.
#[test]
fn a_prime_and_a_square_are_refused_before_anything_is_factorised() {
    for number in [5, 9, 37, 1_000_003 * 1_000_003, 18_446_744_073_709_551_557, 4_294_967_291 * 4_294_967_291]
    {
        let refused = product_of_two_primes(&u64::to_be_bytes(number));
        assert!(matches!(refused, Err(ExchangeError::Refused(_))), "{number}");
    }
    // Composite, and prime to the first witnesses: 3215031751 deceives the witnesses 2, 3, 5 and 7.
    for number in [15, 3_215_031_751, 1_000_003 * 1_000_033, 0x17ED_4894_1A08_F981] {
        assert_eq!(product_of_two_primes(&u64::to_be_bytes(number)).ok(), Some(number));
    }
    let primes = (3..2_000u64).step_by(2).filter(|number| is_prime(*number)).count();
    assert_eq!(primes, 302, "with 2 there are 303 below 2,000");
}
