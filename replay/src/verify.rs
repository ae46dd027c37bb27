//! `replay verify`: a line a view, `users: N rows, 0 differ`; exit code 1 on any difference.

use std::io::Write;
use std::process::ExitCode;

use anyhow::Result;
use indicatif::{ProgressBar, ProgressStyle};
use projections::Database;

pub async fn run(db: &Database, out: &mut impl Write) -> Result<ExitCode> {
    // Hidden where stderr is no terminal.
    let bar = ProgressBar::new(0);
    bar.set_style(ProgressStyle::with_template("{bar:40} {pos}/{len} events  {per_sec}  {eta}")?);
    let report = projections::verify::verify(db, |position, end| {
        bar.set_length(u64::try_from(end).unwrap_or(0));
        bar.set_position(u64::try_from(position).unwrap_or(0));
    })
    .await?;
    bar.finish_and_clear();

    for (position, error) in &report.undecodable {
        writeln!(out, "position {position}: {error}")?;
    }
    for view in &report.views {
        let parked = if view.parked == 0 { String::new() } else { format!(", {} parked", view.parked) };
        writeln!(out, "{}: {} rows, {} differ{parked}", view.view, view.rows, view.differ)?;
        for difference in &view.examples {
            writeln!(out, "  {} {}", difference.key, difference.what)?;
        }
        if view.differ > view.examples.len() {
            writeln!(out, "  and {} more", view.differ - view.examples.len())?;
        }
    }
    writeln!(out, "{} events decoded, {} cannot be", report.events, report.undecodable.len())?;
    Ok(if report.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
