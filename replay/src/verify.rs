//! `replay verify`: one line for each fault of the log and of what views read, and one for each view, `users: N rows, 0
//! differ`; then the log against its signed tree. Exit code 1 on any fault or difference.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use eventlog::Database;
use terminal::harmless;

use crate::rebuild::tell_view;
use crate::{progress, tree};

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// A checkpoint of this log that you have kept: the log has to extend it.
    #[arg(long, value_name = "FILE")]
    checkpoint: Option<PathBuf>,
}

pub async fn run(db: &Database, arguments: Arguments, out: &mut impl Write) -> Result<ExitCode> {
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
    let is_signed_log = tree::verify(db, arguments.checkpoint.as_deref(), out).await?;
    Ok(if report.is_clean() && is_signed_log { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
