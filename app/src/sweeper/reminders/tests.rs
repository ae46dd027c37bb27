//! A person is reminded three days and one day before the end, once each, whatever happens in between.

use std::time::Duration;

use domain::{AccountCommand, AccountId, Tier, Tiers};
use eventlog::testing;

use super::*;
use crate::testing::Story;

const ILYA: &str = r#"{"first_name":"Ilya"}"#;
const DAY: u64 = 24 * 3600;

/// A story with people whose subscription of so many days begins now.
async fn story(people: i64, days: u32) -> (Story, Vec<AccountId>) {
    let story = Story::begin().await;
    let mut accounts = Vec::new();
    for number in 1..=people {
        let account = story.person(number, ILYA).await;
        grant(&story, account, days).await;
        accounts.push(account);
    }
    story.project().await;
    (story, accounts)
}

async fn grant(story: &Story, account: AccountId, days: u32) {
    let (tier, at) = (Tier::Premium, story.clock.now());
    let limits = Tiers::default().limits(tier);
    let change = AccountCommand::ChangeSubscription { tier, days, limits, change_id: None, at };
    story.account(account, change).await;
}

async fn remind(story: &Story) -> Option<Timestamp> {
    queue_due(&story.db, story.clock.now(), 2).await.unwrap()
}

/// How many of each kind were queued: for three days, for one.
async fn queued(story: &Story) -> (i64, i64) {
    let of = async |days: u8| {
        let sql = format!(
            "select count(*) from vault.outbox where body ->> 'kind' = 'subscription_ends'
                            and body ->> 'days' = '{days}'"
        );
        story.count(&sql).await
    };
    (of(3).await, of(1).await)
}

#[tokio::test]
async fn a_person_is_reminded_twice_and_each_reminder_is_due_to_the_second() {
    let (story, _) = story(1, 30).await;
    let begun = story.clock.now();
    let due = |days: u64| Some(begun + Duration::from_secs(days * DAY));

    assert_eq!((remind(&story).await, queued(&story).await), (due(27), (0, 0)));
    story.manual_clock.advance(Duration::from_secs(27 * DAY - 1));
    assert_eq!((remind(&story).await, queued(&story).await), (due(27), (0, 0)));
    story.manual_clock.advance(Duration::from_secs(1));
    assert_eq!((remind(&story).await, queued(&story).await), (due(29), (1, 0)));
    assert_eq!((remind(&story).await, queued(&story).await), (due(29), (1, 0)));
    story.manual_clock.advance(Duration::from_secs(2 * DAY));
    assert_eq!((remind(&story).await, queued(&story).await), (None, (1, 1)));
    story.manual_clock.advance(Duration::from_secs(DAY));
    assert_eq!((remind(&story).await, queued(&story).await), (None, (1, 1)));
}

#[tokio::test]
async fn a_renewal_in_between_silences_the_rest_and_begins_anew() {
    let (story, accounts) = story(1, 30).await;
    let begun = story.clock.now();
    story.manual_clock.advance(Duration::from_secs(27 * DAY));
    remind(&story).await;
    grant(&story, accounts[0], 30).await;
    story.project().await;
    for (day, expected) in [(29, (1, 0)), (56, (1, 0)), (57, (2, 0)), (59, (2, 1)), (60, (2, 1))] {
        story.manual_clock.set(begun + Duration::from_secs(day * DAY));
        remind(&story).await;
        assert_eq!(queued(&story).await, expected, "on day {day}");
    }
}

#[tokio::test]
async fn after_a_long_absence_a_person_gets_the_later_reminder_alone_and_none_after_the_end() {
    let (story, _) = story(1, 30).await;
    remind(&story).await;
    story.manual_clock.advance(Duration::from_secs(29 * DAY + 3600));
    remind(&story).await;
    assert_eq!(queued(&story).await, (0, 1));

    let (story, _) = self::story(1, 30).await;
    story.manual_clock.advance(Duration::from_secs(30 * DAY));
    remind(&story).await;
    assert_eq!(queued(&story).await, (0, 0));
}

#[tokio::test]
async fn a_subscription_of_two_days_has_one_reminder() {
    let (story, _) = story(1, 2).await;
    remind(&story).await;
    assert_eq!(queued(&story).await, (0, 0));
    story.manual_clock.advance(Duration::from_secs(DAY));
    remind(&story).await;
    assert_eq!(queued(&story).await, (0, 1));
}

#[tokio::test]
async fn people_who_are_blocked_or_have_no_end_are_not_reminded() {
    let (story, accounts) = story(2, 30).await;
    story.account(accounts[0], AccountCommand::Block { at: story.clock.now() }).await;
    grant(&story, accounts[1], 0).await;
    story.project().await;
    story.manual_clock.advance(Duration::from_secs(29 * DAY));
    assert_eq!(remind(&story).await, None);
    assert_eq!(queued(&story).await, (0, 0));
}

/// A leader dies at each step in turn; the next one goes on. Five people end in one moment, and a batch has two.
#[tokio::test]
async fn a_leader_that_dies_anywhere_reminds_everybody_once() {
    for steps in 0.. {
        let (story, _) = story(5, 30).await;
        story.manual_clock.advance(Duration::from_secs(27 * DAY));
        let now = story.clock.now();
        let ended = testing::dies_after(steps, queue_due(&story.db, now, 2)).await;
        remind(&story).await;
        assert_eq!(queued(&story).await, (5, 0), "it died after {steps} steps");
        if ended.is_some() {
            assert!(steps > 2, "it died in the middle");
            return;
        }
    }
}

#[tokio::test]
async fn a_clock_that_was_ahead_and_is_set_back_silences_nobody_and_repeats_nothing() {
    let (story, _) = story(1, 30).await;
    let begun = story.clock.now();
    story.manual_clock.set(begun + Duration::from_secs(27 * DAY));
    remind(&story).await;
    assert_eq!(queued(&story).await, (1, 0));
    // Back, and another person ends before what was told.
    story.manual_clock.set(begun + Duration::from_secs(20 * DAY));
    let anna = story.person(2, ILYA).await;
    grant(&story, anna, 5).await;
    story.project().await;
    remind(&story).await;
    story.manual_clock.set(begun + Duration::from_secs(22 * DAY));
    remind(&story).await;
    assert_eq!(queued(&story).await, (2, 0));
    story.manual_clock.set(begun + Duration::from_secs(27 * DAY));
    remind(&story).await;
    assert_eq!(queued(&story).await, (2, 0), "Anna's last day has come and gone; Ilya is not told again");
}

#[tokio::test]
async fn people_whose_subscriptions_end_one_after_the_other_are_all_reminded() {
    let (story, _) = story(0, 30).await;
    for number in 1..=7 {
        let account = story.person(number, ILYA).await;
        grant(&story, account, 30).await;
        story.manual_clock.advance(Duration::from_secs(3600));
    }
    story.project().await;
    story.manual_clock.advance(Duration::from_secs(27 * DAY));
    remind(&story).await;
    assert_eq!(queued(&story).await, (7, 0));
}
