//! 5,000 long polls that are held open at once, each by the owner of a login of its own: what one of them costs in memory,
//! and how long it takes until all are answered when all logins have news at once.
//!
//! The peer is an axum handler that holds as many requests open and does nothing else.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use eventlog::Log;
use futures::future::try_join_all;
use serde_json::Value;

use crate::environment::Environment;
use crate::figure::{Figure, Report};
use crate::page::{self, Sent, WAIT_SECONDS};
use crate::process::{raise_open_files, resident_bytes};
use crate::status::peers::Peer;

const POLLS: usize = 5_000;
const KIB: f64 = 1024.0;
/// Between two measurements of a process whose memory still grows.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Memory of a poll, and the time until all were answered.
pub async fn measure(report: &mut Report) -> Result<()> {
    raise_open_files()?;
    let environment = Environment::set_up("api,projector").await?;
    let people = environment.people(POLLS).await?;
    environment.settle().await?;
    let listen = environment.service.settings().listen;
    let now = Log::new(&environment.db).end().await?;

    let before = settled_bytes(environment.pid()?).await?;
    let began = Instant::now();
    let polls = people.iter().map(|it| page::ask(listen, it.login_id.as_str(), &it.init_data, Some(now)));
    let polls: Vec<Sent> = try_join_all(polls).await?;
    let held = settled_bytes(environment.pid()?).await? - before;

    let woken = Instant::now();
    let answers = tokio::spawn(try_join_all(polls.into_iter().map(Sent::answer)));
    environment.show_codes(&people).await?;
    let told = woken.elapsed();
    let answers: Vec<Value> = answers.await??;
    let all_answered = woken.elapsed();
    for answer in &answers {
        ensure!(
            answer["version"].as_i64() > Some(now),
            "answered without news: version {}",
            answer["version"]
        );
    }
    ensure!(
        began.elapsed() < Duration::from_secs(WAIT_SECONDS.into()),
        "the first polls ended by themselves"
    );
    environment.clear().await;

    let plain = plain_bytes().await?;
    let (polls, plain) = (held / POLLS as f64 / KIB, plain / POLLS as f64 / KIB);
    let name = format!("{POLLS} long polls held open, memory of one");
    report.add(Figure::new(name, polls, "KiB", "an axum handler that only waits", plain));
    let name = format!("{POLLS} long polls, all answered after the first of {POLLS} events");
    let (all, told) = (all_answered.as_secs_f64() * 1e3, told.as_secs_f64() * 1e3);
    report.add(Figure::new(name, all, "ms", "appending the events", told));
    Ok(())
}

async fn plain_bytes() -> Result<f64> {
    let peer = Peer::Held.start(None).await?;
    let before = settled_bytes(peer.pid).await?;
    let polls = (0..POLLS).map(|_| page::ask(peer.addr, "none", "none", None));
    let polls: Vec<Sent> = try_join_all(polls).await?;
    let held = settled_bytes(peer.pid).await? - before;
    drop(polls);
    Ok(held)
}

/// Memory of a process once it does not grow any more.
async fn settled_bytes(pid: u32) -> Result<f64> {
    let mut last = resident_bytes(pid)?;
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let now = resident_bytes(pid)?;
        if now <= last {
            return Ok(now);
        }
        last = now;
    }
}
