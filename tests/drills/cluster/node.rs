//! One machine of the cluster: Patroni and the PostgreSQL that it runs. Its death takes both at once.

use std::ffi::OsString;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};
use rustix::process::{Pid, Signal, geteuid, kill_process};
use sqlx::Connection;
use tokio::process::{Child, Command};

use super::{Replication, config, connect, postgresql_programs};
use crate::port::Port;

/// Where a node is to be.
pub struct Member {
    pub name: String,
    pub ip: IpAddr,
    /// What the command line of its processes begins with, where they live in a network of their own.
    pub enter: Vec<String>,
}

pub struct Node {
    pub name: String,
    pub postgres: SocketAddr,
    pub rest: SocketAddr,
    pub dir: PathBuf,
    enter: Vec<String>,
    patroni: Option<Child>,
    _ports: [Port; 2],
}

impl Node {
    pub(super) fn make(
        dir: &Path,
        prefilled: &Path,
        member: Member,
        etcd_url: &str,
        replication: Replication,
    ) -> Result<Self> {
        let Member { name, ip, enter } = member;
        let dir = dir.join(&name);
        std::fs::create_dir(&dir)?;
        let ports = [Port::reserve()?, Port::reserve()?];
        let [postgres, rest] = [&ports[0], &ports[1]].map(|port| SocketAddr::new(ip, port.addr.port()));
        let node = Self { name, postgres, rest, dir, enter, patroni: None, _ports: ports };
        let copied = std::process::Command::new("cp")
            .arg("-a")
            .arg("--reflink=auto")
            .arg(prefilled)
            .arg(node.data())
            .status()?;
        ensure!(copied.success(), "{} cannot be copied", prefilled.display());
        let programs = postgresql_programs()?;
        std::fs::write(
            node.config(),
            config::patroni(&node, etcd_url, &programs.to_string_lossy(), replication),
        )?;
        if let Some((uid, gid)) = server_user()? {
            chown(&node.dir, Some(uid), Some(gid))?;
        }
        Ok(node)
    }

    pub(super) fn config(&self) -> PathBuf {
        self.dir.join("patroni.yml")
    }

    pub(super) fn data(&self) -> PathBuf {
        self.dir.join("data")
    }

    /// Starts Patroni, which starts PostgreSQL.
    pub fn start(&mut self) -> Result<()> {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.dir.join("patroni.log"))?;
        let mut command = as_server(&self.enter, Path::new("patroni"))?;
        command.arg(self.config()).env("HOME", &self.dir).current_dir(&self.dir);
        command.stdout(log.try_clone()?).stderr(log);
        self.patroni = Some(command.spawn().context("Patroni does not start")?);
        Ok(())
    }

    /// Power loss: every process of this machine is killed at once (`kill -9`).
    pub async fn die(&mut self) {
        self.kill();
        if let Some(mut patroni) = self.patroni.take() {
            let _ = patroni.wait().await;
        }
    }

    /// Writes one row, and returns once it is committed.
    pub(super) async fn write_beat(&self) -> Result<()> {
        let mut connection = connect(&self.postgres.to_string()).await?;
        sqlx::query("insert into drill.beats default values").execute(&mut connection).await?;
        Ok(connection.close().await?)
    }

    /// The whole machine stands still (SIGSTOP): Patroni and PostgreSQL. Its kernel goes on, and keeps its connections open.
    pub fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    /// The machine goes on, and does not know that time has passed.
    pub fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    /// No standby gets anything more from this server: what it commits from now on is here alone.
    pub fn stop_sending(&self) {
        for pid in self.processes().into_iter().filter(|pid| is_wal_sender(*pid)) {
            send(pid, Signal::STOP);
        }
    }

    fn kill(&self) {
        self.signal(Signal::KILL);
    }

    fn signal(&self, signal: Signal) {
        self.processes().into_iter().for_each(|pid| send(pid, signal));
    }

    /// Patroni, then PostgreSQL, with all that descends from them.
    fn processes(&self) -> Vec<u32> {
        let mut pids = Vec::new();
        if let Some(patroni) = self.patroni.as_ref().and_then(Child::id) {
            with_children(patroni, &mut pids);
        }
        let pid_file = std::fs::read_to_string(self.data().join("postmaster.pid"));
        let postmaster = pid_file.ok().and_then(|text| text.lines().next()?.parse().ok());
        if let Some(postmaster) = postmaster.filter(|pid| self.is_ours(*pid)) {
            with_children(postmaster, &mut pids);
        }
        pids
    }

    /// A number in a file that was left behind may be another process's by now.
    fn is_ours(&self, pid: u32) -> bool {
        let directory = std::fs::read_link(format!("/proc/{pid}/cwd"));
        directory.is_ok_and(|directory| directory == self.data())
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill();
    }
}

fn send(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        let _ = kill_process(pid, signal);
    }
}

/// Whether this process of PostgreSQL sends to a standby: it says so in its command line.
fn is_wal_sender(pid: u32) -> bool {
    let command = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&command).contains("walsender")
}

/// The process and all that descends from it.
fn with_children(pid: u32, found: &mut Vec<u32>) {
    found.push(pid);
    let Ok(tasks) = std::fs::read_dir(format!("/proc/{pid}/task")) else { return };
    for task in tasks.flatten() {
        let children = std::fs::read_to_string(task.path().join("children")).unwrap_or_default();
        for child in children.split_whitespace().filter_map(|child| child.parse().ok()) {
            with_children(child, found);
        }
    }
}

/// Whom PostgreSQL runs as: for root the user that its package made, since it refuses to run as root.
pub fn server_user() -> Result<Option<(u32, u32)>> {
    if !geteuid().is_root() {
        return Ok(None);
    }
    let users = std::fs::read_to_string("/etc/passwd")?;
    let user =
        users.lines().find(|line| line.starts_with("postgres:")).context("there is no user postgres")?;
    let mut fields = user.split(':').skip(2).map(str::parse);
    match (fields.next(), fields.next()) {
        (Some(Ok(uid)), Some(Ok(gid))) => Ok(Some((uid, gid))),
        _ => anyhow::bail!("the user postgres has no number"),
    }
}

/// A command that runs as PostgreSQL's user, in the network that these words enter.
pub fn as_server(enter: &[String], program: &Path) -> Result<Command> {
    let mut words: Vec<_> = enter.iter().map(OsString::from).collect();
    if let Some((uid, gid)) = server_user()? {
        let change = ["setpriv", &format!("--reuid={uid}"), &format!("--regid={gid}"), "--clear-groups"];
        words.extend(change.map(OsString::from));
    }
    words.push(program.into());
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]).stdin(Stdio::null());
    Ok(command)
}
