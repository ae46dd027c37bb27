//! Torture: the real processes are killed (`kill -9`) and frozen (SIGSTOP) at any moment, while people log in. Telegram
//! and PostgreSQL live on. When all is quiet again, everything has to be as if nothing had happened.
//!
//! `TORTURE_KILLS` says how often (20), `TORTURE_SEED` repeats a run: the same people, the same disturbances; what meets what
//! is up to the machine. `make torture` kills two hundred times.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::time::{Instant, timeout};

mod checks;
mod dice;
mod fleet;
mod ground;
mod people;
mod targeted;

use dice::Dice;
use fleet::{Fleet, Shape};
use ground::Ground;
use people::Crowd;

/// How many people are there at any time.
const CROWD: usize = 12;
/// How long whoever is under way may take to come to an end, once nobody is disturbed any more.
const LAST_LOGINS: Duration = Duration::from_secs(240);
/// Codes that are renewed every two seconds.
const TOKEN_LIFETIME: Duration = Duration::from_secs(4);

/// What a worker says that takes a login from one which does not answer, and shows a code of its own.
const HANGS: &str = "QR login goes on with a new key";

/// One test at a time: the processes of all of them share one PostgreSQL, and its hundred connections.
static TURN: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_or_done_twice_whenever_the_processes_die() -> Result<()> {
    let _turn = TURN.lock().await;
    let kills = variable("TORTURE_KILLS").unwrap_or(20);
    let seed = variable("TORTURE_SEED").unwrap_or_else(|| u64::from(std::process::id()) << 20 | kills);
    eprintln!("TORTURE_SEED={seed} TORTURE_KILLS={kills}");
    let began = Instant::now();
    let ground = Arc::new(Ground::set_up(TOKEN_LIFETIME).await?);
    let mut fleet = Fleet::on(&ground)?;
    let crowd = Arc::new(Crowd::new(ground.clone(), seed, fleet.lines()));
    let people: Vec<_> = (0..CROWD).map(|_| tokio::spawn(crowd.clone().keep_coming())).collect();

    let outcome = async {
        let mut dice = Dice::new(seed);
        fleet.start(Shape::One)?;
        while fleet.kills < kills {
            fleet.disturb(&mut dice).await?;
        }
        fleet.leave_in_peace().await?;
        crowd.stop_disturbing();
        for person in people {
            timeout(LAST_LOGINS, person).await.context("somebody never comes to an end")???;
        }
        checks::come_to_rest(&ground).await?;
        let handed_over = crowd.handed_over.lock().unwrap().clone();
        let mut faults = checks::faults(&ground, &handed_over).await?;
        let told_in = crowd.told_in.lock().unwrap().clone();
        faults.extend(checks::unknown_to_the_log(&ground, &told_in).await?);
        let forgotten = crowd.forgotten.lock().unwrap().clone();
        let lines = fleet.lines().lock().unwrap().clone();
        faults.extend(checks::forgotten::traces(&ground, &forgotten, &lines).await?);
        anyhow::Ok(faults)
    }
    .await;

    let tally = &crowd.tally;
    eprintln!(
        "{} kills, {} freezes, {} s; {tally:?}; {} key exchanges, {} tokens",
        fleet.kills,
        fleet.freezes,
        began.elapsed().as_secs(),
        ground.telegram.mtproto.calls(targeted::KEY_EXCHANGE),
        ground.telegram.mtproto.calls("auth.exportLoginToken"),
    );
    let said = fleet.lines().lock().unwrap().clone();
    // Who hangs for longer than its lease cannot be told from who is frozen: that costs a scan, and says so.
    let excused = |complaint: &String| {
        let login = complaint.strip_prefix(people::LOST_SCAN);
        login.is_some_and(|login| said.iter().any(|line| line.contains(HANGS) && line.contains(&login[..8])))
    };
    let mut faults: Vec<_> = crowd.complaints().into_iter().filter(|it| !excused(it)).collect();
    match outcome {
        Ok(found) => faults.extend(found),
        Err(error) => faults.push(format!("{error:#}")),
    }
    for fault in &mut faults {
        fault.push_str(&checks::story_of(&ground, fault).await?);
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
