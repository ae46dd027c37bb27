//! Comma-separated values (RFC 4180), with the fields of the JSON Lines; the payload is JSON in one field. No field is a
//! formula ([`terminal::csv_field`]).

use std::io::{self, Write};

use app::history::EventLine;
use eventlog::LogEvent;
use terminal::{csv_field, write_json};

pub fn header(out: &mut impl Write) -> io::Result<()> {
    write!(
        out,
        "position,at,stream,stream_id,version,event,actor,account_id,login_id,causation_id,payload\r\n"
    )
}

pub fn write(event: &LogEvent, out: &mut impl Write) -> io::Result<()> {
    let line = EventLine::from(event);
    let mut payload = Vec::new();
    write_json(line.payload, &mut payload)?;
    let fields = [
        line.position.to_string(),
        line.at.to_string(),
        line.stream.to_owned(),
        line.stream_id.to_owned(),
        line.version.to_string(),
        line.event.to_owned(),
        line.actor.to_owned(),
        line.account_id.map(|id| id.to_string()).unwrap_or_default(),
        line.login_id.map(|id| id.to_string()).unwrap_or_default(),
        line.causation_id.unwrap_or_default().to_owned(),
        String::from_utf8_lossy(&payload).into_owned(),
    ];
    let quoted: Vec<String> = fields.iter().map(|field| csv_field(field)).collect();
    write!(out, "{}\r\n", quoted.join(","))
}
