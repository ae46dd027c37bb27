//! Three machines with a link each, and a virtual address that may lead to one of them. They are network namespaces inside the
//! namespace of the drill. They end with its processes; the network of the real machine is not changed.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::process::CommandExt;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use rustix::process::geteuid;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

use crate::cluster::Member;

/// The virtual address of the database, in the network with the number 0.
pub const VIRTUAL: &str = "10.213.0.100:5432";
const VIRTUAL_IP: &str = "10.213.0.100";
/// Set in a process that was started in a separate network.
const ENTERED: &str = "DRILL_NETWORK";

/// Whether this process may make network namespaces.
pub fn is_possible() -> bool {
    let mut tried = std::process::Command::new("unshare");
    tried.args(["--net", "true"]).stdout(Stdio::null()).stderr(Stdio::null());
    geteuid().is_root() && tried.status().is_ok_and(|status| status.success())
}

/// Whether this process is in a network of its own.
pub fn is_entered() -> bool {
    std::env::var_os(ENTERED).is_some()
}

/// Starts this program again, in a separate network with a loopback of its own.
pub fn enter_own_network() -> Result<()> {
    if is_entered() {
        let up = std::process::Command::new("ip").args(["link", "set", "lo", "up"]).status().context("ip")?;
        ensure!(up.success(), "the loopback of the network does not come up");
        return Ok(());
    }
    ensure!(geteuid().is_root(), "this drill makes network namespaces: run it as root");
    let this = std::env::current_exe()?;
    Err(std::process::Command::new("unshare").arg("--net").arg(this).env(ENTERED, "1").exec())
        .context("unshare")
}

pub struct Network {
    number: u8,
    machines: Vec<Machine>,
}

struct Machine {
    /// A process that only keeps the namespace alive.
    holder: Child,
    link: String,
}

impl Network {
    /// One of several, each with addresses of its own.
    pub async fn build(number: u8) -> Result<Self> {
        let mut network = Self { number, machines: Vec::new() };
        ip(&format!("link add bridge{number} type bridge")).await?;
        ip(&format!("address add {}/24 dev bridge{number}", network.ours())).await?;
        ip(&format!("link set bridge{number} up")).await?;
        for machine in 0..3 {
            network.machines.push(Machine::build(number, machine).await?);
        }
        Ok(network)
    }

    /// The address of the drill itself, with etcd and the service.
    pub fn ours(&self) -> String {
        Ipv4Addr::new(10, 213, self.number, 1).to_string()
    }

    /// Makes the virtual address, which leads nowhere yet.
    pub async fn add_virtual_address(&self) -> Result<()> {
        run("iptables", "-t nat -N database").await?;
        run("iptables", &format!("-t nat -A OUTPUT -d {VIRTUAL_IP} -p tcp -j database")).await
    }

    pub fn members(&self) -> Vec<Member> {
        let member = |(number, machine): (usize, &Machine)| Member {
            name: format!("n{}", number + 1),
            ip: ip_of(self.number, number),
            enter: machine.enter(),
        };
        self.machines.iter().enumerate().map(member).collect()
    }

    /// The virtual address leads there, for new connections.
    pub async fn lead_to(&self, postgres: SocketAddr) -> Result<()> {
        run("iptables", "-t nat -F database").await?;
        run("iptables", &format!("-t nat -A database -p tcp -j DNAT --to-destination {postgres}")).await
    }

    pub async fn cut_off(&self, machine: usize) -> Result<()> {
        ip(&format!("link set {} down", self.machines[machine].link)).await
    }

    pub async fn join(&self, machine: usize) -> Result<()> {
        ip(&format!("link set {} up", self.machines[machine].link)).await
    }
}

impl Machine {
    async fn build(network: u8, number: usize) -> Result<Self> {
        let mut holder = Command::new("unshare");
        // Longer than any drill.
        holder.args(["--net", "sleep", "86400"]).kill_on_drop(true).stdin(Stdio::null());
        let holder = holder.spawn().context("unshare does not start")?;
        let pid = holder.id().context("unshare has ended")?;
        let namespace = |pid: &str| std::fs::read_link(format!("/proc/{pid}/ns/net"));
        let until = Instant::now() + Duration::from_secs(5);
        while namespace(&pid.to_string())? == namespace("self")? {
            ensure!(Instant::now() < until, "no network namespace was made");
            sleep(Duration::from_millis(5)).await;
        }
        let link = format!("link{network}-{number}");
        ip(&format!("link add {link} type veth peer name eth0 netns {pid}")).await?;
        ip(&format!("link set {link} master bridge{network} up")).await?;
        let machine = Self { holder, link };
        machine.ip("link set lo up").await?;
        machine.ip(&format!("address add {}/24 dev eth0", ip_of(network, number))).await?;
        machine.ip("link set eth0 up").await?;
        Ok(machine)
    }

    fn enter(&self) -> Vec<String> {
        let pid = self.holder.id().unwrap_or_default();
        vec!["nsenter".to_owned(), format!("--net=/proc/{pid}/ns/net"), "--".to_owned()]
    }

    async fn ip(&self, order: &str) -> Result<()> {
        let enter = self.enter();
        run(&enter[0], &format!("{} -- ip {order}", enter[1])).await
    }
}

fn ip_of(network: u8, machine: usize) -> IpAddr {
    let last = u8::try_from(machine).expect("three machines") + 11;
    Ipv4Addr::new(10, 213, network, last).into()
}

async fn ip(order: &str) -> Result<()> {
    run("ip", order).await
}

async fn run(program: &str, arguments: &str) -> Result<()> {
    let output = Command::new(program)
        .args(arguments.split(' '))
        .output()
        .await
        .with_context(|| program.to_owned())?;
    ensure!(
        output.status.success(),
        "{program} {arguments}: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(())
}
