//! The primary dies with its machine, or hands over, while people log in. `/login` has to be answered within 5 s of the
//! moment from which the new primary takes writes.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use tokio::time::{Instant, sleep};

use crate::cluster::Cluster;
use crate::scene::Scene;
use crate::{Way, members_here};

/// From the new primary to the first answer.
const GOAL: Duration = Duration::from_secs(5);
/// After that the drill is over.
const ANSWERED_WITHIN: Duration = Duration::from_secs(400);
/// How long a person may wait who sent `/login` meanwhile.
const ALL_ANSWERED_WITHIN: Duration = Duration::from_secs(90);
/// Between two faults people log in without a fault.
const PEACE: Duration = Duration::from_secs(5);

/// What happens to the primary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Patroni and PostgreSQL are killed at once; the machine comes back once there is a new primary.
    MachineDeath,
    /// `patronictl switchover`.
    Switchover,
}

/// Causes these faults one after the other; returns what was wrong.
pub async fn run(dir: &Path, prefilled: &Path, plan: &[Fault], way: Way) -> Result<Vec<String>> {
    let mut cluster = Cluster::start(dir, prefilled, members_here(), "127.0.0.1").await?;
    let url = match way {
        Way::HaProxy => cluster.url(),
        Way::Hosts => cluster.url_of_all(),
    };
    let mut scene = Scene::begin(&cluster, &url, dir).await?;
    let mut faults = Vec::new();
    let mut beats = 0;
    for (number, fault) in plan.iter().enumerate() {
        let title = format!("{:2}. {fault:?}", number + 1);
        match one(&mut cluster, &mut scene, *fault).await {
            Ok((figures, met)) => {
                beats += 1;
                eprintln!("{title}: {figures}");
                if !met {
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

async fn one(cluster: &mut Cluster, scene: &mut Scene, fault: Fault) -> Result<(String, bool)> {
    cluster.wait_until_healthy().await?;
    scene.probes.fill_stock().await?;
    sleep(PEACE).await;
    let old = cluster.primary().await.context("no primary before the fault")?;
    let began = Instant::now();
    if fault == Fault::MachineDeath {
        cluster.nodes[old].die().await;
    }
    let order = async {
        match fault {
            Fault::MachineDeath => Ok(()),
            Fault::Switchover => cluster.switch_over(old).await,
        }
    };
    let writable = async { Ok(cluster.wait_until_another_writes(old).await?.0) };
    let (order, answered) = tokio::join!(order, scene.probes.until_answered(writable, ANSWERED_WITHIN));
    order?;
    let (writable, answers) = answered?;
    let first = answers.first.saturating_duration_since(writable);
    let figures = format!(
        "new primary after {:.1} s, `/login` answered {:.1} s later",
        writable.saturating_duration_since(began).as_secs_f64(),
        first.as_secs_f64()
    );
    let longest = match answers.all(ALL_ANSWERED_WITHIN).await {
        Ok(longest) => longest,
        Err(error) => bail!("{figures}; {error:#}"),
    };
    if fault == Fault::MachineDeath {
        cluster.nodes[old].start()?;
    }
    Ok((format!("{figures}, the last one waited {:.1} s", longest.as_secs_f64()), first <= GOAL))
}
