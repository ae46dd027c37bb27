//! The views over a real log: their rows, and that a crash, a bad event or a second projector does no harm.

use domain::login::{CancelReason, FailReason, Refusal};
use domain::{AccountCommand, LoginCommand, LoginStatus, Role, Tier};
use jiff::SignedDuration;

use app::testing::Story;
use eventlog::log::Log;
use eventlog::sequencer::Sequencer;
use projections::projector::{Projector, ProjectorError, caught_up, position_of, wait_for};
use projections::views::subscriptions::SubscriptionState;
use projections::views::users::SubscriptionStatus;
use projections::views::{invites, login_status, subscriptions, users};

const ILYA: &str = r#"{"first_name":"Ilya","last_name":null,"username":"ilya","language_code":"ru"}"#;

#[tokio::test]
async fn a_login_from_invite_to_subscription_makes_the_row_that_other_services_read() {
    let story = Story::begin().await;
    let admin = story.person(1, r#"{"first_name":"Admin"}"#).await;
    story.account(admin, AccountCommand::ChangeRole { role: Role::Admin, at: story.clock.now() }).await;
    let invite = story.invite(1, Some(admin)).await;
    let ilya = story.person(139_883_458, ILYA).await;
    let login = story.redeem(ilya, invite).await;
    story.settle().await;

    let reserved = invites::by_id(&story.db, invite).await.unwrap().unwrap();
    assert_eq!((reserved.reserved, reserved.used), (1, 0));
    let waiting = login_status::by_id(&story.db, &login).await.unwrap().unwrap();
    assert_eq!(waiting.status, LoginStatus::Waiting);
    assert_eq!(waiting.deadline_at, story.clock.now() + SignedDuration::from_mins(5));
    let before = users::by_telegram_id(&story.db, 139_883_458).await.unwrap().unwrap();
    assert_eq!(
        (before.is_authenticated, before.subscription_type, before.max_channels),
        (false, Tier::Free, 3)
    );
    assert_eq!(before.subscription_status, SubscriptionStatus::None);

    story.confirm(ilya, invite, &login).await;
    story.settle().await;

    let sql = "select telegram_id, first_name, is_authenticated, subscription_type from users \
               where telegram_id = 139883458";
    let row: (i64, String, bool, String) = sqlx::query_as(sql).fetch_one(story.db.pool()).await.unwrap();
    assert_eq!(row, (139_883_458, "Ilya".to_owned(), true, "premium".to_owned()));
    let user = users::by_account(&story.db, ilya).await.unwrap().unwrap();
    assert_eq!(user.subscription_status, SubscriptionStatus::Active);
    assert_eq!(user.limits, story.tiers.limits(Tier::Premium));
    assert_eq!((user.max_channels, user.invited_by), (50, Some(admin)));
    let end = story.clock.now() + SignedDuration::from_hours(24 * 30);
    assert_eq!(user.subscription_expires_at, Some(end));
    let used = invites::by_id(&story.db, invite).await.unwrap().unwrap();
    assert_eq!((used.reserved, used.used), (0, 1));
    let subscription = subscriptions::by_account(&story.db, ilya).await.unwrap().unwrap();
    assert_eq!(subscription.status, SubscriptionState::Active);
    assert_eq!(subscription.login_id, Some(login.clone()));
    let done = login_status::by_id(&story.db, &login).await.unwrap().unwrap();
    assert_eq!((done.status, done.ended_at), (LoginStatus::Authorized, Some(story.clock.now())));
    assert!(done.version > waiting.version);
    assert_eq!(users::by_account(&story.db, admin).await.unwrap().unwrap().role, Role::Admin);
}

#[tokio::test]
async fn the_end_of_another_session_does_not_log_a_person_out() {
    let story = Story::begin().await;
    let ilya = story.person(7, ILYA).await;
    let invite = story.invite(2, None).await;
    let login = story.redeem(ilya, invite).await;
    story.settle().await;
    story.confirm(ilya, invite, &login).await;
    let (other, at) = (vault::random_login_id(), story.clock.now());
    story.account(ilya, AccountCommand::RevokeAuthorization { login_id: other, at }).await;
    story.settle().await;
    assert!(users::by_account(&story.db, ilya).await.unwrap().unwrap().is_authenticated);

    story.account(ilya, AccountCommand::ExportSession { login_id: login.clone(), at }).await;
    story.settle().await;
    assert!(users::by_account(&story.db, ilya).await.unwrap().unwrap().session_exported);
    story.account(ilya, AccountCommand::RevokeAuthorization { login_id: login, at }).await;
    story.settle().await;
    let user = users::by_account(&story.db, ilya).await.unwrap().unwrap();
    assert_eq!((user.is_authenticated, user.session_exported), (false, false));
}

#[tokio::test]
async fn a_login_says_why_it_ended() {
    let story = Story::begin().await;
    let (first, second) = (story.person(1, ILYA).await, story.person(2, ILYA).await);
    let (cancelled, failed) = (story.start(first).await, story.start(second).await);
    let at = story.clock.now();
    let cancel = LoginCommand::Cancel { attempt: 1, reason: CancelReason::Person, at };
    story.login(&cancelled, first, cancel).await;
    story.login(&failed, second, LoginCommand::RequestPassword { attempt: 1, at }).await;
    story
        .login(&failed, second, LoginCommand::RejectPassword { attempt: 1, reason: Refusal::Wrong, at })
        .await;
    story.project().await;
    let row = login_status::by_id(&story.db, &failed).await.unwrap().unwrap();
    assert_eq!((row.status, row.password_rejected), (LoginStatus::PasswordRequired, true));
    assert_eq!(login_status::live(&story.db).await.unwrap(), vec![row]);

    let fail = LoginCommand::Fail { attempt: 1, reason: FailReason::FloodWait, at };
    story.login(&failed, second, fail).await;
    story.project().await;
    let rows = [&cancelled, &failed].map(|login| login_status::by_id(&story.db, login));
    let [cancelled, failed] = rows.map(|row| async { row.await.unwrap().unwrap() });
    assert_eq!(cancelled.await.reason.as_deref(), Some("person"));
    assert_eq!(failed.await.reason.as_deref(), Some("flood_wait"));
    assert!(login_status::live(&story.db).await.unwrap().is_empty());
}

#[tokio::test]
async fn an_erased_person_has_no_row_and_may_register_under_a_new_account() {
    let story = Story::begin().await;
    let ilya = story.person(139_883_458, ILYA).await;
    story.account(ilya, AccountCommand::Erase { at: story.clock.now() }).await;
    story.project().await;
    assert!(users::by_telegram_id(&story.db, 139_883_458).await.unwrap().is_none());
    story.vault.erase_subject(ilya).await.unwrap();

    let anew = story.person(139_883_458, ILYA).await;
    story.project().await;
    assert_ne!(anew, ilya);
    assert_eq!(users::by_telegram_id(&story.db, 139_883_458).await.unwrap().unwrap().account_id, anew);
}

#[tokio::test]
async fn a_person_erased_and_registered_again_in_one_batch_has_one_row() {
    let story = Story::begin().await;
    let ilya = story.person(5, ILYA).await;
    story.project().await;
    story.account(ilya, AccountCommand::Erase { at: story.clock.now() }).await;
    story.vault.erase_subject(ilya).await.unwrap();
    let anew = story.person(5, ILYA).await;
    story.project().await;
    assert_eq!(users::by_telegram_id(&story.db, 5).await.unwrap().unwrap().account_id, anew);
    assert_eq!(story.count("select count(*) from parked").await, 0);
}

#[tokio::test]
async fn a_batch_that_crashed_before_its_checkpoint_is_repeated_without_doubling() {
    let story = Story::begin().await;
    let invite = story.invite(3, None).await;
    let ilya = story.person(1, ILYA).await;
    story.redeem(ilya, invite).await;
    story.run(
        "create function crash() returns trigger language plpgsql as $$ begin raise exception 'crash'; end $$; \
         create trigger crash before update of position on checkpoints for each statement execute function crash()",
    )
    .await;
    Sequencer::take_over(&story.db).await.unwrap().pass().await.unwrap();
    let projector = Projector::take_over(&story.db).await.unwrap();
    projector.pass().await.expect_err("the checkpoint cannot be moved");
    assert_eq!(story.count("select count(*) from users").await, 0);

    story.run("drop trigger crash on checkpoints").await;
    projector.catch_up().await.unwrap();
    let row = invites::by_id(&story.db, invite).await.unwrap().unwrap();
    assert_eq!((row.reserved, row.used), (1, 0));
    assert_eq!(story.count("select count(*) from users").await, 1);
    assert!(caught_up(&story.db).await.unwrap());
}

#[tokio::test]
async fn an_event_that_cannot_be_decoded_parks_its_own_key_alone() {
    let story = Story::begin().await;
    let (ilya, olga) = (story.person(1, ILYA).await, story.person(2, r#"{"first_name":"Olga"}"#).await);
    story
        .run(&format!(
            "insert into events (aggregate_type, aggregate_id, sequence, event_type, event_version, payload, metadata) \
             values ('account', '{ilya}', 2, 'ProfileChanged', '9', '{{}}', '{{\"account_id\": \"{ilya}\"}}')"
        ))
        .await;
    let at = story.clock.now();
    story.account(olga, AccountCommand::Block { at }).await;
    story.project().await;

    let parked: Vec<(String, String, i64)> =
        sqlx::query_as("select view, key, position from parked order by view")
            .fetch_all(story.db.pool())
            .await
            .unwrap();
    let key = ilya.to_string();
    assert_eq!(parked, [("subscriptions".to_owned(), key.clone(), 3), ("users".to_owned(), key, 3)]);
    let row = users::by_account(&story.db, ilya).await.unwrap().unwrap();
    assert_eq!(row.first_name.as_deref(), Some("Ilya"));
    assert!(users::by_account(&story.db, olga).await.unwrap().unwrap().is_blocked);
    assert!(caught_up(&story.db).await.unwrap());
}

#[tokio::test]
async fn a_row_that_postgres_refuses_is_parked_as_it_was_before() {
    let story = Story::begin().await;
    let ilya = story.person(1, ILYA).await;
    let subject = story.vault.subject(ilya).await.unwrap().unwrap();
    let at = story.clock.now();
    // In one batch: a valid change, one that a text column cannot store, and one after that.
    story.account(ilya, AccountCommand::ChangeRole { role: Role::Auditor, at }).await;
    story.set_profile(&subject, "{\"first_name\":\"Il\\u0000ya\"}").await;
    story.account(ilya, AccountCommand::Block { at }).await;
    let olga = story.person(2, r#"{"first_name":"Olga"}"#).await;
    story.project().await;

    let row = users::by_account(&story.db, ilya).await.unwrap().unwrap();
    assert_eq!(row.first_name.as_deref(), Some("Ilya"));
    assert_eq!((row.role, row.is_blocked), (Role::Auditor, false));
    assert!(users::by_account(&story.db, olga).await.unwrap().is_some());
    let parked: Vec<(String, i64, String)> =
        sqlx::query_as("select view, position, error from parked").fetch_all(story.db.pool()).await.unwrap();
    let [(view, position, error)] = &parked[..] else { panic!("one key: {parked:?}") };
    assert_eq!((view.as_str(), *position), ("users", 3));
    assert!(!error.contains("Il"), "{error}");

    // Later events do not change it.
    story.account(ilya, AccountCommand::Unblock { at }).await;
    story.project().await;
    assert_eq!(users::by_account(&story.db, ilya).await.unwrap().unwrap(), row);
}

#[tokio::test]
async fn a_projector_that_was_taken_over_writes_nothing() {
    // 1. One projector leads. 2. Another takes over. 3. The first wakes up with events to fold.
    let story = Story::begin().await;
    let first = Projector::take_over(&story.db).await.unwrap();
    let second = Projector::take_over(&story.db).await.unwrap();
    story.person(1, ILYA).await;
    Sequencer::take_over(&story.db).await.unwrap().pass().await.unwrap();
    assert!(matches!(first.pass().await, Err(ProjectorError::Fenced)));
    assert_eq!(story.count("select count(*) from users").await, 0);
    second.catch_up().await.unwrap();
    assert_eq!(story.count("select count(*) from users").await, 1);
}

#[tokio::test]
async fn a_caller_can_wait_until_a_position_is_visible() {
    let story = Story::begin().await;
    story.person(1, ILYA).await;
    Sequencer::take_over(&story.db).await.unwrap().pass().await.unwrap();
    let end = Log::new(&story.db).end().await.unwrap();
    assert!(!caught_up(&story.db).await.unwrap());
    let projector = Projector::take_over(&story.db).await.unwrap();
    let (waited, _) = tokio::join!(wait_for(&story.db, end), projector.catch_up());
    waited.unwrap();
    assert_eq!(position_of(&story.db, "users").await.unwrap(), end);
}
