//! Rebuilding while people read and write: no reader sees an error, an empty or an unfinished table, and no rows are left
//! over.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use domain::AccountCommand;
use sqlx::{Connection, PgConnection};

use ::rebuild::testing::{idle_tables, maintain_view};
use ::rebuild::verify::verify;
use ::rebuild::{Progress, RebuildError, dry_run, rebuild, unpark};
use app::leader::{self, Leader};
use app::testing::Story;
use eventlog::testing;
use projections::views::users;

mod memory;
mod rows;

const ILYA: &str = r#"{"first_name":"Ilya"}"#;
const ALL: &[String] = &[];

/// People with and without a login, an invite and a subscription.
async fn populated_story() -> Story {
    let story = Story::begin().await;
    let invite = story.invite(9, None).await;
    for number in 1..=5 {
        let person = story.person(number, ILYA).await;
        let login = story.redeem(person, invite).await;
        story.settle().await;
        if number % 2 == 0 {
            story.confirm(person, invite, &login).await;
        }
    }
    story.settle().await;
    story
}

async fn assert_nothing_is_left(story: &Story) {
    assert_eq!(story.count("select count(*) from rebuilds where state <> 'idle'").await, 0);
    assert_eq!(story.count("select count(*) from rebuild_parked").await, 0);
    for idle in idle_tables(&story.db).await {
        assert_eq!(story.count(&format!("select count(*) from {idle}")).await, 0, "{idle}");
    }
    let report = verify(&story.db, |_, _| {}).await.unwrap();
    assert!(report.is_clean(), "{report:?}");
}

async fn live_slot(story: &Story, view: &str) -> String {
    let slot = "select slot from checkpoints where consumer = $1";
    sqlx::query_scalar(slot).bind(view).fetch_one(story.db.pool()).await.unwrap()
}

/// A reader whose snapshot is from now on, and who has not read any view yet.
async fn old_reader(story: &Story) -> PgConnection {
    let mut reader = testing::connection(&story.db).await;
    sqlx::raw_sql("begin isolation level repeatable read; select 1 from checkpoints")
        .execute(&mut reader)
        .await
        .unwrap();
    reader
}

#[tokio::test]
async fn a_rebuild_repairs_rows_that_were_changed_by_hand_and_reports_them() {
    let story = populated_story().await;
    story.run("update slots.users_a set first_name = 'Eve', is_blocked = true where telegram_id = 1").await;
    story.run("delete from slots.invites_a").await;

    let told = dry_run(&story.db, ALL, |_| {}).await.unwrap();
    assert_eq!(told.iter().map(|view| view.differ).collect::<Vec<_>>(), [1, 0, 1, 0, 0, 0]);
    assert_eq!(live_slot(&story, "users").await, "a", "a dry run changes nothing");
    assert_eq!(story.count("select count(*) from users where first_name = 'Eve'").await, 1);

    let mut steps = Vec::new();
    let done = rebuild(&story.db, ALL, |step| steps.push(step)).await.unwrap();
    assert_eq!(done.iter().map(|view| view.differ).collect::<Vec<_>>(), [1, 0, 1, 0, 0, 0]);
    assert_eq!(done[0].examples[0].what, "differs in first_name, is_blocked");
    assert_eq!(done[2].examples[0].what, "is missing");
    assert_eq!((done[0].view, done[0].rows), ("users", 5));
    let end = done[0].position;
    assert!(steps.contains(&Progress::Read { position: end, end }), "{steps:?}");
    assert!(steps.contains(&Progress::Load { view: "users", rows: 5 }), "{steps:?}");
    assert_eq!(live_slot(&story, "users").await, "b");
    assert_eq!(story.count("select count(*) from users where first_name = 'Ilya'").await, 5);
    assert_nothing_is_left(&story).await;

    // And back to the first slot, after more events.
    story.person(6, ILYA).await;
    story.settle().await;
    let done = rebuild(&story.db, &["users".to_owned()], |_| {}).await.unwrap();
    assert_eq!((done.len(), done[0].rows, done[0].differ), (1, 6, 0));
    assert_eq!(
        (live_slot(&story, "users").await, live_slot(&story, "invites").await),
        ("a".into(), "b".into())
    );
    assert_nothing_is_left(&story).await;
}

#[tokio::test]
async fn readers_and_writers_are_not_disturbed_by_a_rebuild() {
    let story = Arc::new(populated_story().await);
    let leading = tokio::spawn(leader::run(Leader {
        db: story.db.clone(),
        clock: story.clock.clone(),
        tiers: story.tiers.clone(),
        holder: "one".to_owned(),
    }));
    let (over, reads) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let mut readers = Vec::new();
    for number in 0..12 {
        let (story, over, reads) = (Arc::clone(&story), Arc::clone(&over), Arc::clone(&reads));
        readers.push(tokio::spawn(async move {
            let mut connection = testing::connection(&story.db).await;
            let mut known = 5;
            while !over.load(Ordering::Relaxed) {
                known = match number % 3 {
                    0 => count_people(&mut connection).await,
                    1 => count_people_twice(&mut connection, "select 1 from checkpoints").await,
                    _ => count_people_twice(&mut connection, "select 1 from invites").await,
                }
                .inspect(|people| assert!(*people >= known, "people were there before: {people} of {known}"))
                .expect("a reader sees no error");
                reads.fetch_add(1, Ordering::Relaxed);
            }
        }));
    }
    let mut writers = Vec::new();
    for number in 0..2 {
        let (story, over) = (Arc::clone(&story), Arc::clone(&over));
        writers.push(tokio::spawn(async move {
            let mut person = 100 + number;
            while !over.load(Ordering::Relaxed) {
                story.person(person, ILYA).await;
                person += 2;
            }
        }));
    }
    for _ in 0..3 {
        let done = rebuild(&story.db, ALL, |_| {}).await.unwrap();
        assert_eq!(done.iter().map(|view| view.differ).sum::<usize>(), 0, "{done:?}");
        // Each rebuild has readers before and after it.
        let seen = reads.load(Ordering::Relaxed);
        while reads.load(Ordering::Relaxed) < seen + 12 {
            tokio::task::yield_now().await;
        }
    }
    over.store(true, Ordering::Relaxed);
    for task in readers.into_iter().chain(writers) {
        task.await.expect("no reader and no writer fails");
    }
    leading.abort();
    let _ = leading.await;
    story.settle().await;
    assert_eq!(live_slot(&story, "users").await, "b");
    assert!(story.count("select count(*) from users").await > 5);
    assert_nothing_is_left(&story).await;
}

async fn count_people(connection: &mut PgConnection) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar("select count(first_name) from users").fetch_one(connection).await
}

/// Both in one snapshot, which began before the first of them.
async fn count_people_twice(connection: &mut PgConnection, before: &str) -> Result<i64, sqlx::Error> {
    let mut snapshot = connection.begin_with("begin isolation level repeatable read").await?;
    sqlx::query(before).execute(&mut *snapshot).await?;
    tokio::task::yield_now().await;
    let first = count_people(&mut snapshot).await?;
    tokio::task::yield_now().await;
    let second = count_people(&mut snapshot).await?;
    assert_eq!(first, second, "one snapshot, one answer");
    snapshot.commit().await?;
    Ok(first)
}

#[tokio::test]
async fn a_rebuild_waits_for_a_reader_with_an_older_snapshot_which_sees_the_same_rows() {
    // 1. A reader's snapshot begins. 2. A rebuild comes to the swap, and waits. 3. New events are visible to others.
    // 4. The old reader reads the view for the first time, and ends. 5. The rebuild swaps.
    let story = Arc::new(populated_story().await);
    let mut reader = old_reader(&story).await;
    let (waits, waiting) = tokio::sync::oneshot::channel();
    let rebuilding = tokio::spawn({
        let story = Arc::clone(&story);
        let mut waits = Some(waits);
        async move {
            let report = |step| {
                if matches!(step, Progress::Wait { .. }) {
                    waits.take().map(|waits| waits.send(()));
                }
            };
            rebuild(&story.db, &["users".to_owned()], report).await
        }
    });
    waiting.await.expect("it waits for the reader");
    story.person(77, ILYA).await;
    story.project().await;
    assert!(users::by_telegram_id(&story.db, 77).await.unwrap().is_some(), "the live table goes on");
    assert_eq!(live_slot(&story, "users").await, "a");
    assert_eq!(count_people(&mut reader).await.unwrap(), 5);
    reader.close().await.unwrap();
    let done = rebuilding.await.unwrap().unwrap();
    assert_eq!(done[0].differ, 0);
    assert_eq!(live_slot(&story, "users").await, "b");
    assert!(users::by_telegram_id(&story.db, 77).await.unwrap().is_some());
    assert_nothing_is_left(&story).await;
}

#[tokio::test]
async fn two_rebuilds_of_one_view_exclude_each_other() {
    let story = Arc::new(populated_story().await);
    let reader = old_reader(&story).await;
    let (waits, waiting) = tokio::sync::oneshot::channel();
    let first = tokio::spawn({
        let story = Arc::clone(&story);
        let mut waits = Some(waits);
        async move {
            let report = |step| {
                if matches!(step, Progress::Wait { .. }) {
                    waits.take().map(|waits| waits.send(()));
                }
            };
            rebuild(&story.db, &["users".to_owned()], report).await
        }
    });
    waiting.await.expect("the first waits for the reader");
    let second = rebuild(&story.db, ALL, |_| {}).await;
    assert!(matches!(second, Err(RebuildError::Busy("users"))), "{second:?}");
    let one = unpark(&story.db, "users", "any key").await;
    assert!(matches!(one, Err(RebuildError::Busy("users"))), "{one:?}");
    reader.close().await.unwrap();
    first.await.unwrap().unwrap();
    rebuild(&story.db, ALL, |_| {}).await.unwrap();
    assert_nothing_is_left(&story).await;
}

#[tokio::test]
async fn a_rebuild_that_ends_in_the_middle_leaves_nothing_behind() {
    let story = Arc::new(populated_story().await);
    for stop_at in ["load", "wait"] {
        let reader = old_reader(&story).await;
        let (there, stopped) = tokio::sync::oneshot::channel();
        let rebuilding = tokio::spawn({
            let story = Arc::clone(&story);
            let mut there = Some(there);
            async move {
                let report = |step| {
                    let named = match step {
                        Progress::Read { .. } => "read",
                        Progress::Load { .. } => "load",
                        Progress::Wait { .. } => "wait",
                        Progress::Swapped { .. } => "swapped",
                    };
                    if named == stop_at {
                        there.take().map(|there| there.send(()));
                    }
                };
                rebuild(&story.db, &["users".to_owned()], report).await
            }
        });
        stopped.await.expect("it gets there");
        rebuilding.abort();
        assert!(rebuilding.await.unwrap_err().is_cancelled());
        assert_eq!(live_slot(&story, "users").await, "a", "people read what they read before");
        assert!(
            story.count("select count(*) from slots.users_b").await > 0,
            "there is something to clear away"
        );
        // The projector goes on, in any state of the rebuild.
        story.person(if stop_at == "load" { 50 } else { 51 }, ILYA).await;
        story.project().await;
        reader.close().await.unwrap();
        // The claim ends with its connection, which PostgreSQL may notice a moment later.
        while let Err(error) = maintain_view(&story.db, "users").await {
            assert!(matches!(error, RebuildError::Busy(_)), "{error}");
            tokio::task::yield_now().await;
        }
        assert_eq!(live_slot(&story, "users").await, "a");
        assert_nothing_is_left(&story).await;
    }
}

#[tokio::test]
async fn a_view_that_another_version_has_built_is_rebuilt_by_itself() {
    let story = populated_story().await;
    story.run("update slots.users_a set first_name = 'as it was folded once'").await;
    story.run("update checkpoints set version = 0 where consumer = 'users'").await;
    let leading = tokio::spawn(leader::run(Leader {
        db: story.db.clone(),
        clock: story.clock.clone(),
        tiers: story.tiers.clone(),
        holder: "one".to_owned(),
    }));
    let mended = async {
        while story.count("select count(*) from users where first_name = 'Ilya'").await < 5 {
            tokio::task::yield_now().await;
        }
        while story.count("select count(*) from rebuilds where state <> 'idle'").await > 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), mended).await.expect("it is rebuilt within a minute");
    leading.abort();
    let _ = leading.await;
    assert_eq!(story.count("select count(*) from checkpoints where version = 0").await, 0);
    assert_nothing_is_left(&story).await;
}

#[tokio::test]
async fn people_who_are_erased_during_a_rebuild_are_in_neither_slot() {
    let story = Arc::new(populated_story().await);
    let reader = old_reader(&story).await;
    let gone = story.vault.subject_of(1).await.unwrap().unwrap().account_id;
    let (waits, waiting) = tokio::sync::oneshot::channel();
    let rebuilding = tokio::spawn({
        let story = Arc::clone(&story);
        let mut waits = Some(waits);
        async move {
            let report = |step| {
                if matches!(step, Progress::Wait { .. }) {
                    waits.take().map(|waits| waits.send(()));
                }
            };
            rebuild(&story.db, &["users".to_owned()], report).await
        }
    });
    waiting.await.expect("it waits for the reader");
    story.account(gone, AccountCommand::Erase { at: story.clock.now() }).await;
    story.project().await;
    story.vault.erase_subject(gone).await.unwrap();
    for slot in ["a", "b"] {
        let sql = format!("select count(*) from slots.users_{slot} where telegram_id = 1");
        assert_eq!(story.count(&sql).await, 0, "slot {slot}");
    }
    reader.close().await.unwrap();
    rebuilding.await.unwrap().unwrap();
    assert_eq!(story.count("select count(*) from users").await, 4);
    assert_nothing_is_left(&story).await;
}

#[tokio::test]
async fn a_rebuild_of_an_unknown_view_names_the_views_that_exist() {
    let story = Story::begin().await;
    let told = rebuild(&story.db, &["nonsense".to_owned()], |_| {}).await.unwrap_err().to_string();
    assert!(told.contains("nonsense") && told.contains("login_status"), "{told}");
    // It also works without a leader and without events.
    rebuild(&story.db, ALL, |_| {}).await.unwrap();
    assert_nothing_is_left(&story).await;
}
