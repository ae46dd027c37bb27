//! `deploy/Caddyfile` with the real caddy in front of the real service.

use std::process::Stdio;

use anyhow::{Context as _, Result};
use domain::Tier;
use serde_json::Value;
use stand_in::accounts::ILYA;
use tokio::process::{Child, Command};

use crate::port::Port;
use crate::wait::eventually;
use crate::world::World;

/// A caddy with `deploy/Caddyfile`. Dropping the value ends it.
struct Caddy {
    origin: String,
    _ports: [Port; 2],
    _process: Child,
    _home: tempfile::TempDir,
}

impl Caddy {
    async fn in_front_of(world: &World) -> Result<Self> {
        let home = tempfile::tempdir()?;
        let ports = [Port::reserve()?, Port::reserve()?];
        let [origin, admin] = [format!("http://{}", ports[0].addr), ports[1].addr.to_string()];
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/Caddyfile");
        let process = Command::new("caddy")
            .args(["run", "--adapter", "caddyfile", "--config", file])
            .env("HOME", home.path())
            .env("XDG_DATA_HOME", home.path())
            .env("XDG_CONFIG_HOME", home.path())
            .env("CADDY_ADMIN", admin)
            .env("AUTH_BASE_URL", &origin)
            .env("UPSTREAM", world.config.listen_addr.to_string())
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .context("caddy is missing: apt-get install caddy")?;
        eventually("caddy answers", async || Ok(world.http.get(&origin).send().await.is_ok())).await?;
        Ok(Self { origin, _ports: ports, _process: process, _home: home })
    }
}

#[tokio::test]
async fn only_the_mini_app_the_admin_pages_and_the_api_are_let_through() -> Result<()> {
    let world = World::start().await?;
    let caddy = Caddy::in_front_of(&world).await?;
    let get = async |path: &str| world.http.get(format!("{}{path}", caddy.origin)).send().await;
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
