//! Vectors that Telegram signed (from the public init-data test suite), and what must be refused.

use super::*;

const SIGNED: &str = "user=%7B%22id%22%3A279058397%2C%22first_name%22%3A%22Vladislav%20%2B%20-%20%3F%20%5C%2F%22%2C%22last_name%22%3A%22Kibenko%22%2C%22username%22%3A%22vdkfrost%22%2C%22language_code%22%3A%22ru%22%2C%22is_premium%22%3Atrue%2C%22allows_write_to_pm%22%3Atrue%2C%22photo_url%22%3A%22https%3A%5C%2F%5C%2Ft.me%5C%2Fi%5C%2Fuserpic%5C%2F320%5C%2F4FPEE4tmP3ATHa57u6MqTDih13LTOiMoKoLDRG4PnSA.svg%22%7D&chat_instance=8134722200314281151&chat_type=private&auth_date=1733584787&signature=zL-ucjNyREiHDE8aihFwpfR9aggP2xiAo3NSpfe-p7IbCisNlDKlo7Kb6G4D0Ao2mBrSgEk4maLSdv6MLIlADQ&hash=2174df5b000556d044f3f020384e879c8efcab55ddea2ced4eb752e93e7080d6";
const TOKEN: &str = "7342037359:AAFZehRPBRs8Seg40oDjTMIW8uTGPuW1zfQ";
const SIGNED_AT: i64 = 1_733_584_787;

fn verify_at(raw: &str, token: &str, second: i64) -> Result<i64, InitDataError> {
    let now = Timestamp::from_second(second).expect("a test's instant");
    Verifier::new(&SecretString::from(token)).verify(raw, now).map(|opener| opener.id)
}

fn without(raw: &str, key: &str) -> String {
    raw.split('&').filter(|pair| !pair.starts_with(&format!("{key}="))).collect::<Vec<_>>().join("&")
}

#[test]
fn what_telegram_signed_is_believed() {
    assert_eq!(verify_at(SIGNED, TOKEN, SIGNED_AT + 5), Ok(279_058_397));
}

#[test]
fn the_order_of_the_pairs_does_not_matter() {
    let reversed = SIGNED.split('&').rev().collect::<Vec<_>>().join("&");
    assert_eq!(verify_at(&reversed, TOKEN, SIGNED_AT), Ok(279_058_397));
}

#[test]
fn without_a_hash_telegrams_own_signature_counts() {
    let third_party = without(SIGNED, "hash");
    assert_eq!(verify_at(&third_party, TOKEN, SIGNED_AT), Ok(279_058_397));
    assert_eq!(verify_at(&third_party, "7342037360:AA", SIGNED_AT), Err(InitDataError::Forged));
}

#[test]
fn another_bots_launch_data_is_forged() {
    assert_eq!(verify_at(SIGNED, "7342037359:AAF", SIGNED_AT), Err(InitDataError::Forged));
}

#[test]
fn a_changed_user_is_forged() {
    let changed = SIGNED.replace("279058397", "279058398");
    assert_eq!(verify_at(&changed, TOKEN, SIGNED_AT), Err(InitDataError::Forged));
}

#[test]
fn a_second_user_is_refused_before_anything_is_compared() {
    let doubled = format!("{SIGNED}&user=%7B%22id%22%3A1%7D");
    assert_eq!(verify_at(&doubled, TOKEN, SIGNED_AT), Err(InitDataError::DuplicateKey));
}

#[test]
fn launch_data_lives_fifteen_minutes_and_may_be_two_ahead() {
    assert!(verify_at(SIGNED, TOKEN, SIGNED_AT + 900).is_ok());
    assert_eq!(verify_at(SIGNED, TOKEN, SIGNED_AT + 901), Err(InitDataError::Stale));
    assert!(verify_at(SIGNED, TOKEN, SIGNED_AT - 120).is_ok());
    assert_eq!(verify_at(SIGNED, TOKEN, SIGNED_AT - 121), Err(InitDataError::Future));
}

#[test]
fn launch_data_that_was_believed_once_grows_old_all_the_same() {
    let verifier = Verifier::new(&SecretString::from(TOKEN));
    let verify_at = |raw, second| {
        verifier
            .verify(raw, Timestamp::from_second(second).expect("a test's instant"))
            .map(|opener| opener.id)
    };
    assert_eq!(verify_at(SIGNED, SIGNED_AT), Ok(279_058_397));
    assert_eq!(verify_at(SIGNED, SIGNED_AT + 900), Ok(279_058_397));
    assert_eq!(verify_at(SIGNED, SIGNED_AT + 901), Err(InitDataError::Stale));
    assert_eq!(verify_at(SIGNED, SIGNED_AT - 121), Err(InitDataError::Future));
}

#[test]
fn what_resembles_launch_data_that_was_believed_is_forged() {
    let verifier = Verifier::new(&SecretString::from(TOKEN));
    let now = Timestamp::from_second(SIGNED_AT).expect("a test's instant");
    assert!(verifier.verify(SIGNED, now).is_ok());
    let stretched =
        SIGNED.replace(&format!("auth_date={SIGNED_AT}"), &format!("auth_date={}", SIGNED_AT + 600));
    for forged in [SIGNED.replace("279058397", "279058398"), stretched, without(SIGNED, "chat_type")] {
        assert_eq!(verifier.verify(&forged, now), Err(InitDataError::Forged));
    }
}

#[test]
fn nonsense_is_refused() {
    assert_eq!(verify_at("", TOKEN, SIGNED_AT), Err(InitDataError::Missing("hash")));
    assert_eq!(verify_at("hash=zz", TOKEN, SIGNED_AT), Err(InitDataError::Malformed));
    assert_eq!(verify_at(&"a".repeat(5000), TOKEN, SIGNED_AT), Err(InitDataError::TooLong));
}

/// A launch has one form: nobody can give it another name in the cache, or make what is read differ from what is signed.
#[test]
fn another_spelling_of_the_same_launch_data_is_refused() {
    let hash = SIGNED.split_once("hash=").map(|(_, hash)| hash).unwrap();
    let upper = SIGNED.replace(hash, &hash.to_uppercase());
    assert_eq!(verify_at(&upper, TOKEN, SIGNED_AT), Err(InitDataError::Malformed));
    for date in ["%2B1733584787", "01733584787", "1733584787.0", "+1733584787", "-1", ""] {
        let signed = signed_with_date(date);
        assert_eq!(verify_at(&signed, TOKEN, SIGNED_AT), Err(InitDataError::Malformed), "{date}");
    }
    assert_eq!(verify_at(&signed_with_date("1733584787"), TOKEN, SIGNED_AT), Ok(279_058_397));
}

/// The launch with another date, signed as Telegram would.
fn signed_with_date(date: &str) -> String {
    let changed = without(SIGNED, "hash").replace("1733584787", date);
    let verifier = Verifier::new(&SecretString::from(TOKEN));
    let check_string = check_string(&parse(&changed).unwrap(), &[]);
    let hash = hmac(&verifier.secret, check_string.as_bytes()).finalize().into_bytes();
    format!("{changed}&hash={}", hex::encode(hash))
}

#[test]
fn every_spelling_of_a_launch_is_one_launch() {
    let now = Timestamp::from_second(SIGNED_AT).expect("a test's instant");
    let launch = |raw: &str| Verifier::new(&SecretString::from(TOKEN)).verify_launch(raw, now);
    let (_, one) = launch(SIGNED).unwrap();
    let reversed = SIGNED.split('&').rev().collect::<Vec<_>>().join("&");
    let spelled = SIGNED.replace("%20%2B", "+%2B").replace("chat_type", "%63hat_type");
    for other in [reversed, spelled, without(SIGNED, "hash")] {
        assert_eq!(launch(&other).map(|(_, launch)| launch), Ok(one), "{other}");
    }
    assert_eq!(launch(&without(SIGNED, "chat_type")), Err(InitDataError::Forged));
}
