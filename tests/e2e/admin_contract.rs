//! The running service against its own contract: schemathesis reads the document, asks every operation for what it allows and for
//! what it does not, and compares the answers. No answer may be an error of the service, and none undocumented.

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use stand_in::accounts::{ANNA, ILYA};
use tokio::process::Command;

use crate::admin_acts::world;
use crate::admin_client::{AdminPage, account_of};
use crate::python::environment;

const REQUIREMENTS: &str = "tests/e2e/schemathesis/requirements.txt";

/// What is asked, and with which values: people, invites and the like that there are.
fn settings(account: &str, invite: &str) -> String {
    format!(
        r#"
[parameters]
account_id = "{account}"
invite_id = "{invite}"
position = 1
view = "users"

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

    let output = Command::new(programs.join("st"))
        .arg("--config-file")
        .arg(&config)
        .arg("run")
        .arg(format!("{}/api/openapi.json", world.base()))
        .args(["--header", &format!("Authorization: Bearer {}", page.token)])
        .args(["--checks", "all", "--exclude-checks", "ignored_auth,object_level_authorization"])
        .args(["--phases", "coverage,fuzzing", "--max-examples", "20", "--max-time", "60"])
        .args(["--seed", "1", "--generation-deterministic"])
        .args(["--workers", "1", "--continue-on-failure", "--warnings", "off"])
        .current_dir(dir.path())
        .env("NO_COLOR", "1")
        .kill_on_drop(true)
        .output()
        .await?;
    let said = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    // The session is still good, so the answers were not all refusals.
    assert_eq!(page.get("invites").await?.status, 200);
    Ok(())
}
