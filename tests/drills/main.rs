//! Drills: PostgreSQL under Patroni dies with its machine, switches over, or stops answering, while people log in to the real
//! service. `make drill` lists them, `make ha` runs `ha`; README.md beside this file tells what each needs and measures.
//!
//! Not a part of `make test`: `DRILL` names the one to run, and without it nothing runs.

#![allow(clippy::unwrap_used, reason = "what panics has failed")]

use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, timeout};

mod black_hole;
mod cluster;
mod failover;
mod ha;
mod network;
mod prefilled;
mod probe;
mod proxy;
mod scene;

#[path = "../torture"]
#[allow(dead_code, reason = "the torture's: a drill does not disturb the processes")]
mod torture {
    pub mod checks;
    pub mod environment;
    pub mod fleet;
    pub mod people;
    pub mod random;
}
#[path = "../e2e"]
mod e2e {
    pub mod port;
}
use cluster::Member;
use e2e::port;
use failover::Fault;
use torture::{checks, environment, fleet, people, random};

const DRILLS: [(&str, &str); 6] = [
    ("patroni", "12 machine deaths and 5 switchovers"),
    ("machine-death", "12 times the primary's machine dies (kill -9), and comes back"),
    ("switchover", "5 times patronictl switchover"),
    ("black-hole", "5 times the primary dies and its connections stay open, silent (a proxy of ours)"),
    (
        "black-hole-network",
        "the same in network namespaces: the primary's link goes down, its address moves (root)",
    ),
    ("ha", "HA_ROUNDS failovers (200), of every kind, in an order drawn by SEED"),
];
const EVENTS: u32 = 2_000_000;
/// So many in `ha`, where the cluster is copied several times, and views are verified again and again.
const FEW_EVENTS: u32 = 20_000;
/// A drill ends after this time at the latest.
const OVER_WITHIN: Duration = Duration::from_secs(3600);
/// In `ha`, for each round.
const ROUND_WITHIN: Duration = Duration::from_secs(90);

/// How the service reaches the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Through HAProxy.
    HaProxy,
    /// By all servers in `DATABASE_URL`, with `target_session_attrs=read-write`.
    Hosts,
}

#[tokio::main]
async fn main() -> ExitCode {
    let Ok(name) = std::env::var("DRILL") else {
        for (name, what) in DRILLS {
            println!("{name:20} {what}");
        }
        return ExitCode::SUCCESS;
    };
    let began = Instant::now();
    let mut asked_to_end = signal(SignalKind::terminate()).expect("a signal can be waited for");
    let outcome = tokio::select! {
        outcome = timeout(over_within(&name), run(&name)) => outcome.unwrap_or_else(|_| bail_out("it took too long")),
        _ = tokio::signal::ctrl_c() => bail_out("interrupted"),
        _ = asked_to_end.recv() => bail_out("asked to end"),
    };
    let faults = outcome.unwrap_or_else(|error| vec![format!("{error:#}")]);
    for fault in &faults {
        eprintln!("FAULT {fault}");
    }
    let verdict = if faults.is_empty() { "passed" } else { "FAILED" };
    eprintln!("{name}: {verdict} after {} s, {} faults", began.elapsed().as_secs(), faults.len());
    if faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

async fn run(name: &str) -> Result<Vec<String>> {
    let way = match std::env::var("VIA").as_deref() {
        Ok("hosts") => Way::Hosts,
        Ok("haproxy") | Err(_) => Way::HaProxy,
        Ok(other) => bail!("VIA={other}: haproxy or hosts"),
    };
    let times = |usual: u64| usize::try_from(number("TIMES").unwrap_or(usual)).context("TIMES");
    let usual = if name == "ha" { FEW_EVENTS } else { EVENTS };
    let events = u32::try_from(number("EVENTS").unwrap_or(u64::from(usual))).context("EVENTS")?;
    if !DRILLS.iter().any(|(known, _)| *known == name) {
        bail!("there is no drill {name:?}; `make drill` lists them");
    }
    if name == "black-hole-network" || name == "ha" && network::is_possible() {
        network::enter_own_network()?;
    }
    let drills = directory()?;
    let prefilled = prefilled::data_directory(&drills, events).await?;
    if name == "ha" {
        return every_failover(&drills, &prefilled).await;
    }
    let run = Run::begin(drills.join(format!("{name}-{}", std::process::id())))?;
    eprintln!(
        "{name}: {events} events before, the service reaches the database by {way:?}; logs in {}",
        run.0.display()
    );
    let faults = match name {
        "patroni" => {
            let mut plan = vec![Fault::MachineDeath; times(12)?];
            // One switchover after every second death.
            for number in 0..plan.len().min(5) {
                plan.insert(number * 3 + 2, Fault::Switchover);
            }
            failover::run(&run.0, &prefilled, &plan, way).await
        }
        "machine-death" => {
            failover::run(&run.0, &prefilled, &vec![Fault::MachineDeath; times(12)?], way).await
        }
        "switchover" => failover::run(&run.0, &prefilled, &vec![Fault::Switchover; times(5)?], way).await,
        "black-hole" => black_hole::by_proxy(&run.0, &prefilled, times(5)?).await,
        _ => black_hole::by_network(&run.0, &prefilled, times(5)?).await,
    };
    run.end(faults)
}

/// The parts of `ha`, one after the other, and the table of their figures.
async fn every_failover(drills: &Path, prefilled: &Path) -> Result<Vec<String>> {
    let seed = number("SEED").unwrap_or_else(|| u64::from(std::process::id()));
    let (mut faults, mut table) = (Vec::new(), ha::Table::default());
    for part in ha::parts()? {
        let run = Run::begin(drills.join(format!("ha-{}-{}", part.name(), std::process::id())))?;
        eprintln!("{part:?}, SEED={seed}; logs in {}", run.0.display());
        let outcome = ha::run(&run.0, prefilled, part, seed, &mut table).await;
        let found = run.end(outcome).unwrap_or_else(|error| vec![format!("{error:#}")]);
        faults.extend(found.into_iter().map(|fault| format!("{}: {fault}", part.name())));
    }
    println!("{table}");
    Ok(faults)
}

fn over_within(name: &str) -> Duration {
    match name {
        "ha" => {
            OVER_WITHIN + ROUND_WITHIN * u32::try_from(ha::rounds().unwrap_or_default()).unwrap_or(u32::MAX)
        }
        _ => OVER_WITHIN,
    }
}

/// Three machines on loopback.
pub fn members_here() -> Vec<Member> {
    let member = |number| Member {
        name: format!("n{number}"),
        ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
        enter: Vec::new(),
    };
    (1..=3).map(member).collect()
}

/// A number from the environment.
pub fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

fn bail_out(why: &str) -> Result<Vec<String>> {
    bail!("{why}")
}

/// `target/drills`, or `DRILLS_DIR`: PostgreSQL's user has to be able to come there.
fn directory() -> Result<PathBuf> {
    let usual = || Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("drills");
    let directory = std::env::var_os("DRILLS_DIR").map_or_else(usual, PathBuf::from);
    std::fs::create_dir_all(&directory).with_context(|| directory.display().to_string())?;
    Ok(directory.canonicalize()?)
}

/// The directory of one run. The data goes with the run; the logs of one that failed stay.
struct Run(PathBuf);

impl Run {
    fn begin(directory: PathBuf) -> Result<Self> {
        std::fs::create_dir(&directory)?;
        Ok(Self(directory))
    }

    fn end(self, faults: Result<Vec<String>>) -> Result<Vec<String>> {
        if faults.as_ref().is_ok_and(Vec::is_empty) {
            std::fs::remove_dir_all(&self.0)?;
        }
        faults
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        for node in ["n1", "n2", "n3"] {
            let _ = std::fs::remove_dir_all(self.0.join(node).join("data"));
        }
        let _ = std::fs::remove_dir_all(self.0.join("etcd"));
    }
}
