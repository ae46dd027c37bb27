//! The history as programs read it: an event with the fields that `replay history --format jsonl` and the admin API tell, and
//! what is sealed in it, opened with its person's key.

use domain::{AccountEvent, AccountId, Event, LoginId, Sealed};
use eventlog::LogEvent;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use vault::Subject;

/// An event as programs read it: the fields and their order are a contract. `version` is the event's number in its stream, `at` is
/// when it was recorded.
#[derive(Debug, Serialize)]
#[expect(missing_docs, reason = "the fields are those of the log")]
pub struct EventLine<'a> {
    pub position: i64,
    pub at: Timestamp,
    pub stream: &'a str,
    pub stream_id: &'a str,
    pub version: i64,
    pub event: &'a str,
    pub actor: &'a str,
    pub account_id: Option<AccountId>,
    pub login_id: Option<LoginId>,
    pub causation_id: Option<&'a str>,
    pub payload: &'a Value,
}

impl<'a> From<&'a LogEvent> for EventLine<'a> {
    fn from(event: &'a LogEvent) -> Self {
        let named = event.event.as_ref().ok().and_then(Event::account_id);
        Self {
            position: event.position,
            at: event.recorded_at,
            stream: &event.stream,
            stream_id: &event.stream_id,
            version: event.sequence,
            event: &event.name,
            actor: &event.metadata.actor,
            account_id: event.metadata.account_id.or(named),
            login_id: event.metadata.login_id.clone(),
            causation_id: event.metadata.causation_id.as_deref(),
            // Stored as `{"QrIssued": {…}}`; the name is in another field already.
            payload: event.payload.get(&event.name).unwrap_or(&event.payload),
        }
    }
}

/// Whose key opens what is sealed in the event; None: nothing is.
pub fn sealed_for(event: &LogEvent) -> Option<AccountId> {
    sealed(event).and_then(|_| event.stream_id.parse().ok())
}

/// Opens what is sealed in the event. What this key does not open stays sealed.
pub fn open_sealed(event: &mut LogEvent, subject: &Subject) {
    for (field, text) in sealed(event).into_iter().flatten() {
        let opened = opened(subject, &text);
        if let Some(value) = event.payload.get_mut(&event.name).and_then(|it| it.get_mut(field)) {
            *value = opened;
        }
    }
}

/// The sealed fields of the event, with their content.
fn sealed(event: &LogEvent) -> Option<Vec<(&'static str, Sealed)>> {
    match event.event.as_ref().ok()? {
        Event::Account(AccountEvent::AccountRegistered { telegram_id, profile, .. }) => {
            Some(vec![("telegram_id", telegram_id.clone()), ("profile", profile.clone())])
        }
        Event::Account(AccountEvent::ProfileChanged { profile, .. }) => {
            Some(vec![("profile", profile.clone())])
        }
        _ => None,
    }
}

/// Sealed text is JSON: a number or a profile.
fn opened(subject: &Subject, sealed: &Sealed) -> Value {
    let text = subject.open(sealed);
    text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_else(|| Value::String(sealed.0.clone()))
}
