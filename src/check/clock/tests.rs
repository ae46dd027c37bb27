//! Tests of `clock`.

use super::{Offset, SignedDuration, check};
use crate::check::report::Level;

fn offset(of: &'static str, seconds: i64) -> Offset {
    Offset { of, ahead: SignedDuration::from_secs(seconds) }
}

#[test]
fn half_a_minute_is_borne_and_more_is_a_fault_in_either_direction() {
    let well = check(&[offset("Telegram", 30), offset("the database", -2)]);
    assert_eq!((well.level, &*well.what), (Level::Ok, "within 31 s of Telegram, the database"));
    let bad = check(&[offset("Telegram", 31), offset("the Bot API", 0), offset("the database", -90)]);
    assert_eq!(bad.level, Level::Fault);
    assert_eq!(bad.what, "this machine's clock is 31 s behind Telegram, 90 s ahead of the database");
    assert_eq!(check(&[]).level, Level::Warning);
}
