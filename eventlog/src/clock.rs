//! The one source of the current time: the system's clock, or in tests one that is moved by hand.
//!
//! Leases and fencing do not use it: they go by the database's clock, which all processes share.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;

/// How often a sleeper looks at the system's clock: it may be set meanwhile, and what is due then is done this late at most.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Tells the time and sleeps by it. A cheap clone.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    System,
    Manual(watch::Receiver<Timestamp>),
}

/// Moves the [`Clock`] that was made with it. Sleeps that end before the new time end at once.
#[derive(Debug)]
pub struct ManualClock(watch::Sender<Timestamp>);

impl Clock {
    /// The system's clock.
    pub const fn system() -> Self {
        Self(Source::System)
    }

    /// A clock that stands at `start` until its other half moves it.
    pub fn manual(start: Timestamp) -> (Self, ManualClock) {
        let (hand, dial) = watch::channel(start);
        (Self(Source::Manual(dial)), ManualClock(hand))
    }

    /// Whether it is the system's clock, which other processes have as well.
    pub const fn is_system(&self) -> bool {
        matches!(self.0, Source::System)
    }

    /// The current time.
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            Source::System => system_now(),
            Source::Manual(dial) => *dial.borrow(),
        }
    }

    /// Sleeps for this long.
    pub fn sleep(&self, length: Duration) -> impl Future<Output = ()> + Send + use<> {
        // Counted from the call, not from the first poll.
        let (clock, end) = (self.clone(), later(self.now(), length));
        async move {
            match clock.0 {
                Source::System => tokio::time::sleep(length).await,
                Source::Manual(_) => clock.sleep_until(end).await,
            }
        }
    }

    /// Sleeps until this moment; returns at once if it has passed.
    pub async fn sleep_until(&self, moment: Timestamp) {
        match &self.0 {
            // In slices: see [`LOOK_EVERY`].
            Source::System => loop {
                let Ok(left) = Duration::try_from(moment.duration_since(system_now())) else { return };
                if left.is_zero() {
                    return;
                }
                tokio::time::sleep(left.min(LOOK_EVERY)).await;
            },
            Source::Manual(dial) => {
                if dial.clone().wait_for(|now| *now >= moment).await.is_err() {
                    // Nothing can move this clock any more: the moment never comes.
                    std::future::pending::<()>().await;
                }
            }
        }
    }
}

impl ManualClock {
    /// The time it shows.
    pub fn now(&self) -> Timestamp {
        *self.0.borrow()
    }

    /// Moves it on.
    pub fn advance(&self, by: Duration) {
        self.0.send_modify(|now| *now = later(*now, by));
    }

    /// Sets it.
    pub fn set(&self, now: Timestamp) {
        self.0.send_replace(now);
    }
}

fn later(moment: Timestamp, by: Duration) -> Timestamp {
    SignedDuration::try_from(by).ok().and_then(|by| moment.checked_add(by).ok()).unwrap_or(Timestamp::MAX)
}

#[expect(clippy::disallowed_methods, reason = "the one place that asks the system")]
fn system_now() -> Timestamp {
    Timestamp::now()
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    const START: Timestamp = Timestamp::constant(1_750_000_000, 0);

    #[tokio::test]
    async fn a_sleeper_wakes_when_the_hand_reaches_the_moment_and_not_before() {
        let (clock, hand) = Clock::manual(START);
        let mut sleep = Box::pin(clock.sleep(Duration::from_secs(10)));
        hand.advance(Duration::from_secs(9));
        assert!(sleep.as_mut().now_or_never().is_none());
        hand.advance(Duration::from_secs(1));
        sleep.await;
        assert_eq!(clock.now(), later(START, Duration::from_secs(10)));
    }

    #[tokio::test]
    async fn a_moment_that_has_passed_is_not_waited_for() {
        let (clock, hand) = Clock::manual(START);
        hand.set(later(START, Duration::from_secs(1)));
        assert!(clock.sleep_until(START).now_or_never().is_some());
        assert!(Clock::system().sleep_until(START).now_or_never().is_some());
    }
}
