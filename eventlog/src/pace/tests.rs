//! Tests of `pace`.

use super::*;

const MILLI: Duration = Duration::from_millis(1);

/// The pauses after so many works on so many events, each of which takes `work` milliseconds, if the next one begins at once.
fn pauses(works: usize, work: u32, events: u32) -> Vec<u128> {
    let mut now = Instant::now();
    let mut pace = Pace { ahead: Duration::ZERO, at: now };
    let pauses = (0..works).map(|_| {
        let (began, ended) = (now, now + MILLI * work);
        let pause = pace.pause(began, ended, events);
        now = ended + pause;
        pause.as_millis()
    });
    pauses.collect()
}

#[test]
fn few_events_are_never_kept_waiting() {
    assert_eq!(pauses(1_000, 2, 1), [0; 1_000]);
    assert_eq!(pauses(100, 20, 10), [0; 100]);
}

#[test]
fn some_may_come_at_once() {
    assert_eq!(pauses(1, 3, 20), [0]);
    assert_eq!(pauses(2, 3, 20), [0, 12]);
}

#[test]
fn where_many_come_four_fifths_of_the_time_are_left_to_others() {
    let pauses = pauses(100, 5, 30);
    assert_eq!(pauses[0], 20);
    let paused: u128 = pauses.iter().sum();
    assert_eq!(paused, 2_000);
}

#[test]
fn a_pause_is_neither_too_short_nor_too_long() {
    assert_eq!(pauses(1, 0, 1_000), [4]);
    assert_eq!(pauses(1, 1_000, 1_000_000), [25]);
}

#[test]
fn what_came_is_soon_forgotten() {
    let now = Instant::now();
    let mut pace = Pace { ahead: Duration::ZERO, at: now };
    assert_eq!(pace.pause(now, now + MILLI, 1_000_000), MILLI * 4);
    let later = now + MILLI * 80;
    assert_eq!(pace.pause(later, later + MILLI, 1), Duration::ZERO);
}
