//! The primary dies with its machine, stands still, is cut off, or hands over, while people log in. `/login` has to be answered
//! within 5 s of the moment from which the new primary takes writes.

use std::path::Path;
use std::time::Duration;

use anyhow::{Result, bail};
use tokio::time::{Instant, sleep};

use crate::cluster::{Cluster, Replication};
use crate::network::Network;
use crate::proxy::Proxy;
use crate::scene::Scene;
use crate::{Way, members_here};

/// From the new primary to the first answer.
pub const GOAL: Duration = Duration::from_secs(5);
/// After that the drill is over.
const ANSWERED_WITHIN: Duration = Duration::from_secs(400);
/// How long a person may wait who sent `/login` meanwhile.
const ALL_ANSWERED_WITHIN: Duration = Duration::from_secs(90);
/// Between two faults people log in without a fault.
const PEACE: Duration = Duration::from_secs(5);

/// What happens to the primary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// Patroni and PostgreSQL are killed at once; the machine comes back once there is a new primary.
    MachineDeath,
    /// Patroni and PostgreSQL stand still (SIGSTOP). They go on once there is a new primary, and believe that they still lead.
    Freeze,
    /// The machine is cut off from the others and from the service, and joined again once there is a new primary.
    Partition,
    /// `patronictl switchover`.
    Switchover,
}

/// What cuts a machine off.
pub enum Links {
    /// A link for each machine.
    Network(Network),
    /// A proxy before HAProxy falls silent, and the machine dies: for those who may make no network.
    Proxy(Proxy),
    /// Nothing.
    None,
}

/// How long it took.
#[derive(Clone, Copy, Debug)]
pub struct Figures {
    /// From the fault to the new primary.
    pub new_primary: Duration,
    /// From the new primary to the first answer.
    pub answered: Duration,
    /// How long the last one waited of those who sent `/login` meanwhile.
    pub longest: Duration,
}

/// Causes these faults one after the other; returns what was wrong.
pub async fn run(dir: &Path, prefilled: &Path, plan: &[Fault], way: Way) -> Result<Vec<String>> {
    let mut cluster =
        Cluster::start(dir, prefilled, members_here(), "127.0.0.1", Replication::Synchronous).await?;
    let url = match way {
        Way::HaProxy => cluster.url(),
        Way::Hosts => cluster.url_of_all(),
    };
    let mut scene = Scene::begin(&cluster, &url, dir).await?;
    let mut faults = Vec::new();
    let mut beats = 0;
    for (number, fault) in plan.iter().enumerate() {
        let title = format!("{:2}. {fault:?}", number + 1);
        prepare(&cluster, &mut scene, PEACE).await?;
        match one(&mut cluster, &Links::None, &mut scene, *fault).await {
            Ok(figures) => {
                beats += 1;
                eprintln!("{title}: {figures}");
                if figures.answered > GOAL {
                    faults.push(format!("{title}: later than {} s: {figures}", GOAL.as_secs()));
                }
            }
            Err(error) => {
                faults.push(format!("{title}: {error:#}"));
                eprintln!("{title}: {error:#}");
                return Ok(faults);
            }
        }
    }
    faults.extend(scene.end(beats).await?);
    Ok(faults)
}

/// Waits until the cluster is well, and lets people log in for so long.
pub async fn prepare(cluster: &Cluster, scene: &mut Scene, peace: Duration) -> Result<()> {
    cluster.wait_until_healthy().await?;
    scene.probes.fill_stock().await?;
    sleep(peace).await;
    Ok(())
}

/// Causes one fault, and undoes it once the service has answered and there is a new primary.
pub async fn one(cluster: &mut Cluster, links: &Links, scene: &mut Scene, fault: Fault) -> Result<Figures> {
    let old = cluster.wait_for_primary(None).await?;
    let began = Instant::now();
    cause(fault, cluster, links, old).await?;
    let order = async {
        match fault {
            Fault::Switchover => cluster.switch_over(old).await,
            _ => Ok(()),
        }
    };
    let writable = async {
        let (at, _) = cluster.wait_until_another_writes(old).await?;
        if let Links::Proxy(proxy) = links {
            proxy.go_on();
        }
        Ok(at)
    };
    let (order, answered) = tokio::join!(order, scene.probes.until_answered(writable, ANSWERED_WITHIN));
    order?;
    let (writable, answers) = answered?;
    let mut figures = Figures {
        new_primary: writable.saturating_duration_since(began),
        answered: answers.first.saturating_duration_since(writable),
        longest: Duration::ZERO,
    };
    undo(fault, cluster, links, old).await?;
    figures.longest = match answers.all(ALL_ANSWERED_WITHIN).await {
        Ok(longest) => longest,
        Err(error) => bail!("{figures}; {error:#}"),
    };
    Ok(figures)
}

async fn cause(fault: Fault, cluster: &mut Cluster, links: &Links, old: usize) -> Result<()> {
    match (fault, links) {
        (Fault::Switchover, _) => {}
        (Fault::Freeze, _) => cluster.nodes[old].freeze(),
        (Fault::Partition, Links::Network(network)) => network.cut_off(old).await?,
        (Fault::Partition, Links::Proxy(proxy)) => {
            proxy.silence();
            cluster.nodes[old].die().await;
        }
        (Fault::Partition, Links::None) => bail!("nothing cuts a machine off here"),
        (Fault::MachineDeath, _) => cluster.nodes[old].die().await,
    }
    Ok(())
}

async fn undo(fault: Fault, cluster: &mut Cluster, links: &Links, old: usize) -> Result<()> {
    match (fault, links) {
        (Fault::Switchover, _) => Ok(()),
        (Fault::Freeze, _) => {
            cluster.nodes[old].thaw();
            Ok(())
        }
        (Fault::Partition, Links::Network(network)) => network.join(old).await,
        (Fault::Partition | Fault::MachineDeath, _) => cluster.nodes[old].start(),
    }
}

impl std::fmt::Display for Figures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "new primary after {:.1} s, `/login` answered {:.1} s later, the last one waited {:.1} s",
            self.new_primary.as_secs_f64(),
            self.answered.as_secs_f64(),
            self.longest.as_secs_f64()
        )
    }
}
