//! Three PostgreSQL servers under Patroni, one etcd, and an HAProxy that leads to the primary: all of them ours, on ports and in
//! a directory of this run. Dropping a [`Cluster`] kills every process of it, and nothing else.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;
use sqlx::{Connection, PgConnection};
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

use crate::port::Port;

mod config;
mod node;

pub use node::{Member, Node, as_server, server_user};

/// The database that the service uses.
pub const DATABASE: &str = "qr_login";
/// How long Patroni may take to have all three members in order again.
const HEALTHY_WITHIN: Duration = Duration::from_secs(180);
/// How long it may take to have a new primary.
const PRIMARY_WITHIN: Duration = Duration::from_secs(90);
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// A server that does not answer in this time is not the primary.
pub const ANSWER_WITHIN: Duration = Duration::from_millis(500);

/// Whether a commit waits until a standby has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replication {
    /// It does: nothing that was acknowledged is lost.
    Synchronous,
    /// It does not: what a standby has not got yet is lost with the primary.
    Asynchronous,
}

pub struct Cluster {
    pub nodes: Vec<Node>,
    /// Where HAProxy leads to the primary.
    pub haproxy: Port,
    replication: Replication,
    etcd_url: String,
    client: reqwest::Client,
    _etcd_ports: [Port; 2],
    _servers: Vec<Child>,
}

impl Cluster {
    /// Starts everything in `dir`. Each member begins with a copy of the `prefilled` data directory.
    pub async fn start(
        dir: &Path,
        prefilled: &Path,
        members: Vec<Member>,
        etcd_ip: &str,
        replication: Replication,
    ) -> Result<Self> {
        let (haproxy, etcd_ports) = (Port::reserve()?, [Port::reserve()?, Port::reserve()?]);
        let etcd_url = format!("http://{etcd_ip}:{}", etcd_ports[0].addr.port());
        let peer_url = format!("http://{etcd_ip}:{}", etcd_ports[1].addr.port());
        let mut etcd = program("etcd", &dir.join("etcd.log"))?;
        etcd.arg("--data-dir").arg(dir.join("etcd")).args([
            "--enable-v2",
            &format!("--listen-client-urls={etcd_url}"),
            &format!("--advertise-client-urls={etcd_url}"),
            &format!("--listen-peer-urls={peer_url}"),
            &format!("--initial-advertise-peer-urls={peer_url}"),
            &format!("--initial-cluster=default={peer_url}"),
        ]);
        let etcd = etcd.spawn().context("etcd does not start")?;

        let mut nodes = Vec::new();
        for member in members {
            nodes.push(Node::make(dir, prefilled, member, &etcd_url, replication)?);
        }
        let haproxy_config = dir.join("haproxy.cfg");
        std::fs::write(&haproxy_config, config::haproxy(haproxy.addr, &nodes))?;
        let mut balancer = program("haproxy", &dir.join("haproxy.log"))?;
        let balancer =
            balancer.arg("-db").arg("-f").arg(&haproxy_config).spawn().context("HAProxy does not start")?;

        let client = reqwest::Client::builder().no_proxy().timeout(ANSWER_WITHIN).build()?;
        let mut cluster = Self {
            nodes,
            haproxy,
            replication,
            etcd_url,
            client,
            _etcd_ports: etcd_ports,
            _servers: vec![etcd, balancer],
        };
        // The first one makes the cluster of its copy; the others, with the same copy, follow it.
        cluster.wait_for_etcd().await?;
        cluster.nodes[0].start()?;
        cluster.wait_for_primary(None).await?;
        for node in &mut cluster.nodes[1..] {
            node.start()?;
        }
        cluster.wait_until_healthy().await?;
        Ok(cluster)
    }

    /// The address of the database at this host and port.
    pub fn url_at(host_and_port: &str) -> String {
        format!("postgresql://postgres@{host_and_port}/{DATABASE}")
    }

    /// The database through HAProxy.
    pub fn url(&self) -> String {
        Self::url_at(&self.haproxy.addr.to_string())
    }

    /// The database by all its servers, of which the client keeps the one that writes.
    pub fn url_of_all(&self) -> String {
        let hosts: Vec<_> = self.nodes.iter().map(|node| node.postgres.to_string()).collect();
        let way = "target_session_attrs=read-write&sslmode=disable";
        format!("{}?{way}", Self::url_at(&hosts.join(",")))
    }

    /// Which node is the primary: it holds Patroni's lock.
    pub async fn primary(&self) -> Option<usize> {
        for (number, node) in self.nodes.iter().enumerate() {
            let answer = self.client.get(format!("http://{}/primary", node.rest)).send().await;
            if answer.is_ok_and(|answer| answer.status().is_success()) {
                return Some(number);
            }
        }
        None
    }

    /// Waits for a primary other than this one; which it is.
    pub async fn wait_for_primary(&self, other_than: Option<usize>) -> Result<usize> {
        let until = Instant::now() + PRIMARY_WITHIN;
        while Instant::now() < until {
            match self.primary().await {
                Some(primary) if Some(primary) != other_than => return Ok(primary),
                _ => sleep(LOOK_EVERY).await,
            }
        }
        bail!("no new primary after {} s; see {}", PRIMARY_WITHIN.as_secs(), self.nodes[0].dir.display())
    }

    /// Waits until a node other than this one has committed a write, asked directly; when that was, and which it is.
    pub async fn wait_until_another_writes(&self, other_than: usize) -> Result<(Instant, usize)> {
        let until = Instant::now() + PRIMARY_WITHIN;
        while Instant::now() < until {
            for (number, node) in self.nodes.iter().enumerate().filter(|(number, _)| *number != other_than) {
                if matches!(timeout(ANSWER_WITHIN, node.write_beat()).await, Ok(Ok(()))) {
                    return Ok((Instant::now(), number));
                }
            }
            sleep(LOOK_EVERY).await;
        }
        bail!("no node writes after {} s", PRIMARY_WITHIN.as_secs())
    }

    /// Waits until there is a primary, and the two others follow it, one of them synchronously where that is asked for.
    pub async fn wait_until_healthy(&self) -> Result<()> {
        let until = Instant::now() + HEALTHY_WITHIN;
        loop {
            let state = self.state().await;
            if state.as_ref().is_some_and(|state| is_healthy(state, self.replication)) {
                return Ok(());
            }
            ensure!(Instant::now() < until, "the cluster does not get well: {state:?}");
            sleep(Duration::from_millis(200)).await;
        }
    }

    /// `patronictl switchover` to the synchronous standby.
    pub async fn switch_over(&self, from: usize) -> Result<()> {
        let state = self.state().await.context("Patroni does not answer")?;
        let members = state["members"].as_array().context("members")?;
        let standby =
            members.iter().find(|it| it["role"] == "sync_standby").context("no synchronous standby")?;
        let candidate = standby["name"].as_str().context("a name")?;
        let mut order = Command::new("patronictl");
        order.arg("-c").arg(self.nodes[from].config()).args(["switchover", "--force", "--master"]);
        order
            .args([&self.nodes[from].name, "--candidate", candidate])
            .kill_on_drop(true)
            .stdin(Stdio::null());
        let output = timeout(Duration::from_secs(60), order.output()).await.context("patronictl hangs")??;
        ensure!(output.status.success(), "patronictl: {}", String::from_utf8_lossy(&output.stderr).trim());
        Ok(())
    }

    async fn state(&self) -> Option<Value> {
        for node in &self.nodes {
            if let Ok(answer) = self.client.get(format!("http://{}/cluster", node.rest)).send().await
                && let Ok(state) = answer.json().await
            {
                return Some(state);
            }
        }
        None
    }

    async fn wait_for_etcd(&self) -> Result<()> {
        let until = Instant::now() + Duration::from_secs(30);
        while self.client.get(format!("{}/health", self.etcd_url)).send().await.is_err() {
            ensure!(Instant::now() < until, "etcd does not answer");
            sleep(LOOK_EVERY).await;
        }
        Ok(())
    }
}

fn is_healthy(state: &Value, replication: Replication) -> bool {
    let Some(members) = state["members"].as_array() else { return false };
    let role = |role: &str| members.iter().filter(|member| member["role"] == role).count();
    let runs = |member: &Value| member["state"] == "running" || member["state"] == "streaming";
    // The leader has no lag; a standby that does not follow yet has "unknown".
    let follows = |member: &Value| member["role"] == "leader" || member["lag"] == 0;
    role("leader") == 1
        && role("sync_standby") == usize::from(replication == Replication::Synchronous)
        && members.len() == 3
        && members.iter().all(|it| runs(it) && follows(it))
}

/// A server of ours whose output goes into this file. It ends with us.
fn program(name: &str, log: &Path) -> Result<Command> {
    let log = std::fs::File::create(log).with_context(|| log.display().to_string())?;
    let mut command = Command::new(name);
    command.kill_on_drop(true).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    Ok(command)
}

/// The programs of the newest PostgreSQL that Debian installed.
pub fn postgresql_programs() -> Result<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").context("PostgreSQL is not installed")?;
    let versions = versions.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    let newest = versions.max().context("PostgreSQL is not installed")?;
    Ok(Path::new("/usr/lib/postgresql").join(newest.to_string()).join("bin"))
}

/// A connection that does not wait.
pub async fn connect(address: &str) -> Result<PgConnection> {
    Ok(timeout(ANSWER_WITHIN, PgConnection::connect(&Cluster::url_at(address))).await??)
}
