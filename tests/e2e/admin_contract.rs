//! The running service against its own contract: schemathesis reads the document, asks every operation for what it allows and for
//! what it does not, and compares the answers. No answer may be an error of the service, and none undocumented.

use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use domain::Scope;
use serde_json::json;
use stand_in::accounts::{ANNA, ILYA};
use tokio::process::Command;

use crate::admin_acts::world;
use crate::admin_client::{AdminPage, account_of};
use crate::python::environment;
use crate::service_client::ServiceClient;

const REQUIREMENTS: &str = "tests/e2e/schemathesis/requirements.txt";

/// How many cases are asked for each operation at most, and for how many seconds altogether. `SCHEMATHESIS_CASES` raises the first,
/// and then there is a third of an hour for each kind of caller: an admin's session lasts an hour.
fn effort(usual_seconds: u32) -> Result<(u32, u32)> {
    match std::env::var("SCHEMATHESIS_CASES") {
        Ok(cases) => Ok((cases.parse().context("SCHEMATHESIS_CASES is a number")?, 1200)),
        Err(_) => Ok((20, usual_seconds)),
    }
}

/// What is asked, and with which values: people, invites and the like that there are.
fn settings(account: &str, invite: &str) -> String {
    format!(
        r#"
[parameters]
account_id = "{account}"
invite_id = "{invite}"
telegram_id = {ILYA}
min_position = 1
position = 1
view = "users"

# The same made-up Idempotency-Key comes with several orders, and a key has so many requests.
[checks]
positive_data_acceptance.expected-statuses = ["2xx", "401", "403", "404", "409", "422", "429", "5xx"]
# A body that is too large is not looked into.
negative_data_rejection.expected-statuses = ["400", "401", "403", "404", "409", "413", "422", "429", "5xx"]

# It would wait.
[[operations]]
include-operation-id = "follow_events_v1"
parameters = {{ after = 0, wait = 0 }}

# It would end the session that all others need.
[[operations]]
include-operation-id = "end_session"
enabled = false

# It has no end.
[[operations]]
include-operation-id = "follow_events"
enabled = false

# Not every two times are a stretch of time, and not every stretch is short enough.
[[operations]]
include-operation-id = "get_statistics"
parameters = {{ from = "2026-11-01", to = "2026-11-29" }}
"#
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn the_service_answers_as_its_contract_says() -> Result<()> {
    let programs = environment("schemathesis", "schemathesis", REQUIREMENTS).await?;
    let world = world().await?;
    let page = AdminPage::open(&world, ANNA).await?;
    world.log_in(ILYA).await?;
    let order = json!({"tier": "basic", "max_uses": 2, "valid_days": 1, "subscription_days": 1});
    let made = page.post("invites", order).await?;
    let invite = made.body["items"][0]["invite_id"].as_str().context("an invite")?.to_owned();
    let dir = tempfile::tempdir()?;
    let config = dir.path().join("schemathesis.toml");
    std::fs::write(&config, settings(&account_of(&world, ILYA).await?.to_string(), &invite))?;

    let run = Run { programs, base: world.base(), config, dir: dir.path().to_owned() };
    let session = format!("Bearer {}", page.token);
    run.ask(&session, &["--exclude-tag", "me", "--exclude-tag", "v1"], effort(40)?).await?;
    // The session is still good, so the answers were not all refusals.
    assert_eq!(page.get("invites").await?.status, 200);
    let launch = world.person(ANNA).init_data(None);
    run.ask(&format!("tma {launch}"), &["--include-tag", "me"], effort(10)?).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn other_services_are_answered_as_the_contract_says() -> Result<()> {
    let programs = environment("schemathesis", "schemathesis", REQUIREMENTS).await?;
    let world = world().await?;
    world.log_in(ILYA).await?;
    let service = ServiceClient::with(&world, &Scope::ALL).await?;
    let made = service.post("invites", json!({"tier": "basic"})).await?;
    let invite = made.items()[0]["invite_id"].as_str().context("an invite")?.to_owned();
    let dir = tempfile::tempdir()?;
    let config = dir.path().join("schemathesis.toml");
    std::fs::write(&config, settings(&account_of(&world, ILYA).await?.to_string(), &invite))?;

    let run = Run { programs, base: world.base(), config, dir: dir.path().to_owned() };
    run.ask(&format!("Bearer {}", service.key), &["--include-tag", "v1"], effort(30)?).await?;
    assert_eq!(service.get("users").await?.status, 200, "the key is still good");
    Ok(())
}

/// The service that is asked.
struct Run {
    programs: PathBuf,
    base: String,
    config: PathBuf,
    dir: PathBuf,
}

impl Run {
    /// Asks some operations for so many seconds, as somebody.
    async fn ask(&self, authorization: &str, which: &[&str], (cases, seconds): (u32, u32)) -> Result<()> {
        let output = Command::new(self.programs.join("st"))
            .arg("--config-file")
            .arg(&self.config)
            .arg("run")
            .arg(format!("{}/api/openapi.json", self.base))
            .args(which)
            .args(["--header", &format!("Authorization: {authorization}")])
            .args(["--checks", "all", "--exclude-checks", "ignored_auth,object_level_authorization"])
            .args(["--phases", "coverage,fuzzing", "--max-examples", &cases.to_string()])
            .args(["--max-time", &seconds.to_string(), "--seed", "1", "--generation-deterministic"])
            .args(["--workers", "1", "--continue-on-failure", "--warnings", "off"])
            .current_dir(&self.dir)
            .env("NO_COLOR", "1")
            .kill_on_drop(true)
            .output()
            .await?;
        let said = String::from_utf8_lossy(&output.stdout);
        ensure!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
        ensure!(said.contains("Tested: "), "nothing was asked: {said}");
        println!("{said}");
        Ok(())
    }
}
