//! `deploy/Caddyfile` with the real caddy in front of the real service.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use anyhow::{Context as _, Result};
use domain::Tier;
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use ipnet::IpNet;
use qr_login::Config;
use serde_json::{Value, json};
use stand_in::accounts::{Account, ILYA};

use crate::port::Port;
use crate::wait::eventually;
use crate::world::{World, WorldOptions};

/// A caddy with `deploy/Caddyfile`. Dropping the value ends it.
struct Caddy {
    origin: String,
    _ports: [Port; 2],
    _caddy: stand_in::caddy::Caddy,
}

impl Caddy {
    async fn in_front_of(world: &World) -> Result<Self> {
        Self::with(&world.config.listen_addr.to_string()).await
    }

    async fn with(upstream: &str) -> Result<Self> {
        let ports = [Port::reserve()?, Port::reserve()?];
        let origin = format!("http://{}", ports[0].addr);
        let file = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/Caddyfile"));
        let caddy =
            stand_in::caddy::Caddy::start(file, &origin, ports[0].addr, ports[1].addr, upstream).await?;
        Ok(Self { origin, _ports: ports, _caddy: caddy })
    }
}

#[tokio::test]
async fn only_the_mini_app_the_admin_pages_and_the_api_are_let_through() -> Result<()> {
    let world = World::start().await?;
    let caddy = Caddy::in_front_of(&world).await?;
    let get = async |path: &str| world.http.get(format!("{}{path}", caddy.origin)).send().await;
    let answer = get("/qr-auth?session_id=any").await?;
    let secured = answer.headers().get("strict-transport-security").context("HSTS")?;
    assert_eq!(secured, "max-age=31536000");
    // The service sets this referrer policy on all of its own answers.
    let paths = [
        "/qr-auth?session_id=any",
        "/qr-auth-status?session_id=any",
        "/qr-auth/qr.svg?session_id=any",
        "/qr-auth/static/login.js",
        "/admin",
        "/admin/static/any.js",
        "/api/openapi.json",
        "/api/admin/users",
        "/log/checkpoint",
    ];
    for path in paths {
        let answer = get(path).await?;
        assert_eq!(answer.headers()["referrer-policy"], "no-referrer", "{path} does not reach the service");
    }
    assert_eq!(get("/qr-auth?session_id=any").await?.status(), 200);
    for path in ["/", "/metrics", "/healthz", "/readyz", "/api", "/.env", "/static/login.js", "/x/qr-auth"] {
        let answer = get(path).await?;
        assert_eq!(answer.status(), 404, "{path}");
        assert!(!answer.headers().contains_key("referrer-policy"), "{path} reaches the service");
        assert_eq!(answer.text().await?, "Not found", "{path}");
    }
    Ok(())
}

#[tokio::test]
async fn a_long_poll_through_caddy_is_answered_at_the_scan() -> Result<()> {
    let world = World::start().await?;
    let caddy = Caddy::in_front_of(&world).await?;
    let code = world.invite(Tier::Premium).await?;
    let session = world.begin_login(ILYA, &code).await?;
    let status = world.wait_for_status(ILYA, &session, |status| status["token"].is_string()).await?;
    let launch = world.person(ILYA).init_data(None);
    let path = format!("/qr-auth-status?session_id={session}&since={}&wait=25", status["version"]);
    let poll = world.http.get(format!("{}{path}", caddy.origin));
    let poll = tokio::spawn(poll.header("Authorization", format!("tma {launch}")).send());
    // A poll for a change after version 0 is answered at once. By then the other poll waits.
    let earlier =
        world.http.get(format!("{}/qr-auth-status?session_id={session}&since=0&wait=25", caddy.origin));
    assert_eq!(earlier.send().await?.json::<Value>().await?["status"], "waiting");
    assert!(!poll.is_finished(), "the status has not changed yet");
    world.phone(ILYA).scan(status["deep_link"].as_str().context("a link")?).await?;
    let answer: Value = poll.await??.json().await?;
    assert_eq!(answer["status"], "authorized", "{answer}");
    Ok(())
}

#[tokio::test]
async fn a_service_that_is_gone_is_noticed_by_nobody_while_another_one_answers() -> Result<()> {
    let world = World::start().await?;
    let gone = Port::reserve()?;
    let upstream = format!("{} {}", gone.addr, world.config.listen_addr);
    let caddy = Caddy::with(&upstream).await?;
    for _ in 0..20 {
        let page = world.http.get(format!("{}/qr-auth?session_id=any", caddy.origin)).send().await?;
        assert_eq!(page.status(), 200);
    }
    // What has a body is not sent twice. So a first one may be lost, until Caddy's next look.
    eventually("what has a body is answered as well", async || {
        for _ in 0..20 {
            let retry = world.http.post(format!("{}/qr-auth/retry", caddy.origin));
            if retry.json(&json!({"session_id": "any"})).send().await?.status() != 401 {
                return Ok(false);
            }
        }
        Ok(true)
    })
    .await
}

/// 1. One client waits for news of many logins, as often as each of them allows.
/// 2. What is above the limit of an address is refused.
/// 3. A client of another address is answered meanwhile.
#[tokio::test]
async fn a_client_with_too_many_requests_is_refused_and_others_are_answered() -> Result<()> {
    let configure: fn(&mut _) = |config: &mut Config| {
        config.trusted_proxies = vec![IpNet::from(IpAddr::from(Ipv4Addr::LOCALHOST))];
    };
    let world = World::with(WorldOptions { configure: Some(configure), ..WorldOptions::default() }).await?;
    let caddy = Caddy::in_front_of(&world).await?;
    // Not the address that Caddy has.
    let client = reqwest::Client::builder().local_address(IpAddr::from([127, 0, 0, 2])).build()?;
    let code = world.invite_for(Tier::Premium, 17).await?;
    let mut polls = FuturesUnordered::new();
    for person in 1..=17 {
        world.telegram.accounts.insert(Account::new(person, "Olga", &format!("+799910000{person:02}"), 2));
        let session = world.begin_login(person, &code).await?;
        let status = world.wait_for_status(person, &session, |status| status["token"].is_string()).await?;
        let version = status["version"].as_i64().context("a version")?;
        for _ in 0..4 {
            let path = format!("/qr-auth-status?session_id={session}&since={version}&wait=25");
            let poll = client.get(format!("{}{path}", caddy.origin)).send();
            polls.push(async move { anyhow::Ok(poll.await?.status().as_u16()) });
        }
    }
    let refused = [polls.next().await.context("68 polls")??, polls.next().await.context("68 polls")??];
    assert_eq!(refused, [429; 2], "{} are under way", polls.len());
    let page = world.http.get(format!("{}/qr-auth?session_id=any", caddy.origin)).send().await?;
    assert_eq!(page.status(), 200);
    Ok(())
}
