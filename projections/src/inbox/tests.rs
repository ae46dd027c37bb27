//! An update that comes twice is handled once.

use serde_json::json;

use super::Inbox;
use crate::testing;

#[tokio::test]
async fn an_update_that_comes_twice_is_handled_once() {
    let database = testing::database().await;
    let inbox = Inbox::new(&database.db);

    assert!(inbox.put(1, Some(7), &json!({"n": 1})).await.unwrap());
    assert!(!inbox.put(1, Some(7), &json!({"n": 2})).await.unwrap(), "before it was handled");
    let waiting = inbox.next(10, &[]).await.unwrap();
    assert_eq!(waiting.iter().map(|update| &update.body).collect::<Vec<_>>(), [&json!({"n": 1})]);
    inbox.done(1).await.unwrap();

    assert!(!inbox.put(1, Some(7), &json!({"n": 3})).await.unwrap(), "after it was handled");
    assert!(inbox.next(10, &[]).await.unwrap().is_empty());
}

#[tokio::test]
async fn an_update_waits_until_it_is_settled() {
    let database = testing::database().await;
    let inbox = Inbox::new(&database.db);
    assert!(!inbox.is_waiting(1).await.unwrap(), "unknown");
    for update_id in [1, 2] {
        inbox.put(update_id, None, &json!({})).await.unwrap();
        assert!(inbox.is_waiting(update_id).await.unwrap());
    }
    inbox.done(1).await.unwrap();
    inbox.failed(2, "not an update").await.unwrap();
    assert!(!inbox.is_waiting(1).await.unwrap() && !inbox.is_waiting(2).await.unwrap());
}

#[tokio::test]
async fn updates_are_handled_in_telegrams_order() {
    let database = testing::database().await;
    let inbox = Inbox::new(&database.db);
    for update_id in [3, 1, 2] {
        inbox.put(update_id, None, &json!({})).await.unwrap();
    }

    let first: Vec<i64> = inbox.next(2, &[]).await.unwrap().iter().map(|update| update.update_id).collect();

    assert_eq!(first, [1, 2]);
}

#[tokio::test]
async fn what_waits_in_one_chat_hides_no_update_of_another() {
    let database = testing::database().await;
    let inbox = Inbox::new(&database.db);
    for (update_id, chat) in [(1, Some(7)), (2, Some(7)), (3, None), (4, Some(8)), (5, Some(7))] {
        inbox.put(update_id, chat, &json!({})).await.unwrap();
    }
    let next = async |but: &[Option<i64>]| -> Vec<i64> {
        inbox.next(2, but).await.unwrap().iter().map(|update| update.update_id).collect()
    };

    assert_eq!(next(&[]).await, [1, 2]);
    assert_eq!(next(&[Some(7)]).await, [3, 4]);
    assert_eq!(next(&[Some(7), None]).await, [4]);
    assert_eq!(inbox.next(1, &[Some(7), None]).await.unwrap()[0].chat, Some(8));
}

#[tokio::test]
async fn an_update_that_was_not_settled_comes_again() {
    let database = testing::database().await;
    let inbox = Inbox::new(&database.db);
    inbox.put(1, None, &json!({})).await.unwrap();

    let first = inbox.next(10, &[]).await.unwrap();

    assert_eq!(inbox.next(10, &[]).await.unwrap(), first);
}

#[tokio::test]
async fn of_a_settled_update_only_its_number_is_left() {
    let database = testing::database().await;
    let inbox = Inbox::new(&database.db);
    inbox.put(1, Some(7), &json!({"text": "private"})).await.unwrap();
    inbox.put(2, Some(7), &json!({"text": "private"})).await.unwrap();

    inbox.done(1).await.unwrap();
    inbox.failed(2, "unknown kind").await.unwrap();
    inbox.done(2).await.unwrap();

    let left: Vec<(i64, String, bool)> = sqlx::query_as(
        "select update_id, state, chat is null and body is null from vault.inbox order by update_id",
    )
    .fetch_all(database.db.pool())
    .await
    .unwrap();
    assert_eq!(left, [(1, "done".to_owned(), true), (2, "failed".to_owned(), true)]);
}

#[tokio::test]
async fn a_shared_phone_number_is_not_stored() {
    let test = testing::database().await;
    let inbox = Inbox::new(&test.db);
    let update = json!({
        "update_id": 7,
        "message": {"chat": {"id": 5}, "contact": {"phone_number": "79990000001", "first_name": "Ilya"}},
    });
    assert_eq!(inbox.receive(&update).await.unwrap(), Some(7));
    assert_eq!(inbox.receive(&json!({"update": 7})).await.unwrap(), None);
    let stored: (i64, String) =
        sqlx::query_as("select chat, body::text from vault.inbox").fetch_one(test.db.pool()).await.unwrap();
    assert_eq!(stored.0, 5);
    assert!(!stored.1.contains("7999"), "{}", stored.1);
}

#[tokio::test]
async fn what_was_handled_long_ago_is_dropped_and_what_waits_is_not() {
    let test = testing::database().await;
    let inbox = Inbox::new(&test.db);
    for update_id in [1, 2, 3] {
        inbox.put(update_id, Some(5), &json!({"update_id": update_id})).await.unwrap();
    }
    inbox.done(1).await.unwrap();
    inbox.failed(2, "no reason").await.unwrap();
    let hour = std::time::Duration::from_secs(3600);
    assert_eq!(inbox.prune(hour).await.unwrap(), 0, "handled a moment ago");
    sqlx::query("update vault.inbox set received_at = received_at - interval '2 hours'")
        .execute(test.db.pool())
        .await
        .unwrap();
    assert_eq!(inbox.prune(hour).await.unwrap(), 2);
    assert_eq!(inbox.next(10, &[]).await.unwrap().len(), 1);
}
