//! Updates that cannot be read or stored, by polling and by webhook. Each comes between two good updates, and both good ones
//! are answered.

use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use stand_in::accounts::{ANNA, ILYA};
use stand_in::bot_api::ChatPerson;

use crate::webhook::world_with_webhook;
use crate::world::{World, WorldOptions};

/// An update with a text message of Anna's.
fn message(update_id: i64, text: &str) -> Value {
    json!({
        "update_id": update_id,
        "message": {
            "message_id": 5, "date": 1_790_000_000, "text": text,
            "chat": {"id": ANNA, "type": "private", "first_name": "Anna"},
            "from": {"id": ANNA, "is_bot": false, "first_name": "Anna", "language_code": "en"},
        },
    })
}

/// The same with these bytes as the JSON value of `text`.
fn with_raw_text(update_id: i64, text: &[u8]) -> Vec<u8> {
    let update = message(update_id, "X").to_string();
    let (before, after) = update.split_once("\"X\"").unwrap();
    [before.as_bytes(), text, after.as_bytes()].concat()
}

fn nul_in_the_first_name(update_id: i64) -> Vec<u8> {
    let mut update = message(update_id, "/help");
    update["message"]["from"]["first_name"] = "An\0na".into();
    update.to_string().into_bytes()
}

fn nul_in_a_buttons_data(update_id: i64) -> Vec<u8> {
    let pressed = message(update_id, "?")["message"].take();
    let query = json!({
        "id": "1", "from": pressed["from"], "message": pressed, "chat_instance": "1", "data": "replace:\0",
    });
    json!({"update_id": update_id, "callback_query": query}).to_string().into_bytes()
}

fn chat_beyond_64_bits(update_id: i64) -> Vec<u8> {
    let update = message(update_id, "/help").to_string();
    update.replace(&ANNA.to_string(), "100000000000000000000").into_bytes()
}

fn number_beyond_64_bits(update_id: i64) -> Vec<u8> {
    let update = message(update_id, "/help").to_string();
    update.replace("1790000000", "1e400").into_bytes()
}

fn deeply_nested(update_id: i64) -> Vec<u8> {
    with_raw_text(update_id, &[b"[".repeat(10_000), b"]".repeat(10_000)].concat())
}

type MakeUpdate = fn(i64) -> Vec<u8>;

/// Updates that the bot answers, or ignores.
const READABLE: [(&str, MakeUpdate); 4] = [
    ("NUL in the text", |id| message(id, "/help\0").to_string().into_bytes()),
    ("NUL in the first name", nul_in_the_first_name),
    ("NUL in a button's data", nul_in_a_buttons_data),
    ("a text of 1 MiB", |id| message(id, &"x".repeat(1 << 20)).to_string().into_bytes()),
];

/// Updates that go to `vault.refused_updates`.
const UNREADABLE: [(&str, MakeUpdate); 14] = [
    ("a lone surrogate", |id| with_raw_text(id, br#""\ud800""#)),
    ("bytes that are no UTF-8", |id| with_raw_text(id, b"\"\xff\xfe\"")),
    ("nesting 10,000 deep", deeply_nested),
    ("an unknown kind", |id| json!({"update_id": id, "telepathy": {"id": 1}}).to_string().into_bytes()),
    ("a chat beyond 64 bits", chat_beyond_64_bits),
    ("a number beyond any", number_beyond_64_bits),
    ("an id beyond 64 bits", |_| br#"{"update_id":100000000000000000000,"message":{}}"#.to_vec()),
    ("the largest id", |_| json!({"update_id": i64::MAX, "message": {}}).to_string().into_bytes()),
    ("no id", |_| json!({"message": {"text": "/help"}}).to_string().into_bytes()),
    ("a list", |_| b"[1,2,3]".to_vec()),
    ("a string", |_| b"\"update\"".to_vec()),
    ("nothing", |_| b"null".to_vec()),
    ("no JSON and no id", |_| b"]}garbage".to_vec()),
    ("no JSON", |id| format!("{{\"update_id\":{id},\"message\":{{\"text\":\"").into_bytes()),
];

/// Sends each update between two commands of Ilya's, and waits for both answers.
async fn send_between_two_good_updates(world: &World, updates: &[(&str, MakeUpdate)]) -> Result<()> {
    let ilya = world.person(ILYA);
    for (what, update) in updates {
        let before = answers(&ilya);
        ilya.send("/help");
        world.telegram.bot_api.inject_update(update);
        let second = ilya.send("/help");
        let answered = |count| count == before + 2;
        let answer = ilya.wait_for_message(|it| it.message_id > second && answered(answers(&ilya))).await;
        answer.map_err(|error| error.context(format!("after {what}")))?;
    }
    Ok(())
}

fn answers(person: &ChatPerson) -> usize {
    person.from_bot().iter().filter(|message| message.text.starts_with("👋")).count()
}

async fn count_refused_updates(world: &World) -> Result<usize> {
    let count: i64 =
        sqlx::query_scalar("select count(*) from vault.refused_updates").fetch_one(world.db.pool()).await?;
    Ok(usize::try_from(count)?)
}

/// The expectations that polling and webhook share.
async fn expect_bot_goes_on(world: &mut World) -> Result<()> {
    let ilya = world.person(ILYA);
    world.person(ANNA).ask("/start").await?;
    send_between_two_good_updates(world, &READABLE).await?;
    let unknown = |text: &str| text.starts_with("🤔 There is no such command");
    world.person(ANNA).wait_for_message(|message| unknown(&message.text)).await?;
    assert_eq!(count_refused_updates(world).await?, 0);

    send_between_two_good_updates(world, &UNREADABLE).await?;
    let all_refused = async {
        // Some updates are refused by their handler, a moment after they were received.
        while count_refused_updates(world).await? < UNREADABLE.len() {
            tokio::task::yield_now().await;
        }
        anyhow::Ok(())
    };
    tokio::time::timeout(Duration::from_secs(30), all_refused).await.context("not all were refused")??;
    assert_eq!(count_refused_updates(world).await?, UNREADABLE.len());
    ilya.wait_for_message(|message| message.text.starts_with("⚠️")).await?;
    let metrics = world.http.get(format!("http://{}/metrics", world.ops_addr())).send().await?.text().await?;
    let refused = metrics.lines().filter_map(|it| it.strip_prefix("qrlogin_bot_updates_refused_total{"));
    let refused = refused.filter_map(|it| it.rsplit_once(' ')?.1.parse::<usize>().ok()).sum::<usize>();
    assert!(refused >= UNREADABLE.len(), "{metrics}");

    world.crash_service().await;
    world.start_service().await?;
    send_between_two_good_updates(world, &READABLE).await?;
    send_between_two_good_updates(world, &UNREADABLE).await?;
    // There is one warning per ten minutes, for any number of updates.
    let windows =
        "select count(distinct floor(extract(epoch from refused_at) / 600)) from vault.refused_updates";
    let windows: i64 = sqlx::query_scalar(windows).fetch_one(world.db.pool()).await?;
    let warnings = ilya.from_bot().iter().filter(|message| message.text.starts_with("⚠️")).count();
    assert!(i64::try_from(warnings)? <= windows, "{warnings} warnings");
    Ok(())
}

#[tokio::test]
async fn the_bot_goes_on_after_unreadable_updates_by_polling() -> Result<()> {
    let mut world = World::with(WorldOptions {
        configure: Some(|config| config.admin_ids = vec![ILYA]),
        ..WorldOptions::default()
    })
    .await?;
    expect_bot_goes_on(&mut world).await
}

#[tokio::test]
async fn the_bot_goes_on_after_unreadable_updates_by_webhook() -> Result<()> {
    let mut world = world_with_webhook().await?;
    world.crash_service().await;
    world.config.admin_ids = vec![ILYA];
    world.start_service().await?;
    expect_bot_goes_on(&mut world).await
}

#[tokio::test]
async fn the_bot_goes_on_after_an_oversized_update_and_keeps_its_beginning() -> Result<()> {
    let world = world_with_webhook().await?;
    let large = |id| message(id, &"x".repeat(5 << 20)).to_string().into_bytes();
    send_between_two_good_updates(&world, &[("a text of 5 MiB", large)]).await?;
    let kept: (i32, i64) = sqlx::query_as("select length(bytes), size_bytes from vault.refused_updates")
        .fetch_one(world.db.pool())
        .await?;
    assert!(kept.0 <= 1 << 20 && kept.1 > 5 << 20, "{kept:?}");
    Ok(())
}
