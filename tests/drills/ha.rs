//! `make ha`: failovers in a random order, under load, through HAProxy and by all hosts; then some with asynchronous replication,
//! in which the end of the log is lost. A seed repeats the order.
//!
//! After each failover: what another service was told by `/api/v1/events` is still so, positions have no gap, `/login` is answered
//! in time. Now and then, and at the end, `replay verify` compares every view with the log.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use tokio::time::{Instant, sleep};

use crate::cluster::{Cluster, Replication};
use crate::failover::{self, Fault, Figures, GOAL, Links};
use crate::network::{self, Network};
use crate::proxy::Proxy;
use crate::random::Random;
use crate::scene::Scene;
use crate::{Way, members_here, number};

mod consumer;
mod lost;
mod table;

use consumer::Consumer;
use lost::{End, Lost};
pub use table::Table;

/// Between two faults people log in without a fault.
const PEACE: Duration = Duration::from_secs(2);
/// `replay verify` runs after so many rounds.
const VERIFY_EVERY: usize = 10;
/// How long a question of the drill itself may fail after a failover.
const ASKED_FOR: Duration = Duration::from_secs(20);
/// Of so many failovers one is made with asynchronous replication, but at least two.
const ONE_IN: usize = 20;

/// A cluster, and what happens to it.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    /// How the service reaches it.
    pub way: Way,
    pub replication: Replication,
    pub rounds: usize,
}

/// What `HA_ROUNDS` asks for; with `PART` all rounds are of one part.
pub fn parts() -> Result<Vec<Part>> {
    let (rounds, only) = (rounds()?, std::env::var("PART").ok());
    let usual = [
        (Way::HaProxy, Replication::Synchronous, rounds - rounds / 2),
        (Way::Hosts, Replication::Synchronous, rounds / 2),
        (Way::HaProxy, Replication::Asynchronous, (rounds / ONE_IN).max(2)),
    ];
    let parts = usual.into_iter().filter_map(|(way, replication, usual)| {
        let part = Part { way, replication, rounds: if only.is_some() { rounds } else { usual } };
        let is_wanted = only.as_deref().is_none_or(|only| only == part.name());
        (part.rounds > 0 && is_wanted).then_some(part)
    });
    let parts: Vec<_> = parts.collect();
    if parts.is_empty() {
        bail!("PART={}: haproxy, hosts or asynchronous", only.unwrap_or_default());
    }
    Ok(parts)
}

/// Runs a part; returns what was wrong.
pub async fn run(
    dir: &Path,
    prefilled: &Path,
    part: Part,
    seed: u64,
    table: &mut Table,
) -> Result<Vec<String>> {
    let (mut cluster, links, url) = begin(dir, prefilled, part).await?;
    let mut scene = Scene::begin(&cluster, &url, dir).await?;
    let consumer = Consumer::begin(&scene.environment, &scene.fleet).await?;
    let mut random = Random::new(seed);
    let mut faults = Vec::new();
    let mut lost = Lost::default();
    for round in 1..=part.rounds {
        let fault = match part.replication {
            Replication::Synchronous => draw(&mut random, &links),
            Replication::Asynchronous => Fault::MachineDeath,
        };
        let title = format!("{round:3}. {fault:?}");
        let (begun, logged) = (Instant::now(), scene.log_lines());
        let outcome =
            one(&mut cluster, &links, &mut scene, &consumer, (part, fault), &mut random, &mut lost).await;
        match outcome {
            Ok((figures, wrong)) => {
                eprintln!("{title}: {figures}; the round took {} s", begun.elapsed().as_secs());
                table.add(part.name(), fault, figures);
                let late =
                    (figures.answered > GOAL).then(|| format!("later than {} s: {figures}", GOAL.as_secs()));
                if late.is_some() {
                    scene.keep_log(logged, &format!("round-{round}.log"))?;
                }
                faults.extend(wrong.into_iter().chain(late).map(|what| format!("{title}: {what}")));
            }
            Err(error) => {
                eprintln!("{title}: {error:#}");
                faults.push(format!("{title}: {error:#}"));
                return Ok(faults);
            }
        }
        if round % VERIFY_EVERY == 0 {
            faults
                .extend(scene.verify(&cluster.url()).await.err().map(|error| format!("{title}: {error:#}")));
        }
    }
    // What the last fault took away may come back late.
    cluster.wait_until_healthy().await?;
    match part.replication {
        Replication::Synchronous => {
            faults.extend(scene.end(i64::try_from(part.rounds)?).await?);
        }
        Replication::Asynchronous => {
            faults.extend(scene.end_of_what_is_left().await?);
            lost.told = scene.missing().await?;
            eprintln!("{lost}");
            if lost.is_any() {
                scene.branch_log(&cluster.url()).await?;
            }
        }
    }
    faults.extend(scene.verify(&cluster.url()).await.err().map(|error| format!("at the end: {error:#}")));
    Ok(faults)
}

async fn begin(dir: &Path, prefilled: &Path, part: Part) -> Result<(Cluster, Links, String)> {
    if network::is_entered() {
        let network = Network::build(part.number()).await?;
        let members = network.members();
        let cluster = Cluster::start(dir, prefilled, members, &network.ours(), part.replication).await?;
        let url = part.url(&cluster);
        return Ok((cluster, Links::Network(network), url));
    }
    let cluster = Cluster::start(dir, prefilled, members_here(), "127.0.0.1", part.replication).await?;
    if part.way == Way::Hosts {
        let url = part.url(&cluster);
        return Ok((cluster, Links::None, url));
    }
    let proxy = Proxy::start(cluster.haproxy.addr).await?;
    let url = Cluster::url_at(&proxy.addr.to_string());
    Ok((cluster, Links::Proxy(proxy), url))
}

/// One fault in a hundred times: 30 deaths, 25 freezes, 25 partitions, 20 switchovers.
fn draw(random: &mut Random, links: &Links) -> Fault {
    match random.within(0..100) {
        0..30 => Fault::MachineDeath,
        30..55 => Fault::Freeze,
        55..80 if !matches!(links, Links::None) => Fault::Partition,
        55..80 => Fault::MachineDeath,
        _ => Fault::Switchover,
    }
}

async fn one(
    cluster: &mut Cluster,
    links: &Links,
    scene: &mut Scene,
    consumer: &Consumer,
    (part, fault): (Part, Fault),
    random: &mut Random,
    lost: &mut Lost,
) -> Result<(Figures, Vec<String>)> {
    failover::prepare(cluster, scene, PEACE + random.millis(0..1_000)).await?;
    let before = match part.replication {
        Replication::Synchronous => None,
        Replication::Asynchronous => {
            let old = &cluster.nodes[cluster.wait_for_primary(None).await?];
            // What people do from here on is on the primary alone.
            old.stop_sending();
            sleep(random.millis(200..1_500)).await;
            let address = old.postgres.to_string();
            Some(patiently(async || End::of(&address).await).await?)
        }
    };
    let figures = failover::one(cluster, links, scene, fault).await?;
    consumer.wait_until_beyond(consumer.position()).await?;
    let mut wrong = patiently(async || scene.check_positions().await).await?;
    let taken_back = consumer.taken_back();
    match before {
        Some(end) => lost.add(end, &cluster.url(), &taken_back).await?,
        None => wrong.extend(
            taken_back
                .iter()
                .map(|(known, from)| format!("a service knew {known}, the log goes on from {from}")),
        ),
    }
    wrong.extend(consumer.faults());
    if part.replication == Replication::Synchronous {
        wrong.extend(patiently(async || scene.missing().await).await?);
    }
    Ok((figures, wrong))
}

/// Asks again for a while: what led to the former primary may fail once more.
async fn patiently<T>(ask: impl AsyncFn() -> Result<T>) -> Result<T> {
    let until = Instant::now() + ASKED_FOR;
    loop {
        match ask().await {
            Err(_) if Instant::now() < until => sleep(Duration::from_millis(200)).await,
            answer => return answer,
        }
    }
}

impl Part {
    fn url(self, cluster: &Cluster) -> String {
        match self.way {
            Way::HaProxy => cluster.url(),
            Way::Hosts => cluster.url_of_all(),
        }
    }

    /// The networks of several parts of one run are apart.
    fn number(self) -> u8 {
        match (self.replication, self.way) {
            (Replication::Asynchronous, _) => 2,
            (_, Way::Hosts) => 1,
            (_, Way::HaProxy) => 0,
        }
    }

    /// For a folder's name.
    pub fn name(self) -> &'static str {
        ["haproxy", "hosts", "asynchronous"][usize::from(self.number())]
    }
}

/// Of all that `HA_ROUNDS` can be: 200, unless told otherwise.
pub fn rounds() -> Result<usize> {
    let rounds = usize::try_from(number("HA_ROUNDS").unwrap_or(200)).context("HA_ROUNDS")?;
    if rounds == 0 {
        bail!("HA_ROUNDS=0");
    }
    Ok(rounds)
}
