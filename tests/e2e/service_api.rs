//! What another service reads and orders by the API v1: people, subscriptions and invites, each order once, with its key as the actor.

use std::time::Duration;

use anyhow::{Context as _, Result};
use app::people::permissions::{PermissionOrder, Permissions};
use domain::{Scope, Tier};
use eventlog::store::Context;
use eventlog::{Filter, Log};
use futures::future::join_all;
use reqwest::Method;
use serde_json::json;
use stand_in::accounts::{ANNA, ILYA};

use crate::admin_acts::world;
use crate::admin_client::{AdminPage, account_of};
use crate::erasure::{confirm_reset, wait_until_forgotten};
use crate::service_client::{ServiceClient, tell};
use crate::world::World;

const PERSON: &str = "users/139883458";
const SUBSCRIPTION: &str = "users/139883458/subscription";

#[tokio::test]
async fn a_service_reads_whom_it_asks_for_and_what_they_may_do() -> Result<()> {
    let world = world().await?;
    let service = ServiceClient::with(&world, &[Scope::UsersRead]).await?;
    world.log_in(ILYA).await?;

    let end = world.events().await?.len();
    let ilya = service.get(&format!("{PERSON}?min_position={end}")).await?;
    assert_eq!(ilya.status, 200, "{ilya:?}");
    assert_eq!(
        (&ilya.body["telegram_id"], &ilya.body["subscription_type"]),
        (&json!(ILYA), &json!("premium"))
    );
    assert_eq!(ilya.body["account_id"], json!(account_of(&world, ILYA).await?));
    assert!(ilya.body["position"].as_i64().is_some_and(|position| position >= end as i64), "{ilya:?}");
    assert!(ilya.body["first_name"].is_string(), "{ilya:?}");

    let may = service.get(SUBSCRIPTION).await?.body;
    assert_eq!(
        (&may["active"], &may["tier"], &may["status"]),
        (&json!(true), &json!("premium"), &json!("active"))
    );
    assert_eq!(may["limits"]["max_channels"], 50);
    assert!(may["expires_at"].is_string() && may["position"].is_i64(), "{may}");

    // Page by page, in the order of registration.
    let first = service.get("users?limit=1").await?;
    let next = first.body["next"].as_str().context("there are two")?;
    let second = service.get(&format!("users?limit=1&after={next}")).await?;
    let ids = [&first, &second].map(|page| page.items()[0]["telegram_id"].as_i64());
    assert_eq!((ids, &second.body["next"]), ([Some(ANNA), Some(ILYA)], &json!(null)));
    let premium = service.get("users?tier=premium&status=active").await?;
    assert_eq!(premium.items().len(), 1);
    let since = premium.items()[0]["updated_at"].as_str().context("a time")?.to_owned();
    let changed = service.get(&format!("users?updated_after={}", since.replace(':', "%3A"))).await?;
    assert_eq!(changed.items().len(), 0, "{changed:?}");

    // Who is blocked may use nothing, whatever they have paid for.
    let block = PermissionOrder::Block;
    let account = account_of(&world, ILYA).await?;
    Permissions::new(&world.db).order(account, block, &[], world.now(), Context::tool("test")).await?;
    let end = world.events().await?.len();
    let may = service.get(&format!("{SUBSCRIPTION}?min_position={end}")).await?.body;
    assert_eq!((&may["active"], &may["status"]), (&json!(false), &json!("active")));

    for (path, status, kind) in [
        ("users/1", 404, "urn:qr-login:not-found"),
        ("users/x", 404, "urn:qr-login:not-found"),
        ("users/1/subscription", 404, "urn:qr-login:not-found"),
        ("users?limit=0", 400, "urn:qr-login:bad-request"),
        ("users?limit=201", 400, "urn:qr-login:bad-request"),
        ("users?tier=gold", 400, "urn:qr-login:bad-request"),
        ("users?after=x", 400, "urn:qr-login:bad-request"),
        ("users?tire=basic", 400, "urn:qr-login:bad-request"),
        ("users/1?min_position=-1", 400, "urn:qr-login:bad-request"),
        ("users/1?x=1", 400, "urn:qr-login:bad-request"),
    ] {
        let answer = service.get(path).await?;
        assert_eq!((answer.status, answer.kind()), (status, kind), "{path}");
        assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{path}");
    }
    Ok(())
}

#[tokio::test]
async fn a_position_that_does_not_come_is_waited_for_and_refused() -> Result<()> {
    let world = world().await?;
    let service = ServiceClient::with(&world, &[Scope::UsersRead, Scope::InvitesRead]).await?;
    let far = world.events().await?.len() + 1000;
    let paths = [PERSON, SUBSCRIPTION, "users", "invites"].map(|path| format!("{path}?min_position={far}"));
    for answer in join_all(paths.iter().map(|path| service.get(path))).await {
        let answer = answer?;
        assert_eq!((answer.status, answer.kind()), (503, "urn:qr-login:position-not-reached"));
        assert!(answer.header("retry-after").is_some());
    }
    Ok(())
}

#[tokio::test]
async fn a_service_grants_renews_and_ends_and_the_log_names_its_key() -> Result<()> {
    let world = world().await?;
    let service = ServiceClient::with(&world, &[Scope::SubscriptionsWrite, Scope::UsersRead]).await?;
    let before = world.events().await?.len();

    let granted = service.post(SUBSCRIPTION, json!({"tier": "basic", "days": 10, "reason": "paid"})).await?;
    assert_eq!((granted.status, &granted.body["subscription_type"]), (200, &json!("basic")), "{granted:?}");
    let position = granted.body["position"].as_i64().context("a position")?;
    let read = service.get(&format!("{PERSON}?min_position={position}")).await?;
    assert_eq!(read.body["subscription_expires_at"], granted.body["subscription_expires_at"]);
    let renewed = service.post(SUBSCRIPTION, json!({"tier": "basic"})).await?;
    assert_ne!(renewed.body["subscription_expires_at"], granted.body["subscription_expires_at"]);
    let ended = service.delete(SUBSCRIPTION).await?;
    assert_eq!((ended.status, &ended.body["subscription_status"]), (200, &json!("expired")), "{ended:?}");
    assert_eq!(service.delete(SUBSCRIPTION).await?.status, 200, "again: nothing changes");

    let events = world.events().await?.split_off(before);
    let told: Vec<_> = events.iter().map(|it| (it.name.as_str(), it.metadata.actor.as_str())).collect();
    let actor = format!("key:{}", service.key_id());
    let by_key =
        ["SubscriptionChanged", "SubscriptionChanged", "SubscriptionRevoked"].map(|name| (name, &*actor));
    assert_eq!(told, by_key);
    let by_actor = Filter { actor: Some(actor.clone()), ..Filter::default() };
    let history = Log::new(&world.db).history(&by_actor, 0, 10).await?;
    assert_eq!(
        history.iter().map(|it| it.position).collect::<Vec<_>>(),
        events.iter().map(|it| it.position).collect::<Vec<_>>()
    );
    assert!(events[0].metadata.reason.is_some() && !events[0].payload.to_string().contains("paid"));

    for (body, status) in [
        (json!({"tier": "free"}), 400),
        (json!({"tier": "basic", "days": 36501}), 400),
        (json!({"tier": "basic", "reason": "x".repeat(501)}), 400),
        (json!({"tier": "basic", "reason": " ".repeat(501)}), 400),
        (json!({"tier": "basic", "dayz": 1}), 400),
        (json!({}), 400),
        (json!({"tier": "basic", "reason": "x".repeat(17_000)}), 413),
    ] {
        assert_eq!(service.post(SUBSCRIPTION, body.clone()).await?.status, status, "{body}");
    }
    assert_eq!(service.post("users/1/subscription", json!({"tier": "basic"})).await?.status, 404);
    assert_eq!(world.events().await?.len(), before + 3, "what was refused did nothing");
    let admin = AdminPage::open(&world, ANNA).await?;
    let shown = admin.get(&format!("users/{}", account_of(&world, ILYA).await?)).await?;
    let change = &shown.body["subscription_history"][0];
    assert_eq!(
        (&change["by"], &change["actor"], &change["reason"]),
        (&json!("service"), &json!(actor), &json!("paid"))
    );
    Ok(())
}

#[tokio::test]
async fn an_order_that_comes_again_gets_its_first_answer_and_is_carried_out_once() -> Result<()> {
    let world = world().await?;
    let service = ServiceClient::with(&world, &[Scope::SubscriptionsWrite, Scope::InvitesWrite]).await?;
    let order = json!({"tier": "basic", "days": 10});
    let count = async |name: &str| -> Result<usize> {
        Ok(world.event_names().await?.iter().filter(|it| *it == name).count())
    };

    // 1. Several at once: one carries it out, the others are told to wait or get its answer.
    let answers = join_all((0..8).map(|_| service.post_once(SUBSCRIPTION, "order-1", order.clone()))).await;
    let answers = answers.into_iter().collect::<Result<Vec<_>>>()?;
    assert!(answers.iter().any(|answer| answer.status == 200), "{answers:?}");
    for other in answers.iter().filter(|answer| answer.status != 200) {
        assert_eq!((other.status, other.kind()), (409, "urn:qr-login:request-in-flight"));
    }
    assert_eq!(count("SubscriptionChanged").await?, 1);

    // 2. Later: the first answer, although things have changed.
    let first = service.post_once(SUBSCRIPTION, "order-1", order.clone()).await?;
    service.post(SUBSCRIPTION, json!({"tier": "premium"})).await?;
    let again = service.post_once(SUBSCRIPTION, "order-1", order.clone()).await?;
    assert_eq!((again.status, &again.text), (200, &first.text));
    assert_eq!(again.header("content-type"), Some("application/json"));

    // 3. Another body, another person, another method: another order.
    let other = service.post_once(SUBSCRIPTION, "order-1", json!({"tier": "basic", "days": 11})).await?;
    assert_eq!((other.status, other.kind()), (422, "urn:qr-login:idempotency-key-reused"));
    let other = service.post_once("users/1/subscription", "order-1", order.clone()).await?;
    assert_eq!(other.status, 422);
    let delete = service.request(Method::DELETE, SUBSCRIPTION).header("Idempotency-Key", "order-1");
    assert_eq!(tell(delete.json(&order)).await?.status, 400, "this body is none of that order");

    // 4. What was refused is refused again.
    for _ in 0..2 {
        let refused = service.post_once("users/1/subscription", "order-2", order.clone()).await?;
        assert_eq!((refused.status, refused.header("content-type")), (404, Some("application/problem+json")));
    }

    // 5. The process died between act and answer: the same order again answers, and acts no second time.
    let invites = json!({"tier": "basic", "count": 3, "note": "for friends"});
    let made = service.post_once("invites", "order-3", invites.clone()).await?;
    assert_eq!(made.status, 201, "{made:?}");
    let (grants, made_before) = (count("SubscriptionChanged").await?, count("InviteCreated").await?);
    sqlx::query(
        "update vault.api_requests set in_flight = true, status = null, answer = null, account_id = null,
                claimed_at = claimed_at - interval '61 seconds' where status < 400",
    )
    .execute(world.db.pool())
    .await?;
    let remade = service.post_once("invites", "order-3", invites.clone()).await?;
    assert_eq!((remade.status, &remade.body), (201, &made.body));
    assert_eq!(service.post_once(SUBSCRIPTION, "order-1", order.clone()).await?.status, 200);
    assert_eq!((count("SubscriptionChanged").await?, count("InviteCreated").await?), (grants, made_before));

    // 6. One that is under way in another process.
    sqlx::query("update vault.api_requests set in_flight = true, status = null, answer = null, claimed_at = clock_timestamp()")
        .execute(world.db.pool())
        .await?;
    let under_way = service.post_once("invites", "order-3", invites).await?;
    assert_eq!((under_way.status, under_way.header("retry-after")), (409, Some("1")));
    Ok(())
}

#[tokio::test]
async fn what_was_answered_about_a_person_is_forgotten_with_them() -> Result<()> {
    let world = world().await?;
    let service = ServiceClient::with(&world, &[Scope::SubscriptionsWrite]).await?;
    let order = json!({"tier": "basic"});
    let first = service.post_once(SUBSCRIPTION, "order-1", order.clone()).await?;
    let name = first.body["first_name"].as_str().context("a name")?.to_owned();
    confirm_reset(&world, ILYA, "/debug_reset").await?;
    wait_until_forgotten(&world, ILYA).await?;
    let kept: String =
        sqlx::query_scalar("select coalesce(string_agg(r::text, ''), '') from vault.api_requests r")
            .fetch_one(world.db.pool())
            .await?;
    assert!(!kept.contains(&name), "{kept}");
    assert_eq!(service.post_once(SUBSCRIPTION, "order-1", order).await?.status, 404);
    Ok(())
}

#[tokio::test]
async fn a_key_sees_the_codes_of_its_own_invites_and_no_others() -> Result<()> {
    let world = world().await?;
    let scopes = [Scope::InvitesRead, Scope::InvitesWrite];
    let (own, other) =
        (ServiceClient::with(&world, &scopes).await?, ServiceClient::with(&world, &scopes).await?);
    let admin = AdminPage::open(&world, ANNA).await?;
    let by_terminal = world.invite(Tier::Premium).await?;
    let order =
        json!({"tier": "basic", "max_uses": 1, "valid_days": 1, "subscription_days": 1, "note": "for Vera"});
    let by_admin = admin.post("invites", order).await?.body["items"][0].clone();

    let made = own.post("invites", json!({"tier": "premium", "max_uses": 2, "note": "mine"})).await?;
    assert_eq!(made.status, 201, "{made:?}");
    let item = &made.items()[0];
    let (id, code) = (item["invite_id"].as_str().context("an id")?, item["code"].as_str().context("a code")?);
    assert!(item["link"].as_str().is_some_and(|link| link.ends_with(&format!("?start={code}"))), "{item}");
    assert_eq!(
        (&item["note"], &item["is_own"], &item["subscription_days"]),
        (&json!("mine"), &json!(true), &json!(30))
    );

    // Its own, in the list and alone.
    let end = world.events().await?.len();
    let listed = own.get(&format!("invites?min_position={end}")).await?;
    assert_eq!(listed.items().len(), 3);
    assert!(listed.text.contains(code) && own.get(&format!("invites/{id}")).await?.text.contains(code));
    // Nobody else's, wherever it is shown.
    let secrets = [&by_terminal, by_admin["code"].as_str().context("a code")?, "for Vera"];
    for secret in secrets {
        assert!(!listed.text.contains(secret), "{listed:?}");
    }
    for path in ["invites".to_owned(), format!("invites/{id}")] {
        let text = other.get(&path).await?.text;
        assert!(!text.contains(code) && !text.contains("mine"), "{text}");
    }
    let revoked = other.post(&format!("invites/{id}/revoke"), json!({})).await?;
    assert_eq!((revoked.status, &revoked.body["state"]), (200, &json!("revoked")), "{revoked:?}");
    assert!(!revoked.text.contains(code), "who takes it back does not see its code either");
    // The admins see all of it.
    assert!(admin.get(&format!("invites/{id}")).await?.body["code"] == json!(code));

    let events = world.events().await?;
    let by_key =
        events.iter().find(|it| it.name == "InviteCreated" && it.stream_id == id).context("the event")?;
    assert_eq!(by_key.metadata.actor, format!("key:{}", own.key_id()));
    for (body, status) in [
        (json!({"tier": "free"}), 400),
        (json!({"tier": "basic", "count": 101}), 400),
        (json!({"tier": "basic", "max_uses": 0}), 400),
        (json!({"tier": "basic", "note": "x".repeat(201)}), 400),
        (json!({"tier": "basic", "code": "3HBP4Z3ECICZ"}), 400),
    ] {
        assert_eq!(own.post("invites", body.clone()).await?.status, status, "{body}");
    }
    assert_eq!(own.get("invites/00000000-0000-4000-8000-000000000001").await?.status, 404);
    assert_eq!(own.post("invites/x/revoke", json!({})).await?.status, 404);
    assert_eq!(own.get("invites?state=used&limit=1").await?.items().len(), 0);
    Ok(())
}

#[tokio::test]
async fn every_answer_says_how_many_requests_are_left_and_then_none_is() -> Result<()> {
    let world = World::with_manual_clock().await?;
    let scopes = [Scope::UsersRead];
    let (service, other) =
        (ServiceClient::with(&world, &scopes).await?, ServiceClient::with(&world, &scopes).await?);
    let first = service.get("users").await?;
    assert_eq!(first.header("ratelimit-policy"), Some("\"key\";q=600;w=6"));
    assert_eq!(first.header("ratelimit"), Some("\"key\";r=599;t=1"));
    // What is refused counts, too, and says what is left.
    assert_eq!(service.get("invites").await?.header("ratelimit"), Some("\"key\";r=598;t=1"));
    for left in [500, 400, 300, 200, 100, 0] {
        let asked = join_all((0..98 + u32::from(left < 500) * 2).map(|_| service.get("users/1"))).await;
        for answer in asked {
            assert_eq!(answer?.status, 404, "with {left} left");
        }
    }
    let refused = service.get("users").await?;
    assert_eq!((refused.status, refused.kind()), (429, "urn:qr-login:too-many-requests"));
    assert_eq!(
        (refused.header("retry-after"), refused.header("ratelimit")),
        (Some("1"), Some("\"key\";r=0;t=1"))
    );
    assert_eq!(other.get("users").await?.status, 200, "each key has its own");
    world.advance(Duration::from_secs(1));
    assert_eq!(service.get("users").await?.header("ratelimit"), Some("\"key\";r=99;t=6"));
    Ok(())
}
