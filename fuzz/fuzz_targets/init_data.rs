//! Launch data, beside a second implementation: another parser, another HMAC (ring's). Whom one lets in, the other lets in too, as the
//! same person. What the second one has signed is let in by the first.
//!
//! An input is launch data itself, or, after a first byte below 0x20, fields to be signed by the second implementation.
#![no_main]

use std::sync::LazyLock;

use web::Verifier;
use jiff::Timestamp;
use libfuzzer_sys::fuzz_target;
use ring::hmac::{HMAC_SHA256, Key, sign};

const TOKEN: &str = "123456:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
const NOW: i64 = 1_700_000_000;

static SECRET: LazyLock<Key> = LazyLock::new(|| {
    let secret = sign(&Key::new(HMAC_SHA256, b"WebAppData"), TOKEN.as_bytes());
    Key::new(HMAC_SHA256, secret.as_ref())
});

fuzz_target!(|data: &[u8]| {
    let Some(first) = data.first() else { return };
    let raw = match first {
        0..0x20 => signed(*first, &data[1..]),
        _ => String::from_utf8_lossy(data).into_owned(),
    };
    let now = Timestamp::from_second(NOW).expect("a time");
    // A verifier of its own: nothing is remembered of the inputs before.
    let verifier = Verifier::new(&TOKEN.into());
    let told = verifier.verify(&raw, now).ok().map(|opener| opener.id);
    let expected = reference(&raw);
    match (told, expected) {
        (Some(told), Some(expected)) => assert_eq!(told, expected, "{raw:?}"),
        (Some(told), None) => panic!("{told} was let in by {raw:?}"),
        // JSON that only one of two parsers reads.
        (None, Some(_)) => assert!(*first >= 0x20 || raw.len() > 4096, "refused: {raw:?}"),
        (None, None) => {}
    }
});

/// The person, if the form, the HMAC and the age are right; as Telegram describes it, without the code of ours.
fn reference(raw: &str) -> Option<i64> {
    let mut fields: Vec<(String, String)> = Vec::new();
    for pair in raw.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (name, value) = (decoded(name), decoded(value));
        if fields.iter().any(|(other, _)| *other == name) {
            return None;
        }
        fields.push((name, value));
    }
    let find = |wanted: &str| fields.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str());
    let hash = find("hash")?;
    let (user, auth_date) = (find("user")?, find("auth_date")?);
    let is_plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    if !is_plain(auth_date) || hash != hash_of(&fields) {
        return None;
    }
    let age = NOW - auth_date.parse::<i64>().ok()?;
    if !(-120..=900).contains(&age) {
        return None;
    }
    serde_json::from_str::<serde_json::Value>(user).ok()?.get("id")?.as_i64()
}

fn hash_of(fields: &[(String, String)]) -> String {
    let mut signed: Vec<&(String, String)> = fields.iter().filter(|(name, _)| name != "hash").collect();
    signed.sort();
    let lines: Vec<String> = signed.iter().map(|(name, value)| format!("{name}={value}")).collect();
    sign(&SECRET, lines.join("\n").as_bytes()).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn decoded(text: &str) -> String {
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let [first, tail @ ..] = rest {
        let hex = |digit: u8| char::from(digit).to_digit(16).and_then(|it| u8::try_from(it).ok());
        match (first, tail) {
            (b'+', _) => bytes.push(b' '),
            (b'%', [high, low, after @ ..]) if hex(*high).is_some() && hex(*low).is_some() => {
                bytes.push(hex(*high).unwrap_or(0) * 16 + hex(*low).unwrap_or(0));
                rest = after;
                continue;
            }
            _ => bytes.push(*first),
        }
        rest = tail;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Launch data of person 7 with fields of the input, signed. The bits of the first byte say what is unusual in it.
fn signed(unusual: u8, data: &[u8]) -> String {
    let text = String::from_utf8_lossy(data);
    let mut fields = vec![
        ("user".to_owned(), r#"{"id":7,"first_name":"A","language_code":"ru"}"#.to_owned()),
        ("auth_date".to_owned(), NOW.to_string()),
    ];
    for line in text.split('\n') {
        let (name, value) = line.split_once('=').unwrap_or((line, ""));
        if name != "hash" && !fields.iter().any(|(other, _)| other == name) {
            fields.push((name.to_owned(), value.to_owned()));
        }
    }
    if unusual & 4 != 0 {
        fields[1].1.insert(0, if unusual & 8 != 0 { '+' } else { '0' });
    }
    let mut hash = hash_of(&fields);
    if unusual & 1 != 0 {
        hash.make_ascii_uppercase();
    }
    if unusual & 16 != 0 {
        hash.push_str("00");
    }
    fields.push(("hash".to_owned(), hash));
    if unusual & 2 != 0 {
        fields.rotate_right(1);
    }
    let encode = |text: &str| text.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
    // An empty name and value would be no pair at all.
    let pairs = fields.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value)));
    pairs.collect::<Vec<_>>().join("&")
}
