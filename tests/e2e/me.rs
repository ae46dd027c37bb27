//! A person's own side over HTTP: what is theirs they see, take along and end, and nobody else does.

use std::time::Duration;

use anyhow::{Context as _, Result};
use domain::Tier;
use reqwest::StatusCode;
use serde_json::{Value, json};
use stand_in::accounts::{ANNA, ILYA};

use crate::erasure::wait_until_forgotten;
use crate::export::qr_login;
use crate::world::{World, WorldOptions};

async fn get(world: &World, person: i64, path: &str) -> Result<Value> {
    let answer = world.get_as(person, path).send().await?;
    assert_eq!(answer.status(), StatusCode::OK, "{path}");
    Ok(answer.json().await?)
}

async fn post(world: &World, person: i64, path: &str) -> Result<(StatusCode, String)> {
    let answer = world.post_as(person, path, &json!({})).send().await?;
    Ok((answer.status(), answer.text().await?))
}

/// The history in words, the newest first: what, and who.
async fn told(world: &World, person: i64) -> Result<Vec<(String, String)>> {
    world.events().await?;
    let history = get(world, person, "/api/me/events").await?;
    let item = |it: &Value| (it["text"].as_str().unwrap().to_owned(), it["who"].as_str().unwrap().to_owned());
    Ok(history["items"].as_array().context("items")?.iter().map(item).collect())
}

fn line(text: &str, who: &str) -> (String, String) {
    (text.to_owned(), who.to_owned())
}

#[tokio::test]
async fn a_person_sees_what_is_linked_and_what_happened_in_their_language() -> Result<()> {
    let configure: fn(&mut qr_login::Config) =
        |config| config.session_check_interval = Duration::from_secs(1);
    let world = World::with(WorldOptions { configure: Some(configure), ..WorldOptions::default() }).await?;
    world.log_in(ILYA).await?;
    let seen = async {
        loop {
            let me = get(&world, ILYA, "/api/me").await?;
            if me["session"]["last_seen_at"].is_string() {
                return anyhow::Ok(me);
            }
        }
    };
    let me = tokio::time::timeout(Duration::from_secs(30), seen).await.context("never seen alive")??;
    assert_eq!(me["user"]["telegram_id"], ILYA);
    assert_eq!(me["session"]["device"], "qr-login");
    assert!(me["session"]["linked_at"].is_string());
    assert_eq!(
        (&me["subscription"]["tier"], &me["subscription"]["status"]),
        (&json!("premium"), &json!("active"))
    );

    let told = told(&world, ILYA).await?;
    let (what, who) = &told[0];
    assert!(what.starts_with("Началась подписка Premium до ") && who == "the service", "{told:?}");
    let rest = [
        line("Вход по QR-коду, аккаунт подключён", "you"),
        line("Начат вход", "you"),
        line("Первое сообщение боту", "you"),
    ];
    assert_eq!(told[1..], rest);
    // Page by page it is the same.
    let (mut pages, mut after) = (Vec::new(), String::new());
    loop {
        let page = get(&world, ILYA, &format!("/api/me/events?limit=1{after}")).await?;
        pages.push(page["items"][0]["text"].as_str().context("an item")?.to_owned());
        let Some(next) = page["next"].as_str() else { break };
        after = format!("&after={next}");
    }
    assert_eq!(pages, told.into_iter().map(|(what, _)| what).collect::<Vec<_>>());
    Ok(())
}

#[tokio::test]
async fn a_person_sees_who_looked_at_their_history() -> Result<()> {
    let configure: fn(&mut qr_login::Config) = |config| config.admin_ids = vec![ANNA];
    let world = World::with(WorldOptions { configure: Some(configure), ..WorldOptions::default() }).await?;
    world.person(ILYA).ask("/start").await?;
    world.person(ANNA).ask(&format!("/debug_status {ILYA}")).await?;
    let looked = line("Просмотрена ваша история", "an admin");
    assert_eq!(told(&world, ILYA).await?, [looked.clone(), line("Первое сообщение боту", "you")]);
    let alone = get(&world, ILYA, "/api/me/events?kind=AuditRead").await?;
    assert_eq!(alone["items"].as_array().context("items")?.len(), 1);
    // Who it was is nobody's business but the service's own.
    let anna = world
        .events()
        .await?
        .iter()
        .find(|it| it.name == "AuditRead")
        .context("a read")?
        .metadata
        .actor
        .clone();
    for path in ["/api/me/events", "/api/me/export"] {
        assert!(!get(&world, ILYA, path).await?.to_string().contains(&anna), "{path}");
    }
    assert_eq!(told(&world, ANNA).await?.iter().filter(|(what, _)| what.contains("история")).count(), 0);
    Ok(())
}

#[tokio::test]
async fn the_export_has_everything_with_names_opened_and_no_secret() -> Result<()> {
    let world = World::start().await?;
    world.log_in(ILYA).await?;
    world.log_in(ANNA).await?;
    let events = world.events().await?;
    let ilya = events.iter().find(|it| it.name == "AccountRegistered").context("registered")?;
    let about = events.iter().filter(|it| it.metadata.account_id == ilya.metadata.account_id).count();
    let answer = world.get_as(ILYA, "/api/me/export").send().await?;
    let disposition = answer.headers()["content-disposition"].to_str()?.to_owned();
    assert_eq!(disposition, "attachment; filename=\"my-data.json\"");
    let data: Value = answer.json().await?;
    assert_eq!(data["telegram_id"], ILYA);
    assert_eq!(data["user"]["first_name"], "Ilya");
    assert_eq!(data["session"]["device"], "qr-login");
    let exported = data["events"].as_array().context("events")?;
    assert_eq!(exported.len(), about, "every event that is about them");
    assert_eq!(exported[0]["payload"]["profile"]["first_name"], "Ilya");
    assert_eq!(exported[0]["payload"]["telegram_id"], ILYA);
    let text = data.to_string();
    assert!(!text.contains("Anna") && !text.contains(&ANNA.to_string()), "nothing of somebody else");
    assert!(!text.contains("sealed"), "{text}");
    Ok(())
}

#[tokio::test]
async fn what_is_a_persons_own_is_nobody_elses() -> Result<()> {
    let world = World::start().await?;
    world.person(ILYA).ask("/start").await?;
    for path in ["/api/me", "/api/me/events", "/api/me/export"] {
        let stranger = world.http.get(format!("{}{path}", world.base())).send().await?;
        assert_eq!(stranger.status(), StatusCode::UNAUTHORIZED, "{path}");
        for launch in [world.person(ILYA).forged_init_data(), world.person(ILYA).stale_init_data(16 * 60)] {
            let request = world.http.get(format!("{}{path}", world.base()));
            let refused = request.header("Authorization", format!("tma {launch}")).send().await?;
            assert_eq!(refused.status(), StatusCode::UNAUTHORIZED, "{path}");
        }
        // Nobody is registered by a look.
        assert_eq!(world.get_as(ANNA, path).send().await?.status(), StatusCode::NOT_FOUND, "{path}");
    }
    for path in [
        "/api/me/events?limit=0",
        "/api/me/events?limit=201",
        "/api/me/events?after=x",
        "/api/me/events?kind=%00",
    ] {
        assert_eq!(world.get_as(ILYA, path).send().await?.status(), StatusCode::BAD_REQUEST, "{path}");
    }
    assert_eq!(world.event_names().await?, ["AccountRegistered"]);
    let page = world.http.get(format!("{}/me", world.base())).send().await?;
    let policy = page.headers()["content-security-policy"].to_str()?.to_owned();
    assert!(policy.starts_with("default-src 'none'; ") && policy.contains("img-src 'self'; "), "{policy}");
    let shell = page.text().await?;
    assert!(!shell.contains("{{") && !shell.contains("Ilya"), "{shell}");
    Ok(())
}

#[tokio::test]
async fn a_person_disconnects_from_the_page_once() -> Result<()> {
    let world = World::start().await?;
    world.log_in(ILYA).await?;
    assert_eq!(world.phone(ILYA).devices().await?.len(), 2);
    for _ in 0..2 {
        assert_eq!(post(&world, ILYA, "/api/me/logout").await?.0, StatusCode::ACCEPTED);
    }
    assert_eq!(get(&world, ILYA, "/api/me").await?["session"], Value::Null);
    let names = world.event_names().await?;
    assert_eq!(names.iter().filter(|name| *name == "LoggedOut").count(), 1);
    let ended = async {
        while world.phone(ILYA).devices().await?.len() > 1 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        anyhow::Ok(())
    };
    tokio::time::timeout(Duration::from_secs(30), ended).await.context("at Telegram it goes on")??;
    assert_eq!(told(&world, ILYA).await?[0], line("Аккаунт отключён от сервиса", "you"));
    Ok(())
}

#[tokio::test]
async fn a_session_that_was_handed_over_cannot_be_disconnected_here() -> Result<()> {
    let world = World::start().await?;
    world.log_in(ILYA).await?;
    let user = ILYA.to_string();
    let export = ["session", "export", "--user", &user, "--format", "grammers", "--yes"];
    assert!(qr_login(&world, &export).await?.status.success());
    world.events().await?;
    let me = get(&world, ILYA, "/api/me").await?;
    assert_eq!((&me["session"], &me["user"]["session_exported"]), (&Value::Null, &json!(true)));
    let (status, text) = post(&world, ILYA, "/api/me/logout").await?;
    assert_eq!(status, StatusCode::CONFLICT, "{text}");
    assert!(text.contains("Устройства"), "{text}");
    Ok(())
}

#[tokio::test]
async fn a_person_who_asks_for_it_is_forgotten_and_the_page_knows_them_no_more() -> Result<()> {
    let world = World::start().await?;
    world.log_in(ILYA).await?;
    assert_eq!(post(&world, ILYA, "/api/me/forget").await?.0, StatusCode::ACCEPTED);
    wait_until_forgotten(&world, ILYA).await?;
    for path in ["/api/me", "/api/me/events", "/api/me/export"] {
        assert_eq!(world.get_as(ILYA, path).send().await?.status(), StatusCode::NOT_FOUND, "{path}");
    }
    assert_eq!(post(&world, ILYA, "/api/me/forget").await?.0, StatusCode::NOT_FOUND);
    let names = world.event_names().await?;
    assert_eq!(names.iter().filter(|name| *name == "AccountErased").count(), 1);
    assert_eq!(names.iter().filter(|name| *name == "AccountRegistered").count(), 1, "nobody came back");
    Ok(())
}

#[tokio::test]
async fn the_last_admin_is_not_forgotten() -> Result<()> {
    let configure: fn(&mut qr_login::Config) = |config| config.admin_ids = vec![ILYA];
    let world = World::with(WorldOptions { configure: Some(configure), ..WorldOptions::default() }).await?;
    world.person(ILYA).ask("/start").await?;
    let (status, text) = post(&world, ILYA, "/api/me/forget").await?;
    assert_eq!(status, StatusCode::CONFLICT, "{text}");
    assert!(text.contains("последний администратор"), "{text}");
    assert!(!world.event_names().await?.contains(&"AccountErased".to_owned()));
    Ok(())
}

#[tokio::test]
async fn a_subscription_that_is_over_counts_as_over_at_once() -> Result<()> {
    let world = World::with_manual_clock().await?;
    let code = world.invite(Tier::Premium).await?;
    let session = world.begin_login(ILYA, &code).await?;
    world.phone(ILYA).scan(&world.qr_link(ILYA, &session).await?).await?;
    world.wait_for_event("SubscriptionActivated").await?;
    assert_eq!(get(&world, ILYA, "/api/me").await?["subscription"]["status"], "active");
    world.advance(Duration::from_secs(31 * 24 * 3600));
    assert_eq!(get(&world, ILYA, "/api/me").await?["subscription"]["status"], "expired");
    Ok(())
}
