//! In order per person and webhook; nobody waits for somebody else.

use std::collections::HashMap;
use std::time::Duration;

use super::receiver::{Receiver, Reply};
use super::world::World;
use crate::queue::Outcome;

/// What each person did, in the order in which it came, each message once.
fn by_person(receiver: &Receiver) -> HashMap<String, Vec<(i64, String)>> {
    let mut seen = std::collections::HashSet::new();
    let mut people: HashMap<String, Vec<_>> = HashMap::new();
    for message in receiver.received() {
        if seen.insert(message.id().to_owned()) {
            let position = message.json()["data"]["position"].as_i64().expect("a position");
            people.entry(message.person()).or_default().push((position, message.kind()));
        }
    }
    people
}

#[tokio::test]
async fn one_person_that_fails_holds_up_nobody_else() {
    let (world, receiver, other) = (World::begin().await, Receiver::start().await, Receiver::start().await);
    world.webhook(&receiver.url()).await;
    world.webhook(&other.url()).await;
    let (anna, boris) = (world.person().await, world.person().await);
    let id = anna.to_string();
    receiver.answers(move |message| Reply::Status(if message.person() == id { 500 } else { 200 }));
    for _ in 0..3 {
        world.turns(anna, 1).await;
        world.turns(boris, 1).await;
    }
    world.deliver().await;
    let of_anna: Vec<_> =
        receiver.received().into_iter().filter(|it| it.person() == anna.to_string()).collect();
    assert_eq!(of_anna.len(), 1, "her other messages wait for the first");
    let got = by_person(&receiver);
    assert_eq!(got[&boris.to_string()].len(), 6);
    assert_eq!(other.received().len(), 12, "another webhook does not wait either");

    receiver.answers(|_| Reply::Status(200));
    world.time_passes().await;
    world.send().await;
    let got = by_person(&receiver);
    let kinds: Vec<_> = got[&anna.to_string()].iter().map(|(_, kind)| kind.as_str()).collect();
    assert_eq!(kinds, ["user.blocked", "user.unblocked"].repeat(3));
}

#[tokio::test]
async fn a_person_is_told_in_order_whatever_fails() {
    let (world, receiver) = (World::begin().await, Receiver::start().await);
    world.webhook(&receiver.url()).await;
    let mut people = Vec::new();
    for _ in 0..8 {
        people.push(world.person().await);
    }
    // Every third request fails, in one way or another.
    let mut number = 0;
    receiver.answers(move |_| {
        number += 1;
        match number % 9 {
            3 => Reply::Status(500),
            6 => Reply::HangUp,
            0 => Reply::With(429, "retry-after", "0".to_owned()),
            _ => Reply::Status(204),
        }
    });
    for _ in 0..5 {
        for person in &people {
            world.turns(*person, 1).await;
        }
        world.deliver().await;
    }
    while world.count("waiting").await > 0 {
        world.time_passes().await;
        world.send().await;
    }
    let got = by_person(&receiver);
    for person in &people {
        let messages = &got[&person.to_string()];
        assert_eq!(messages.len(), 10);
        assert!(messages.is_sorted(), "{messages:?}");
    }
}

/// 1. The first message is parked, the second waits for its next try. 2. The first is replayed: it comes before the second.
#[tokio::test]
async fn what_is_replayed_comes_before_what_waits() {
    let (world, receiver) = (World::begin().await, Receiver::start().await);
    let webhook_id = world.webhook(&receiver.url()).await.webhook.webhook_id;
    let anna = world.person().await;
    receiver.answers(|_| Reply::Status(500));
    world.turns(anna, 1).await;
    world.fan_out().await;
    world.three_days_pass_for_the_first().await;
    world.send().await;
    assert_eq!(world.states(webhook_id).await, ["parked", "waiting"]);
    receiver.forget();
    world.webhooks.replay_all(webhook_id, None).await.unwrap();
    world.time_passes().await;
    world.send().await;
    assert_eq!(receiver.kinds(), ["user.blocked"], "and no second one beside it");
    receiver.answers(|_| Reply::Status(200));
    world.time_passes().await;
    world.send().await;
    assert_eq!(receiver.kinds(), ["user.blocked", "user.blocked", "user.unblocked"]);
}

/// 1. The first message is parked, the second is under way. 2. The first is replayed. 3. The second fails. 4. The first fails.
#[tokio::test]
async fn what_is_replayed_comes_before_what_is_under_way_and_fails() {
    let (world, receiver) = (World::begin().await, Receiver::start().await);
    let webhook_id = world.webhook(&receiver.url()).await.webhook.webhook_id;
    let anna = world.person().await;
    receiver.answers(|_| Reply::Status(500));
    world.turns(anna, 1).await;
    world.fan_out().await;
    world.three_days_pass_for_the_first().await;
    world.send().await;
    assert_eq!(world.states(webhook_id).await, ["parked", "waiting"]);
    world.time_passes().await;
    let due = async || {
        let due = world.queue.claim(&[(webhook_id, 10)]).await.unwrap();
        due.into_iter().map(|it| (it.delivery_no, it.kind)).collect::<Vec<_>>()
    };
    let fails = async |delivery_no: i64| {
        let outcome = Outcome::Failed { status: None, why: "it is down", wait: Duration::ZERO };
        world.queue.record(&[(delivery_no, outcome)]).await.unwrap();
    };
    let second = due().await;
    assert_eq!(second[0].1, "user.unblocked");
    world.webhooks.replay_all(webhook_id, None).await.unwrap();
    fails(second[0].0).await;
    let first = due().await;
    assert_eq!((first.len(), &*first[0].1), (1, "user.blocked"));
    fails(first[0].0).await;
    assert_eq!(due().await, first, "and no second one beside it");
}
