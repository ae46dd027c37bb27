//! `replay verify`: one line for each fault of the log and of what views read, and one for each view, `users: N rows, 0
//! differ`; exit code 1 on any of the former, and on any difference.

use std::io::Write;
use std::process::ExitCode;

use anyhow::Result;
use eventlog::Database;
use terminal::harmless;

use crate::progress;
use crate::rebuild::tell_view;

pub async fn run(db: &Database, out: &mut impl Write) -> Result<ExitCode> {
    let bar = progress::events()?;
    let report = rebuild::verify::verify(db, |position, end| progress::show(&bar, position, end)).await?;
    bar.finish_and_clear();

    for fault in &report.log_faults {
        writeln!(out, "{}", harmless(&fault.to_string()))?;
    }
    for fault in &report.view_faults {
        writeln!(out, "{}", harmless(&fault.to_string()))?;
    }
    for (position, error) in &report.undecodable {
        writeln!(out, "position {position}: {}", harmless(error))?;
    }
    for view in &report.views {
        tell_view(view, out)?;
    }
    writeln!(out, "{} events decoded, {} cannot be", report.events, report.undecodable.len())?;
    Ok(if report.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
