//! One JSON object a line: the fields of [`EventLine`].

use std::io::Write;

use anyhow::Result;
use app::history::EventLine;
use eventlog::LogEvent;
use terminal::write_json;

pub fn write(event: &LogEvent, out: &mut impl Write) -> Result<()> {
    write_json(&EventLine::from(event), out)?;
    Ok(writeln!(out)?)
}
