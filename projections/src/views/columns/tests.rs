//! What is packed is the same when it is unpacked.

use std::collections::BTreeMap;

use domain::LoginId;

use super::*;
use crate::views::invites::Redemption;

fn assert_round_trip<T: Column + PartialEq + std::fmt::Debug>(value: T) {
    let mut packed = Vec::new();
    value.pack(&mut packed);
    let mut left = &packed[..];
    assert_eq!(T::unpack(&mut left), value);
    assert!(left.is_empty(), "{left:?} of {value:?}");
}

#[test]
fn what_is_packed_comes_back() {
    for number in [0, 1, -1, 63, 64, -64, -65, i64::MAX, i64::MIN] {
        assert_round_trip(number);
        assert_round_trip(Some(number as i32));
    }
    for text in ["", "Ильдегарда", &"long".repeat(100)] {
        assert_round_trip(text.to_owned());
        assert_round_trip(Some(text.to_owned()));
    }
    assert_round_trip(None::<String>);
    assert_round_trip(Vec::from([0, 300, -1]));
    assert_round_trip(Vec::<i64>::new());
    assert_round_trip([true, false].map(Some)[0]);
    assert_round_trip(Timestamp::from_microsecond(-1).unwrap());
    assert_round_trip(AccountId(Uuid::from_u128(u128::MAX)));
    Tier::ALL.into_iter().for_each(assert_round_trip);
    let login_id: LoginId = "a-login-of-more-characters-than-ours-have".parse().unwrap();
    assert_round_trip(login_id.clone());
    let at = Timestamp::from_microsecond(1_700_000_000_123_456).unwrap();
    let redemption = |used| Redemption { login_id: login_id.clone(), attempt: 3, used, at };
    let redemptions =
        [true, false].map(|used| (AccountId(Uuid::from_u128(u128::from(used))), redemption(used)));
    assert_round_trip(BTreeMap::from(redemptions));
    assert_round_trip(domain::Tiers::default().limits(Tier::Trial));
}
