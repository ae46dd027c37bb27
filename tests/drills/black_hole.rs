//! The primary stops answering: its connections stay open, but no byte comes. `/login` has to be answered within 25 s, and
//! `/readyz` must not say ready until the database is back.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::time::{Instant, sleep};

use crate::cluster::{Cluster, Replication};
use crate::members_here;
use crate::network::{self, Network};
use crate::probe::Readiness;
use crate::proxy::Proxy;
use crate::scene::Scene;

/// From the silence to the first answer.
const GOAL: Duration = Duration::from_secs(25);
/// After that the drill is over: connections may stay silent for a quarter of an hour.
const ANSWERED_WITHIN: Duration = Duration::from_secs(120);
/// How long a person may wait who sent `/login` meanwhile.
const ALL_ANSWERED_WITHIN: Duration = Duration::from_secs(90);
/// After this time `/readyz` has to say that the process is not ready.
const FOUND_OUT_WITHIN: Duration = Duration::from_secs(3);
const PEACE: Duration = Duration::from_secs(5);

/// What makes the primary silent.
enum Hole {
    Proxy(Proxy),
    Network(Network),
}

impl Hole {
    async fn silence(&self, cluster: &mut Cluster, primary: usize) -> Result<()> {
        match self {
            Self::Proxy(proxy) => {
                proxy.silence();
                cluster.nodes[primary].die().await;
                Ok(())
            }
            Self::Network(network) => network.cut_off(primary).await,
        }
    }

    /// New connections go to the new primary; older ones stay as they are.
    async fn move_to(&self, cluster: &Cluster, primary: usize) -> Result<()> {
        match self {
            Self::Proxy(proxy) => proxy.go_on(),
            Self::Network(network) => network.lead_to(cluster.nodes[primary].postgres).await?,
        }
        Ok(())
    }

    async fn bring_back(&self, cluster: &mut Cluster, former: usize) -> Result<()> {
        match self {
            Self::Proxy(_) => cluster.nodes[former].start(),
            Self::Network(network) => network.join(former).await,
        }
    }
}

/// Through the proxy of this drill, which stops passing bytes.
pub async fn by_proxy(dir: &Path, prefilled: &Path, times: usize) -> Result<Vec<String>> {
    let cluster =
        Cluster::start(dir, prefilled, members_here(), "127.0.0.1", Replication::Synchronous).await?;
    let proxy = Proxy::start(cluster.haproxy.addr).await?;
    let url = Cluster::url_at(&proxy.addr.to_string());
    run(cluster, Hole::Proxy(proxy), &url, dir, times).await
}

/// In network namespaces: the machine loses its link, and its address is given to another.
pub async fn by_network(dir: &Path, prefilled: &Path, times: usize) -> Result<Vec<String>> {
    let network = Network::build(0).await?;
    network.add_virtual_address().await?;
    let members = network.members();
    let cluster = Cluster::start(dir, prefilled, members, &network.ours(), Replication::Synchronous).await?;
    let primary = cluster.primary().await.context("no primary")?;
    network.lead_to(cluster.nodes[primary].postgres).await?;
    let url = format!("{}?sslmode=disable", Cluster::url_at(network::VIRTUAL));
    run(cluster, Hole::Network(network), &url, dir, times).await
}

async fn run(mut cluster: Cluster, hole: Hole, url: &str, dir: &Path, times: usize) -> Result<Vec<String>> {
    let mut scene = Scene::begin(&cluster, url, dir).await?;
    let mut faults = Vec::new();
    for number in 1..=times {
        match one(&mut cluster, &hole, &mut scene).await {
            Ok((figures, not_met)) => {
                eprintln!("{number:2}. black hole: {figures}");
                faults.extend(not_met.into_iter().map(|what| format!("{number:2}. black hole: {what}")));
            }
            Err(error) => {
                eprintln!("{number:2}. black hole: {error:#}");
                faults.push(format!("{number:2}. black hole: {error:#}"));
                return Ok(faults);
            }
        }
    }
    faults.extend(scene.end(i64::try_from(times)?).await?);
    Ok(faults)
}

async fn one(cluster: &mut Cluster, hole: &Hole, scene: &mut Scene) -> Result<(String, Vec<String>)> {
    cluster.wait_until_healthy().await?;
    scene.probes.fill_stock().await?;
    sleep(PEACE).await;
    let old = cluster.primary().await.context("no primary before the silence")?;
    let services = scene.fleet.up();
    let watched = services
        .iter()
        .map(|service| Readiness::watch(service.settings().ops))
        .collect::<Result<Vec<_>>>()?;

    let began = Instant::now();
    hole.silence(cluster, old).await?;
    let moved = async {
        let (_, new) = cluster.wait_until_another_writes(old).await?;
        hole.move_to(cluster, new).await?;
        Ok(Instant::now())
    };
    let answered = scene.probes.until_answered(moved, ANSWERED_WITHIN).await;
    let until = answered.as_ref().map_or_else(|_| Instant::now(), |(moved, _)| *moved);
    let mut not_met = Vec::new();
    let (mut ready, mut not_ready, mut without_answer) = (0, 0, 0);
    for seen in watched.iter().map(|watched| watched.between(began + FOUND_OUT_WITHIN, until)) {
        ready += seen.0;
        not_ready += seen.1;
        without_answer += seen.2;
    }
    let readiness = format!(
        "/readyz meanwhile: {ready} times 200, {not_ready} times not, {without_answer} times no answer"
    );
    let (moved, answers) = answered.with_context(|| readiness.clone())?;
    let first = answers.first.saturating_duration_since(began);
    let figures = format!(
        "moved after {:.1} s, `/login` answered {:.1} s after the silence began; {readiness}",
        moved.saturating_duration_since(began).as_secs_f64(),
        first.as_secs_f64(),
    );
    let longest = answers.all(ALL_ANSWERED_WITHIN).await.with_context(|| figures.clone())?;
    if first > GOAL {
        not_met.push(format!("`/login` was answered after {:.1} s", first.as_secs_f64()));
    }
    if ready > 0 {
        not_met.push(format!("/readyz said 200 {ready} times while the database was silent"));
    }
    hole.bring_back(cluster, old).await?;
    Ok((format!("{figures}; the last one waited {:.1} s", longest.as_secs_f64()), not_met))
}
