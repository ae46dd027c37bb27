//! Single rows: unparked after a fix, refused by PostgreSQL, or rebuilt for one person.

use domain::{AccountCommand, Role};

use super::{ALL, ILYA, assert_nothing_is_left, populated_story};
use ::rebuild::verify::verify;
use ::rebuild::{rebuild, rebuild_account, unpark};
use app::testing::Story;
use eventlog::database::Database;
use projections::views::users;

#[tokio::test]
async fn unparking_a_key_after_a_fix_is_the_same_as_a_rebuild() {
    let story = Story::begin().await;
    let (ilya, olga) = (story.person(1, ILYA).await, story.person(2, ILYA).await);
    story.project().await;
    for slot in ["a", "b"] {
        story
            .run(&format!("alter table slots.users_{slot} add constraint bug check (role <> 'auditor')"))
            .await;
    }
    let at = story.clock.now();
    for person in [ilya, olga] {
        story.account(person, AccountCommand::ChangeRole { role: Role::Auditor, at }).await;
        story.account(person, AccountCommand::Block { at }).await;
    }
    story.project().await;
    assert_eq!(story.count("select count(*) from parked where view = 'users'").await, 2);

    // Without the fix it is parked again, also by a rebuild.
    let still = unpark(&story.db, "users", &ilya.to_string()).await.unwrap();
    assert!(still.parked.as_ref().is_some_and(|(_, why)| why.contains("bug")), "{still:?}");
    assert_eq!(still.difference, None);
    let done = rebuild(&story.db, ALL, |_| {}).await.unwrap();
    assert_eq!((done[0].rows, done[0].differ, done[0].parked), (2, 0, 2), "{done:?}");
    assert_eq!(story.count("select count(*) from parked where view = 'users'").await, 2);
    assert!(!users::by_account(&story.db, ilya).await.unwrap().unwrap().is_blocked);

    for slot in ["a", "b"] {
        story.run(&format!("alter table slots.users_{slot} drop constraint bug")).await;
    }
    let unparked = unpark(&story.db, "users", &ilya.to_string()).await.unwrap();
    assert_eq!(unparked.parked, None);
    assert_eq!(unparked.difference.unwrap().what, "differs in is_blocked, role");
    let of_ilya = users::by_account(&story.db, ilya).await.unwrap().unwrap();
    assert_eq!((of_ilya.role, of_ilya.is_blocked), (Role::Auditor, true));

    let done = rebuild(&story.db, ALL, |_| {}).await.unwrap();
    let differing: Vec<_> = done[0].examples.iter().map(|it| it.key.clone()).collect();
    assert_eq!(differing, [olga.to_string()], "only the one that was not unparked differs from a rebuild");
    assert_eq!(users::by_account(&story.db, ilya).await.unwrap().unwrap(), of_ilya);
    assert_eq!(story.count("select count(*) from parked").await, 0);
    assert_nothing_is_left(&story).await;
}

#[tokio::test]
async fn a_row_that_is_refused_leaves_no_name_in_the_servers_log() {
    let story = Story::begin().await;
    // Unlike the private server, a foreign one prints the values that a statement failed at.
    let name: String =
        sqlx::query_scalar("select current_database()").fetch_one(story.db.pool()).await.unwrap();
    story.run(&format!("alter database {name} set log_error_verbosity = 'default'")).await;
    story.run(&format!("alter database {name} set log_min_error_statement = 'error'")).await;
    let story = Story::of(Database::connect(&story.url).await.unwrap(), story.url);
    let servers_log = async || {
        let data: String = sqlx::query_scalar("select current_setting('data_directory')")
            .fetch_one(story.db.pool())
            .await
            .unwrap();
        std::fs::read_to_string(std::path::Path::new(&data).join("../../postgres.log")).unwrap()
    };
    let (fine, refused) =
        (story.person(1, ILYA).await, story.person(2, r#"{"first_name":"Hildegard"}"#).await);
    story.person(3, r#"{"first_name":"Hilde\u0000gard"}"#).await;
    story.account(refused, AccountCommand::Block { at: story.clock.now() }).await;
    story.project().await;
    assert_eq!(
        story.count("select count(*) from parked where view = 'users'").await,
        1,
        "no column takes a zero"
    );
    story.run("alter table slots.users_b add constraint bug check (not is_blocked)").await;

    let before = servers_log().await.len();
    let done = rebuild(&story.db, &["users".to_owned()], |_| {}).await.unwrap();
    assert_eq!((done[0].rows, done[0].parked), (2, 2), "{done:?}");
    let why =
        "select count(*) from parked where view = 'users' and error like '%23514, bug' and position = 4";
    assert_eq!(story.count(why).await, 1);
    assert!(users::by_account(&story.db, fine).await.unwrap().is_some());
    assert!(!users::by_account(&story.db, refused).await.unwrap().unwrap().is_blocked);
    let told = servers_log().await.split_off(before);
    let about_us = told.lines().filter(|line| line.contains("Hilde")).collect::<Vec<_>>();
    assert!(about_us.is_empty(), "{about_us:?}");

    // An ordinary statement would print it.
    sqlx::query("update slots.users_b set is_blocked = true where telegram_id = 2")
        .execute(story.db.pool())
        .await
        .expect_err("the constraint is there");
    assert!(servers_log().await.split_off(before).contains("Hildegard"));
}

#[tokio::test]
async fn the_rows_of_one_person_can_be_rebuilt_alone() {
    let story = populated_story().await;
    let (one, two) = (story.vault.subject_of(2).await.unwrap().unwrap().account_id, 4);
    story.run("update slots.users_a set first_name = 'Eve'").await;
    story.run(&format!("delete from slots.login_status_a where account_id = '{one}'")).await;
    let told = rebuild_account(&story.db, one, ALL, false).await.unwrap();
    assert_eq!(told.iter().filter(|it| it.difference.is_some()).count(), 2, "{told:?}");
    assert_eq!(story.count("select count(*) from users where first_name = 'Eve'").await, 5);

    let done = rebuild_account(&story.db, one, ALL, true).await.unwrap();
    assert_eq!(done, told);
    assert_eq!(
        users::by_telegram_id(&story.db, 2).await.unwrap().unwrap().first_name.as_deref(),
        Some("Ilya")
    );
    assert_eq!(
        users::by_telegram_id(&story.db, two).await.unwrap().unwrap().first_name.as_deref(),
        Some("Eve")
    );
    let left = verify(&story.db, |_, _| {}).await.unwrap();
    assert_eq!(left.views.iter().map(|view| view.differ).sum::<usize>(), 4, "{left:?}");
    let again = rebuild_account(&story.db, one, ALL, true).await.unwrap();
    assert!(again.iter().all(|it| it.difference.is_none()), "{again:?}");
}
