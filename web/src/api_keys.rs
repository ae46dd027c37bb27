//! What this process remembers of API keys: how many requests each has left, and when its last use was noted.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use app::App;
use domain::ApiKeyId;
use eventlog::Clock;
use governor::clock::Clock as _;
use governor::middleware::StateInformationMiddleware;
use governor::nanos::Nanos;
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};
use jiff::Timestamp;
use vault::api_keys::USE_IS_NOTED_EVERY;

/// A key has so many requests at once, and one more each `ONE_EVERY`.
pub const REQUESTS: u32 = 600;
const ONE_EVERY: Duration = Duration::from_millis(10);
/// The time in which all of them come back.
pub const WINDOW_SECONDS: u32 = 6;

/// Counts the requests of each key.
#[derive(Debug)]
pub struct KeyLimits {
    limiter: RateLimiter<ApiKeyId, HashMapStateStore<ApiKeyId>, Ticks, StateInformationMiddleware>,
    ticks: Ticks,
}

/// Time that only grows, also where the system's clock is set; a test's clock where it is held still.
#[derive(Clone, Debug)]
struct Ticks {
    clock: Clock,
    begun: Instant,
}

/// What a key has left after a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// So many requests now.
    pub remaining: u32,
    /// Until all of them are there again; where none is left, until one is. At least 1 after a refusal.
    pub seconds: u64,
    /// Whether this request is refused.
    pub is_refused: bool,
}

impl governor::clock::Clock for Ticks {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        if self.clock.is_system() {
            return self.begun.elapsed().into();
        }
        let since = self.clock.now().duration_since(Timestamp::UNIX_EPOCH);
        Duration::try_from(since).unwrap_or_default().into()
    }
}

impl KeyLimits {
    /// With every key at its full burst. A test's clock holds the limits still.
    pub fn new(clock: &Clock) -> Self {
        let ticks = Ticks { clock: clock.clone(), begun: Instant::now() };
        let burst = NonZeroU32::new(REQUESTS).expect("it is not 0");
        let quota = Quota::with_period(ONE_EVERY).expect("it is not 0").allow_burst(burst);
        let limiter = RateLimiter::hashmap_with_clock(quota, ticks.clone()).with_middleware();
        Self { limiter, ticks }
    }

    /// Counts one request. A refused one does not count.
    pub fn count(&self, key: &ApiKeyId) -> Allowance {
        match self.limiter.check_key(key) {
            Ok(state) => {
                let remaining = state.remaining_burst_capacity();
                let missing = ONE_EVERY * (REQUESTS - remaining.min(REQUESTS));
                Allowance { remaining, seconds: seconds(missing), is_refused: false }
            }
            Err(refused) => {
                let wait = refused.wait_time_from(self.ticks.now());
                Allowance { remaining: 0, seconds: seconds(wait).max(1), is_refused: true }
            }
        }
    }
}

fn seconds(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}

/// When the use of each key was noted last, by this process.
#[derive(Debug, Default)]
pub struct KeyUses(Mutex<HashMap<ApiKeyId, Timestamp>>);

impl KeyUses {
    /// Notes that a key is used, once a minute. It is written beside the request, which does not wait for it.
    pub fn note(&self, app: &App, key: &ApiKeyId, now: Timestamp) {
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if noted.get(key).is_some_and(|at| now < *at + USE_IS_NOTED_EVERY) {
            return;
        }
        noted.insert(key.clone(), now);
        drop(noted);
        let (vault, key) = (app.vault.clone(), key.clone());
        tokio::spawn(async move {
            if let Err(error) = vault.note_api_key_use(&key, now).await {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "the last use of a key was not noted"
                );
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_a_burst_of_requests_and_gets_one_back_after_a_while() {
        let (clock, time) = Clock::manual(Timestamp::constant(1_790_000_000, 0));
        let limits = KeyLimits::new(&clock);
        let (key, other): (ApiKeyId, ApiKeyId) =
            ("0123456789abcdef".parse().unwrap(), "fedcba9876543210".parse().unwrap());
        let first = limits.count(&key);
        assert_eq!(first, Allowance { remaining: REQUESTS - 1, seconds: 1, is_refused: false });
        let last = (1..REQUESTS).map(|_| limits.count(&key)).last();
        let seconds = u64::from(WINDOW_SECONDS);
        assert_eq!(last, Some(Allowance { remaining: 0, seconds, is_refused: false }));
        let refused = Allowance { remaining: 0, seconds: 1, is_refused: true };
        assert_eq!([limits.count(&key), limits.count(&key)], [refused; 2], "what is refused does not count");
        time.advance(ONE_EVERY);
        assert!(!limits.count(&key).is_refused);
        assert!(limits.count(&key).is_refused);
        assert!(!limits.count(&other).is_refused, "each key has its own");
    }
}
