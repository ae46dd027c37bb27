//! Logins and subscriptions expire when the clock says so, and not before.

use std::time::Duration;

use domain::account::Subscription;
use domain::{AccountCommand, LoginStatus, Tier, Tiers};

use crate::testing::Story;
use projections::views::users::SubscriptionStatus;
use projections::views::{invites, login_status, users};

const ILYA: &str = r#"{"first_name":"Ilya"}"#;

#[tokio::test]
async fn a_login_expires_at_its_deadline_and_gives_its_use_back() {
    let story = Story::begin().await;
    let invite = story.invite(1, None).await;
    let ilya = story.person(1, ILYA).await;
    let login = story.redeem(ilya, invite).await;
    story.settle().await;
    let deadline = login_status::by_id(&story.db, &login).await.unwrap().unwrap().deadline_at;

    story.manual_clock.advance(Duration::from_secs(299));
    assert_eq!(story.sweeper().sweep().await.unwrap(), Some(deadline));
    story.settle().await;
    assert_eq!(invites::by_id(&story.db, invite).await.unwrap().unwrap().reserved, 1);

    story.manual_clock.advance(Duration::from_secs(1));
    assert_eq!(story.sweeper().sweep().await.unwrap(), None);
    story.settle().await;
    let row = login_status::by_id(&story.db, &login).await.unwrap().unwrap();
    assert_eq!(row.status, LoginStatus::Expired);
    assert_eq!(invites::by_id(&story.db, invite).await.unwrap().unwrap().reserved, 0);
    let notices = story.count("select count(*) from vault.outbox where dedup_key like '%/expired'").await;
    assert_eq!(notices, 1);
}

#[tokio::test]
async fn a_subscription_ends_after_its_last_day() {
    let story = Story::begin().await;
    let invite = story.invite(1, None).await;
    let ilya = story.person(1, ILYA).await;
    let login = story.redeem(ilya, invite).await;
    story.settle().await;
    story.confirm(ilya, invite, &login).await;
    story.settle().await;

    story.manual_clock.advance(Duration::from_secs(30 * 24 * 3600 - 1));
    assert_eq!(story.sweeper().sweep().await.unwrap(), Some(story.clock.now() + Duration::from_secs(1)));
    story.manual_clock.advance(Duration::from_secs(1));
    story.sweeper().sweep().await.unwrap();
    story.settle().await;
    let user = users::by_account(&story.db, ilya).await.unwrap().unwrap();
    assert_eq!(user.subscription_status, SubscriptionStatus::Expired);
    assert_eq!((user.subscription_type, user.max_channels), (Tier::Free, 3));
    assert!(user.is_authenticated);
}

#[tokio::test]
async fn a_reminder_that_falls_due_while_the_views_are_behind_comes_all_the_same() {
    let story = Story::begin().await;
    let ilya = story.person(1, ILYA).await;
    story.project().await;
    let now = story.clock.now();
    let end = now + Duration::from_secs(3 * 24 * 3600 + 1);
    let subscription = Subscription {
        tier: Tier::Premium,
        started_at: now,
        expires_at: Some(end),
        limits: Tiers::default().limits(Tier::Premium),
    };
    let given = AccountCommand::RestoreSubscription { subscription, change_id: "given".to_owned(), at: now };
    story.account(ilya, given).await;

    // The view shows it only after the reminder was due.
    story.manual_clock.advance(Duration::from_secs(2));
    let sweeper = story.sweeper();
    let (looked, ()) = tokio::join!(sweeper.remind(story.clock.now()), story.project());
    looked.unwrap();
    sweeper.remind(story.clock.now()).await.unwrap();
    let sql = "select count(*) from vault.outbox where dedup_key like 'subscription_ends/%/3'";
    assert_eq!(story.count(sql).await, 1);
}
