//! Processes that die while they send: nothing is lost, and what was sent is not sent out of order.

use std::collections::{HashMap, HashSet};

use eventlog::testing::dies_after;

use super::receiver::{Receiver, Reply};
use super::world::{World, take_over};
use crate::fan_out::FanOut;
use crate::sender::Sender;

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_sees_each_event_in_order_whenever_senders_die() {
    let (world, receiver) = (World::begin().await, Receiver::start().await);
    world.webhook(&receiver.url()).await;
    let mut people = Vec::new();
    for _ in 0..5 {
        people.push(world.person().await);
    }
    let mut number = 0;
    receiver.answers(move |_| {
        number += 1;
        if number % 7 == 0 { Reply::Status(503) } else { Reply::Status(204) }
    });
    let mut deaths = 0;
    for round in 0..60 {
        if round < 20 {
            for person in &people {
                world.turns(*person, 1).await;
            }
            world.story.project().await;
        }
        let queue = take_over(&world.story).await;
        let fan_out = FanOut::new(&queue);
        let _ = dies_after(round % 23, fan_out.pass()).await;
        let mut sender =
            Sender::new(&queue, world.webhooks.keys(), world.webhooks.clock(), world.webhooks.transport());
        deaths += usize::from(dies_after(round % 31, sender.drain()).await.is_none());
        drop(sender);
        world.time_passes().await;
    }
    assert!(deaths > 20, "{deaths} senders died");
    let queue = take_over(&world.story).await;
    FanOut::new(&queue).catch_up().await.unwrap();
    while world.count("waiting").await > 0 {
        world.time_passes().await;
        let mut sender =
            Sender::new(&queue, world.webhooks.keys(), world.webhooks.clock(), world.webhooks.transport());
        sender.drain().await.unwrap();
    }
    let (mut seen, mut by_person) = (HashSet::new(), HashMap::<String, Vec<i64>>::new());
    for message in receiver.received() {
        if seen.insert(message.id().to_owned()) {
            let position = message.json()["data"]["position"].as_i64().unwrap();
            by_person.entry(message.person()).or_default().push(position);
        }
    }
    assert_eq!(by_person.len(), people.len());
    for positions in by_person.values() {
        assert_eq!(positions.len(), 40, "each event was told");
        assert!(positions.is_sorted(), "in order: {positions:?}");
    }
}
