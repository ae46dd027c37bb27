//! Logins and codes, by a clock that is moved by hand.

use std::time::Duration;

use domain::{AccountId, LoginId};
use futures::future::join_all;
use jiff::Timestamp;

use super::{LimitError, LoginLimits};
use crate::{DerivedKeys, random_login_id};
use eventlog::testing;

const ANNA: [u8; 32] = [1; 32];
const BORIS: [u8; 32] = [2; 32];

fn minute(minutes: u64) -> Timestamp {
    Timestamp::UNIX_EPOCH + Duration::from_secs(minutes * 60)
}

/// A new login of this person.
async fn try_login(limits: &LoginLimits, person: &[u8; 32], at: Timestamp) -> Result<u32, LimitError> {
    limits.try_login(person, &random_login_id(), 1, at).await
}

async fn try_times(limits: &LoginLimits, times: usize, at: Timestamp) {
    for _ in 0..times {
        try_login(limits, &ANNA, at).await.unwrap();
    }
}

#[tokio::test]
async fn the_eleventh_login_in_ten_minutes_is_told_when_to_try_again() {
    let database = testing::database().await;
    let limits = LoginLimits::new(&database.db);
    try_times(&limits, 4, minute(0)).await;
    try_times(&limits, 6, minute(3)).await;

    let eleventh = try_login(&limits, &ANNA, minute(9)).await;

    assert!(matches!(eleventh, Err(LimitError::RetryAt(at)) if at == minute(10)), "{eleventh:?}");
}

#[tokio::test]
async fn a_try_says_how_many_are_left() {
    let database = testing::database().await;
    let limits = LoginLimits::new(&database.db);
    for left in (0..10).rev() {
        assert_eq!(try_login(&limits, &ANNA, minute(0)).await.unwrap(), left);
    }
    assert_eq!(try_login(&limits, &ANNA, minute(10)).await.unwrap(), 9, "the others are ten minutes ago");
}

#[tokio::test]
async fn at_the_told_moment_the_next_try_is_let_through() {
    let database = testing::database().await;
    let limits = LoginLimits::new(&database.db);
    try_times(&limits, 1, minute(0)).await;
    try_times(&limits, 9, minute(3)).await;

    try_login(&limits, &ANNA, minute(10)).await.expect("the first try is ten minutes ago");

    let next = try_login(&limits, &ANNA, minute(10)).await;
    assert!(matches!(next, Err(LimitError::RetryAt(at)) if at == minute(13)), "{next:?}");
}

#[tokio::test]
async fn refused_tries_do_not_count() {
    let database = testing::database().await;
    let limits = LoginLimits::new(&database.db);
    try_times(&limits, 10, minute(0)).await;
    for _ in 0..20 {
        assert!(try_login(&limits, &ANNA, minute(5)).await.is_err());
    }

    try_times(&limits, 10, minute(10)).await;
}

#[tokio::test]
async fn one_attempt_counts_once_however_often_it_is_tried_also_beside_a_full_limit() {
    let database = testing::database().await;
    let limits = LoginLimits::new(&database.db);
    let login = random_login_id();
    for _ in 0..20 {
        limits.try_login(&ANNA, &login, 1, minute(1)).await.unwrap();
    }
    limits.try_login(&ANNA, &login, 2, minute(2)).await.unwrap();
    try_times(&limits, 8, minute(3)).await;

    limits.try_login(&ANNA, &login, 1, minute(9)).await.expect("it has counted");
    let eleventh = try_login(&limits, &ANNA, minute(9)).await;
    assert!(matches!(eleventh, Err(LimitError::RetryAt(at)) if at == minute(11)), "{eleventh:?}");
    try_login(&limits, &ANNA, minute(11)).await.expect("the first try is ten minutes ago");
    limits.try_login(&ANNA, &login, 2, minute(11)).await.expect("it is known with its own time");
}

#[tokio::test]
async fn one_persons_tries_are_not_anothers() {
    let database = testing::database().await;
    let limits = LoginLimits::new(&database.db);
    try_times(&limits, 10, minute(0)).await;

    try_login(&limits, &BORIS, minute(0)).await.unwrap();
}

#[tokio::test]
async fn of_twenty_tries_at_once_ten_are_let_through() {
    let database = testing::database().await;
    let limits = LoginLimits::new(&database.db);

    let tries = join_all((0..20).map(|_| try_login(&limits, &ANNA, minute(0)))).await;

    assert_eq!(tries.iter().filter(|answer| answer.is_ok()).count(), 10);
}

#[tokio::test]
async fn codes_are_few_for_a_number_a_login_and_a_person() {
    let database = testing::database().await;
    let limits = LoginLimits::new(&database.db);
    let keys = DerivedKeys::random();
    let (first, second, third) = (random_login_id(), random_login_id(), random_login_id());
    let code = async |login: &LoginId, phone: &str, at| {
        limits.try_code(&keys, login, 139_883_458, phone, at).await.is_ok()
    };

    assert!(code(&first, "+7 999 000-00-01", minute(0)).await);
    assert!(!code(&first, "+79990000001", minute(0)).await, "a number, within a minute");
    assert!(code(&first, "+79990000001", minute(1)).await);
    assert!(!code(&first, "+79990000002", minute(3)).await, "a login, the third time");
    for (number, login) in [&second, &second, &third].into_iter().enumerate() {
        assert!(code(login, &format!("+7999000010{number}"), minute(5)).await);
    }
    assert!(!code(&third, "+79990000200", minute(60)).await, "a person, the sixth time of a day");
    assert!(code(&third, "+79990000201", minute(24 * 60 + 2)).await);
}

#[tokio::test]
async fn telegram_is_not_asked_for_codes_while_it_tells_everybody_to_wait() {
    let database = testing::database().await;
    let limits = LoginLimits::new(&database.db);
    let people: Vec<_> = (1..=4).map(|id| AccountId(uuid::Uuid::from_u128(id))).collect();
    let flow = async |person: usize, at| match limits.codes_flow(people[person], at).await {
        Ok(()) => None,
        Err(LimitError::RetryAt(at)) => Some(at),
        Err(LimitError::Database(error)) => panic!("{error}"),
    };

    // 1. Two are told to wait: they wait, others do not.
    limits.codes_flooded(people[0], minute(10), minute(0)).await.unwrap();
    limits.codes_flooded(people[1], minute(20), minute(0)).await.unwrap();
    assert_eq!(flow(0, minute(0)).await, Some(minute(10)));
    assert_eq!(flow(0, minute(10)).await, None);
    assert_eq!(flow(3, minute(0)).await, None);

    // 2. A third, and for a day: everybody waits, for a minute.
    limits.codes_flooded(people[2], minute(24 * 60), minute(0)).await.unwrap();
    assert_eq!(flow(3, minute(0)).await, Some(minute(1)));

    // 3. Then one code a minute is tried, and no more.
    let keys = DerivedKeys::random();
    let code = async |phone: &str, telegram_id, at| {
        let login = random_login_id();
        match limits.try_code(&keys, &login, telegram_id, phone, at).await {
            Ok(()) => None,
            Err(LimitError::RetryAt(next_at)) => Some(next_at),
            Err(error) => panic!("{error}"),
        }
    };
    assert_eq!(flow(3, minute(1)).await, None);
    assert_eq!(code("+79990000001", 1, minute(1)).await, None);
    assert_eq!(code("+79990000002", 2, minute(1)).await, Some(minute(2)));
    assert_eq!(code("+79990000002", 2, minute(2)).await, None);

    // 4. Somebody gets a code after all: it was not meant for all, but for whom it was said to.
    limits.code_went_out().await.unwrap();
    assert_eq!(code("+79990000003", 3, minute(2)).await, None);
    assert_eq!(flow(3, minute(2)).await, None);
    assert_eq!(flow(2, minute(2)).await, Some(minute(24 * 60)));

    // 5. What three people were told counts for ten minutes, though they wait for a day.
    for person in people.iter().copied().take(3) {
        limits.codes_flooded(person, minute(24 * 60), minute(3)).await.unwrap();
    }
    assert_eq!(flow(3, minute(3)).await, Some(minute(4)));
    assert_eq!(code("+79990000004", 4, minute(13)).await, None);
    assert_eq!(code("+79990000005", 5, minute(13)).await, None);
}

#[tokio::test]
async fn a_refused_code_takes_no_slot_of_whoever_has_the_number() {
    let database = testing::database().await;
    let limits = LoginLimits::new(&database.db);
    let keys = DerivedKeys::random();
    let login = random_login_id();
    for number in 1..=2 {
        limits.try_code(&keys, &login, 1, &format!("+7999000000{number}"), minute(0)).await.unwrap();
    }
    // This login has had its codes. The number is somebody else's, who asks a moment later.
    let victims = "+79990000009";
    assert!(limits.try_code(&keys, &login, 1, victims, minute(0)).await.is_err());
    limits.try_code(&keys, &random_login_id(), 2, victims, minute(0)).await.unwrap();
}

#[tokio::test]
async fn passwords_are_tried_a_few_times_a_login_and_person() {
    let database = testing::database().await;
    let limits = LoginLimits::new(&database.db);
    let keys = DerivedKeys::random();
    let password =
        async |login: &LoginId, person, at| match limits.try_password(&keys, login, person, at).await {
            Ok(()) => None,
            Err(LimitError::RetryAt(next_at)) => Some(next_at),
            Err(error) => panic!("{error}"),
        };
    let (first, second, third) = (random_login_id(), random_login_id(), random_login_id());
    for _ in 0..5 {
        assert_eq!(password(&first, 1, minute(0)).await, None);
    }
    assert_eq!(password(&first, 1, minute(1)).await, Some(minute(5)));
    // Telegram did not look at the last one.
    limits.forgive_password(&keys, &first, 1).await.unwrap();
    assert_eq!(password(&first, 1, minute(1)).await, None);
    assert_eq!(password(&first, 1, minute(1)).await, Some(minute(5)));
    for _ in 0..5 {
        assert_eq!(password(&second, 1, minute(6)).await, None, "the refused one did not count");
    }
    assert_eq!(password(&third, 1, minute(7)).await, Some(minute(60)));
    assert_eq!(password(&third, 2, minute(7)).await, None, "another person has their own");
}

#[tokio::test]
async fn a_number_that_nobody_has_costs_the_login_no_code() {
    let database = testing::database().await;
    let limits = LoginLimits::new(&database.db);
    let (keys, login) = (DerivedKeys::random(), random_login_id());
    let code =
        async |phone: &str| limits.try_code(&keys, &login, 139_883_458, phone, minute(0)).await.is_ok();
    assert!(code("+79990000001").await);
    limits.code_not_sent(&keys, &login).await.unwrap();
    assert!(code("+79990000002").await);
    assert!(code("+79990000003").await);
    assert!(!code("+79990000004").await);
}

#[tokio::test]
async fn tries_are_forgotten_when_no_limit_counts_them_any_more() {
    let database = testing::database().await;
    let limits = LoginLimits::new(&database.db);
    let (keys, login) = (DerivedKeys::random(), random_login_id());
    limits.try_code(&keys, &login, 139_883_458, "+79990000001", minute(0)).await.unwrap();
    limits.codes_flooded(AccountId(uuid::Uuid::from_u128(1)), minute(3), minute(0)).await.unwrap();
    let kinds = async |at| -> Vec<String> {
        limits.prune(at).await.unwrap();
        let kinds = sqlx::query_scalar("select kind from vault.tries order by kind");
        kinds.fetch_all(database.db.pool()).await.unwrap()
    };
    assert_eq!(
        kinds(minute(0)).await,
        ["code/flood", "code/flood-for-all", "code/login", "code/number", "code/person", "code/probe"]
    );
    assert_eq!(kinds(minute(2)).await, ["code/flood", "code/flood-for-all", "code/login", "code/person"]);
    assert_eq!(kinds(minute(61)).await, ["code/person"]);
    assert!(kinds(minute(24 * 60 + 1)).await.is_empty());
}
