//! Logins and subscriptions expire when the clock says so, and not before.

use std::time::Duration;

use domain::account::{ImportCommand, ImportedBlock, ImportedPerson, Origin, Subscription};
use domain::{AccountCommand, LoginStatus, Role, Tier, Tiers};

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

#[tokio::test]
async fn a_block_with_an_end_ends_by_itself_and_one_by_an_admin_since_does_not() {
    let story = Story::begin().await;
    let until = story.clock.now() + Duration::from_secs(3600);
    let mut people = Vec::new();
    for telegram_id in [1, 2] {
        let subject = story.vault.subject_for(telegram_id).await.unwrap();
        let person = ImportedPerson {
            account_id: subject.account_id,
            telegram_id: subject.seal(&telegram_id.to_string()),
            profile: subject.seal(ILYA),
            origin: Origin::default(),
            role: Role::User,
            block: Some(ImportedBlock { until: Some(until) }),
            subscription: None,
            history: Vec::new(),
            at: story.clock.now(),
        };
        let mark = [u8::try_from(telegram_id).unwrap(); 32];
        let blocks = [(subject.account_id, until)];
        story.vault.begin_to_import_people(&[(mark, subject.account_id)], &blocks).await.unwrap();
        let import = AccountCommand::Import(ImportCommand::Person(Box::new(person)));
        story.account(subject.account_id, import).await;
        people.push(subject.account_id);
    }
    story.account(people[1], AccountCommand::Block { at: story.clock.now() }).await;
    let blocked = async || {
        let mut blocked = Vec::new();
        for account in &people {
            blocked.push(story.store.load_account(*account).await.unwrap().is_blocked());
        }
        blocked
    };

    story.manual_clock.advance(Duration::from_secs(3599));
    story.sweeper().sweep().await.unwrap();
    assert_eq!(blocked().await, [true, true]);

    story.manual_clock.advance(Duration::from_secs(1));
    story.sweeper().sweep().await.unwrap();
    assert_eq!(blocked().await, [false, true]);
    assert_eq!(story.count("select count(*) from vault.timed_blocks").await, 0);
}
