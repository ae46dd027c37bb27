//! The service in several processes: two of each role behind the Caddy of the deployment, against one PostgreSQL and the stand-in
//! Telegram. Each is killed, frozen and cut off while people log in, and each is replaced by another version. Besides: what people
//! see when a machine runs out of something, and databases of earlier releases.
//!
//! `cargo test -p qr-login --test processes` does a few of each; `.ci/run` does so where its time allows it. `make processes` goes
//! through all processes and faults (`PROCESSES_ROUNDS`), and prints how long others took. `make upgrade-drill` upgrades from another binary (`OLD_BINARY`). README.md beside this file tells more.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use eventlog::testing;
use secrecy::ExposeSecret as _;
use tokio::time::{Instant, timeout};

mod clock;
mod deployment;
mod faults;
mod link;
#[path = "../e2e/port.rs"]
mod port;
mod releases;
mod requests;
mod resources;
mod upgrade;
mod visitors;

#[path = "../torture"]
#[allow(dead_code, reason = "the torture's: here others disturb the processes")]
mod torture {
    pub mod checks;
    pub mod environment;
    pub mod fleet;
    pub mod people;
    pub mod random;
}
use torture::{checks, environment, fleet, people, random};

use deployment::{Deployment, Front};
use environment::Environment;
use faults::{Fault, Figures, Whom};
use people::Crowd;
use visitors::Visitors;

/// QR codes are renewed after half of this time.
const TOKEN_LIFETIME: Duration = Duration::from_secs(4);
/// How many people of the torture's crowd log in at the same time, beside the visitors.
const CROWD: usize = 3;
/// Between two visitors.
const EVERY: Duration = Duration::from_millis(400);
/// So many get in before the first fault.
const IN_PEACE: usize = 5;
/// How long the last logins may take.
const LAST_LOGINS: Duration = Duration::from_secs(240);
/// A worker logs this when it takes a login over from one that does not answer, and shows a new code.
const TAKEN_OVER: &str = "QR login goes on with a new key";

/// One test at a time: each has many processes, and the machine two cores.
static TURN: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

#[tokio::test(flavor = "multi_thread")]
async fn others_take_over_from_a_process_that_dies_freezes_or_is_cut_off() -> Result<()> {
    let _turn = TURN.lock().await;
    let plan = match number("PROCESSES_ROUNDS") {
        None => vec![
            (Fault::Killed, Whom::Holder("leader")),
            (Fault::Frozen, Whom::Holder("poller")),
            (Fault::WithoutDatabase, Whom::Holder("leader")),
            (Fault::Killed, Whom::Process(2)),
        ],
        Some(rounds) => {
            let named = std::env::var("PROCESSES_FAULTS").ok();
            let is_named =
                |fault: &Fault| named.as_ref().is_none_or(|named| named.contains(&format!("{fault:?}")));
            let each = |_| {
                Fault::ALL.into_iter().filter(is_named).flat_map(|fault| {
                    (0..deployment::PROCESSES.len()).map(move |index| (fault, Whom::Process(index)))
                })
            };
            (0..rounds).flat_map(each).collect()
        }
    };
    let test = testing::database().await;
    let front = Front::reserve()?;
    let mut environment = Environment::on(test.db, test.url.expose_secret(), TOKEN_LIFETIME).await?;
    environment.origin.clone_from(&front.origin);
    let environment = Arc::new(environment);
    let url = testing::service_url(&test.url);
    let deployment = Deployment::start(&environment, front, url.expose_secret(), None).await?;
    let crowd = Arc::new(Crowd::new(environment.clone(), 1, deployment.lines.clone()));
    let people: Vec<_> = (0..CROWD).map(|_| tokio::spawn(crowd.clone().run_people())).collect();

    let began = Instant::now();
    let visitors = Visitors::come(&environment, EVERY, None);
    visitors.wait_for(IN_PEACE, began).await?;
    let mut figures = Figures::default();
    figures.in_peace(visitors.longest_since(began));
    let mut faults = Vec::new();
    for (fault, whom) in plan {
        faults.extend(faults::one(&deployment, &visitors, fault, whom, &mut figures).await?);
    }
    let (lost, mut let_in) = visitors.end().await;
    faults.extend(lost);
    crowd.stop_disturbing();
    for person in people {
        timeout(LAST_LOGINS, person).await.context("a person never finishes")???;
    }
    eprintln!(
        "{figures}{} visitors in; {} requests of theirs failed and were repeated; the crowd: {:?}",
        visitors.in_all(),
        visitors.failed_requests(),
        crowd.tally
    );
    faults.extend(deployment.ended_by_themselves());
    let lines = deployment.lines.lock().unwrap().clone();
    // A worker that is frozen or cut off may cost a person a scan.
    let is_excused = |failure: &String| {
        let login = failure.strip_prefix(people::LOST_SCAN);
        login.is_some_and(|login| {
            lines.iter().any(|line| line.contains(TAKEN_OVER) && line.contains(&login[..8]))
        })
    };
    faults.extend(crowd.failures().into_iter().filter(|failure| !is_excused(failure)));
    let_in.extend(crowd.let_in_pages.lock().unwrap().clone());
    faults.extend(what_is_wrong(&environment, &crowd, &let_in).await?);
    for fault in &mut faults {
        fault.push_str(&checks::events_about(&environment, fault).await?);
    }
    if let Ok(path) = std::env::var("PROCESSES_LOG") {
        std::fs::write(path, lines.join("\n"))?;
    }
    ensure!(faults.is_empty(), "{}", faults.join("\n"));
    Ok(())
}

/// The checks of the torture: no login is lost, no event is there twice, positions are dense, and the views are what the log says.
async fn what_is_wrong(environment: &Environment, crowd: &Crowd, let_in: &[String]) -> Result<Vec<String>> {
    checks::wait_until_idle(environment).await?;
    let handed_over = crowd.handed_over.lock().unwrap().clone();
    let mut faults = checks::faults(environment, &handed_over).await?;
    faults.extend(checks::missing_in_the_log(environment, let_in).await?);
    Ok(faults)
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}
