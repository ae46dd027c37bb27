//! Each effect of an event happens once, however often the reactor runs.

use domain::login::CancelReason;
use domain::{AccountCommand, InviteCommand, LoginCommand, LoginStatus};

use crate::testing::Story;
use eventlog::log::Log;
use eventlog::store::Context;
use projections::views::{invites, login_status, users};

const ILYA: &str = r#"{"first_name":"Ilya"}"#;

#[tokio::test]
async fn reacting_twice_to_the_same_events_changes_nothing() {
    let story = Story::begin().await;
    let invite = story.invite(1, None).await;
    let ilya = story.person(1, ILYA).await;
    let earlier = story.start(ilya).await;
    story.settle().await;
    let login = story.redeem(ilya, invite).await;
    story.settle().await;
    story.confirm(ilya, invite, &login).await;
    story.settle().await;
    let log = Log::new(&story.db);
    let end = log.end().await.unwrap();
    let messages = story.count("select count(*) from vault.outbox").await;
    let attempts = story.count("select count(*) from vault.attempts").await;
    assert!(messages > 0 && attempts > 0);

    story.run("update checkpoints set position = 0 where consumer = 'reactor'").await;
    story.settle().await;
    assert_eq!(log.end().await.unwrap(), end);
    assert_eq!(story.count("select count(*) from vault.outbox").await, messages);
    assert_eq!(story.count("select count(*) from vault.attempts").await, attempts);
    let cancelled = login_status::by_id(&story.db, &earlier).await.unwrap().unwrap();
    assert_eq!(cancelled.reason.as_deref(), Some("newer_login"));
    let activated =
        story.count("select count(*) from events where event_type = 'SubscriptionActivated'").await;
    assert_eq!(activated, 1);
    assert_eq!(invites::by_id(&story.db, invite).await.unwrap().unwrap().used, 1);
}

#[tokio::test]
async fn a_newer_login_cancels_the_earlier_one_and_not_itself() {
    let story = Story::begin().await;
    let ilya = story.person(1, ILYA).await;
    let olga = story.person(2, r#"{"first_name":"Olga"}"#).await;
    let hers = story.start(olga).await;
    // Three in one batch: the first two have ended when the reactor handles the first.
    let logins = [story.start(ilya).await, story.start(ilya).await, story.start(ilya).await];
    story.settle().await;
    let mut statuses = Vec::new();
    for login in &logins {
        statuses.push(login_status::by_id(&story.db, login).await.unwrap().unwrap().status);
    }
    assert_eq!(statuses, [LoginStatus::Cancelled, LoginStatus::Cancelled, LoginStatus::Waiting]);
    assert_eq!(login_status::live_of(&story.db, olga).await.unwrap()[0].login_id, hers);
}

#[tokio::test]
async fn an_event_names_the_event_that_caused_it() {
    let story = Story::begin().await;
    let invite = story.invite(1, None).await;
    let ilya = story.person(1, ILYA).await;
    let login = story.redeem(ilya, invite).await;
    story.settle().await;
    let events = Log::new(&story.db).read(0, 100).await.unwrap();
    let started = events.iter().find(|event| event.name == "LoginStarted").unwrap();
    assert_eq!(started.metadata.causation_id, Some(format!("invite/{invite}/2")));
    assert_eq!(started.metadata.account_id, Some(ilya));
    assert_eq!(started.metadata.login_id, Some(login));
    assert_eq!(started.metadata.actor, "system");
}

#[tokio::test]
async fn a_login_that_ends_gives_its_use_back_and_ends_its_attempt() {
    let story = Story::begin().await;
    let invite = story.invite(1, None).await;
    let ilya = story.person(1, ILYA).await;
    let login = story.redeem(ilya, invite).await;
    story.settle().await;
    let at = story.clock.now();
    let cancel = LoginCommand::Cancel { attempt: 1, reason: CancelReason::Person, at };
    story.login(&login, ilya, cancel).await;
    story.settle().await;
    let row = invites::by_id(&story.db, invite).await.unwrap().unwrap();
    assert_eq!((row.reserved, row.used), (0, 0));
    assert_eq!(story.count("select count(*) from vault.attempts where state = 'ended'").await, 1);
}

#[tokio::test]
async fn a_login_that_ends_between_its_use_and_its_confirmation_gives_its_use_back() {
    let story = Story::begin().await;
    let invite = story.invite(1, None).await;
    let ilya = story.person(1, ILYA).await;
    let login = story.redeem(ilya, invite).await;
    story.settle().await;
    let at = story.clock.now();
    let cancel = LoginCommand::Cancel { attempt: 1, reason: CancelReason::Person, at };
    story.login(&login, ilya, cancel).await;
    let used = InviteCommand::Use { account_id: ilya, login_id: login.clone(), attempt: 1, at };
    story.store.invite(invite, used, Context::by(ilya).with_login(&login)).await.unwrap();
    story.settle().await;
    let row = invites::by_id(&story.db, invite).await.unwrap().unwrap();
    assert_eq!((row.reserved, row.used), (0, 0));
}

#[tokio::test]
async fn a_reservation_for_an_attempt_that_cannot_begin_is_given_back() {
    let story = Story::begin().await;
    let invite = story.invite(1, None).await;
    let ilya = story.person(1, ILYA).await;
    let login_id = vault::random_login_id();
    let at = story.clock.now();
    // There is no first attempt that this could be the second of.
    let redeem = InviteCommand::Redeem { account_id: ilya, login_id: login_id.clone(), attempt: 2, at };
    let context = Context::by(ilya).with_login(&login_id);
    story.store.invite(invite, redeem, context).await.unwrap();
    story.project().await;
    assert_eq!(invites::by_id(&story.db, invite).await.unwrap().unwrap().reserved, 1);
    story.settle().await;
    assert_eq!(invites::by_id(&story.db, invite).await.unwrap().unwrap().reserved, 0);
    assert!(login_status::by_id(&story.db, &login_id).await.unwrap().is_none());
}

#[tokio::test]
async fn the_logins_of_a_blocked_person_are_cancelled_also_one_started_after_the_block() {
    let story = Story::begin().await;
    let ilya = story.person(1, ILYA).await;
    let before = story.start(ilya).await;
    story.account(ilya, AccountCommand::Block { at: story.clock.now() }).await;
    story.settle().await;
    let after = story.start(ilya).await;
    story.settle().await;
    for login in [before, after] {
        let row = login_status::by_id(&story.db, &login).await.unwrap().unwrap();
        assert_eq!((row.status, row.reason.as_deref()), (LoginStatus::Cancelled, Some("blocked")));
    }
    assert!(users::by_account(&story.db, ilya).await.unwrap().unwrap().is_blocked);
}

#[tokio::test]
async fn a_stream_that_cannot_be_read_does_not_block_the_others() {
    let story = Story::begin().await;
    let ilya = story.person(1, ILYA).await;
    let broken = story.start(ilya).await;
    story
        .run(&format!(
            "insert into events (aggregate_type, aggregate_id, sequence, event_type, event_version, payload, metadata) \
             values ('login', '{broken}', 2, 'QrIssued', '1', '{{\"QrIssued\": 3}}', '{{}}')"
        ))
        .await;
    let olga = story.person(2, r#"{"first_name":"Olga"}"#).await;
    let invite = story.invite(1, None).await;
    let hers = story.redeem(olga, invite).await;
    story.settle().await;
    let row = login_status::by_id(&story.db, &hers).await.unwrap().unwrap();
    assert_eq!(row.status, LoginStatus::Waiting);
    assert!(story.count("select count(*) from parked where view = 'reactor'").await > 0);
}

#[tokio::test]
async fn two_people_never_share_a_single_use() {
    let story = Story::begin().await;
    let (ilya, olga) = (story.person(1, ILYA).await, story.person(2, r#"{"first_name":"Olga"}"#).await);
    for round in 0..200 {
        let invite = story.invite(1, None).await;
        let at = story.clock.now();
        let tries = [ilya, olga].map(|account_id| {
            let login_id = vault::random_login_id();
            let context = Context::by(account_id).with_login(&login_id);
            let command = InviteCommand::Redeem { account_id, login_id, attempt: 1, at };
            story.store.invite(invite, command, context)
        });
        let [first, second] = tries;
        let (first, second) = tokio::join!(first, second);
        assert!(first.is_ok() != second.is_ok(), "round {round}: {first:?}, {second:?}");
    }
    story.project().await;
    let overused = story.count("select count(*) from invites where reserved + used <> 1").await;
    assert_eq!(overused, 0);
    assert_eq!(story.count("select count(*) from invites").await, 200);
}
