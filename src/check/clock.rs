//! This machine's clock, beside the clocks of everybody whom the service talks to. Login tokens live for half a minute, so
//! half a minute is too much.

use eventlog::clock::Clock;
use eventlog::database::Database;
use jiff::{SignedDuration, Timestamp};

use super::report::Finding;

const PART: &str = "clock";
/// More than this is a fault.
const MOST_SECONDS: i64 = 30;

/// By how much somebody else's clock is ahead of ours.
#[derive(Clone, Copy, Debug)]
pub struct Offset {
    /// Whose.
    of: &'static str,
    ahead: SignedDuration,
}

impl Offset {
    /// `theirs` was read after our `asked_at`, and has come by now.
    pub fn since(of: &'static str, asked_at: Timestamp, theirs: Timestamp) -> Self {
        let now = Clock::system().now();
        let ours = asked_at + now.duration_since(asked_at) / 2;
        Self { of, ahead: theirs.duration_since(ours) }
    }
}

/// The database's clock.
pub async fn of_database(db: &Database) -> Option<Offset> {
    let asked_at = Clock::system().now();
    let theirs = db.server_time().await.ok()?;
    Some(Offset::since("the database", asked_at, theirs))
}

/// One line for all of them.
pub fn check(offsets: &[Offset]) -> Finding {
    let is_far = |offset: &&Offset| offset.ahead.abs() > SignedDuration::from_secs(MOST_SECONDS);
    let far: Vec<_> = offsets.iter().filter(is_far).map(describe).collect();
    if !far.is_empty() {
        return Finding::fault(
            PART,
            format!("this machine's clock is {}", far.join(", ")),
            "set it by NTP (timedatectl set-ntp true)",
        );
    }
    match offsets.iter().map(|offset| offset.ahead.abs().as_secs() + 1).max() {
        Some(seconds) => {
            let of: Vec<_> = offsets.iter().map(|offset| offset.of).collect();
            Finding::ok(PART, format!("within {seconds} s of {}", of.join(", ")))
        }
        None => Finding::warning(
            PART,
            "there was nobody to compare it with",
            "look again once one of them answers",
        ),
    }
}

fn describe(offset: &Offset) -> String {
    let seconds = offset.ahead.abs().as_secs();
    let direction = if offset.ahead.is_positive() { "behind" } else { "ahead of" };
    format!("{seconds} s {direction} {}", offset.of)
}

#[cfg(test)]
mod tests;
