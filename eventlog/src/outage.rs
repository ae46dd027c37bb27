//! A failure that passes by itself. It is logged once when it begins, with all its causes, and once when it is over.

use std::error::Error;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep};

/// Something that may fail for a while. Each clone fails on its own, but all clones share one outage: the first one that
/// fails logs its begin, the last one that works again logs its end.
#[derive(Debug)]
pub struct Outage {
    begin: &'static str,
    end: &'static str,
    is_failing: bool,
    failing: Arc<AtomicUsize>,
}

impl Outage {
    /// With the messages for its begin and its end.
    pub fn new(begin: &'static str, end: &'static str) -> Self {
        Self { begin, end, is_failing: false, failing: Arc::default() }
    }

    /// It failed. Only the first failure is logged.
    pub fn failed(&mut self, error: &(dyn Error + 'static)) {
        if !std::mem::replace(&mut self.is_failing, true) && self.failing.fetch_add(1, Ordering::Relaxed) == 0
        {
            tracing::warn!(error, "{}", self.begin);
        }
    }

    /// It works. This is logged where it had failed.
    pub fn over(&mut self) {
        if self.leave() {
            tracing::info!("{}", self.end);
        }
    }

    /// Tries until it works, with a pause after each failure.
    pub async fn retry_until_ok<T, E, F>(&mut self, pause: Duration, mut attempt: impl FnMut() -> F) -> T
    where
        E: Error + 'static,
        F: Future<Output = Result<T, E>>,
    {
        loop {
            match attempt().await {
                Ok(done) => {
                    self.over();
                    return done;
                }
                Err(error) => self.failed(&error),
            }
            sleep(pause).await;
        }
    }

    /// Whether this was the last one that failed.
    fn leave(&mut self) -> bool {
        std::mem::take(&mut self.is_failing) && self.failing.fetch_sub(1, Ordering::Relaxed) == 1
    }
}

/// Another part of the same outage, which has not failed.
impl Clone for Outage {
    fn clone(&self) -> Self {
        Self { begin: self.begin, end: self.end, is_failing: false, failing: self.failing.clone() }
    }
}

impl Drop for Outage {
    fn drop(&mut self) {
        self.leave();
    }
}

/// For what fails in many places at once, each of which knows only its own failure: one of them is told in a while.
#[derive(Debug)]
pub struct Throttle {
    every: Duration,
    told_at: Mutex<Option<Instant>>,
}

impl Throttle {
    /// At most once in this time.
    pub const fn new(every: Duration) -> Self {
        Self { every, told_at: Mutex::new(None) }
    }

    /// Whether this one is to be told.
    pub fn is_due(&self) -> bool {
        let mut told_at = self.told_at.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = told_at.is_none_or(|at| at.elapsed() >= self.every);
        if is_due {
            *told_at = Some(Instant::now());
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;
    use crate::testing::LogLines;

    #[derive(Debug, thiserror::Error)]
    #[error("it failed")]
    struct Failed(#[source] io::Error);

    fn failed() -> Failed {
        Failed(io::Error::other("no disk"))
    }

    #[test]
    fn an_outage_is_told_once_with_its_causes_and_once_when_it_is_over() {
        let lines = LogLines::default();
        tracing::subscriber::with_default(lines.clone(), || {
            let mut outage = Outage::new("it stands still", "it goes on");
            outage.over();
            outage.failed(&failed());
            outage.failed(&failed());
            outage.over();
            outage.over();
        });
        assert_eq!(lines.all(), ["it stands still: it failed: no disk", "it goes on"]);
    }

    #[test]
    fn clones_tell_one_outage_together() {
        let lines = LogLines::default();
        tracing::subscriber::with_default(lines.clone(), || {
            let mut one = Outage::new("it stands still", "it goes on");
            let (mut other, mut dropped) = (one.clone(), one.clone());
            one.failed(&failed());
            other.failed(&failed());
            dropped.failed(&failed());
            one.over();
            drop(dropped);
            other.over();
        });
        assert_eq!(lines.all(), ["it stands still: it failed: no disk", "it goes on"]);
    }

    #[tokio::test]
    async fn of_many_failures_one_is_told_in_a_while() {
        let [seldom, often] = [Duration::from_secs(3_600), Duration::ZERO].map(Throttle::new);
        assert_eq!([seldom.is_due(), seldom.is_due(), seldom.is_due()], [true, false, false]);
        assert!(often.is_due() && often.is_due());
    }

    #[tokio::test]
    async fn what_fails_is_tried_until_it_works() {
        let mut tries = 0;
        let mut outage = Outage::new("it stands still", "it goes on");
        let done = outage
            .retry_until_ok(Duration::ZERO, || {
                tries += 1;
                std::future::ready(if tries < 3 { Err(failed()) } else { Ok(tries) })
            })
            .await;
        assert_eq!(done, 3);
    }
}
