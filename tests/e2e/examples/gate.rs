//! A web service that asks the API whom it may serve, and takes webhooks.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use reqwest::StatusCode;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use stand_in::accounts::{ANNA, ILYA};
use tokio::process::{Child, Command};

use super::{programs, rows};
use crate::export::stdout_of;
use crate::port::Port;
use crate::wait::eventually;
use crate::world::World;

/// A key with these scopes, made at the terminal.
pub async fn api_key(world: &World, scopes: &str) -> Result<String> {
    let made = stdout_of(world, &["apikey", "create", "--name", "example", "--scope", scopes]).await?;
    Ok(made.trim().to_owned())
}

/// The service of the example, which runs.
struct Gate {
    http: reqwest::Client,
    base: String,
    table: PathBuf,
    _child: Child,
}

impl Gate {
    async fn start(
        world: &World,
        programs: &Path,
        dir: &Path,
        key: &str,
        address: SocketAddr,
        secret: &str,
    ) -> Result<Self> {
        let table = dir.join("people.db");
        let mut command = Command::new(programs.join("uvicorn"));
        command.args([
            "--app-dir",
            concat!(env!("CARGO_MANIFEST_DIR"), "/examples"),
            "subscription_gate:app",
        ]);
        command.args([
            "--host",
            "127.0.0.1",
            "--port",
            &address.port().to_string(),
            "--log-level",
            "warning",
        ]);
        command.current_dir(dir).env("PYTHONDONTWRITEBYTECODE", "1").env("PEOPLE_DB", &table);
        command.env("QR_LOGIN_URL", world.base()).env("QR_LOGIN_KEY", key).env("WEBHOOK_SECRET", secret);
        command.env("BOT_TOKEN", world.config.bot_token.expose_secret());
        let child = command.kill_on_drop(true).spawn()?;
        let gate = Self { http: world.http.clone(), base: format!("http://{address}"), table, _child: child };
        eventually("the example answers", async || {
            Ok(gate.http.get(format!("{}/digest", gate.base)).send().await.is_ok())
        })
        .await?;
        Ok(gate)
    }

    async fn digest(&self, authorization: &str) -> Result<(StatusCode, Value)> {
        let request = self.http.get(format!("{}/digest", self.base)).header("Authorization", authorization);
        let answer = request.send().await?;
        Ok((answer.status(), answer.json().await?))
    }

    /// What it knows of a person: tier, status, whether they are blocked.
    async fn known(&self, programs: &Path, person: i64) -> Result<Value> {
        rows(
            programs,
            &self.table,
            &format!("select tier, status, is_blocked from people where telegram_id = {person}"),
        )
        .await
    }

    async fn wait_until_known(&self, programs: &Path, person: i64, wanted: Value) -> Result<()> {
        let what = format!("the table says {wanted} of {person}");
        eventually(&what, async || Ok(self.known(programs, person).await? == wanted)).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_web_service_lets_people_in_by_their_subscription_and_is_told_of_changes() -> Result<()> {
    let programs = programs().await?;
    let mut world = World::start().await?;
    world.person(ANNA).ask("/start").await?;
    let key = api_key(&world, "users:read,subscriptions:write,webhooks:manage").await?;
    let port = Port::reserve()?;
    let address = port.addr;
    let api = format!("{}/api/v1", world.base());
    let url = format!("http://{address}/webhooks");
    let made = world.http.post(format!("{api}/webhooks")).bearer_auth(&key).json(&json!({"url": url}));
    let made: Value = made.send().await?.error_for_status()?.json().await?;
    let secret = made["secret"].as_str().context("a secret")?;
    let dir = tempfile::tempdir()?;
    let gate = Gate::start(&world, &programs, dir.path(), &key, address, secret).await?;
    let launch = |person: i64| format!("tma {}", world.person(person).init_data(None));

    // 1. Who has a subscription is let in; who has none, or is somebody else, is not.
    world.log_in(ILYA).await?;
    world.wait_for_event("SubscriptionActivated").await?;
    gate.wait_until_known(&programs, ILYA, json!([["premium", "active", 0]])).await?;
    let (status, body) = gate.digest(&launch(ILYA)).await?;
    ensure!(
        (status, body["digest"].as_str()) == (StatusCode::OK, Some("today’s digest, as premium has it")),
        "{body}"
    );
    for (who, refusal) in [
        (launch(ANNA), StatusCode::FORBIDDEN),
        (format!("tma {}", world.person(ILYA).forged_init_data()), StatusCode::UNAUTHORIZED),
        (format!("tma {}", world.person(ILYA).stale_init_data(7_200)), StatusCode::UNAUTHORIZED),
        ("tma nonsense".to_owned(), StatusCode::UNAUTHORIZED),
        ("Bearer é".to_owned(), StatusCode::UNAUTHORIZED),
    ] {
        ensure!(gate.digest(&who).await?.0 == refusal, "{who} is not refused with {refusal}");
    }

    // 2. It is told when something changes, and by nobody else.
    let granted = json!({"tier": "basic", "days": 30});
    let grant = world.http.post(format!("{api}/users/{ANNA}/subscription")).bearer_auth(&key).json(&granted);
    grant.header("Idempotency-Key", "gate-1").send().await?.error_for_status()?;
    gate.wait_until_known(&programs, ANNA, json!([["basic", "active", 0]])).await?;
    let forged = json!({"type": "user.erased", "timestamp": "2026-11-29T10:00:00Z", "data": {"account_id": "x", "telegram_id": null, "position": 1}});
    for signature in ["v1,AAAA", "v1", "v1,é", ""] {
        let request = world.http.post(format!("{}/webhooks", gate.base)).json(&forged);
        let request =
            request.header("webhook-id", "msg_1").header("webhook-timestamp", world.now().as_second());
        let answer = request.header("webhook-signature", signature).send().await?;
        ensure!(answer.status() == StatusCode::UNAUTHORIZED, "{signature:?} is taken: {}", answer.status());
    }
    let ended = world.http.delete(format!("{api}/users/{ILYA}/subscription")).bearer_auth(&key);
    ended.header("Idempotency-Key", "gate-2").send().await?.error_for_status()?;
    gate.wait_until_known(&programs, ILYA, json!([["free", "expired", 0]])).await?;
    ensure!(gate.digest(&launch(ILYA)).await?.0 == StatusCode::FORBIDDEN, "the subscription is over");

    // 3. While qr-login is away, what it told last holds.
    let anna = launch(ANNA);
    let ilya = launch(ILYA);
    world.crash_service().await;
    ensure!(gate.digest(&anna).await?.0 == StatusCode::OK, "Anna has a subscription");
    ensure!(gate.digest(&ilya).await?.0 == StatusCode::FORBIDDEN, "Ilya has none");
    world.start_service().await?;

    // 4. Who is forgotten is forgotten here.
    crate::erasure::confirm_reset(&world, ANNA, "/debug_reset").await?;
    gate.wait_until_known(&programs, ANNA, json!([])).await?;
    ensure!(gate.digest(&anna).await?.0 == StatusCode::FORBIDDEN, "nobody knows Anna");
    Ok(())
}
