//! The progress bar on stderr; hidden if that is no terminal.

use std::time::Duration;

use anyhow::Result;
use indicatif::{ProgressBar, ProgressStyle};

/// Events read so far, events a second, and the time that is left.
pub fn events() -> Result<ProgressBar> {
    let bar = ProgressBar::new(0);
    bar.set_style(ProgressStyle::with_template(
        "{bar:40} {human_pos}/{human_len} events  {per_sec}  {eta} left  {wide_msg}",
    )?);
    bar.enable_steady_tick(Duration::from_millis(200));
    Ok(bar)
}

/// Positions are never negative.
pub fn show(bar: &ProgressBar, position: i64, end: i64) {
    bar.set_length(u64::try_from(end).unwrap_or(0));
    bar.set_position(u64::try_from(position).unwrap_or(0));
}
