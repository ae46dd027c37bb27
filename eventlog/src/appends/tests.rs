//! Commands that are appended in a group.

use std::time::Duration;

use cqrs_es::persist::SerializedEvent;
use futures::future::join_all;
use serde_json::json;
use sqlx::Connection;
use tokio::task::JoinHandle;

use super::Appends;
use crate::testing::{self, TestDatabase};

const LONG_ENOUGH: Duration = Duration::from_secs(30);

fn event(stream: usize, sequence: usize) -> SerializedEvent {
    let payload = json!({"QrIssued": {"number": sequence}});
    let stream = format!("{stream:032}");
    let (kind, name, version) = ("login".to_owned(), "QrIssued".to_owned(), "1".to_owned());
    SerializedEvent::new(stream, sequence, kind, name, version, payload, json!({"actor": "system"}))
}

/// Starts to append the events, one command each, and returns once all of them wait for the group lock.
async fn queued(appends: &Appends, events: Vec<SerializedEvent>) -> Vec<JoinHandle<Result<(), sqlx::Error>>> {
    let count = events.len();
    let start = |event| {
        let appends = appends.clone();
        tokio::spawn(async move { appends.append(&[event]).await })
    };
    let commands = events.into_iter().map(start).collect();
    while appends.waiting().len() < count {
        tokio::task::yield_now().await;
    }
    commands
}

async fn count(test: &TestDatabase, sql: &str) -> i64 {
    sqlx::query_scalar(sql).fetch_one(test.db.pool()).await.unwrap()
}

#[tokio::test]
async fn commands_that_come_while_another_is_appended_go_together() {
    let test = testing::database().await;
    let appends = test.db.appends();
    let lock = appends.0.group_lock.lock().await;
    let commands = queued(appends, (0..10).map(|stream| event(stream, 1)).collect()).await;
    drop(lock);
    for outcome in join_all(commands).await {
        outcome.unwrap().unwrap();
    }
    assert_eq!(count(&test, "select count(*) from events").await, 10);
    assert_eq!(count(&test, "select count(distinct transaction_id) from events").await, 1);
}

#[tokio::test]
async fn a_command_that_loses_a_race_in_a_group_loses_it_alone() {
    let test = testing::database().await;
    let appends = test.db.appends();
    appends.append(&[event(3, 1)]).await.unwrap();
    let lock = appends.0.group_lock.lock().await;
    let commands = queued(appends, (0..10).map(|stream| event(stream, 1)).collect()).await;
    drop(lock);
    let fates: Vec<_> = join_all(commands).await.into_iter().map(Result::unwrap).collect();
    let lost =
        fates.iter().enumerate().filter_map(|(stream, outcome)| Some((stream, outcome.as_ref().err()?)));
    let [(3, sqlx::Error::Database(refused))] = lost.collect::<Vec<_>>()[..] else { panic!("{fates:?}") };
    assert!(refused.is_unique_violation());
    assert_eq!(count(&test, "select count(*) from events").await, 10);
}

/// 1. Another transaction writes a stream's next event and does not commit.
/// 2. A command for that stream waits.
/// 3. Others go through, those that came in its company too.
/// 4. The first one rolls back, and the command goes through.
#[tokio::test]
async fn a_command_that_has_to_wait_holds_up_no_other() {
    let test = testing::database().await;
    let appends = test.db.appends();
    let mut other = testing::connection(&test.db).await;
    let mut transaction = other.begin().await.unwrap();
    sqlx::query(
        "insert into events (aggregate_type, aggregate_id, sequence, event_type, event_version, payload, metadata)
         values ('login', $1, 1, 'QrIssued', '1', '{}', '{}')",
    )
    .bind(event(3, 1).aggregate_id)
    .execute(&mut *transaction)
    .await
    .unwrap();

    let lock = appends.0.group_lock.lock().await;
    let mut commands = queued(appends, (0..10).map(|stream| event(stream, 1)).collect()).await;
    drop(lock);
    let waits = commands.remove(3);
    let others = async {
        for outcome in join_all(commands).await {
            outcome.unwrap().unwrap();
        }
        join_all((0..10).map(|stream| async move { appends.append(&[event(100 + stream, 1)]).await })).await
    };
    let others = tokio::time::timeout(LONG_ENOUGH, others).await.expect("nobody else waits");
    assert!(others.iter().all(Result::is_ok), "{others:?}");
    assert!(!waits.is_finished());
    transaction.rollback().await.unwrap();
    waits.await.unwrap().unwrap();
    assert_eq!(count(&test, "select count(*) from events").await, 20);
}
