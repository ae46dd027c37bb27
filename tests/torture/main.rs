//! Torture: the real processes are killed (`kill -9`) and frozen (SIGSTOP) at random moments, while people log in. Telegram
//! and PostgreSQL go on. At the end, everything has to be as if nothing had happened.
//!
//! `TORTURE_KILLS` sets the number of kills (20). `TORTURE_SEED` repeats the same people and the same disturbances; their
//! timing depends on the machine. `make torture` kills two hundred times.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::time::{Instant, timeout};

mod checks;
mod consumers;
mod environment;
mod fleet;
mod people;
#[path = "../e2e/port.rs"]
mod port;
#[path = "../e2e/python.rs"]
mod python;
mod random;
mod subscriptions;
mod targeted;

use environment::Environment;
use fleet::{Fleet, Shape};
use people::Crowd;
use random::Random;

/// How many people log in at the same time.
const CROWD: usize = 12;
/// How long the last logins may take, after the last disturbance.
const LAST_LOGINS: Duration = Duration::from_secs(240);
/// QR codes are renewed after half of this time.
const TOKEN_LIFETIME: Duration = Duration::from_secs(4);

/// A worker logs this when it takes a login over from one that does not answer, and shows a new code.
const TAKEN_OVER: &str = "QR login goes on with a new key";

/// One test at a time: the processes of all of them share one PostgreSQL, and its hundred connections.
static TURN: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_or_done_twice_whenever_the_processes_die() -> Result<()> {
    let _turn = TURN.lock().await;
    let kills = variable("TORTURE_KILLS").unwrap_or(20);
    let seed = variable("TORTURE_SEED").unwrap_or_else(|| u64::from(std::process::id()) << 20 | kills);
    eprintln!("TORTURE_SEED={seed} TORTURE_KILLS={kills}");
    let began = Instant::now();
    let environment = Arc::new(Environment::set_up(TOKEN_LIFETIME).await?);
    let mut fleet = Fleet::on(&environment)?;
    let crowd = Arc::new(Crowd::new(environment.clone(), seed, fleet.lines()));
    let people: Vec<_> = (0..CROWD).map(|_| tokio::spawn(crowd.clone().run_people())).collect();

    let outcome = async {
        let mut random = Random::new(seed);
        fleet.start(Shape::One)?;
        while fleet.kills < kills {
            fleet.disturb(&mut random).await?;
        }
        fleet.resume_all().await?;
        crowd.stop_disturbing();
        for person in people {
            timeout(LAST_LOGINS, person).await.context("a person never finishes")???;
        }
        checks::wait_until_idle(&environment).await?;
        let handed_over = crowd.handed_over.lock().unwrap().clone();
        let mut faults = checks::faults(&environment, &handed_over).await?;
        let let_in_pages = crowd.let_in_pages.lock().unwrap().clone();
        faults.extend(checks::missing_in_the_log(&environment, &let_in_pages).await?);
        let erased = crowd.erased.lock().unwrap().clone();
        let lines = fleet.lines().lock().unwrap().clone();
        faults.extend(checks::erased::traces(&environment, &erased, &lines).await?);
        anyhow::Ok(faults)
    }
    .await;

    let tally = &crowd.tally;
    eprintln!(
        "{} kills, {} freezes, {} s; {tally:?}; {} key exchanges, {} tokens",
        fleet.kills,
        fleet.freezes,
        began.elapsed().as_secs(),
        environment.telegram.mtproto.calls(targeted::KEY_EXCHANGE),
        environment.telegram.mtproto.calls("auth.exportLoginToken"),
    );
    let logged = fleet.lines().lock().unwrap().clone();
    // A process that is slow for longer than its lease looks like a frozen one. That costs a scan, and is logged.
    let is_excused = |failure: &String| {
        let login = failure.strip_prefix(people::LOST_SCAN);
        login.is_some_and(|login| {
            logged.iter().any(|line| line.contains(TAKEN_OVER) && line.contains(&login[..8]))
        })
    };
    let mut faults: Vec<_> = crowd.failures().into_iter().filter(|it| !is_excused(it)).collect();
    match outcome {
        Ok(found) => faults.extend(found),
        Err(error) => faults.push(format!("{error:#}")),
    }
    for fault in &mut faults {
        fault.push_str(&checks::events_about(&environment, fault).await?);
    }
    if let Ok(path) = std::env::var("TORTURE_LOG") {
        std::fs::write(path, fleet.lines().lock().unwrap().join("\n"))?;
    }
    assert!(faults.is_empty(), "TORTURE_SEED={seed}:\n{}", faults.join("\n"));
    Ok(())
}

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}
