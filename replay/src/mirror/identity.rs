//! The id of a log, and the id that each of its events has in every copy.
//!
//! Both are computed from the log itself. So nothing is stored for them, a role that only reads can compute them, and they
//! are the same after a dump, a restore and a failover. The id of an event is made from its position *and* its other facts:
//! a log that was restored without its last events gives the same positions to other events, and those must get other ids.

use std::fmt;

use eventlog::LogEvent;
use uuid::Uuid;

/// The namespace of the ids of logs. It never changes: with another one, every copy would look like that of another log.
const LOGS: Uuid = Uuid::from_u128(0xef7d_c2de_cada_4204_80da_c718_6d35_987f);

/// A log, by its first event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogId(pub Uuid);

impl LogId {
    pub fn of(first: &LogEvent) -> Self {
        Self(Uuid::new_v5(&LOGS, facts(first).as_bytes()))
    }

    /// The id of one of its events.
    pub fn event_id(self, event: &LogEvent) -> Uuid {
        Uuid::new_v5(&self.0, facts(event).as_bytes())
    }
}

impl fmt::Display for LogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The facts of an event that never change, also in later versions of this program. The time is in microseconds.
fn facts(event: &LogEvent) -> String {
    let LogEvent { position, recorded_at, stream, stream_id, sequence, name, version, .. } = event;
    format!("{position}|{}|{stream}|{stream_id}|{sequence}|{name}|{version}", recorded_at.as_microsecond())
}

#[cfg(test)]
pub mod tests {
    use std::sync::Arc;

    use domain::Event;
    use serde_json::json;

    use super::*;

    pub fn event(position: i64) -> LogEvent {
        let payload = json!({"QrIssued": {"attempt": 1}});
        LogEvent {
            position,
            recorded_at: "2026-11-24T10:00:00.123456Z".parse().unwrap(),
            stream: "login".to_owned(),
            stream_id: "abc".to_owned(),
            sequence: 2,
            name: "QrIssued".to_owned(),
            version: "1.0".to_owned(),
            event: Event::decode("login", "QrIssued", "0", payload.clone()).map_err(Arc::new),
            payload,
            metadata: eventlog::Metadata::default(),
            envelope: json!({"actor": "system", "epoch": "3", "correlation_id": "abc"}),
        }
    }

    /// Golden: copies hold these. Never edit them.
    #[test]
    fn ids_never_change() {
        let log = LogId::of(&event(1));
        assert_eq!(log.to_string(), "81331ce1-cede-561a-b16a-5e02644892c3");
        assert_eq!(log.event_id(&event(1)).to_string(), "1385ae94-2995-565c-acf3-49528bbd1033");
        assert_eq!(log.event_id(&event(2)).to_string(), "ed0a7c00-2c2c-5693-b9e3-2b2ab0b5ba5c");
    }

    #[test]
    fn an_id_tells_one_log_one_place_and_one_event_from_another() {
        let log = LogId::of(&event(1));
        let other = LogId::of(&LogEvent { stream_id: "abd".to_owned(), ..event(1) });
        assert_ne!(log, other);
        assert_ne!(log.event_id(&event(7)), other.event_id(&event(7)));
        let again = LogEvent { recorded_at: "2026-11-24T10:00:00.123457Z".parse().unwrap(), ..event(7) };
        assert_ne!(log.event_id(&event(7)), log.event_id(&again));
    }
}
