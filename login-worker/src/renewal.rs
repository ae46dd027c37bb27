//! When the next login token is due.

use jiff::{SignedDuration, Timestamp};

/// How long a token lives, as Telegram documents it.
pub const NOMINAL_LIFETIME: SignedDuration = SignedDuration::from_secs(30);

/// When the token after this one is due: 2 s before it dies, or at half its life where that is under 6 s, and never
/// sooner than in a second.
pub fn next_export_at(now: Timestamp, expires_at: Timestamp) -> Timestamp {
    let lifetime = expires_at.duration_since(now);
    let short = SignedDuration::from_secs(6);
    let margin = SignedDuration::from_secs(2);
    let wait = if lifetime < short { lifetime / 2 } else { lifetime - margin };
    now + wait.clamp(SignedDuration::from_secs(1), NOMINAL_LIFETIME)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_token_is_due_shortly_before_this_one_dies() {
        let now: Timestamp = "2026-11-22T10:00:00Z".parse().unwrap();
        let due_after = |lifetime_ms| {
            let expires_at = now + SignedDuration::from_millis(lifetime_ms);
            next_export_at(now, expires_at).duration_since(now).as_millis()
        };
        assert_eq!(due_after(30_000), 28_000);
        assert_eq!(due_after(6_000), 4_000);
        assert_eq!(due_after(5_000), 2_500);
        assert_eq!(due_after(4_000), 2_000);
        assert_eq!(due_after(500), 1_000);
        assert_eq!(due_after(-9_000), 1_000);
        assert_eq!(due_after(900_000), 30_000);
    }
}
