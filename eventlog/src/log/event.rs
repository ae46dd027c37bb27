//! An event as the log stores it.

use std::sync::Arc;

use domain::{AccountId, DecodeError, Event, LoginId, Sealed};
use jiff::Timestamp;
use serde_json::Value;
use sqlx::Row;
use sqlx::postgres::PgRow;

/// A stored event at its position.
#[derive(Clone, Debug)]
pub struct LogEvent {
    /// Its place in the one order of all events: dense, from 1.
    pub position: i64,
    /// When the database took it. Along positions it may run backwards by milliseconds.
    pub recorded_at: Timestamp,
    /// The kind of stream as stored: `invite`, `login`, `account`.
    pub stream: String,
    /// Which one.
    pub stream_id: String,
    /// Its place in its stream, from 1.
    pub sequence: i64,
    /// Its stored name.
    pub name: String,
    /// Its stored version.
    pub version: String,
    /// What it says, or why this program cannot tell.
    pub event: Result<Event, Arc<DecodeError>>,
    /// As stored.
    pub payload: Value,
    /// Who, about whom, and why; readable even when the payload is not.
    pub metadata: Metadata,
    /// The same as stored, with whatever else is in it.
    pub envelope: Value,
}

/// What a fold sees of an event.
#[derive(Clone, Copy, Debug)]
pub struct Fact<'a> {
    /// Its place in the one order of all events.
    pub position: i64,
    /// The kind of stream as stored.
    pub stream: &'a str,
    /// Which one.
    pub stream_id: &'a str,
    /// Its stored name.
    pub name: &'a str,
    /// What it says, or why this program cannot tell.
    pub event: &'a Result<Event, Arc<DecodeError>>,
    /// Whom it is about, as the envelope says. A rebuild reads envelopes only where a view asks for them.
    pub account_id: Option<AccountId>,
}

/// The envelope of an event. What is missing or malformed in it is None: it must not stop a reader.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata {
    /// `system`, `tool:<name>`, or the account id of a person.
    pub actor: String,
    /// Whom it is about.
    pub account_id: Option<AccountId>,
    /// In which login.
    pub login_id: Option<LoginId>,
    /// Because of which event: `stream/id/sequence`.
    pub causation_id: Option<String>,
    /// Because of which update of the bot.
    pub update_id: Option<i64>,
    /// Why, in the words of the person who ordered it, sealed with the key of the person whom it is about.
    pub reason: Option<Sealed>,
}

impl LogEvent {
    /// What a fold sees of it.
    pub fn fact(&self) -> Fact<'_> {
        Fact {
            position: self.position,
            stream: &self.stream,
            stream_id: &self.stream_id,
            name: &self.name,
            event: &self.event,
            account_id: self.metadata.account_id,
        }
    }
}

/// Reads a row of [`SELECT`](super::query::SELECT).
pub(super) fn log_event(row: &PgRow) -> Result<LogEvent, sqlx::Error> {
    let stream: String = row.try_get("aggregate_type")?;
    let name: String = row.try_get("event_type")?;
    let version: String = row.try_get("event_version")?;
    let payload = json_text(row, "payload")?;
    let event = Event::decode_text(&stream, &name, &version, payload).map_err(Arc::new);
    let envelope = as_stored(json_text(row, "metadata")?);
    Ok(LogEvent {
        position: row.try_get("position")?,
        recorded_at: row.try_get::<jiff_sqlx::Timestamp, _>("recorded_at")?.to_jiff(),
        stream_id: row.try_get("aggregate_id")?,
        sequence: row.try_get("sequence")?,
        metadata: Metadata::of(&envelope),
        envelope,
        stream,
        name,
        version,
        event,
        payload: as_stored(payload),
    })
}

fn json_text<'r>(row: &'r PgRow, column: &str) -> Result<&'r str, sqlx::Error> {
    row.try_get_raw(column)?.as_str().map_err(sqlx::Error::Decode)
}

/// The JSON value. PostgreSQL's type json takes text that is no valid JSON, such as half a character: this becomes a string.
pub fn as_stored(json: &str) -> Value {
    serde_json::from_str(json).unwrap_or_else(|_| Value::String(json.to_owned()))
}

impl Metadata {
    /// Reads it from what is stored.
    pub fn of(stored: &Value) -> Self {
        let text = |key| stored.get(key).and_then(Value::as_str);
        Self {
            actor: text("actor").unwrap_or_default().to_owned(),
            account_id: text("account_id").and_then(|id| id.parse().ok()),
            login_id: text("correlation_id").and_then(|id| id.parse().ok()),
            causation_id: text("causation_id").map(str::to_owned),
            update_id: text("update_id").and_then(|id| id.parse().ok()),
            reason: text("reason").map(|sealed| Sealed(sealed.to_owned())),
        }
    }
}
