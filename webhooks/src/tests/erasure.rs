//! A person who is erased is in no message any more, but for the one that says so.

use domain::AccountCommand;
use serde_json::json;

use super::receiver::{Receiver, Reply};
use super::world::World;
use crate::erasure::drop_undelivered;

#[tokio::test]
async fn what_was_not_delivered_about_a_person_is_forgotten() {
    let (world, receiver) = (World::begin().await, Receiver::start().await);
    let webhook_id = world.webhook(&receiver.url()).await.webhook.webhook_id;
    let (anna, boris) = (world.person().await, world.person().await);
    receiver.answers(|_| Reply::Status(500));
    world.turns(anna, 2).await;
    world.block(boris).await;
    world.fan_out().await;
    world.three_days_pass_for_the_first().await;
    world.send().await;
    assert_eq!(world.count("parked").await, 2, "the first of each");

    let at = world.story.clock.now();
    world.story.account(anna, AccountCommand::Erase { at }).await;
    world.fan_out().await;
    receiver.answers(|_| Reply::Status(200));
    receiver.forget();
    world.send().await;
    assert_eq!(receiver.kinds(), ["user.erased"]);
    let data = receiver.received()[0].json()["data"].clone();
    assert_eq!((&data["account_id"], &data["telegram_id"]), (&json!(anna), &json!(null)));
    assert_eq!(world.webhooks.replay_all(webhook_id, None).await.unwrap(), 1, "of somebody else");
}

/// 1. The erasure has ended: the key is gone. 2. Only then the fan-out reads the events of before.
#[tokio::test]
async fn a_message_that_comes_after_the_erasure_is_not_sent() {
    let (world, receiver) = (World::begin().await, Receiver::start().await);
    world.webhook(&receiver.url()).await;
    let anna = world.person().await;
    world.turns(anna, 1).await;
    world.fan_out().await;
    world.story.vault.erase_subject(anna).await.unwrap();
    world.send().await;
    assert!(receiver.received().is_empty());
    assert_eq!(world.story.count("select count(*) from vault.webhook_deliveries").await, 0);
}

#[tokio::test]
async fn dropping_lets_the_message_of_the_erasure_go_on() {
    let (world, receiver) = (World::begin().await, Receiver::start().await);
    world.webhook(&receiver.url()).await;
    let anna = world.person().await;
    receiver.answers(|_| Reply::Status(500));
    world.turns(anna, 1).await;
    world.deliver().await;
    assert_eq!(drop_undelivered(&world.story.db, anna).await.unwrap(), 2);
    assert_eq!(drop_undelivered(&world.story.db, anna).await.unwrap(), 0, "once");
    world.story.account(anna, AccountCommand::Erase { at: world.story.clock.now() }).await;
    world.fan_out().await;
    assert_eq!(drop_undelivered(&world.story.db, anna).await.unwrap(), 0);
    receiver.answers(|_| Reply::Status(200));
    receiver.forget();
    world.send().await;
    assert_eq!(receiver.kinds(), ["user.erased"]);
}

/// The queue names nobody: what it holds of a person is the random id that the log has as well.
#[tokio::test]
async fn the_queue_holds_no_telegram_id() {
    let (world, receiver) = (World::begin().await, Receiver::start().await);
    world.webhook(&receiver.url()).await;
    let anna = world.story.person(987_654_321, r#"{"first_name":"Anna"}"#).await;
    world.block(anna).await;
    world.fan_out().await;
    let found = "select count(*) from vault.webhook_deliveries d where d::text like '%987654321%'";
    assert_eq!((world.count("waiting").await, world.story.count(found).await), (1, 0));
    world.send().await;
    assert_eq!(receiver.received()[0].json()["data"]["telegram_id"], json!(987_654_321));
    assert_eq!(world.story.count(found).await, 0);
}
