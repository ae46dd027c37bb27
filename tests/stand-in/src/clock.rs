//! The stand-in's clock: what "now" is for every expiry and every server time, and nothing else. Tests pass
//! their own, so that a login token dies when they say so.

use std::fmt;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

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
