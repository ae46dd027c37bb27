//! Who may make, see and change what; and secrets.

use std::time::Duration;

use domain::AccountId;
use eventlog::store::Context;
use secrecy::{ExposeSecret, SecretString};
use uuid::Uuid;

use super::receiver::{Received, Receiver};
use super::world::World;
use crate::address::BadAddress;
use crate::endpoints::MOST_WEBHOOKS;
use crate::{Change, Ids, NewWebhook, WebhookError};

const OWNER: &str = "key:0123456789abcdef";
const ANOTHER: &str = "key:ffffffffffffffff";

/// The signatures of a message, and whether this secret made one of them.
fn signatures(message: &Received, secret: &SecretString) -> (usize, bool) {
    let header = &message.headers["webhook-signature"];
    let sent_at: i64 = message.headers["webhook-timestamp"].parse().unwrap();
    let signer = standardwebhooks::Webhook::new(secret.expose_secret()).unwrap();
    let own = signer.sign(message.id(), sent_at, message.body.as_bytes()).unwrap();
    (header.split(' ').count(), header.split(' ').any(|it| it == own))
}

async fn told(world: &World, receiver: &Receiver, account: AccountId) -> Received {
    receiver.forget();
    world.turns(account, 1).await;
    world.deliver().await;
    receiver.received().remove(0)
}

#[tokio::test]
async fn two_secrets_sign_for_a_day_and_then_one() {
    let (world, receiver) = (World::begin().await, Receiver::start().await);
    let made = world.webhook(&receiver.url()).await;
    let (webhook_id, first) = (made.webhook.webhook_id, made.secret.unwrap());
    let anna = world.person().await;
    let rotate = || {
        let change = Change { rotate_secret: true, ..Change::default() };
        world.done(world.webhooks.change(webhook_id, None, change, Uuid::new_v4(), Context::tool("cli")))
    };
    assert_eq!(signatures(&told(&world, &receiver, anna).await, &first), (1, true));

    let rotated = rotate().await.unwrap();
    let second = rotated.secret.unwrap();
    let until = world.story.clock.now() + jiff::SignedDuration::from_hours(24);
    assert_eq!(rotated.webhook.secret_rotates_until, Some(until));
    let message = told(&world, &receiver, anna).await;
    assert_eq!((signatures(&message, &first), signatures(&message, &second)), ((2, true), (2, true)));

    // Again within the day: the oldest does not sign any more.
    let third = rotate().await.unwrap().secret.unwrap();
    let message = told(&world, &receiver, anna).await;
    assert_eq!(signatures(&message, &first), (2, false));
    assert_eq!((signatures(&message, &second), signatures(&message, &third)), ((2, true), (2, true)));

    world.story.manual_clock.advance(Duration::from_secs(24 * 3_600));
    let message = told(&world, &receiver, anna).await;
    assert_eq!((signatures(&message, &second), signatures(&message, &third)), ((1, false), (1, true)));
    crate::prune::prune(&world.story.db, world.story.clock.now()).await.unwrap();
    assert_eq!(world.story.count("select count(*) from vault.webhook_secrets").await, 1);
}

/// 1. A process carries an order out and dies before it has answered. 2. The same order comes again.
#[tokio::test]
async fn an_order_that_is_repeated_makes_nothing_twice() {
    let (world, receiver) = (World::begin().await, Receiver::start().await);
    let (webhooks, ids) = (&world.webhooks, Ids::random());
    let create = || {
        let new = NewWebhook { url: receiver.url(), types: Vec::new() };
        world.done(webhooks.create(new, ids, Context::tool("cli")))
    };
    let (first, again) = (create().await.unwrap(), create().await.unwrap());
    assert_eq!(first.webhook, again.webhook);
    assert_eq!(first.secret.unwrap().expose_secret(), again.secret.unwrap().expose_secret());
    let change = || Change { rotate_secret: true, ..Change::default() };
    let secret_id = Uuid::new_v4();
    let rotate =
        || world.done(webhooks.change(ids.webhook_id, None, change(), secret_id, Context::tool("cli")));
    let (first, again) = (rotate().await.unwrap().secret.unwrap(), rotate().await.unwrap().secret.unwrap());
    assert_eq!(first.expose_secret(), again.expose_secret());
    let message = told(&world, &receiver, world.person().await).await;
    assert_eq!(signatures(&message, &first), (2, true));
    assert_eq!(world.story.count("select count(*) from vault.webhooks").await, 1);
}

/// 1. A process stages a secret and dies before the event. 2. Somebody rotates: for a minute it is refused, and then it works.
#[tokio::test]
async fn a_secret_that_a_process_left_behind_never_signs() {
    let (world, receiver) = (World::begin().await, Receiver::start().await);
    let webhook_id = world.webhook(&receiver.url()).await.webhook.webhook_id;
    let stage = format!(
        "insert into vault.webhook_secrets (webhook_id, secret_id, sealed) values ('{webhook_id}', gen_random_uuid(), '\\x00')"
    );
    world.story.run(&stage).await;
    let change = Change { rotate_secret: true, ..Change::default() };
    let busy =
        world.webhooks.change(webhook_id, None, change.clone(), Uuid::new_v4(), Context::tool("cli")).await;
    assert!(matches!(busy, Err(WebhookError::Busy)), "{busy:?}");
    world.story.run("update vault.webhook_secrets set staged_at = staged_at - interval '2 minutes'").await;
    let rotated = world.webhooks.change(webhook_id, None, change, Uuid::new_v4(), Context::tool("cli"));
    let secret = world.done(rotated).await.unwrap().secret.unwrap();
    let message = told(&world, &receiver, world.person().await).await;
    assert_eq!(signatures(&message, &secret), (2, true));
}

#[tokio::test]
async fn the_log_names_the_host_and_neither_path_nor_secret() {
    let (world, receiver) = (World::begin().await, Receiver::start().await);
    let url = format!("http://{}/path-secret?token=query-secret", receiver.addr);
    let made = world.webhook(&url).await;
    let other = format!("http://{}/path-secret-2", receiver.addr);
    let change = Change { url: Some(other.clone()), rotate_secret: true, ..Change::default() };
    let id = made.webhook.webhook_id;
    let changed = world
        .done(world.webhooks.change(id, None, change, Uuid::new_v4(), Context::tool("cli")))
        .await
        .unwrap();
    assert_eq!(changed.webhook.url, other);
    let said = |text: &str| format!("select count(*) from events e where e::text like '%{text}%'");
    assert_eq!(world.story.count(&said("127.0.0.1")).await, 2);
    let secrets = [made.secret.unwrap(), changed.secret.unwrap()];
    let secrets = secrets.iter().map(|secret| secret.expose_secret().strip_prefix("whsec_").unwrap());
    for secret in secrets.chain(["path-secret", "query-secret"]) {
        assert_eq!(world.story.count(&said(secret)).await, 0);
    }
    told(&world, &receiver, world.person().await).await;
    assert_eq!(receiver.received()[0].path, "/path-secret-2");
    assert!(
        world.story.count("select count(*) from vault.webhook_secrets s where s::text like '%whsec_%'").await
            == 0
    );
}

#[tokio::test]
async fn a_key_sees_and_changes_its_own_webhooks_alone() {
    let (world, receiver) = (World::begin().await, Receiver::start().await);
    let new = NewWebhook { url: receiver.url(), types: Vec::new() };
    let key: domain::service::ApiKeyId = OWNER.strip_prefix("key:").unwrap().parse().unwrap();
    let made = world.done(world.webhooks.create(new, Ids::random(), Context::api_key(key))).await.unwrap();
    let (webhooks, id) = (&world.webhooks, made.webhook.webhook_id);
    assert_eq!(webhooks.show(id, Some(OWNER)).await.unwrap().created_by, OWNER);
    assert_eq!(webhooks.list(Some(OWNER), 10, None).await.unwrap().len(), 1);
    assert!(webhooks.list(Some(ANOTHER), 10, None).await.unwrap().is_empty());
    let context = || Context::tool("cli");
    let change = || Change { enabled: Some(false), ..Change::default() };
    let refused = [
        webhooks.show(id, Some(ANOTHER)).await.err(),
        webhooks.change(id, Some(ANOTHER), change(), Uuid::new_v4(), context()).await.err(),
        webhooks.delete(id, Some(ANOTHER), context()).await.err(),
        webhooks.test(id, Some(ANOTHER)).await.err(),
        webhooks.deliveries(id, Some(ANOTHER), None, 1, None).await.err(),
        webhooks.replay(id, Some(ANOTHER), "msg_1").await.err(),
        webhooks.replay_all(id, Some(ANOTHER)).await.err(),
    ];
    for error in refused {
        assert!(matches!(error, Some(WebhookError::Unknown)), "{error:?}");
    }
    assert!(webhooks.show(id, None).await.unwrap().enabled);
}

#[tokio::test]
async fn an_address_inside_is_refused_when_it_is_given_and_when_it_is_changed() {
    let (world, receiver) = (World::begin().await, Receiver::start().await);
    let id = world.webhook(&receiver.url()).await.webhook.webhook_id;
    let new = NewWebhook { url: "https://10.0.0.1/".to_owned(), types: Vec::new() };
    let made = world.webhooks.create(new, Ids::random(), Context::tool("cli")).await;
    assert!(matches!(made, Err(WebhookError::BadAddress(BadAddress::NotPublic))), "{made:?}");
    let change = Change { url: Some("https://192.168.0.1/".to_owned()), ..Change::default() };
    let changed = world.webhooks.change(id, None, change, Uuid::new_v4(), Context::tool("cli")).await;
    assert!(matches!(changed, Err(WebhookError::BadAddress(BadAddress::NotPublic))), "{changed:?}");
    assert_eq!(world.webhooks.show(id, None).await.unwrap().url, receiver.url());
}

#[tokio::test]
async fn there_are_only_so_many_webhooks() {
    let world = World::begin().await;
    let many = format!(
        "insert into vault.webhooks (webhook_id, state, url, created_by)
         select gen_random_uuid(), 'on', '', 'system' from generate_series(1, {MOST_WEBHOOKS})"
    );
    world.story.run(&many).await;
    let new = NewWebhook { url: "https://example.org/".to_owned(), types: Vec::new() };
    let made = world.webhooks.create(new, Ids::random(), Context::tool("cli")).await;
    assert!(matches!(made, Err(WebhookError::TooMany)), "{made:?}");
    let pages = [world.webhooks.list(None, 60, None).await.unwrap()];
    let next = world.webhooks.list(None, 60, pages[0].last().map(|it| it.webhook_id)).await.unwrap();
    assert_eq!((pages[0].len(), next.len()), (60, 40));
}
