//! When a message that failed is sent again, and when it is given up.

use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822;

/// For how long a message is tried, from its event on or from its replay.
pub(crate) const TRIED_FOR: Duration = Duration::from_hours(72);

/// After the first try, the second, …; after the last of them again and again.
const WAITS: [Duration; 8] = [
    Duration::from_secs(5),
    Duration::from_secs(30),
    Duration::from_mins(2),
    Duration::from_mins(10),
    Duration::from_mins(30),
    Duration::from_hours(1),
    Duration::from_hours(3),
    Duration::from_hours(8),
];
/// A wait is up to so much of itself longer: receivers that were away are not called by everybody at once.
const JITTER: f64 = 0.25;

/// How long to wait after so many tries (at least one), by chance a little longer; longer where the receiver asked for it.
/// `chance` is from 0 to 1.
pub(crate) fn wait(tries: u32, chance: f64, asked_for: Option<Duration>) -> Duration {
    let step = usize::try_from(tries.saturating_sub(1)).unwrap_or(usize::MAX);
    let usual = WAITS[step.min(WAITS.len() - 1)].mul_f64(1.0 + JITTER * chance);
    asked_for.map_or(usual, |asked_for| usual.max(asked_for))
}

/// A random number from 0 to 1.
pub(crate) fn chance() -> f64 {
    f64::from(getrandom::u32().unwrap_or(0)) / f64::from(u32::MAX)
}

/// `Retry-After` (RFC 9110, section 10.2.3): seconds, or a date. None: neither.
pub(crate) fn retry_after(text: &str, now: Timestamp) -> Option<Duration> {
    let text = text.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // More than anybody waits.
        return Some(text.parse().map_or(TRIED_FOR, Duration::from_secs).min(TRIED_FOR));
    }
    let date = rfc2822::parse(text).ok()?.timestamp();
    let wait = Duration::try_from(date.duration_since(now)).unwrap_or_default();
    Some(wait.min(TRIED_FOR))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::constant(784_111_777, 0);

    #[test]
    fn a_wait_grows_from_five_seconds_to_eight_hours() {
        let waits: Vec<_> = (1..=10).map(|tries| wait(tries, 0.0, None)).collect();
        assert_eq!(waits[0], Duration::from_secs(5));
        assert!(waits.windows(2).all(|pair| pair[0] <= pair[1]));
        assert_eq!(waits[7..], [Duration::from_hours(8); 3]);
        assert_eq!(wait(1, 1.0, None), Duration::from_millis(6_250), "by chance a little longer");
    }

    #[test]
    fn a_receiver_may_ask_for_a_longer_wait_and_not_for_a_shorter_one() {
        assert_eq!(wait(1, 0.0, Some(Duration::from_secs(60))), Duration::from_secs(60));
        assert_eq!(wait(3, 0.0, Some(Duration::from_secs(1))), Duration::from_mins(2));
    }

    #[test]
    fn retry_after_is_a_number_of_seconds_or_a_date() {
        assert_eq!(retry_after("120", NOW), Some(Duration::from_secs(120)));
        assert_eq!(retry_after(" 0 ", NOW), Some(Duration::ZERO));
        assert_eq!(retry_after("Sun, 06 Nov 1994 08:50:37 GMT", NOW), Some(Duration::from_secs(60)));
        assert_eq!(retry_after("Sun, 06 Nov 1994 08:00:00 GMT", NOW), Some(Duration::ZERO), "it has passed");
        assert_eq!(retry_after("99999999999999999999999", NOW), Some(TRIED_FOR));
        for nothing in ["", "-1", "soon", "1.5"] {
            assert_eq!(retry_after(nothing, NOW), None, "{nothing:?}");
        }
    }
}
