//! What a receiver gets, and what its answers lead to.

use std::time::Duration;

use base64::Engine;
use domain::login::CancelReason;
use domain::{AccountCommand, LoginCommand, Tier};
use jiff::SignedDuration;
use secrecy::ExposeSecret;
use serde_json::json;
use uuid::Uuid;

use super::receiver::{Receiver, Reply};
use super::world::World;
use crate::deliveries::DeliveryState;
use crate::endpoints::WebhookError;
use crate::message_type::MessageType;
use crate::run::switch_off_gone;

#[tokio::test]
async fn a_message_says_what_happened_and_is_signed() {
    let (world, receiver) = (World::begin().await, Receiver::start().await);
    let anna = world.person().await;
    let made = world.webhook(&receiver.url()).await;
    let invite = world.story.invite(1, None).await;
    let login = world.story.redeem(anna, invite).await;
    world.story.settle().await;
    world.story.confirm(anna, invite, &login).await;
    world.story.settle().await;
    world.deliver().await;

    let received = receiver.received();
    assert_eq!(receiver.kinds(), ["login.authorized", "subscription.started"]);
    let [authorized, started] = &received[..] else { panic!("two messages") };
    let data = &authorized.json()["data"];
    assert_eq!(data["account_id"], json!(anna));
    assert_eq!(data["telegram_id"], json!(1_000));
    assert_eq!(data["login_id"], json!(login));
    assert_eq!(data["method"], json!("qr"));
    let data = &started.json()["data"];
    assert_eq!((&data["tier"], &data["login_id"]), (&json!("premium"), &json!(login)));
    assert_eq!(data["limits"]["max_channels"], json!(50));
    assert!(data["expires_at"].is_string() && data["started_at"].is_string());
    assert!(data["position"].as_i64() > authorized.json()["data"]["position"].as_i64());
    assert_eq!(started.json()["timestamp"], json!(world.story.clock.now()));

    let secret = made.secret.expect("a new one has a secret");
    let signer = standardwebhooks::Webhook::new(secret.expose_secret()).unwrap();
    for message in &received {
        let sent_at: i64 = message.headers["webhook-timestamp"].parse().unwrap();
        let signature = signer.sign(message.id(), sent_at, message.body.as_bytes()).unwrap();
        assert_eq!(message.headers["webhook-signature"], signature);
        assert_eq!(message.headers["content-type"], "application/json");
        assert_eq!(sent_at, world.story.clock.now().as_second());
        assert!(message.id().starts_with("msg_") && message.id().len() == 28);
    }
    assert_ne!(received[0].id(), received[1].id());
}

#[tokio::test]
async fn each_thing_that_happens_to_a_person_has_its_type() {
    let (world, receiver) = (World::begin().await, Receiver::start().await);
    world.webhook(&receiver.url()).await;
    let (story, anna) = (&world.story, world.person().await);
    let at = story.clock.now();
    let limits = story.tiers.limits(Tier::Basic);
    let login = story.start(anna).await;
    let cancel = LoginCommand::Cancel { attempt: 1, reason: CancelReason::Person, at };
    story.login(&login, anna, cancel).await;
    let days = 1;
    for command in [
        AccountCommand::ChangeSubscription { tier: Tier::Basic, days, limits, change_id: None, at },
        AccountCommand::ExpireSubscription { at: at + SignedDuration::from_hours(25) },
        AccountCommand::ChangeSubscription { tier: Tier::Basic, days, limits, change_id: None, at },
        AccountCommand::RevokeSubscription { at },
        AccountCommand::RevokeAuthorization { login_id: login.clone(), at },
        AccountCommand::Block { at },
        AccountCommand::Unblock { at },
    ] {
        story.account(anna, command).await;
    }
    let other = story.start(anna).await;
    story.account(anna, AccountCommand::ExportSession { login_id: other, at }).await;
    let third = story.start(anna).await;
    story.account(anna, AccountCommand::LogOut { login_id: third, at }).await;
    world.deliver().await;
    assert_eq!(
        receiver.kinds(),
        [
            "login.ended",
            "subscription.changed",
            "subscription.expired",
            "subscription.changed",
            "subscription.revoked",
            "session.revoked",
            "user.blocked",
            "user.unblocked",
            "session.exported",
            "session.logged_out",
        ]
    );
    let ended = receiver.received()[0].json();
    assert_eq!((&ended["data"]["status"], &ended["data"]["reason"]), (&json!("cancelled"), &json!("person")));
    assert_eq!(receiver.received()[5].json()["data"]["login_id"], json!(login));
}

#[tokio::test]
async fn what_fails_is_sent_again_as_the_same_message_and_parked_after_three_days() {
    let (world, receiver) = (World::begin().await, Receiver::start().await);
    let webhook_id = world.webhook(&receiver.url()).await.webhook.webhook_id;
    receiver.answers(|_| Reply::Status(500));
    world.block(world.person().await).await;
    world.deliver().await;
    world.send().await;
    assert_eq!(receiver.received().len(), 1, "it waits before the next try");
    world.time_passes().await;
    world.send().await;
    let received = receiver.received();
    assert_eq!(received.len(), 2);
    assert_eq!((received[0].id(), &received[0].body), (received[1].id(), &received[1].body));

    let delivery = only(&world, webhook_id).await;
    assert_eq!((delivery.state, delivery.attempts), (DeliveryState::Waiting, 2));
    assert_eq!(
        (delivery.last_status, delivery.last_error.as_deref()),
        (Some(500), Some("answered with an error"))
    );

    world.three_days_pass().await;
    world.send().await;
    let delivery = only(&world, webhook_id).await;
    assert_eq!((delivery.state, delivery.attempts), (DeliveryState::Parked, 3));
    let shown = world.webhooks.show(webhook_id, None).await.unwrap();
    assert_eq!((shown.waiting, shown.parked), (0, 1));

    receiver.answers(|_| Reply::Status(200));
    world.webhooks.replay(webhook_id, None, &delivery.delivery_id).await.unwrap();
    world.send().await;
    assert_eq!(receiver.received().len(), 4);
    assert_eq!(only(&world, webhook_id).await.state, DeliveryState::Delivered);
    let again = world.webhooks.replay(webhook_id, None, &delivery.delivery_id).await;
    assert!(matches!(again, Err(WebhookError::UnknownDelivery)), "{again:?}");
}

#[tokio::test]
async fn all_that_is_parked_is_replayed_in_its_order() {
    let (world, receiver) = (World::begin().await, Receiver::start().await);
    let webhook_id = world.webhook(&receiver.url()).await.webhook.webhook_id;
    receiver.answers(|_| Reply::HangUp);
    let anna = world.person().await;
    world.turns(anna, 2).await;
    world.fan_out().await;
    for _ in 0..4 {
        world.three_days_pass().await;
        world.send().await;
    }
    assert_eq!(world.states(webhook_id).await, ["parked"; 4]);
    world.block(anna).await;
    world.fan_out().await;
    receiver.answers(|_| Reply::Status(200));
    receiver.forget();
    assert_eq!(world.webhooks.replay_all(webhook_id, None).await.unwrap(), 4);
    world.send().await;
    assert_eq!(
        receiver.kinds(),
        ["user.blocked", "user.unblocked", "user.blocked", "user.unblocked", "user.blocked"],
        "what happened first comes first"
    );
}

#[tokio::test]
async fn a_receiver_that_asks_to_wait_is_left_alone_for_so_long() {
    let (world, receiver) = (World::begin().await, Receiver::start().await);
    let webhook_id = world.webhook(&receiver.url()).await.webhook.webhook_id;
    receiver.answers(|_| Reply::With(429, "retry-after", "3000".to_owned()));
    world.block(world.person().await).await;
    world.fan_out().await;
    let mut sender = world.sender();
    sender.drain().await.unwrap();
    let delivery = only(&world, webhook_id).await;
    let wait = delivery.next_attempt_at.unwrap().duration_since(delivery.created_at);
    let asked = SignedDuration::try_from(Duration::from_secs(3_000)).unwrap();
    assert!(wait >= asked && wait < asked + SignedDuration::from_mins(5), "{wait}");
    // The same sender knows that it is busy; other messages wait as well.
    world.block(world.person().await).await;
    world.fan_out().await;
    sender.drain().await.unwrap();
    assert_eq!(receiver.received().len(), 1);
}

#[tokio::test]
async fn a_receiver_that_is_gone_is_switched_off() {
    let (world, receiver) = (World::begin().await, Receiver::start().await);
    let webhook_id = world.webhook(&receiver.url()).await.webhook.webhook_id;
    receiver.answers(|_| Reply::Status(410));
    let (anna, boris) = (world.person().await, world.person().await);
    world.block(anna).await;
    world.deliver().await;
    world.block(boris).await;
    world.deliver().await;
    assert_eq!(receiver.received().len(), 1, "nothing more goes there");

    switch_off_gone(&world.webhooks).await.unwrap();
    world.fan_out().await;
    let shown = world.webhooks.show(webhook_id, None).await.unwrap();
    assert!(!shown.enabled);
    assert_eq!(shown.disabled_reason, Some(domain::service::DisabledReason::Gone));
    let told = "select count(*) from events where event_type = 'WebhookChanged'
                 and payload -> 'WebhookChanged' ->> 'reason' = 'gone' and metadata ->> 'actor' = 'system'";
    assert_eq!(world.story.count(told).await, 1);
    let troubles = crate::troubles(&world.story.db).await.unwrap();
    assert_eq!((troubles.gone.map(|it| it.0), troubles.parked), (Some(1), None));
    switch_off_gone(&world.webhooks).await.unwrap();
    world.fan_out().await;
    assert_eq!(world.story.count(told).await, 1, "once");

    // Switched on again, what waited goes first. What happened while it was off is in the event feed.
    world.unblock(anna).await;
    world.fan_out().await;
    receiver.answers(|_| Reply::Status(200));
    receiver.forget();
    let change = crate::Change { enabled: Some(true), ..crate::Change::default() };
    let context = eventlog::Context::tool("cli");
    world.done(world.webhooks.change(webhook_id, None, change, Uuid::new_v4(), context)).await.unwrap();
    world.send().await;
    assert_eq!(receiver.kinds(), ["user.blocked", "user.blocked"]);
}

#[tokio::test]
async fn a_test_goes_to_a_webhook_and_is_about_nobody() {
    let (world, receiver) = (World::begin().await, Receiver::start().await);
    let webhook_id = world.webhook_for(&receiver.url(), &[MessageType::UserErased]).await.webhook.webhook_id;
    let id = world.webhooks.test(webhook_id, None).await.unwrap();
    world.send().await;
    let received = receiver.received();
    assert_eq!((received[0].id(), &*received[0].kind()), (&*id, "webhook.test"));
    assert_eq!(received[0].json()["data"]["account_id"], json!(null));
    assert_eq!(only(&world, webhook_id).await.position, None);
}

#[tokio::test]
async fn a_signature_is_of_the_text_that_is_sent() {
    let engine = base64::engine::general_purpose::STANDARD;
    let (world, receiver) = (World::begin().await, Receiver::start().await);
    let made = world.webhook(&receiver.url()).await;
    world.block(world.person().await).await;
    world.deliver().await;
    let message = &receiver.received()[0];
    let secret = made.secret.unwrap();
    let key = engine.decode(secret.expose_secret().strip_prefix("whsec_").unwrap()).unwrap();
    assert_eq!(key.len(), 32);
    let signer = standardwebhooks::Webhook::from_bytes(key).unwrap();
    let sent_at: i64 = message.headers["webhook-timestamp"].parse().unwrap();
    let other = signer.sign(message.id(), sent_at, b"{}").unwrap();
    assert_ne!(message.headers["webhook-signature"], other);
}

async fn only(world: &World, webhook_id: Uuid) -> crate::Delivery {
    let mut all = world.webhooks.deliveries(webhook_id, None, None, 10, None).await.unwrap();
    assert_eq!(all.len(), 1);
    all.remove(0)
}
