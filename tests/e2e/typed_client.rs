//! A client in another language, generated from the document that the running service serves, and used.

use std::path::Path;

use anyhow::{Result, ensure};
use stand_in::accounts::{ANNA, ILYA};
use tokio::process::Command;

use crate::examples::gate::api_key;
use crate::python::environment;
use crate::world::World;

const REQUIREMENTS: &str = "tests/e2e/typed_client/requirements.txt";
/// The Telegram id of nobody.
const NOBODY: i64 = 1;

#[tokio::test(flavor = "multi_thread")]
async fn a_generated_client_asks_and_orders_with_types() -> Result<()> {
    let programs = environment("openapi-python-client", "openapi_python_client", REQUIREMENTS).await?;
    let world = World::start().await?;
    world.log_in(ILYA).await?;
    world.person(ANNA).ask("/start").await?;
    let key = api_key(
        &world,
        "users:read,subscriptions:write,invites:read,invites:write,events:read,webhooks:manage",
    )
    .await?;
    let dir = tempfile::tempdir()?;

    // 1. Everything in the document can be generated: no warning, so nothing is left out.
    let client = dir.path().join("client");
    let mut generate = Command::new(programs.join("openapi-python-client"));
    generate.args(["generate", "--fail-on-warning", "--url", &format!("{}/api/openapi.json", world.base())]);
    run(generate.arg("--output-path").arg(&client), &programs).await?;

    // 2. It is used.
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e/typed_client/use.py");
    let mut using = Command::new(programs.join("python"));
    using
        .arg(script)
        .args([&world.base(), &key, &ANNA.to_string(), &NOBODY.to_string()])
        .env("PYTHONPATH", &client);
    ensure!(run(&mut using, &programs).await?.trim_end() == "used", "it was not used");
    Ok(())
}

/// Runs it with the environment's programs on its path (the generator formats with one of them); what it says.
async fn run(command: &mut Command, programs: &Path) -> Result<String> {
    let mut path = vec![programs.to_owned()];
    path.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
    let output = command.env("PATH", std::env::join_paths(path)?).kill_on_drop(true).output().await?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    Ok(said)
}
