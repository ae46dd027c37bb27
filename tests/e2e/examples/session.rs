//! A worker that takes a handed-over session.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};
use secrecy::ExposeSecret as _;
use stand_in::accounts::ILYA;
use tokio::io::AsyncWriteExt as _;

use super::{Running, example, programs};
use crate::export::export;
use crate::world::World;

#[tokio::test]
async fn a_worker_takes_a_session_over_and_works_until_the_person_ends_it() -> Result<()> {
    let programs = programs().await?;
    let world = World::start().await?;
    world.log_in(ILYA).await?;
    let text = export(&world, "telethon").await?;
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("person.session.txt");
    let worker = |act: &str| {
        let mut command = example(&programs, "take_session.py", dir.path());
        command.arg(act).env("LOOK_SECONDS", "0.2").env("API_ID", world.config.api_id.to_string());
        command.env("API_HASH", world.config.api_hash.expose_secret());
        command
    };

    // 1. The session comes by stdin, and is kept in a file that nobody else can read.
    let mut take = worker("take").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    take.stdin.take().context("a pipe")?.write_all(format!("{text}\n").as_bytes()).await?;
    let taken = take.wait_with_output().await?;
    ensure!(taken.status.success() && !String::from_utf8_lossy(&taken.stdout).contains(&text), "{taken:?}");
    ensure!(std::fs::metadata(&file)?.permissions().mode() & 0o077 == 0, "others can read it");

    // 2. It works as that person, and a second one leaves the key alone.
    let mut running = Running::start(worker("run"))?;
    running.says(&format!("works as {ILYA}")).await?;
    let second = Running::start(worker("run"))?;
    ensure!(second.ends().await? == Some(1), "two processes use one key");
    running.says("0 messages so far").await?;
    ensure!(world.telegram.mtproto.keys_in_two_places().is_empty());

    // 3. The person ends the session in Telegram: the worker says so, and keeps nothing.
    world.phone(ILYA).end_other_sessions().await?;
    running.says("the session is over").await?;
    ensure!(running.ends().await? == Some(3) && !file.exists(), "the dead session is still there");
    Ok(())
}
