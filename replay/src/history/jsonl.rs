//! One JSON object a line: `position, at, stream, stream_id, version, event, actor, account_id, login_id, causation_id,
//! payload`. `version` is the event's number in its stream, `at` is when it was recorded.

use std::io::Write;

use anyhow::Result;
use app::terminal::write_json;
use domain::{AccountId, Event, LoginId};
use eventlog::LogEvent;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

/// An event in the output: the fields and their order are a contract.
#[derive(Debug, Serialize)]
pub struct JsonLine<'a> {
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

impl<'a> From<&'a LogEvent> for JsonLine<'a> {
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

pub fn write(event: &LogEvent, out: &mut impl Write) -> Result<()> {
    write_json(&JsonLine::from(event), out)?;
    Ok(writeln!(out)?)
}
