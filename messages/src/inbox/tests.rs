//! An update that comes twice is handled once.

use serde_json::json;

use super::{Inbox, RefusedUpdate, Source};
use eventlog::testing;
use vault::Vault;

#[tokio::test]
async fn an_update_that_comes_twice_is_handled_once() {
    let database = testing::database().await;
    let inbox = Inbox::new(&database.db);

    assert!(inbox.put(1, Some(7), &json!({"n": 1})).await.unwrap());
    assert!(!inbox.put(1, Some(7), &json!({"n": 2})).await.unwrap(), "before it was handled");
    let waiting = inbox.next(10, &[]).await.unwrap();
    assert_eq!(waiting.iter().map(|update| update.body.as_str()).collect::<Vec<_>>(), [r#"{"n": 1}"#]);
    inbox.done(1).await.unwrap();

    assert!(!inbox.put(1, Some(7), &json!({"n": 3})).await.unwrap(), "after it was handled");
    assert!(inbox.next(10, &[]).await.unwrap().is_empty());
}

#[tokio::test]
async fn an_update_waits_until_it_is_handled() {
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
async fn updates_that_wait_in_one_chat_do_not_hide_those_of_another() {
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
async fn an_update_that_was_not_handled_comes_again() {
    let database = testing::database().await;
    let inbox = Inbox::new(&database.db);
    inbox.put(1, None, &json!({})).await.unwrap();

    let first = inbox.next(10, &[]).await.unwrap();

    assert_eq!(inbox.next(10, &[]).await.unwrap(), first);
}

#[tokio::test]
async fn only_the_number_of_a_handled_update_is_kept() {
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
    let update = update.to_string();
    assert_eq!(inbox.receive(update.as_bytes(), Source::Polling).await.unwrap(), Some(7));
    let stored: (i64, String) =
        sqlx::query_as("select chat, body::text from vault.inbox").fetch_one(test.db.pool()).await.unwrap();
    assert_eq!(stored.0, 5);
    assert!(!stored.1.contains("7999"), "{}", stored.1);
}

#[tokio::test]
async fn updates_handled_long_ago_are_deleted_and_waiting_ones_are_not() {
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

#[tokio::test]
async fn what_strangers_sent_is_kept_for_a_while_and_what_others_sent_until_it_is_handled() {
    let test = testing::database().await;
    let inbox = Inbox::new(&test.db);
    Vault::new(&test.db).subject_for(7).await.unwrap();
    for (update_id, chat) in [(1, Some(7)), (2, Some(8)), (3, None)] {
        inbox.put(update_id, chat, &json!({})).await.unwrap();
    }
    let hour = std::time::Duration::from_secs(3600);
    assert_eq!(inbox.prune_strangers(hour).await.unwrap(), 0, "they came a moment ago");
    let aged = "update vault.inbox set received_at = received_at - interval '2 hours'";
    sqlx::query(aged).execute(test.db.pool()).await.unwrap();
    assert_eq!(inbox.prune_strangers(hour).await.unwrap(), 2);
    let left: Vec<_> = inbox.next(10, &[]).await.unwrap().into_iter().map(|it| it.update_id).collect();
    assert_eq!(left, [1]);
}

#[tokio::test]
async fn an_unreadable_update_is_kept_as_it_came_and_its_number_is_found_if_it_has_one() {
    let test = testing::database().await;
    let inbox = Inbox::new(&test.db);
    let nested = [br#"{"update_id": 5, "message": "#, "[".repeat(10_000).as_bytes()].concat();
    let updates: [(&[u8], Option<i64>); 6] = [
        (b"{\"update_id\" : 3,\"message\":{\"text\":\"\xff\"}}", Some(3)),
        (br#"{"update_id":4,"message":{"text":"\ud800"}}"#, Some(4)),
        (&nested, Some(5)),
        (br#"{"update_id":4294967296}"#, None),
        (br#"{"text":"\"update_id\":6"#, None),
        (b"", None),
    ];
    for (bytes, update_id) in updates {
        for _ in 0..2 {
            assert_eq!(inbox.receive(bytes, Source::Webhook).await.unwrap(), update_id);
        }
    }
    let kept: Vec<(Vec<u8>, Option<i64>)> =
        sqlx::query_as("select bytes, update_id from vault.refused_updates order by refused_at")
            .fetch_all(test.db.pool())
            .await
            .unwrap();
    let given = updates.map(|(bytes, update_id)| (bytes.to_vec(), update_id));
    assert_eq!(kept, given, "each once");
    assert_eq!(inbox.refused().summary().await.unwrap().unwrap().count, 6);
    assert!(inbox.next(10, &[]).await.unwrap().is_empty());
}

#[tokio::test]
async fn an_update_that_the_database_refuses_is_kept_and_a_nul_in_a_text_is_replaced() {
    let test = testing::database().await;
    let inbox = Inbox::new(&test.db);
    let text = br#"{"update_id":1,"message":{"text":"a\u0000b","chat":{"id":5}}}"#;
    assert_eq!(inbox.receive(text, Source::Polling).await.unwrap(), Some(1));
    let key = br#"{"update_id":2,"a\u0000b":1}"#;
    assert_eq!(inbox.receive(key, Source::Polling).await.unwrap(), Some(2));
    let waiting = inbox.next(10, &[]).await.unwrap();
    assert_eq!(waiting.len(), 1);
    assert!(waiting[0].body.contains("a\u{fffd}b"), "{}", waiting[0].body);
    let kept: (Vec<u8>, String) = sqlx::query_as("select bytes, why from vault.refused_updates")
        .fetch_one(test.db.pool())
        .await
        .unwrap();
    assert_eq!(kept, (key.to_vec(), "the database refuses it".to_owned()));
}

/// An update that could be stored but not read again would block all others.
#[tokio::test]
async fn every_stored_update_can_be_read_again() {
    let test = testing::database().await;
    let inbox = Inbox::new(&test.db);
    let nested = (1..=140).map(|depth| "[".repeat(depth) + &"]".repeat(depth));
    let numbers = ["1.7976931348623157e308", "-5e-324", "18446744073709551615", "1e-400", "1e20", "-0.0"];
    let texts = [r#""\ud83d\ude00""#, r#""\u0000\\u0000""#, "\"\u{10ffff}\u{7f}\""];
    let all = nested.chain(numbers.map(str::to_owned)).chain(texts.map(str::to_owned));
    let mut stored = 0;
    for (number, what) in all.enumerate() {
        let update = format!(r#"{{"update_id":{number},"message":{what}}}"#);
        inbox.receive(update.as_bytes(), Source::Polling).await.unwrap();
        stored = inbox.next(1000, &[]).await.unwrap().len();
    }
    let refused = inbox.refused().summary().await.unwrap().unwrap().count;
    assert!(stored > 100, "{stored}");
    assert_eq!(stored, 149 - usize::try_from(refused).unwrap());
}

#[tokio::test]
async fn the_newest_hundred_refused_updates_are_kept_for_a_time_up_to_a_mebibyte_each() {
    let test = testing::database().await;
    let refused = Inbox::new(&test.db).refused();
    let large = vec![b'x'; 3 << 20];
    for size_bytes in 0..103 {
        let (source, why) = (Source::Webhook, "too large");
        let update = RefusedUpdate { bytes: &large, size_bytes, update_id: None, source, why };
        refused.keep(&update).await.unwrap();
    }
    let kept: (i64, i64, i32) =
        sqlx::query_as("select count(*), min(size_bytes), max(length(bytes)) from vault.refused_updates")
            .fetch_one(test.db.pool())
            .await
            .unwrap();
    assert_eq!(kept, (100, 3, 1 << 20));
    refused.prune(std::time::Duration::from_secs(3600)).await.unwrap();
    assert_eq!(refused.summary().await.unwrap().unwrap().count, 100, "they came a moment ago");
    refused.prune(std::time::Duration::ZERO).await.unwrap();
    assert_eq!(refused.summary().await.unwrap(), None);
}

#[tokio::test]
async fn erasing_a_person_deletes_the_refused_updates_that_hold_their_id() {
    let database = testing::database().await;
    let vault = Vault::new(&database.db);
    let (one, other) = (vault.subject_for(139_883_458).await.unwrap(), vault.subject_for(2).await.unwrap());
    let inbox = Inbox::new(&database.db);
    for update in
        [r#"{"from":{"id":139883458},"text":"\ud800"}"#, r#"{"from":{"id":271828182},"text":"\ud800"}"#]
    {
        inbox.receive(update.as_bytes(), Source::Polling).await.unwrap();
    }

    vault.erase_subject(one.account_id).await.unwrap();

    let left: Vec<Vec<u8>> = sqlx::query_scalar("select bytes from vault.refused_updates")
        .fetch_all(database.db.pool())
        .await
        .unwrap();
    assert_eq!(left.len(), 1);
    assert!(String::from_utf8_lossy(&left[0]).contains("271828182"));
    assert!(vault.subject(other.account_id).await.unwrap().is_some());
}
