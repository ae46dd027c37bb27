//! A message with the same key is sent once; one that may have been sent says so.

use std::collections::HashSet;
use std::time::Duration;

use domain::policy::Notice;
use domain::{AccountId, Tier};
use futures::future::join_all;
use jiff::Timestamp;
use serde_json::json;

use super::{Message, NewNotice, Outbox, Sender, To, queue_reminders};
use eventlog::testing::{self, TestDatabase};
use vault::Vault;
use vault::lease::Leases;

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

async fn outbox() -> (TestDatabase, Outbox, Sender) {
    let database = testing::database().await;
    let (outbox, sender) = (Outbox::new(&database.db), take_over(&database).await);
    (database, outbox, sender)
}

/// The next holder of the lease, after the one before lost it.
async fn take_over(database: &TestDatabase) -> Sender {
    lease_runs_out(database).await;
    let leases = Leases::new(&database.db, uuid::Uuid::new_v4().to_string());
    let lease = leases.acquire("sender", Duration::from_secs(3600)).await.unwrap().unwrap();
    Sender::new(&database.db, &lease)
}

async fn lease_runs_out(database: &TestDatabase) {
    let over = "update vault.leases set expires_at = '-infinity'";
    sqlx::query(over).execute(database.db.pool()).await.unwrap();
}

async fn reply(outbox: &Outbox, key: &str, chat: i64) {
    outbox.reply(key, chat, &json!({"text": key}), None).await.unwrap();
}

async fn claim(sender: &Sender) -> Vec<Message> {
    sender.claim(100, NOW).await.unwrap()
}

async fn keys(sender: &Sender) -> Vec<String> {
    claim(sender).await.into_iter().map(|message| message.dedup_key).collect()
}

/// State, message id at Telegram, and whether the text is still stored.
async fn stored(database: &TestDatabase, id: i64) -> (String, Option<i64>, bool) {
    sqlx::query_as("select state, message_id, body is not null from vault.outbox where id = $1")
        .bind(id)
        .fetch_one(database.db.pool())
        .await
        .unwrap()
}

#[tokio::test]
async fn an_answer_comes_before_reminders_also_a_strangers() {
    let (database, outbox, sender) = outbox().await;
    let reminder = |person: u128| NewNotice {
        account: AccountId(uuid::Uuid::from_u128(person)),
        notice: Notice::SubscriptionEnds { tier: Tier::Premium, expires_at: NOW, days: 3 },
        key: format!("reminder {person}"),
        not_after: Some(Timestamp::MAX),
    };
    let mut transaction = database.db.begin("begin").await.unwrap();
    queue_reminders(&mut transaction, &[reminder(1), reminder(2)]).await.unwrap();
    transaction.commit().await.unwrap();
    outbox.reply_to_stranger("stranger", 7, &json!({"text": "hello"}), None).await.unwrap();
    reply(&outbox, "known", 8).await;

    let mut order = Vec::new();
    while let Some(message) = sender.claim(1, NOW).await.unwrap().pop() {
        order.push(message.dedup_key);
    }
    assert_eq!(order, ["known", "stranger", "reminder 1", "reminder 2"]);
}

#[tokio::test]
async fn a_message_with_the_same_key_is_sent_once() {
    let (_database, outbox, sender) = outbox().await;
    reply(&outbox, "update/1/0", 7).await;
    reply(&outbox, "update/1/0", 7).await;

    let messages = claim(&sender).await;

    assert_eq!(messages.len(), 1);
    assert_eq!((messages[0].to, &messages[0].body), (To::Chat(7), &json!({"text": "update/1/0"})));
    assert!(!messages[0].unclear);
    sender.sent(messages[0].id, Some(99)).await.unwrap();
    reply(&outbox, "update/1/0", 7).await;
    assert!(claim(&sender).await.is_empty(), "the key stays used after it was sent");
}

#[tokio::test]
async fn eight_claims_at_once_never_take_the_same_message() {
    let (_database, outbox, sender) = outbox().await;
    for chat in 0..120 {
        reply(&outbox, &format!("update/{chat}/0"), chat).await;
    }

    let senders = join_all((0..8).map(|_| {
        let sender = sender.clone();
        tokio::spawn(async move {
            let mut sent = Vec::new();
            loop {
                let messages = sender.claim(3, NOW).await.unwrap();
                if messages.is_empty() {
                    return sent;
                }
                sent.extend(messages.into_iter().map(|message| message.id));
            }
        })
    }))
    .await;

    let sent: Vec<i64> = senders.into_iter().flat_map(Result::unwrap).collect();
    assert_eq!((sent.len(), sent.iter().collect::<HashSet<_>>().len()), (120, 120));
}

#[tokio::test]
async fn a_message_waits_for_the_ones_before_it_in_its_chat() {
    let (_database, outbox, sender) = outbox().await;
    reply(&outbox, "first", 7).await;
    reply(&outbox, "second", 7).await;
    reply(&outbox, "elsewhere", 8).await;

    let first = claim(&sender).await;

    assert_eq!(first.iter().map(|it| it.dedup_key.as_str()).collect::<Vec<_>>(), ["first", "elsewhere"]);
    assert!(claim(&sender).await.is_empty(), "the first is still being sent");
    sender.sent(first[0].id, None).await.unwrap();
    assert_eq!(keys(&sender).await, ["second"]);
}

#[tokio::test]
async fn a_notice_waits_for_the_answers_before_it_to_the_same_person() {
    let (database, outbox, sender) = outbox().await;
    let person = Vault::new(&database.db).subject_for(7).await.unwrap();
    reply(&outbox, "answer", 7).await;
    let notice = NewNotice {
        key: "notice".to_owned(),
        account: person.account_id,
        notice: Notice::AuthorizationRevoked,
        not_after: None,
    };
    outbox.notices(&[notice]).await.unwrap();

    let first = claim(&sender).await;

    assert_eq!(first.len(), 1);
    sender.gave_up(first[0].id, "the bot was blocked").await.unwrap();
    let second = claim(&sender).await;
    assert_eq!(second[0].to, To::Account(person.account_id));
    let notice: Notice = serde_json::from_value(second[0].body.clone()).unwrap();
    assert_eq!(notice, Notice::AuthorizationRevoked);
}

/// 1. A sender claims a message and freezes; its lease runs out.
/// 2. Until another sender has the lease, nobody can claim a message, not even the frozen sender.
/// 3. Its next holder claims the message at once, as unclear.
#[tokio::test]
async fn a_claim_ends_with_the_lease_of_its_sender() {
    let (database, outbox, frozen) = outbox().await;
    reply(&outbox, "update/1/0", 7).await;
    reply(&outbox, "update/2/0", 8).await;
    let first = frozen.claim(1, NOW).await.unwrap();

    lease_runs_out(&database).await;
    assert!(claim(&frozen).await.is_empty());
    let next = take_over(&database).await;
    let second = claim(&next).await;

    assert_eq!((second[0].id, second[0].unclear, second[0].arrived), (first[0].id, true, None));
    assert_eq!((second[1].dedup_key.as_str(), second[1].unclear), ("update/2/0", false));
    assert!(claim(&frozen).await.is_empty());
}

/// A version of the program that knew no epochs may have claimed a message.
#[tokio::test]
async fn a_message_that_the_former_version_was_sending_is_claimed_as_unclear() {
    let (database, outbox, sender) = outbox().await;
    reply(&outbox, "update/1/0", 7).await;
    let claimed = "update vault.outbox set state = 'sending', sender = 'x', claimed_at = clock_timestamp()";
    sqlx::query(claimed).execute(database.db.pool()).await.unwrap();
    assert!(claim(&sender).await[0].unclear);
}

/// 1. A sender claims a message and freezes; another takes the lease and the message.
/// 2. The first one reports what became of it: that does not change what the second does.
#[tokio::test]
async fn a_sender_that_lost_its_lease_settles_nothing() {
    let (database, outbox, frozen) = outbox().await;
    reply(&outbox, "update/1/0", 7).await;
    let id = claim(&frozen).await[0].id;
    let next = take_over(&database).await;
    assert_eq!(claim(&next).await.len(), 1);

    frozen.gave_up(id, "the bot was blocked").await.unwrap();
    frozen.retry_after(id, Duration::ZERO).await.unwrap();
    frozen.unclear(id, Duration::ZERO).await.unwrap();
    assert_eq!(stored(&database, id).await, ("sending".to_owned(), None, true));
    assert_eq!(frozen.sent(id, None).await.unwrap(), None);
    assert_eq!(stored(&database, id).await, ("sending".to_owned(), None, true));

    assert_eq!(next.sent(id, Some(2)).await.unwrap(), None);
    assert_eq!(stored(&database, id).await, ("sent".to_owned(), Some(2), false));
}

/// 1. A sender claims a message and freezes; another takes the lease, the message, and sends it.
/// 2. The first one learns the id of its copy: there are two, and the second one counts.
#[tokio::test]
async fn when_a_message_is_sent_twice_the_second_copy_counts() {
    let (database, outbox, frozen) = outbox().await;
    reply(&outbox, "card", 7).await;
    let id = claim(&frozen).await[0].id;
    let next = take_over(&database).await;
    claim(&next).await;
    assert_eq!(next.sent(id, Some(2)).await.unwrap(), None);

    assert_eq!(frozen.sent(id, Some(1)).await.unwrap(), Some(1));
    assert_eq!(outbox.message_of("card").await.unwrap(), Some(2));
}

/// 1. A sender claims a message and freezes; another takes the lease and the message.
/// 2. While that one sends it, the first learns the id of its copy.
/// 3. The second sends it, and learns of the other copy: its own counts. Or it cannot send: then the first copy counts.
#[tokio::test]
async fn a_second_sender_learns_of_the_first_message_when_it_settles_its_own() {
    for second_arrives in [true, false] {
        let (database, outbox, frozen) = outbox().await;
        reply(&outbox, "card", 7).await;
        let id = claim(&frozen).await[0].id;
        let next = take_over(&database).await;
        claim(&next).await;

        assert_eq!(frozen.sent(id, Some(1)).await.unwrap(), None);
        if second_arrives {
            assert_eq!(next.sent(id, Some(2)).await.unwrap(), Some(1));
            assert_eq!(outbox.message_of("card").await.unwrap(), Some(2));
        } else {
            next.gave_up(id, "the bot was blocked").await.unwrap();
            assert_eq!(outbox.message_of("card").await.unwrap(), Some(1));
        }
    }
}

/// 1. A sender claims a message and freezes; another takes the lease and the message, and is told to wait with it.
/// 2. The first one learns that the message has arrived.
/// 3. The second one is told so with its next claim, however late that is.
#[tokio::test]
async fn the_next_claim_of_a_message_tells_that_it_has_arrived() {
    let (database, outbox, frozen) = outbox().await;
    let not_after = NOW + Duration::from_secs(60);
    outbox.reply("card", 7, &json!({}), Some(not_after)).await.unwrap();
    let id = claim(&frozen).await[0].id;
    let next = take_over(&database).await;
    claim(&next).await;
    next.retry_after(id, Duration::ZERO).await.unwrap();

    assert_eq!(frozen.sent(id, Some(1)).await.unwrap(), None);

    let again = next.claim(1, not_after + Duration::from_secs(1)).await.unwrap();
    assert_eq!(again[0].arrived, Some(1));
    assert_eq!(next.sent(id, Some(1)).await.unwrap(), None);
}

/// 1. A sender claims an answer and freezes; another gives it up, because it may have arrived.
/// 2. The first one learns that it has.
#[tokio::test]
async fn a_message_that_was_given_up_but_has_arrived_counts_as_sent() {
    let (database, outbox, frozen) = outbox().await;
    reply(&outbox, "update/1/0", 7).await;
    let id = claim(&frozen).await[0].id;
    let next = take_over(&database).await;
    claim(&next).await;
    next.gave_up(id, "it may have been sent already").await.unwrap();

    assert_eq!(frozen.sent(id, Some(1)).await.unwrap(), None);
    assert_eq!(outbox.message_of("update/1/0").await.unwrap(), Some(1));
}

#[tokio::test]
async fn a_message_that_was_not_answered_comes_back_as_unclear_and_those_behind_it_wait() {
    let (_database, outbox, sender) = outbox().await;
    reply(&outbox, "first", 7).await;
    reply(&outbox, "second", 7).await;
    let first = claim(&sender).await;

    sender.unclear(first[0].id, Duration::ZERO).await.unwrap();

    let again = claim(&sender).await;
    assert_eq!(again.len(), 1);
    assert_eq!((again[0].id, again[0].unclear), (first[0].id, true));
    sender.unclear(first[0].id, Duration::from_secs(3600)).await.unwrap();
    assert!(claim(&sender).await.is_empty(), "not yet");
}

#[tokio::test]
async fn a_message_that_was_unclear_once_stays_so() {
    let (database, outbox, sender) = outbox().await;
    reply(&outbox, "update/1/0", 7).await;
    claim(&sender).await;
    let sender = take_over(&database).await;
    let again = claim(&sender).await;

    sender.retry_after(again[0].id, Duration::ZERO).await.unwrap();

    assert!(claim(&sender).await[0].unclear);
}

#[tokio::test]
async fn a_message_that_has_to_wait_holds_back_those_behind_it_and_nobody_else() {
    let (_database, outbox, sender) = outbox().await;
    reply(&outbox, "first", 7).await;
    reply(&outbox, "second", 7).await;
    let first = claim(&sender).await;

    sender.retry_after(first[0].id, Duration::from_secs(3600)).await.unwrap();
    reply(&outbox, "elsewhere", 8).await;

    assert_eq!(keys(&sender).await, ["elsewhere"]);
}

#[tokio::test]
async fn a_message_whose_time_has_passed_is_not_sent() {
    let (database, outbox, sender) = outbox().await;
    let not_after = NOW + Duration::from_secs(60);
    outbox.reply("stale", 7, &json!({}), Some(not_after)).await.unwrap();
    outbox.reply("fresh", 8, &json!({}), Some(not_after + Duration::from_secs(60))).await.unwrap();

    let messages = sender.claim(10, not_after + Duration::from_secs(1)).await.unwrap();

    assert_eq!(messages.iter().map(|it| it.dedup_key.as_str()).collect::<Vec<_>>(), ["fresh"]);
    let why: Option<String> = sqlx::query_scalar("select why from vault.outbox where dedup_key = 'stale'")
        .fetch_one(database.db.pool())
        .await
        .unwrap();
    assert_eq!(why.as_deref(), Some("too late"));
}

#[tokio::test]
async fn neither_text_nor_chat_of_a_settled_message_is_kept() {
    let (database, outbox, sender) = outbox().await;
    reply(&outbox, "sent", 7).await;
    reply(&outbox, "given up", 8).await;
    let messages = claim(&sender).await;

    sender.sent(messages[0].id, Some(99)).await.unwrap();
    sender.gave_up(messages[1].id, "the bot was blocked").await.unwrap();

    let left: Vec<(String, bool)> = sqlx::query_as(
        "select state, lane is null and chat is null and body is null from vault.outbox order by id",
    )
    .fetch_all(database.db.pool())
    .await
    .unwrap();
    assert_eq!(left, [("sent".to_owned(), true), ("gave_up".to_owned(), true)]);
}

#[tokio::test]
async fn messages_settled_long_ago_are_deleted_and_waiting_ones_are_not() {
    let (database, outbox, sender) = outbox().await;
    reply(&outbox, "sent", 1).await;
    sender.sent(claim(&sender).await[0].id, Some(7)).await.unwrap();
    reply(&outbox, "waits", 1).await;
    let hour = Duration::from_secs(3600);
    assert_eq!(outbox.prune(hour).await.unwrap(), 0, "settled a moment ago");
    sqlx::query("update vault.outbox set queued_at = queued_at - interval '2 hours'")
        .execute(database.db.pool())
        .await
        .unwrap();
    assert_eq!(outbox.prune(hour).await.unwrap(), 1);
    assert_eq!(keys(&sender).await, ["waits"]);
}

/// How many rows and index entries a statement has looked at, by EXPLAIN ANALYZE.
async fn rows_read(database: &TestDatabase, statement: &str, types: &str, values: &str) -> u64 {
    fn count(node: &serde_json::Value) -> u64 {
        let number = |name: &str| node[name].as_f64().unwrap_or(0.0);
        let scanned = number("Actual Rows")
            + number("Rows Removed by Filter")
            + number("Rows Removed by Index Recheck");
        let own = if node["Node Type"].as_str().unwrap_or_default().contains("Scan") {
            scanned * number("Actual Loops")
        } else {
            0.0
        };
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of rows")]
        let own = own as u64;
        own + node["Plans"].as_array().map_or(0, |plans| plans.iter().map(count).sum())
    }
    let mut connection = database.db.pool().acquire().await.unwrap();
    for text in ["set plan_cache_mode = force_generic_plan", &format!("prepare it{types} as {statement}")] {
        sqlx::raw_sql(text).execute(&mut connection).await.unwrap();
    }
    let explain = format!("explain (analyze, format json, timing off) execute it({values})");
    let rows = sqlx::raw_sql(&explain).fetch_all(&mut connection).await.unwrap();
    let plan: String = sqlx::Row::try_get_unchecked(&rows[0], 0).unwrap();
    sqlx::raw_sql("deallocate it").execute(&mut connection).await.unwrap();
    let plan: serde_json::Value = serde_json::from_str(&plan).unwrap();
    count(&plan[0]["Plan"])
}

#[tokio::test]
async fn a_claim_reads_a_few_rows_however_many_messages_wait() {
    let (database, _, sender) = outbox().await;
    for waiting in [
        // A hundred thousand people have a message each,
        "select 'm' || n, n::text, n, '{}'::jsonb, '-infinity'::timestamptz, null::timestamptz from generate_series(1, 100000) n",
        // a hundred thousand wait for Telegram,
        "select 'w' || n, 'w' || n, n, '{}', 'infinity', null from generate_series(1, 100000) n",
        // and a hundred thousand have a last moment.
        "select 'l' || n, 'l' || n, n, '{}', clock_timestamp(), 'infinity' from generate_series(1, 100000) n",
    ] {
        let insert =
            format!("insert into vault.outbox (dedup_key, lane, chat, body, due_at, not_after) {waiting}");
        sqlx::raw_sql(&insert).execute(database.db.pool()).await.unwrap();
    }
    let epoch: i64 = sqlx::query_scalar("select epoch from vault.leases where name = 'sender'")
        .fetch_one(database.db.pool())
        .await
        .unwrap();
    let values = format!("'sender', {epoch}, 16");
    for analyzed in [false, true] {
        if analyzed {
            sqlx::raw_sql("analyze vault.outbox").execute(database.db.pool()).await.unwrap();
        }
        let claim = rows_read(&database, include_str!("claim.sql"), "(text, bigint, bigint)", &values).await;
        assert!(claim < 1_000, "a claim reads {claim} rows");
        let too_late = rows_read(&database, include_str!("too_late.sql"), "(timestamptz)", "'epoch'").await;
        assert!(too_late < 1_000, "giving up reads {too_late} rows");
    }
    assert_eq!(claim(&sender).await.len(), 100);
}

#[tokio::test]
async fn answers_to_strangers_wait_for_all_others() {
    let (_database, outbox, sender) = outbox().await;
    for stranger in 0..3 {
        outbox
            .reply_to_stranger(&format!("stranger {stranger}"), 100 + stranger, &json!({}), None)
            .await
            .unwrap();
    }
    reply(&outbox, "known", 7).await;
    let first = sender.claim(2, NOW).await.unwrap();
    let first: Vec<_> = first.iter().map(|message| message.dedup_key.as_str()).collect();
    assert_eq!(first, ["stranger 0", "known"], "in the order of their ids: the known one is not left out");
}
