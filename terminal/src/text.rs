//! Text from people, Telegram, or another server, for a terminal: names, notes, errors, ids that somebody typed. It stays on its
//! line, has no power over the terminal, and cannot change the order in which letters are read.
//!
//! Every command of `qr-login` and `replay` prints such text through [`harmless`]; JSON through [`write_json`], which
//! loses nothing; a spreadsheet's field through [`csv_field`]; and the log through [`LogLines`]. Columns that fit a terminal are in
//! [`columns`](crate::columns).

use std::borrow::Cow;
use std::io::{self, Write};

use serde::Serialize;
use serde_json::Serializer;
use serde_json::ser::Formatter;

/// In the place of a character that is not shown.
const REPLACED: char = '\u{fffd}';

/// The text without control characters, line breaks, and marks that turn the direction of writing; each is U+FFFD.
pub fn harmless(text: &str) -> Cow<'_, str> {
    if !text.contains(is_harmful) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().map(|letter| if is_harmful(letter) { REPLACED } else { letter }).collect())
}

/// C0 with escape and line breaks, DEL, C1, the separators of lines and paragraphs, and every mark of Unicode's bidirectional
/// algorithm (UAX #9).
fn is_harmful(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A value as JSON on one line. Harmful characters in strings are escaped as `\uXXXX`, so a program reads what was stored.
///
/// # Errors
/// The writer's.
pub fn write_json(value: &impl Serialize, out: &mut impl Write) -> io::Result<()> {
    struct Escaped;
    impl Formatter for Escaped {
        fn write_string_fragment<W: ?Sized + Write>(
            &mut self,
            out: &mut W,
            fragment: &str,
        ) -> io::Result<()> {
            let mut rest = fragment;
            while let Some(at) = rest.find(is_harmful) {
                out.write_all(&rest.as_bytes()[..at])?;
                let mut letters = rest[at..].chars();
                for unit in letters.next().unwrap_or_default().encode_utf16(&mut [0; 2]) {
                    write!(out, "\\u{unit:04x}")?;
                }
                rest = letters.as_str();
            }
            out.write_all(rest.as_bytes())
        }
    }
    value.serialize(&mut Serializer::with_formatter(out, Escaped)).map_err(io::Error::from)
}

/// Prints a value on one line of stdout, for programs.
///
/// # Errors
/// Stdout is closed.
pub fn print_json(value: &impl Serialize) -> io::Result<()> {
    let mut out = io::stdout().lock();
    write_json(value, &mut out)?;
    writeln!(out)
}

/// A field of comma-separated values (RFC 4180), harmless, and no formula for a spreadsheet: text that begins as one gets an
/// apostrophe before it. An id or a number may begin with a hyphen.
pub fn csv_field(text: &str) -> String {
    let is_id = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    // A tab or a line break at the beginning, which a spreadsheet skips, is U+FFFD afterwards.
    let is_formula = text
        .starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}']);
    let apostrophe = if is_formula && !is_id { "'" } else { "" };
    let text = harmless(text);
    if text.contains([',', '"']) {
        format!("\"{apostrophe}{}\"", text.replace('"', "\"\""))
    } else {
        format!("{apostrophe}{text}")
    }
}

/// For the lines of a log, each of which is one write: harmless but for the line's own end, and for colours.
#[derive(Debug)]
pub struct LogLines<W>(pub W);

impl<W: Write> Write for LogLines<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.write_all(log_line(&String::from_utf8_lossy(line)).as_bytes())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

fn log_line(line: &str) -> String {
    let (line, end) = line.strip_suffix('\n').map_or((line, ""), |line| (line, "\n"));
    let mut pieces = line.split('\u{1b}');
    let mut made = harmless(pieces.next().unwrap_or_default()).into_owned();
    for piece in pieces {
        let colour = piece.strip_prefix('[').and_then(|text| text.split_once('m'));
        match colour.filter(|(digits, _)| digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b';')) {
            Some((digits, rest)) => made.push_str(&format!("\u{1b}[{digits}m{}", harmless(rest))),
            None => made.push_str(&format!("{REPLACED}{}", harmless(piece))),
        }
    }
    made + end
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use proptest::prelude::*;

    use super::{LogLines, csv_field, harmless, is_harmful, write_json};

    /// Every character that has to go, by number.
    fn harmful() -> impl Iterator<Item = char> {
        let controls = (0..0x20).chain(0x7f..0xa0);
        let marks = [0x61c, 0x200e, 0x200f].into_iter().chain(0x2028..=0x202e).chain(0x2066..=0x2069);
        controls.chain(marks).filter_map(char::from_u32)
    }

    #[test]
    fn nothing_that_moves_a_cursor_or_turns_the_text_is_left() {
        for letter in harmful() {
            assert_eq!(harmless(&format!("a{letter}b")), "a\u{fffd}b", "U+{:04X}", u32::from(letter));
        }
        for kept in ["Илья", "עברית", "👩\u{200d}🚀 e\u{301}", "a b", "~!"] {
            assert_eq!(harmless(kept), kept);
        }
    }

    #[test]
    fn a_field_of_a_spreadsheet_is_no_formula() {
        for (text, field) in [
            ("plain", "plain"),
            (r#"{"a":1,"b":2}"#, r#""{""a"":1,""b"":2}""#),
            ("=1+1", "'=1+1"),
            ("+7 900", "'+7 900"),
            ("-1+cmd|' /C calc'!A0", "'-1+cmd|' /C calc'!A0"),
            ("@SUM(A1,A2)", "\"'@SUM(A1,A2)\""),
            ("\t=1", "'\u{fffd}=1"),
            ("\r\n=1", "'\u{fffd}\u{fffd}=1"),
            ("-abc_DEF-123", "-abc_DEF-123"),
            ("-17", "-17"),
            ("\u{202e}=1", "\u{fffd}=1"),
        ] {
            assert_eq!(csv_field(text), field, "{text:?}");
        }
    }

    #[test]
    fn a_log_line_keeps_its_colours_and_its_end() {
        let mut written = Vec::new();
        let line = "\u{1b}[2m10:00\u{1b}[0m \u{1b}[32m INFO\u{1b}[0m \u{1b}]0;Eve\u{7} \u{202e}olleh\nnext\u{1b}[2J\n";
        write!(LogLines(&mut written), "{line}").unwrap();
        assert_eq!(
            String::from_utf8(written).unwrap(),
            "\u{1b}[2m10:00\u{1b}[0m \u{1b}[32m INFO\u{1b}[0m \u{fffd}]0;Eve\u{fffd} \u{fffd}olleh\u{fffd}next\u{fffd}[2J\n"
        );
    }

    proptest! {
        #[test]
        fn json_is_harmless_and_loses_nothing(key in ".*", text in "(?s)[\\x00-\u{2070}]*") {
            let value = serde_json::json!({ key: [text, 1, null] });
            let mut line = Vec::new();
            write_json(&value, &mut line).unwrap();
            let line = String::from_utf8(line).unwrap();
            prop_assert!(!line.contains(is_harmful), "{line:?}");
            prop_assert_eq!(serde_json::from_str::<serde_json::Value>(&line).unwrap(), value);
        }

        #[test]
        fn no_field_of_a_spreadsheet_is_a_formula_or_ends_its_line(text in "(?s)[\\x00-\u{2070}]*") {
            let field = csv_field(&text);
            prop_assert!(!field.contains(is_harmful), "{field:?}");
            let inner = field.strip_prefix('"').unwrap_or(&field);
            prop_assert!(!inner.starts_with(['=', '+', '@']), "{field:?}");
        }
    }
}
