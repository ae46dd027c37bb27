//! Sessions of the admins' app, and what an admin does to a person there: each act is an event by the admin, repeated ones change
//! nothing, and the last admin stays.

use std::time::Duration;

use anyhow::{Context as _, Result};
use eventlog::log::{Filter, Log};
use qr_login::config::Config;
use reqwest::Method;
use serde_json::{Value, json};
use stand_in::accounts::{ANNA, ILYA};

use crate::admin_client::{AdminPage, account_of, begin, send};
use crate::erasure::wait_until_forgotten;
use crate::world::{World, WorldOptions};

/// Anna is an admin by the settings; both have written to the bot.
pub async fn world() -> Result<World> {
    world_with(WorldOptions::default()).await
}

async fn world_with(options: WorldOptions) -> Result<World> {
    let configure: fn(&mut Config) = |config| config.admin_ids = vec![ANNA];
    let world = World::with(WorldOptions { configure: Some(configure), ..options }).await?;
    world.person(ANNA).ask("/start").await?;
    world.person(ILYA).ask("/start").await?;
    Ok(world)
}

#[tokio::test]
async fn a_launch_opens_one_session_which_lasts_an_hour() -> Result<()> {
    let world = world_with(WorldOptions { manual_clock: true, ..WorldOptions::default() }).await?;
    let launch = world.person(ANNA).init_data(None);
    let opened = begin(&world, &launch).await?;
    assert_eq!((opened.status, &opened.body["role"]), (200, &json!("admin")), "{opened:?}");
    let end = world.now() + jiff::SignedDuration::from_hours(1);
    assert_eq!(opened.body["expires_at"], json!(end));

    // The same launch, in whatever order its fields come.
    let reversed = launch.split('&').rev().collect::<Vec<_>>().join("&");
    for again in [&launch, &reversed] {
        let answer = begin(&world, again).await?;
        assert_eq!(answer.status, 401, "{answer:?}");
        let detail = answer.body["detail"].as_str().context("a detail")?;
        assert!(detail.starts_with("This page has already started a session"), "{detail}");
    }
    let person = world.person(ANNA);
    for (launch, status) in [
        (person.stale_init_data(16 * 60), 401),
        (person.forged_init_data(), 401),
        (world.person(ILYA).init_data(None), 403),
    ] {
        assert_eq!(begin(&world, &launch).await?.status, status);
    }

    let page = AdminPage::open(&world, ANNA).await?;
    let me = format!("users/{}", page.account_id);
    assert_eq!(page.get(&me).await?.status, 200);
    world.advance(Duration::from_secs(3601));
    assert_eq!(page.get(&me).await?.status, 401);
    Ok(())
}

#[tokio::test]
async fn the_eleventh_try_to_open_the_page_in_ten_minutes_is_too_many() -> Result<()> {
    let world = world().await?;
    for _ in 0..10 {
        AdminPage::open(&world, ANNA).await?;
    }
    let request = world.http.post(format!("{}/api/admin/session", world.base()));
    let launch = world.person(ANNA).init_data(None);
    let answer = request.header("Authorization", format!("tma {launch}")).send().await?;
    assert_eq!(answer.status(), 429);
    let wait: i64 = answer.headers()["retry-after"].to_str()?.parse()?;
    assert!((1..=600).contains(&wait), "{wait}");
    Ok(())
}

#[tokio::test]
async fn a_session_that_was_given_back_is_over_and_the_others_are_not() -> Result<()> {
    let world = world().await?;
    let (one, other) = (AdminPage::open(&world, ANNA).await?, AdminPage::open(&world, ANNA).await?);
    assert_eq!(one.delete("session").await?.status, 204);
    let me = format!("users/{}", one.account_id);
    assert_eq!((one.get(&me).await?.status, other.get(&me).await?.status), (401, 200));
    Ok(())
}

/// `replay history --actor` reads the log by this filter.
async fn acts_of(world: &World, account: &str) -> Result<Vec<String>> {
    world.events().await?;
    let filter = Filter { actor: Some(account.to_owned()), ..Filter::default() };
    let events = Log::new(&world.db).history(&filter, 0, 1000).await?;
    // What they read is no act.
    let others = ["AccountRegistered", "AuditRead"];
    Ok(events.into_iter().map(|event| event.name).filter(|name| !others.contains(&&**name)).collect())
}

#[tokio::test]
async fn every_act_is_an_event_by_the_admin_and_repeating_it_changes_nothing() -> Result<()> {
    let world = world().await?;
    let page = AdminPage::open(&world, ANNA).await?;
    let ilya = format!("users/{}", account_of(&world, ILYA).await?);

    // 1. A grant, told twice; then one that extends it.
    let grant = json!({"tier": "premium", "days": 30, "reason": "a friend of Anna's"});
    for _ in 0..2 {
        let request = page.request(Method::POST, &format!("{ilya}/subscription")).json(&grant);
        let answer = send(request.header("Idempotency-Key", "one")).await?;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.body["user"]["subscription_type"], "premium");
    }
    let details = page.get(&ilya).await?.body;
    let first = details["subscription"]["expires_at"].clone();
    let extended = page.post(&format!("{ilya}/subscription"), json!({"tier": "premium", "days": 1})).await?;
    assert!(extended.body["user"]["subscription_expires_at"].as_str() > first.as_str(), "{extended:?}");

    // 2. It ends.
    for _ in 0..2 {
        let request = page.request(Method::DELETE, &format!("{ilya}/subscription"));
        let answer = send(request.json(&json!({"reason": "he asked"}))).await?;
        assert_eq!(answer.body["user"]["subscription_status"], "expired", "{answer:?}");
    }

    // 3. Block, unblock, role.
    for _ in 0..2 {
        let answer = page.post(&format!("{ilya}/block"), json!({"reason": "spam"})).await?;
        assert_eq!(answer.body["user"]["is_blocked"], true, "{answer:?}");
    }
    assert_eq!(page.post(&format!("{ilya}/unblock"), json!({})).await?.body["user"]["is_blocked"], false);
    for _ in 0..2 {
        let answer = page.post(&format!("{ilya}/role"), json!({"role": "auditor"})).await?;
        assert_eq!(answer.body["user"]["role"], "auditor", "{answer:?}");
    }
    world.person(ILYA).wait_for_message(|message| message.text.starts_with("👮")).await?;

    assert_eq!(
        acts_of(&world, &page.account_id).await?,
        [
            "SubscriptionChanged",
            "SubscriptionChanged",
            "SubscriptionRevoked",
            "AccountBlocked",
            "AccountUnblocked",
            "RoleChanged",
        ]
    );
    let history = page.get(&ilya).await?.body["subscription_history"].clone();
    let told: Vec<_> = history.as_array().context("a list")?.iter().collect();
    let field = |name: &str| told.iter().map(|it| it[name].clone()).collect::<Vec<_>>();
    assert_eq!(field("change"), ["granted", "changed", "revoked"]);
    assert_eq!(field("reason"), [json!("a friend of Anna's"), Value::Null, json!("he asked")]);
    assert_eq!(field("by"), ["admin", "admin", "admin"]);
    assert!(field("actor").iter().all(|actor| *actor == page.account_id.as_str()));
    // Why is sealed in the log.
    let reasons =
        "select count(*) from events where metadata::text like any (array['%friend%', '%spam%', '%asked%'])";
    let found: i64 = sqlx::query_scalar(reasons).fetch_one(world.db.pool()).await?;
    assert_eq!(found, 0);
    Ok(())
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_and_leaves_no_event() -> Result<()> {
    let world = world().await?;
    let page = AdminPage::open(&world, ANNA).await?;
    let ilya = format!("users/{}", account_of(&world, ILYA).await?);
    let before = world.events().await?.len();
    for (path, body, status) in [
        ("subscription", json!({"tier": "free"}), 400),
        ("subscription", json!({"tier": "gold"}), 400),
        ("subscription", json!({"tier": "basic", "days": 36_501}), 400),
        ("subscription", json!({"tier": "basic", "days": -1}), 400),
        ("subscription", json!({"tier": "basic", "for": "him"}), 400),
        ("block", json!({"reason": "a".repeat(501)}), 400),
        ("block", json!({"reason": " ".repeat(501)}), 400),
        ("role", json!({"role": "king"}), 400),
    ] {
        let answer = page.post(&format!("{ilya}/{path}"), body.clone()).await?;
        assert_eq!(answer.status, status, "{path} {body}: {answer:?}");
    }
    let nobody = "users/00000000-0000-4000-8000-000000000001";
    for path in ["subscription", "role", "block", "unblock", "reset"] {
        let body = json!({"tier": "basic", "role": "admin"});
        let body = match path {
            "subscription" => json!({"tier": body["tier"]}),
            "role" => json!({"role": body["role"]}),
            _ => json!({}),
        };
        assert_eq!(page.post(&format!("{nobody}/{path}"), body).await?.status, 404, "{path}");
    }
    let request = page.request(Method::POST, &format!("{ilya}/subscription")).json(&json!({"tier": "basic"}));
    assert_eq!(send(request.header("Idempotency-Key", "a b")).await?.status, 400);
    assert_eq!(world.events().await?.len(), before);
    Ok(())
}

#[tokio::test]
async fn the_last_admin_stays_and_so_does_whom_the_settings_name() -> Result<()> {
    let world = world().await?;
    let page = AdminPage::open(&world, ANNA).await?;
    let anna = format!("users/{}", page.account_id);
    let problem = async |path: &str, body: Value| {
        let answer = page.post(&format!("{anna}/{path}"), body).await?;
        anyhow::Ok((answer.status, answer.body["type"].as_str().unwrap_or_default().to_owned()))
    };
    let last = (409, "urn:qr-login:last_admin".to_owned());
    assert_eq!(problem("block", json!({})).await?, last);
    assert_eq!(problem("reset", json!({})).await?, last);
    let named = (409, "urn:qr-login:named_in_settings".to_owned());
    assert_eq!(problem("role", json!({"role": "user"})).await?, named);
    assert_eq!(page.get(&anna).await?.status, 200);
    Ok(())
}

#[tokio::test]
async fn a_person_who_is_reset_is_told_and_then_nobody_knows_them() -> Result<()> {
    let world = world().await?;
    let page = AdminPage::open(&world, ANNA).await?;
    let account = account_of(&world, ILYA).await?;
    let answer = page.post(&format!("users/{account}/reset"), json!({})).await?;
    assert_eq!((answer.status, &answer.body["account_id"]), (202, &json!(account)), "{answer:?}");
    world.person(ILYA).wait_for_message(|message| message.text.starts_with("🗑 Готово")).await?;
    wait_until_forgotten(&world, ILYA).await?;
    let details = page.get(&format!("users/{account}")).await?;
    assert_eq!((&details.body["erased"], &details.body["user"]), (&json!(true), &Value::Null), "{details:?}");
    assert_eq!(page.post(&format!("users/{account}/block"), json!({})).await?.status, 404);
    assert_eq!(acts_of(&world, &page.account_id).await?, ["AccountErased"]);
    Ok(())
}
