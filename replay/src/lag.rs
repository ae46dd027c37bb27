//! `replay lag`: how far everything is behind, and why.

use std::io::Write;

use anyhow::Result;
use app::parked;
use eventlog::{Clock, Database};
use jiff::Timestamp;
use terminal::harmless;

use crate::paint::Paint;

pub async fn run(db: &Database, out: &mut impl Write) -> Result<()> {
    let lag = projections::lag::lag(db).await?;
    let now = Clock::system().now();
    let waiting = |since: Option<Timestamp>| {
        since.map(|since| format!(", the oldest for {:.1} s", seconds(now, since))).unwrap_or_default()
    };
    writeln!(out, "log: position {}", lag.end)?;
    writeln!(out, "sequencer: {} events without a position{}", lag.unplaced, waiting(lag.unplaced_since))?;
    for consumer in &lag.consumers {
        let behind = waiting(consumer.waiting_since);
        writeln!(
            out,
            "{}: position {}, {} events behind{behind}",
            harmless(&consumer.consumer),
            consumer.position,
            consumer.behind
        )?;
    }
    match &lag.oldest_transaction {
        Some(open) => writeln!(
            out,
            "oldest writing transaction: process {} ({}), open for {:.1} s",
            open.pid,
            harmless(&open.application),
            seconds(now, open.since)
        )?,
        None => writeln!(out, "oldest writing transaction: none")?,
    }
    let parked = Paint::for_stdout().none_of(lag.parked.len());
    writeln!(out, "{parked}parked: {}{parked:#}", lag.parked.len())?;
    for parked in &lag.parked {
        writeln!(
            out,
            "  {} {} since position {} ({}): {}",
            harmless(&parked.view),
            harmless(&parked.key),
            parked.position,
            parked.since,
            harmless(&parked.error)
        )?;
    }
    for of in parked::by_cause(db).await? {
        writeln!(out, "{} parked for one cause: {}", of.count, harmless(&of.cause))?;
    }
    Ok(())
}

fn seconds(now: Timestamp, since: Timestamp) -> f64 {
    now.duration_since(since).as_secs_f64().max(0.0)
}
