//! A message with the same key is sent once; one that may have been sent says so.

use std::collections::HashSet;
use std::time::Duration;

use domain::policy::Notice;
use futures::future::join_all;
use jiff::Timestamp;
use serde_json::json;

use super::{Message, Outbox, To};
use crate::presence::Presence;
use crate::testing::{self, TestDatabase};
use crate::vault::Vault;

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

async fn outbox() -> (TestDatabase, Outbox) {
    let database = testing::database().await;
    let outbox = Outbox::new(&database.db);
    (database, outbox)
}

async fn reply(outbox: &Outbox, key: &str, chat: i64) {
    outbox.reply(key, chat, &json!({"text": key}), None).await.unwrap();
}

async fn claim(outbox: &Outbox) -> Vec<Message> {
    outbox.claim(100, NOW).await.unwrap()
}

async fn keys(outbox: &Outbox) -> Vec<String> {
    claim(outbox).await.into_iter().map(|message| message.dedup_key).collect()
}

/// As after a minute in which the sender did not answer.
async fn let_claims_run_out(database: &TestDatabase) {
    sqlx::query("update vault.outbox set claimed_at = claimed_at - interval '1 hour'")
        .execute(database.db.pool())
        .await
        .unwrap();
}

#[tokio::test]
async fn a_message_with_the_same_key_is_sent_once() {
    let (_database, outbox) = outbox().await;
    reply(&outbox, "update/1/0", 7).await;
    reply(&outbox, "update/1/0", 7).await;

    let messages = claim(&outbox).await;

    assert_eq!(messages.len(), 1);
    assert_eq!((messages[0].to, &messages[0].body), (To::Chat(7), &json!({"text": "update/1/0"})));
    assert!(!messages[0].unclear);
    outbox.sent(messages[0].id, Some(99)).await.unwrap();
    reply(&outbox, "update/1/0", 7).await;
    assert!(claim(&outbox).await.is_empty(), "the key is remembered after it was sent");
}

#[tokio::test]
async fn eight_senders_at_once_never_send_the_same_message() {
    let (database, outbox) = outbox().await;
    for chat in 0..120 {
        reply(&outbox, &format!("update/{chat}/0"), chat).await;
    }

    let everybody = join_all((0..8).map(|_| {
        let outbox = Outbox::new(&database.db);
        tokio::spawn(async move {
            let mut sent = Vec::new();
            loop {
                let messages = outbox.claim(3, NOW).await.unwrap();
                if messages.is_empty() {
                    return sent;
                }
                sent.extend(messages.into_iter().map(|message| message.id));
            }
        })
    }))
    .await;

    let sent: Vec<i64> = everybody.into_iter().flat_map(Result::unwrap).collect();
    assert_eq!((sent.len(), sent.iter().collect::<HashSet<_>>().len()), (120, 120));
}

#[tokio::test]
async fn a_message_waits_for_the_ones_before_it_in_its_chat() {
    let (_database, outbox) = outbox().await;
    reply(&outbox, "first", 7).await;
    reply(&outbox, "second", 7).await;
    reply(&outbox, "elsewhere", 8).await;

    let first = claim(&outbox).await;

    assert_eq!(first.iter().map(|it| it.dedup_key.as_str()).collect::<Vec<_>>(), ["first", "elsewhere"]);
    assert!(claim(&outbox).await.is_empty(), "the first is still being sent");
    outbox.sent(first[0].id, None).await.unwrap();
    assert_eq!(keys(&outbox).await, ["second"]);
}

#[tokio::test]
async fn a_notice_waits_for_the_answers_before_it_to_the_same_person() {
    let (database, outbox) = outbox().await;
    let person = Vault::new(&database.db).subject_for(7).await.unwrap();
    reply(&outbox, "answer", 7).await;
    outbox.notice("notice", person.account_id, &Notice::AuthorizationRevoked, None).await.unwrap();

    let first = claim(&outbox).await;

    assert_eq!(first.len(), 1);
    outbox.gave_up(first[0].id, "the bot was blocked").await.unwrap();
    let second = claim(&outbox).await;
    assert_eq!(second[0].to, To::Account(person.account_id));
    let notice: Notice = serde_json::from_value(second[0].body.clone()).unwrap();
    assert_eq!(notice, Notice::AuthorizationRevoked);
}

#[tokio::test]
async fn a_message_whose_sender_fell_silent_comes_back_as_unclear() {
    let (database, outbox) = outbox().await;
    reply(&outbox, "update/1/0", 7).await;
    let first = claim(&outbox).await;
    let other = Outbox::new(&database.db);
    assert!(claim(&other).await.is_empty(), "its sender has a minute");

    let_claims_run_out(&database).await;

    let second = claim(&other).await;
    assert_eq!((second[0].id, second[0].unclear), (first[0].id, true));
}

#[tokio::test]
async fn a_message_whose_senders_process_died_comes_back_at_once() {
    let (database, outbox) = outbox().await;
    let process = Presence::announce(&database.db, "a").await.unwrap();
    reply(&outbox, "update/1/0", 7).await;
    let of_a = outbox.clone().with_sender("a");
    assert_eq!(claim(&of_a).await.len(), 1);
    assert!(claim(&outbox).await.is_empty(), "the process lives");

    drop(process);

    let noticed = async {
        loop {
            if let Some(message) = claim(&outbox).await.pop() {
                return message;
            }
            tokio::task::yield_now().await;
        }
    };
    let message = tokio::time::timeout(Duration::from_secs(60), noticed).await.expect("it is noticed");
    assert!(message.unclear);
}

#[tokio::test]
async fn a_message_that_was_not_answered_comes_back_as_unclear_and_those_behind_it_wait() {
    let (_database, outbox) = outbox().await;
    reply(&outbox, "first", 7).await;
    reply(&outbox, "second", 7).await;
    let first = claim(&outbox).await;

    outbox.unclear(first[0].id, Duration::ZERO).await.unwrap();

    let again = claim(&outbox).await;
    assert_eq!(again.len(), 1);
    assert_eq!((again[0].id, again[0].unclear), (first[0].id, true));
    outbox.unclear(first[0].id, Duration::from_secs(3600)).await.unwrap();
    assert!(claim(&outbox).await.is_empty(), "not yet");
}

#[tokio::test]
async fn a_message_that_was_unclear_once_stays_so() {
    let (database, outbox) = outbox().await;
    reply(&outbox, "update/1/0", 7).await;
    claim(&outbox).await;
    let_claims_run_out(&database).await;
    let again = claim(&outbox).await;

    outbox.retry_after(again[0].id, Duration::ZERO).await.unwrap();

    assert!(claim(&outbox).await[0].unclear);
}

#[tokio::test]
async fn a_message_that_has_to_wait_holds_back_those_behind_it_and_nobody_else() {
    let (_database, outbox) = outbox().await;
    reply(&outbox, "first", 7).await;
    reply(&outbox, "second", 7).await;
    let first = claim(&outbox).await;

    outbox.retry_after(first[0].id, Duration::from_secs(3600)).await.unwrap();
    reply(&outbox, "elsewhere", 8).await;

    assert_eq!(keys(&outbox).await, ["elsewhere"]);
}

#[tokio::test]
async fn a_message_whose_time_has_passed_is_not_sent() {
    let (database, outbox) = outbox().await;
    let not_after = NOW + Duration::from_secs(60);
    outbox.reply("stale", 7, &json!({}), Some(not_after)).await.unwrap();
    outbox.reply("fresh", 8, &json!({}), Some(not_after + Duration::from_secs(60))).await.unwrap();

    let messages = outbox.claim(10, not_after + Duration::from_secs(1)).await.unwrap();

    assert_eq!(messages.iter().map(|it| it.dedup_key.as_str()).collect::<Vec<_>>(), ["fresh"]);
    let why: Option<String> = sqlx::query_scalar("select why from vault.outbox where dedup_key = 'stale'")
        .fetch_one(database.db.pool())
        .await
        .unwrap();
    assert_eq!(why.as_deref(), Some("too late"));
}

#[tokio::test]
async fn of_a_settled_message_neither_text_nor_chat_is_left() {
    let (database, outbox) = outbox().await;
    reply(&outbox, "sent", 7).await;
    reply(&outbox, "given up", 8).await;
    let messages = claim(&outbox).await;

    outbox.sent(messages[0].id, Some(99)).await.unwrap();
    outbox.gave_up(messages[1].id, "the bot was blocked").await.unwrap();

    let left: Vec<(String, bool)> = sqlx::query_as(
        "select state, lane is null and chat is null and body is null from vault.outbox order by id",
    )
    .fetch_all(database.db.pool())
    .await
    .unwrap();
    assert_eq!(left, [("sent".to_owned(), true), ("gave_up".to_owned(), true)]);
}

#[tokio::test]
async fn what_was_settled_long_ago_is_dropped_and_what_waits_is_not() {
    let (database, outbox) = outbox().await;
    reply(&outbox, "sent", 1).await;
    outbox.sent(claim(&outbox).await[0].id, Some(7)).await.unwrap();
    reply(&outbox, "waits", 1).await;
    let hour = Duration::from_secs(3600);
    assert_eq!(outbox.prune(hour).await.unwrap(), 0, "settled a moment ago");
    sqlx::query("update vault.outbox set queued_at = queued_at - interval '2 hours'")
        .execute(database.db.pool())
        .await
        .unwrap();
    assert_eq!(outbox.prune(hour).await.unwrap(), 1);
    assert_eq!(keys(&outbox).await, ["waits"]);
}
