//! Each event is one message a webhook, from the webhook's event on.

use eventlog::store::Context;
use eventlog::testing::dies_after;

use uuid::Uuid;

use super::receiver::Receiver;
use super::world::{World, take_over};
use crate::Change;
use crate::fan_out::FanOut;
use crate::message_type::MessageType;
use crate::queue::QueueError;

#[tokio::test]
async fn a_webhook_is_told_what_happens_after_it_was_made() {
    let (world, receiver) = (World::begin().await, Receiver::start().await);
    let anna = world.person().await;
    world.block(anna).await;
    world.webhook(&receiver.url()).await;
    world.unblock(anna).await;
    world.deliver().await;
    assert_eq!(receiver.kinds(), ["user.unblocked"]);
}

#[tokio::test]
async fn a_webhook_gets_the_types_that_it_chose() {
    let (world, receiver) = (World::begin().await, Receiver::start().await);
    let chosen = [MessageType::UserUnblocked];
    let webhook_id = world.webhook_for(&receiver.url(), &chosen).await.webhook.webhook_id;
    let anna = world.person().await;
    world.turns(anna, 1).await;
    world.deliver().await;
    assert_eq!(receiver.kinds(), ["user.unblocked"]);

    let change = Change { types: Some(vec![MessageType::UserBlocked]), ..Change::default() };
    world
        .done(world.webhooks.change(webhook_id, None, change, Uuid::new_v4(), Context::tool("cli")))
        .await
        .unwrap();
    world.turns(anna, 1).await;
    world.deliver().await;
    assert_eq!(receiver.kinds(), ["user.unblocked", "user.blocked"]);
}

/// Orders and events that one pass reads together take effect in the order of the log.
#[tokio::test]
async fn a_change_takes_effect_at_its_place_in_the_log() {
    let (world, receiver) = (World::begin().await, Receiver::start().await);
    let webhook_id = world.webhook(&receiver.url()).await.webhook.webhook_id;
    let (anna, stream) = (world.person().await, webhook_id.to_string());
    let switch = async |on: bool| {
        let command = domain::ServiceCommand::ChangeWebhook {
            host: None,
            types: None,
            enabled: Some(on),
            reason: None,
            rotated: false,
            at: world.story.clock.now(),
        };
        world.story.store.service(&stream, command, Context::tool("cli")).await.unwrap();
    };
    world.block(anna).await;
    switch(false).await;
    world.unblock(anna).await;
    switch(true).await;
    world.block(anna).await;
    world.deliver().await;
    assert_eq!(receiver.kinds(), ["user.blocked", "user.blocked"]);
    let positions: Vec<_> =
        receiver.received().iter().map(|it| it.json()["data"]["position"].as_i64().unwrap()).collect();
    assert_eq!(positions[1] - positions[0], 4, "the one between was not told");
}

#[tokio::test]
async fn a_webhook_that_is_deleted_is_told_nothing_more_and_leaves_nothing_behind() {
    let (world, receiver) = (World::begin().await, Receiver::start().await);
    let webhook_id = world.webhook(&receiver.url()).await.webhook.webhook_id;
    world.block(world.person().await).await;
    world.fan_out().await;
    world.done(world.webhooks.delete(webhook_id, None, Context::tool("cli"))).await.unwrap();
    world.block(world.person().await).await;
    world.deliver().await;
    assert!(receiver.received().is_empty());
    assert!(world.webhooks.list(None, 10, None).await.unwrap().is_empty());
    for _ in 0..2 {
        crate::prune::prune(&world.story.db, world.story.clock.now()).await.unwrap();
    }
    for table in ["webhooks", "webhook_secrets", "webhook_deliveries"] {
        assert_eq!(world.story.count(&format!("select count(*) from vault.{table}")).await, 0, "{table}");
    }
}

#[tokio::test]
async fn an_event_becomes_one_message_whenever_the_process_dies() {
    let (world, receiver) = (World::begin().await, Receiver::start().await);
    world.webhook(&receiver.url()).await;
    let anna = world.person().await;
    world.turns(anna, 3).await;
    world.story.project().await;
    let mut polls = 0;
    loop {
        let queue = take_over(&world.story).await;
        let fan_out = FanOut::new(&queue);
        match dies_after(polls, fan_out.pass()).await {
            None => polls += 1,
            Some(handled) => {
                if handled.unwrap() == 0 {
                    break;
                }
            }
        }
        assert!(polls < 200, "a pass ends");
    }
    // How many there are depends on what PostgreSQL has answered by then.
    assert!(polls > 1, "it died at several places: {polls}");
    assert_eq!(world.count("waiting").await, 6);
    assert_eq!(
        world.story.count("select count(*) from vault.webhook_deliveries where due_at is not null").await,
        1
    );
}

/// 1. A holder is frozen. 2. Another one takes the lease. 3. The first one wakes: it can write nothing.
#[tokio::test]
async fn a_holder_that_lost_the_lease_changes_nothing() {
    let (world, receiver) = (World::begin().await, Receiver::start().await);
    world.webhook(&receiver.url()).await;
    world.block(world.person().await).await;
    world.story.project().await;
    let next = take_over(&world.story).await;
    let fenced = FanOut::new(&world.queue).pass().await;
    assert!(matches!(fenced, Err(QueueError::Fenced)), "{fenced:?}");
    assert_eq!(world.count("waiting").await, 0);
    assert!(FanOut::new(&next).pass().await.unwrap() > 0);
    assert_eq!(world.count("waiting").await, 1);
    let sent = world.sender().drain().await;
    assert!(matches!(sent, Err(QueueError::Fenced)), "{sent:?}");
    assert_eq!(world.count("waiting").await, 1, "what it sent is sent once more, by the other one");
}

#[tokio::test]
async fn an_event_that_another_program_wrote_is_parked_and_told_of() {
    let (world, receiver) = (World::begin().await, Receiver::start().await);
    let webhook_id = world.webhook(&receiver.url()).await.webhook.webhook_id;
    let anna = world.person().await;
    let insert = format!(
        "insert into events (aggregate_type, aggregate_id, sequence, event_type, event_version, payload, metadata)
         values ('account', '{anna}', 2, 'AccountBlocked', '9', '{{}}', '{{\"actor\": \"system\", \"account_id\": \"{anna}\"}}')"
    );
    world.story.run(&insert).await;
    world.deliver().await;
    assert_eq!(world.states(webhook_id).await, ["parked"]);
    assert!(receiver.received().is_empty());
    let found = world.webhooks.deliveries(webhook_id, None, None, 1, None).await.unwrap();
    assert_eq!(found[0].last_error.as_deref(), Some("the event cannot be read"));
}
