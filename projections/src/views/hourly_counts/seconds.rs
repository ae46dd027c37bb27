//! How long logins took, as a histogram: sums, so that it is rebuilt exactly, and added up over hours.
//!
//! Each bound is 1.25 times the one before, so a percentile is at most a quarter too high, and a login of eight minutes is in the
//! 28th bucket. Bounds are whole milliseconds, made without floating point: every machine sorts a login into the same bucket.

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use crate::views::columns::Column;

/// A longer login is in the last bucket; an attempt ends within minutes.
const BUCKETS: usize = 40;

/// A bucket counts what takes less than its bound, and not less than the bound before.
const BOUNDS_MS: [i64; BUCKETS] = {
    let mut bounds = [1000; BUCKETS];
    let mut number = 1;
    while number < BUCKETS {
        bounds[number] = bounds[number - 1] * 5 / 4;
        number += 1;
    }
    bounds
};

/// How many logins took how long. Stored as the counts of the buckets, up to the last that is not 0.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SecondsToLogIn(Vec<i64>);

impl SecondsToLogIn {
    /// How many logins are counted.
    pub fn total(&self) -> i64 {
        self.0.iter().sum()
    }

    /// The time that this part of them took at most (0.9: nine of ten), within the width of a bucket; None: there is none.
    pub fn percentile(&self, part: f64) -> Option<f64> {
        let total = self.total();
        let rank = part * total as f64;
        let mut below = 0.0;
        for (number, count) in self.0.iter().enumerate().filter(|(_, count)| **count > 0) {
            let count = *count as f64;
            if below + count >= rank {
                let low = number.checked_sub(1).map_or(0, |before| BOUNDS_MS[before]) as f64;
                let high = BOUNDS_MS[number] as f64;
                let ms = low + (high - low) * ((rank - below) / count);
                return Some((ms / 100.0).round() / 10.0);
            }
            below += count;
        }
        None
    }

    pub(super) fn count(&mut self, duration: SignedDuration) {
        let ms = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        let number = BOUNDS_MS.partition_point(|bound| *bound <= ms).min(BUCKETS - 1);
        if self.0.len() <= number {
            self.0.resize(number + 1, 0);
        }
        self.0[number] += 1;
    }

    pub(super) fn add(&mut self, other: &Self) {
        if self.0.len() < other.0.len() {
            self.0.resize(other.0.len(), 0);
        }
        for (count, more) in self.0.iter_mut().zip(&other.0) {
            *count += more;
        }
    }
}

impl From<Vec<i64>> for SecondsToLogIn {
    fn from(counts: Vec<i64>) -> Self {
        Self(counts)
    }
}

impl Column for SecondsToLogIn {
    fn pack(&self, out: &mut Vec<u8>) {
        self.0.pack(out);
    }

    fn unpack(packed: &mut &[u8]) -> Self {
        Self(Vec::unpack(packed))
    }

    fn value(&self, out: &mut Vec<u8>) {
        self.0.value(out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(seconds: impl IntoIterator<Item = i64>) -> SecondsToLogIn {
        let mut histogram = SecondsToLogIn::default();
        for second in seconds {
            histogram.count(SignedDuration::from_secs(second));
        }
        histogram
    }

    #[test]
    fn a_percentile_is_within_a_quarter_of_the_time_that_it_stands_for() {
        let histogram = of(1..=400);
        for (part, seconds) in [(0.5, 200.0), (0.9, 360.0), (1.0, 400.0)] {
            let told = histogram.percentile(part).unwrap();
            assert!((told / seconds - 1.0).abs() <= 0.25, "{part}: {told}");
        }
        assert_eq!((histogram.total(), of([]).percentile(0.5)), (400, None));
    }

    #[test]
    fn hours_add_up_to_what_was_counted_at_once() {
        let mut sum = of([3, 90]);
        sum.add(&of([1, 3, 500]));
        assert_eq!(sum, of([1, 3, 3, 90, 500]));
    }

    #[test]
    fn a_clock_that_was_set_back_and_a_login_of_a_day_have_buckets_too() {
        let histogram = of([-5, 86_400]);
        assert_eq!((histogram.total(), histogram.0.first(), histogram.0.len()), (2, Some(&1), BUCKETS));
    }
}
