//! A worker that follows the event feed.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use stand_in::accounts::{ANNA, ILYA};
use tokio::process::Command;

use super::gate::api_key;
use super::{Running, example, programs};
use crate::wait::eventually;
use crate::world::World;

/// The worker's own account of what it knows: `{position, people}`.
async fn shown(command: Command) -> Result<Value> {
    let mut command = command;
    let said = command.arg("show").output().await?;
    ensure!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    Ok(serde_json::from_slice(&said.stdout)?)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_follows_the_feed_goes_on_where_it_was_and_begins_anew_where_the_log_is_another()
-> Result<()> {
    let programs = programs().await?;
    let world = World::start().await?;
    let key = api_key(&world, "events:read").await?;
    let dir = tempfile::tempdir()?;
    let worker = || {
        let mut command = example(&programs, "follow_events.py", dir.path());
        command.env("QR_LOGIN_URL", world.base()).env("QR_LOGIN_KEY", &key);
        command
    };
    let people = async || {
        Ok::<_, anyhow::Error>(shown(worker()).await?["people"].as_array().context("people")?.clone())
    };
    world.person(ANNA).ask("/start").await?;
    world.log_in(ILYA).await?;

    // 1. It finds what was before, and is told of what comes.
    let running = Running::start(worker())?;
    let is = |tier: &'static str, status: &'static str| {
        let people = &people;
        async move || {
            Ok(people()
                .await?
                .iter()
                .any(|it| it["tier"] == tier && it["status"] == status && it["login_id"].is_string()))
        }
    };
    eventually("Ilya is linked and has premium", is("premium", "active")).await?;
    ensure!(people().await?.len() == 2, "two people wrote to the bot");

    // 2. What happens while it does not run is not missed.
    running.kill().await?;
    world.person(ILYA).ask("/logout").await?;
    world.wait_for_event("LoggedOut").await?;
    let running = Running::start(worker())?;
    eventually("nobody is linked", async || Ok(people().await?.iter().all(|it| it["login_id"].is_null())))
        .await?;
    running.kill().await?;

    // 3. A position that another history has is refused: it begins anew, and is right again.
    let forge = "import sqlite3; db = sqlite3.connect('people.db'); db.execute('update place set position = 1000000'); \
                 db.execute(\"insert into people (account_id) values ('nobody')\"); db.commit()";
    run(&programs, dir.path(), forge).await?;
    let _running = Running::start(worker())?;
    eventually("it began anew", async || {
        let known = shown(worker()).await?;
        let people = known["people"].as_array().context("people")?.clone();
        Ok(people.len() == 2 && !people.iter().any(|it| it["account_id"] == json!("nobody")))
    })
    .await?;

    // 4. A key that is refused ends it: nobody answers that differently.
    let refused = Running::start({
        let mut command = worker();
        command.env("QR_LOGIN_KEY", "qrl_0123456789abcdef_no").stderr(std::process::Stdio::null());
        command
    })?;
    ensure!(refused.ends().await? == Some(1), "it goes on with a wrong key");
    Ok(())
}

async fn run(programs: &Path, dir: &Path, code: &str) -> Result<()> {
    let done = Command::new(programs.join("python")).args(["-c", code]).current_dir(dir).status().await?;
    ensure!(done.success(), "{code}");
    Ok(())
}
