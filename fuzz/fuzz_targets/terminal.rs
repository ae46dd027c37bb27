//! Text for a terminal, a spreadsheet and a log: nothing in it has power, and JSON loses nothing.
#![no_main]

use std::io::Write;

use terminal::{LogLines, csv_field, harmless, write_json};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let has_power = |letter: char| {
        letter.is_control()
            || "\u{61c}\u{200e}\u{200f}\u{2028}\u{2029}\u{202a}\u{202b}\u{202c}\u{202d}\u{202e}"
                .contains(letter)
            || ('\u{2066}'..='\u{2069}').contains(&letter)
    };
    let shown = harmless(text);
    assert!(!shown.contains(has_power));
    assert_eq!(shown.chars().count(), text.chars().count());
    assert_eq!(harmless(&shown), shown);

    let field = csv_field(text);
    assert!(!field.contains(has_power));
    let value = match field.strip_prefix('"') {
        Some(quoted) => quoted.strip_suffix('"').expect("a quote at both ends").replace("\"\"", "\""),
        None => field.clone(),
    };
    assert_eq!(value.strip_prefix('\'').filter(|it| *it == shown).unwrap_or(&value), shown);
    let is_id = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    assert!(is_id || !value.starts_with(['=', '+', '-', '@']), "{field:?}");

    let mut line = Vec::new();
    write_json(&[text], &mut line).expect("memory");
    let line = String::from_utf8(line).expect("text");
    assert!(!line.contains(has_power));
    assert_eq!(serde_json::from_str::<[String; 1]>(&line).expect("JSON"), [text]);

    let mut log = Vec::new();
    LogLines(&mut log).write_all(format!("{text}\n").as_bytes()).expect("memory");
    let log = String::from_utf8(log).expect("text");
    let log = log.strip_suffix('\n').expect("one line");
    for (at, _) in log.match_indices(has_power) {
        // Only a colour may be left.
        let colour = log[at..].strip_prefix("\u{1b}[").and_then(|rest| rest.split_once('m'));
        assert!(
            colour.is_some_and(|(digits, _)| digits.bytes().all(|it| it.is_ascii_digit() || it == b';')),
            "{log:?}"
        );
    }
});
