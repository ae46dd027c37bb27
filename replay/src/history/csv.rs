//! Comma-separated values (RFC 4180), with the fields of the JSON Lines; the payload is JSON in one field.

use std::io::{self, Write};

use eventlog::LogEvent;

use super::jsonl::JsonLine;

pub fn header(out: &mut impl Write) -> io::Result<()> {
    write!(
        out,
        "position,at,stream,stream_id,version,event,actor,account_id,login_id,causation_id,payload\r\n"
    )
}

pub fn write(event: &LogEvent, out: &mut impl Write) -> io::Result<()> {
    let line = JsonLine::from(event);
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
        line.payload.to_string(),
    ];
    let quoted: Vec<String> = fields.iter().map(|field| quote(field)).collect();
    write!(out, "{}\r\n", quoted.join(","))
}

fn quote(field: &str) -> String {
    if field.contains([',', '"', '\r', '\n']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::quote;

    #[test]
    fn a_field_with_quotes_or_commas_is_quoted() {
        assert_eq!(quote("plain"), "plain");
        assert_eq!(quote(r#"{"a":1,"b":2}"#), r#""{""a"":1,""b"":2}""#);
    }
}
