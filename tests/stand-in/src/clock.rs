//! The clock of the stand-in, for every expiry and every server time. Tests pass their own clock, so that a login token
//! expires when they want.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Tells the time; clones tell the same time.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> SystemTime + Send + Sync>);

impl Clock {
    /// The machine's own clock.
    pub fn system() -> Self {
        // The one place where this crate reads it.
        #[allow(clippy::disallowed_methods)]
        Self(Arc::new(SystemTime::now))
    }

    /// A clock that asks `now` each time.
    pub fn from_fn(now: Arc<dyn Fn() -> SystemTime + Send + Sync>) -> Self {
        Self(now)
    }

    /// The time now.
    pub fn now(&self) -> SystemTime {
        (self.0)()
    }

    /// Seconds since 1970, as Telegram counts.
    pub fn unix_seconds(&self) -> i64 {
        self.now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64)
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::system()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Clock({})", self.unix_seconds())
    }
}

/// A clock that only a test moves; clones show the same time.
#[derive(Clone, Debug)]
pub struct ManualClock(Arc<AtomicU64>);

impl ManualClock {
    /// A clock that stands at this many seconds since 1970.
    pub fn at(unix_seconds: u64) -> Self {
        Self(Arc::new(AtomicU64::new(unix_seconds * 1_000)))
    }

    /// Moves it on.
    pub fn advance(&self, by: Duration) {
        self.0.fetch_add(by.as_millis() as u64, Ordering::SeqCst);
    }

    /// The time it shows.
    pub fn now(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(self.0.load(Ordering::SeqCst))
    }

    /// As the stand-in takes it.
    pub fn clock(&self) -> Clock {
        let hands = self.clone();
        Clock::from_fn(Arc::new(move || hands.now()))
    }
}
