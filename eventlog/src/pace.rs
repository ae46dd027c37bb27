//! How much of the machine a part of the leader takes. Where many events come, it works a fifth of the time: those that come
//! meanwhile make one batch, and the rest is free for appends. Where few come, it never pauses: a person waits for each.

use std::time::Duration;

use tokio::time::Instant;

use crate::wake::Waker;

/// Few events come where there is so much time for each, or more.
const TIME_FOR_ONE: Duration = Duration::from_millis(2);
/// So many may come at once all the same.
const AT_ONCE: u32 = 20;
/// A pause is so many times as long as the work before it.
const FACTOR: u32 = 4;
/// The shortest and the longest pause.
const PAUSE: (Duration, Duration) = (Duration::from_millis(4), Duration::from_millis(25));

/// How often a part polls without a signal: while there is work, and otherwise.
const POLL: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

/// What one part has had to do lately.
#[derive(Debug)]
pub struct Pace {
    /// The time that the events so far should have taken to come, beyond what they did take.
    ahead: Duration,
    /// Until when that is reckoned.
    at: Instant,
}

impl Default for Pace {
    /// Nothing has come yet.
    fn default() -> Self {
        Self { ahead: Duration::ZERO, at: Instant::now() }
    }
}

impl Pace {
    /// Pauses after work on so many events, which began then, and waits for the next signal.
    pub async fn wait(&mut self, waker: &mut Waker, began: Instant, events: usize) {
        if events == 0 {
            return waker.wait(POLL.1).await;
        }
        let pause = self.pause(began, Instant::now(), u32::try_from(events).unwrap_or(u32::MAX));
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
        waker.wait(POLL.0).await;
    }

    fn pause(&mut self, began: Instant, now: Instant, events: u32) -> Duration {
        let allowed = TIME_FOR_ONE * AT_ONCE;
        let ahead = self.ahead.saturating_sub(now - self.at) + TIME_FOR_ONE * events;
        // Whatever came, it is forgotten soon.
        (self.ahead, self.at) = (ahead.min(allowed * 2), now);
        if ahead <= allowed { Duration::ZERO } else { ((now - began) * FACTOR).clamp(PAUSE.0, PAUSE.1) }
    }
}

#[cfg(test)]
mod tests;
