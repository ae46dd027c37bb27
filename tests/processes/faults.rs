//! What happens to one process while people log in: it is killed, frozen, or cut off. Others take its work over, and nobody is kept
//! waiting for good.
//!
//! 1. The fault begins.
//! 2. Other processes take the leases that it held.
//! 3. People who come from then on get in.
//! 4. The fault ends. The process works again, and holds no lease by its former right.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use anyhow::{Context as _, Result};
use stand_in::service::Condition;
use tokio::time::{Instant, sleep};

use crate::deployment::{Deployment, Lease};
use crate::link::Link;
use crate::visitors::{Visitors, Wait};

/// Longer than any lease of the service.
const LONGER_THAN_A_LEASE: Duration = Duration::from_secs(7);
/// How long it may take until others hold the leases. After that it is a fault of the service.
const TAKEN_WITHIN: Duration = Duration::from_secs(60);
/// So many who came after the fault have to be in before it ends.
const VISITORS: usize = 3;
/// How long a process that woke up may hold on to what it lost.
const LETS_GO_WITHIN: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// What the bot holds while it speaks with Telegram.
const CHAT: &str = "poller";

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    Killed,
    Frozen,
    WithoutDatabase,
    WithoutTelegram,
}

impl Fault {
    pub const ALL: [Self; 4] = [Self::Killed, Self::Frozen, Self::WithoutDatabase, Self::WithoutTelegram];
}

/// Which process it happens to.
#[derive(Clone, Copy, Debug)]
pub enum Whom {
    Process(usize),
    /// The one that holds this lease.
    Holder(&'static str),
}

/// How long others took, and how long people waited.
struct Takeover {
    fault: Fault,
    role: &'static str,
    /// None: it held no lease that it could lose by this.
    leases: Option<Duration>,
    waits: Vec<(Wait, Duration)>,
}

/// The figures of all faults so far.
#[derive(Default)]
pub struct Figures {
    takeovers: Vec<Takeover>,
    /// What people waited for while nothing was wrong.
    peace: Vec<(Wait, Duration)>,
}

impl Figures {
    pub fn in_peace(&mut self, waits: Vec<(Wait, Duration)>) {
        self.peace = waits;
    }
}

/// One fault, from its beginning to its end; returns what is wrong.
pub async fn one(
    deployment: &Deployment,
    visitors: &Visitors,
    fault: Fault,
    whom: Whom,
    figures: &mut Figures,
) -> Result<Vec<String>> {
    let index = match whom {
        Whom::Process(index) => index,
        Whom::Holder(lease) => deployment.holder_of(lease).await?,
    };
    let process = &deployment.processes[index];
    let mut held = deployment.leases_of(index).await?;
    if fault == Fault::WithoutTelegram {
        // The others need no Telegram.
        held.retain(|lease| lease.name == CHAT);
    }
    let names: Vec<_> = held.iter().map(|lease| lease.name.as_str()).collect();
    let title = format!("{fault:?} {} (leases: {})", process.name, names.join(", "));
    let mut faults = Vec::new();

    // 1.
    let began = Instant::now();
    begin(deployment, index, fault).await;

    // 2.
    let leases = match held.is_empty() {
        true => None,
        false if deployment.wait_until_others_hold(index, &held, TAKEN_WITHIN).await => Some(began.elapsed()),
        false => {
            faults.push(format!("{title}: nobody takes its leases within {} s", TAKEN_WITHIN.as_secs()));
            None
        }
    };
    if fault == Fault::Frozen {
        sleep(LONGER_THAN_A_LEASE.saturating_sub(began.elapsed())).await;
    }

    // 3.
    if faults.is_empty() {
        visitors.wait_for(VISITORS, began).await.with_context(|| title.clone())?;
    }
    let waits = visitors.longest_since(began);

    // 4.
    let seen = process.service.log_after(0).last().map_or(0, |line| line.n);
    end(deployment, index, fault).await?;
    if fault == Fault::Frozen && !held.is_empty() {
        faults.extend(wait_until_it_lets_go(deployment, index, &held, seen).await?);
    }
    eprintln!("{title}: {}{}", in_words(leases), Waits(&waits));
    figures.takeovers.push(Takeover { fault, role: process.role, leases, waits });
    Ok(faults)
}

async fn begin(deployment: &Deployment, index: usize, fault: Fault) {
    let process = &deployment.processes[index];
    match fault {
        Fault::Killed => process.service.kill().await,
        Fault::Frozen => process.service.freeze(),
        Fault::WithoutDatabase => process.database.cut(),
        Fault::WithoutTelegram => process.telegram.iter().for_each(Link::cut),
    }
}

async fn end(deployment: &Deployment, index: usize, fault: Fault) -> Result<()> {
    let process = &deployment.processes[index];
    match fault {
        Fault::Killed => process.service.start()?,
        Fault::Frozen => process.service.thaw(),
        Fault::WithoutDatabase => process.database.mend(),
        Fault::WithoutTelegram => process.telegram.iter().for_each(Link::mend),
    }
    process.service.wait_until_running().await?;
    deployment.wait_until_ready(index).await
}

/// A process that wakes up does not go on with what it held: its log says so, and its leases stay with the others.
async fn wait_until_it_lets_go(
    deployment: &Deployment,
    index: usize,
    held: &[Lease],
    seen: u64,
) -> Result<Vec<String>> {
    let process = &deployment.processes[index];
    let until = Instant::now() + LETS_GO_WITHIN;
    let lets_go = |line: &str| {
        // What led the projections may be told first by the fence, or by the connection that was closed meanwhile.
        ["lease lost", "another sequencer has taken over", "shows that this process lives was lost"]
            .iter()
            .any(|said| line.contains(said))
    };
    let mut faults = Vec::new();
    loop {
        let said = process.service.log_after(seen);
        if said.iter().any(|line| lets_go(&line.line)) {
            break;
        }
        if Instant::now() > until || process.service.status().state == Condition::Exited {
            faults.push(format!("{} woke up and never said that it lost its leases", process.name));
            break;
        }
        sleep(LOOK_EVERY).await;
    }
    let again = deployment.leases_of(index).await?;
    let by_former_right = again.iter().filter(|lease| held.contains(lease));
    faults.extend(by_former_right.map(|lease| format!("{} holds {} again", process.name, lease.name)));
    Ok(faults)
}

fn in_words(leases: Option<Duration>) -> String {
    leases.map_or_else(String::new, |took| format!("taken over after {:.1} s; ", took.as_secs_f64()))
}

struct Waits<'a>(&'a [(Wait, Duration)]);

impl fmt::Display for Waits<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("longest wait:")?;
        for (wait, longest) in self.0 {
            write!(f, " {} {:.1} s", wait.name(), longest.as_secs_f64())?;
        }
        Ok(())
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "without a fault: {}", Waits(&self.peace))?;
        let mut kinds: BTreeMap<(Fault, &str), Vec<&Takeover>> = BTreeMap::new();
        for takeover in &self.takeovers {
            kinds.entry((takeover.fault, takeover.role)).or_default().push(takeover);
        }
        for ((fault, role), takeovers) in kinds {
            write!(f, "{:16} {role:9} {:3} times;", format!("{fault:?}"), takeovers.len())?;
            let leases: Vec<_> = takeovers.iter().filter_map(|takeover| takeover.leases).collect();
            if !leases.is_empty() {
                write!(f, " leases {};", p50_and_longest(leases))?;
            }
            for (number, wait) in Wait::ALL.into_iter().enumerate() {
                let waits = takeovers.iter().map(|takeover| takeover.waits[number].1).collect();
                write!(f, " {} {};", wait.name(), p50_and_longest(waits))?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

/// The middle one and the longest.
fn p50_and_longest(mut times: Vec<Duration>) -> String {
    times.sort_unstable();
    let (p50, longest) = (times[times.len() / 2], times[times.len() - 1]);
    format!("{:.1}/{:.1} s", p50.as_secs_f64(), longest.as_secs_f64())
}
