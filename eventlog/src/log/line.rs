//! The canonical line of an event: the row as one line of JSON. It is what `replay export` prints, and a leaf of the tree that
//! proves the history (crate `transparency`). So its form never changes, and golden files freeze it.
//!
//! ```text
//! {"position":1,"at":"2026-11-29T12:00:00.5Z","stream":"account","stream_id":"…","version":1,"event":"AccountBlocked",
//!  "actor":"system","account_id":"…","login_id":null,"causation_id":null,"payload":{…},
//!  "event_version":"1","metadata":{…},"event_no":1,"cluster_no":0,"transaction_id":734}
//! ```
//!
//! - The first eleven fields are those of `replay history --format jsonl`; the others are what the row holds besides. Together they
//!   say what stands in each column: two rows that differ anywhere have two lines.
//! - It is made of the row alone, as stored: nothing is decoded, opened or brought to a newer version.
//! - `payload` is stored as `{"<event>":…}`, and the line has the text after the colon, byte for byte. `metadata` is there byte
//!   for byte. Text that cannot stand in a line so (no such wrapper, no JSON, a line break, a character that has power over a
//!   terminal) is in `payload_text` or `metadata_text` instead: whole, as a string.
//! - Strings are written as Python's `json.dumps` writes them: what is not printable ASCII is escaped.
//! - `at` is in UTC, with as many digits of a second as it needs.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;
use sqlx::Row;
use sqlx::postgres::PgRow;

#[cfg(test)]
mod tests;

/// A row of the log as stored, at its position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredEvent {
    /// Its place in the one order of all events, from 1.
    pub position: i64,
    /// When the database took it.
    pub recorded_at: Timestamp,
    /// The kind of stream.
    pub stream: String,
    /// Which one.
    pub stream_id: String,
    /// Its place in its stream, from 1.
    pub sequence: i64,
    /// Its stored name.
    pub name: String,
    /// Its stored version.
    pub version: String,
    /// The text of the payload.
    pub payload: String,
    /// The text of the envelope.
    pub metadata: String,
    /// Its place in the order of insertion.
    pub event_no: i64,
    /// In which cluster it was written.
    pub cluster_no: i32,
    /// By which transaction.
    pub transaction_id: u64,
}

/// What the line tells of the envelope besides its text: what is a string there.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Envelope<'a> {
    #[serde(borrow)]
    actor: Option<&'a RawValue>,
    #[serde(borrow)]
    account_id: Option<&'a RawValue>,
    #[serde(borrow)]
    correlation_id: Option<&'a RawValue>,
    #[serde(borrow)]
    causation_id: Option<&'a RawValue>,
}

/// The columns of [`StoredEvent`]; a condition follows.
pub(super) const SELECT_STORED: &str = "
select i.position, e.recorded_at, e.aggregate_type, e.aggregate_id, e.sequence, e.event_type, e.event_version,
       e.payload::text as payload, e.metadata::text as metadata, e.event_no, e.cluster_no,
       e.transaction_id::text as transaction_id
  from log_index i join events e on e.event_no = i.event_no
 where ";

/// Reads a row of [`SELECT_STORED`].
pub(super) fn stored_event(row: &PgRow) -> Result<StoredEvent, sqlx::Error> {
    let transaction_id: &str = row.try_get("transaction_id")?;
    Ok(StoredEvent {
        position: row.try_get("position")?,
        recorded_at: row.try_get::<jiff_sqlx::Timestamp, _>("recorded_at")?.to_jiff(),
        stream: row.try_get("aggregate_type")?,
        stream_id: row.try_get("aggregate_id")?,
        sequence: row.try_get("sequence")?,
        name: row.try_get("event_type")?,
        version: row.try_get("event_version")?,
        payload: row.try_get("payload")?,
        metadata: row.try_get("metadata")?,
        event_no: row.try_get("event_no")?,
        cluster_no: row.try_get("cluster_no")?,
        transaction_id: transaction_id.parse().map_err(|error| sqlx::Error::Decode(Box::new(error)))?,
    })
}

impl StoredEvent {
    /// Its line, without a line break at the end.
    pub fn line(&self) -> String {
        let mut line = String::with_capacity(self.payload.len() + 2 * self.metadata.len() + 256);
        self.write_line(&mut line);
        line
    }

    /// Appends its line to the text, without a line break at the end.
    pub fn write_line(&self, line: &mut String) {
        let envelope = serde_json::from_str::<Envelope<'_>>(&self.metadata).unwrap_or_default();
        line.push_str("{\"position\":");
        number(line, self.position);
        line.push_str(",\"at\":\"");
        line.push_str(&self.recorded_at.to_string());
        line.push_str("\",\"stream\":");
        write_json_string(line, &self.stream);
        line.push_str(",\"stream_id\":");
        write_json_string(line, &self.stream_id);
        line.push_str(",\"version\":");
        number(line, self.sequence);
        line.push_str(",\"event\":");
        write_json_string(line, &self.name);
        for (field, value, missing) in [
            (",\"actor\":", envelope.actor, "\"\""),
            (",\"account_id\":", envelope.account_id, "null"),
            (",\"login_id\":", envelope.correlation_id, "null"),
            (",\"causation_id\":", envelope.causation_id, "null"),
        ] {
            line.push_str(field);
            match value.and_then(|value| serde_json::from_str::<String>(value.get()).ok()) {
                Some(text) => write_json_string(line, &text),
                None => line.push_str(missing),
            }
        }
        match unwrapped(&self.payload, &self.name) {
            Some(payload) => text(line, ",\"payload\":", payload),
            None => as_string(line, ",\"payload_text\":", &self.payload),
        }
        line.push_str(",\"event_version\":");
        write_json_string(line, &self.version);
        match is_json_line(&self.metadata) {
            true => text(line, ",\"metadata\":", &self.metadata),
            false => as_string(line, ",\"metadata_text\":", &self.metadata),
        }
        line.push_str(",\"event_no\":");
        number(line, self.event_no);
        line.push_str(",\"cluster_no\":");
        number(line, i64::from(self.cluster_no));
        line.push_str(",\"transaction_id\":");
        line.push_str(&self.transaction_id.to_string());
        line.push('}');
    }
}

/// What stands in `{"<name>":…}`; None: the text is not exactly that.
fn unwrapped<'a>(payload: &'a str, name: &str) -> Option<&'a str> {
    let mut wrapper = "{".to_owned();
    write_json_string(&mut wrapper, name);
    wrapper.push(':');
    let inner = payload.strip_prefix(&*wrapper)?.strip_suffix('}')?;
    is_json_line(inner).then_some(inner)
}

/// Whether the text is one JSON value with nothing around it, and harmless.
fn is_json_line(text: &str) -> bool {
    !text.contains(is_harmful)
        && serde_json::from_str::<&RawValue>(text).is_ok_and(|value| value.get().len() == text.len())
}

/// Control characters, line breaks, and marks that turn the direction of writing. The list is a part of the form of a line.
fn is_harmful(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn text(line: &mut String, field: &str, text: &str) {
    line.push_str(field);
    line.push_str(text);
}

fn as_string(line: &mut String, field: &str, text: &str) {
    line.push_str(field);
    write_json_string(line, text);
}

fn number(line: &mut String, number: i64) {
    line.push_str(&number.to_string());
}

/// Appends a string as a line has it: as Python's `json.dumps` writes it.
pub fn write_json_string(line: &mut String, text: &str) {
    line.push('"');
    for letter in text.chars() {
        match letter {
            '"' => line.push_str("\\\""),
            '\\' => line.push_str("\\\\"),
            ' '..='~' => line.push(letter),
            '\n' => line.push_str("\\n"),
            '\r' => line.push_str("\\r"),
            '\t' => line.push_str("\\t"),
            '\u{8}' => line.push_str("\\b"),
            '\u{c}' => line.push_str("\\f"),
            _ => {
                for unit in letter.encode_utf16(&mut [0; 2]) {
                    line.push_str(&format!("\\u{unit:04x}"));
                }
            }
        }
    }
    line.push('"');
}
