//! Answers for programs: one JSON value on one line of stdout.

use std::io::{self, Write};

use serde::Serialize;
use terminal::write_json;

/// Prints a value.
///
/// # Errors
/// Stdout is closed.
pub fn print_json(value: &impl Serialize) -> io::Result<()> {
    let mut out = io::stdout().lock();
    write_json(value, &mut out)?;
    writeln!(out)
}
