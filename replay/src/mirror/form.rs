//! The form of an event in the copy. Its type is its stored name. Its data is the payload; sealed data stays sealed. Its
//! metadata is the stored envelope, and the place of the event in the log:
//!
//! ```json
//! {"log": "…", "position": 7, "recorded_at": "2026-11-24T10:00:00.123456Z", "stream": "login", "stream_id": "…",
//!  "sequence": 2, "version": "1.0", "actor": "…", "account_id": "…", "correlation_id": "…", "$correlationId": "…"}
//! ```
//! `$correlationId` is the login: under this name, a projection of the target's own makes a stream of all that a login caused.
//! By `stream` and `stream_id`, the projection in `deploy/kurrentdb/streams.js` makes the log's streams.

use anyhow::{Context as _, Result};
use eventlog::LogEvent;
use eventstore::EventData;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::identity::LogId;

/// An event to append, with its size, because a server limits the size of an append.
pub struct Outgoing {
    pub position: i64,
    pub id: Uuid,
    pub data: EventData,
    pub size_bytes: usize,
}

/// Where an event of a copy comes from, by its metadata; None in events of other writers.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Origin {
    pub log: Option<Uuid>,
    pub position: Option<i64>,
}

impl Outgoing {
    pub fn of(log: LogId, event: &LogEvent) -> Result<Self> {
        let unfit = || format!("the event at position {} cannot be written as JSON", event.position);
        let said = event.payload.get(&event.name).unwrap_or(&event.payload);
        let said = serde_json::value::to_raw_value(said).with_context(unfit)?;
        let about = serde_json::value::to_raw_value(&metadata(log, event)).with_context(unfit)?;
        let size_bytes = said.get().len() + about.get().len() + 2 * event.name.len();
        let id = log.event_id(event);
        let data = EventData::json(&event.name, &said).with_context(unfit)?.id(id);
        let data = data.metadata_as_json::<Box<RawValue>>(&about).with_context(unfit)?;
        Ok(Self { position: event.position, id, data, size_bytes })
    }
}

impl Origin {
    pub fn of(metadata: &[u8]) -> Self {
        serde_json::from_slice(metadata).unwrap_or_default()
    }
}

fn metadata(log: LogId, event: &LogEvent) -> Map<String, Value> {
    let mut metadata = event.envelope.as_object().cloned().unwrap_or_default();
    let place = [
        ("log", json!(log.0)),
        ("position", json!(event.position)),
        ("recorded_at", json!(event.recorded_at)),
        ("stream", json!(event.stream)),
        ("stream_id", json!(event.stream_id)),
        ("sequence", json!(event.sequence)),
        ("version", json!(event.version)),
    ];
    metadata.extend(place.map(|(name, value)| (name.to_owned(), value)));
    if let Some(login) = metadata.get("correlation_id").cloned() {
        metadata.insert("$correlationId".to_owned(), login);
    }
    metadata
}

#[cfg(test)]
mod tests {
    use super::super::identity::tests::event;
    use super::*;

    #[test]
    fn the_metadata_holds_the_whole_envelope_and_the_place_in_the_log() {
        let log = LogId::of(&event(1));
        let metadata = Value::Object(metadata(log, &event(7)));
        let whole = json!({
            "log": log.0, "position": 7, "recorded_at": "2026-11-24T10:00:00.123456Z", "stream": "login",
            "stream_id": "abc", "sequence": 2, "version": "1.0", "actor": "system", "epoch": "3",
            "correlation_id": "abc", "$correlationId": "abc",
        });
        assert_eq!(metadata, whole);
        let origin = Origin::of(metadata.to_string().as_bytes());
        assert_eq!(origin, Origin { log: Some(log.0), position: Some(7) });
    }

    #[test]
    fn an_event_of_another_writer_has_no_origin() {
        for foreign in ["", "not json", "[]", r#"{"position": "7"}"#, r#"{"$correlationId": "x"}"#] {
            assert_eq!(Origin::of(foreign.as_bytes()), Origin::default(), "{foreign}");
        }
    }
}
