//! What people see when the machine runs out of something, or is slow: descriptors, memory, the disk, the network.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use eventlog::{Database, testing};
use futures::future::try_join_all;
use private_postgres::PrivateCluster;
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use secrecy::{ExposeSecret as _, SecretString};
use stand_in::service::{Condition, Settings};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

use crate::checks;
use crate::deployment::Process;
use crate::environment::Environment;
use crate::visitors::{Visitors, log_in};

const USUAL: Duration = Duration::from_secs(30);
const ENDS_WITHIN: Duration = Duration::from_secs(120);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// One process with all roles, and everything around it.
pub struct Machine {
    pub environment: Arc<Environment>,
    pub process: Process,
}

impl Machine {
    /// What a shell does before it becomes the process: `ulimit -n 100`.
    pub async fn with(before: &str) -> Result<Self> {
        let test = testing::database().await;
        let url = testing::service_url(&test.url);
        Self::on(test.db, &test.url, &url, before).await
    }

    /// On this database, which the process reaches by the second URL.
    async fn on(db: Database, owner: &SecretString, url: &SecretString, before: &str) -> Result<Self> {
        let environment = Arc::new(Environment::on(db, owner.expose_secret(), USUAL).await?);
        let binary = wrapped(&environment.settings(), environment.dir.path(), before)?;
        let roles = "api,bot,projector";
        let process =
            Process::new(&environment, None, url.expose_secret(), "one", roles, Some(&binary)).await?;
        process.service.start()?;
        process.service.wait_until_running().await?;
        Ok(Self { environment, process })
    }

    /// So many people log in at the same time.
    async fn log_in(&self, people: u64) -> Result<()> {
        let logins = (0..people).map(|number| log_in(&self.environment, number, None));
        let logins = try_join_all(logins).await?;
        let missing = checks::missing_in_the_log(&self.environment, &logins).await?;
        ensure!(missing.is_empty(), "{missing:?}");
        self.expect_no_fault().await
    }

    /// Nothing is lost or done twice, and everybody was told what happened.
    pub async fn expect_no_fault(&self) -> Result<()> {
        checks::wait_until_idle(&self.environment).await?;
        let faults = checks::faults(&self.environment, &[]).await?;
        ensure!(faults.is_empty(), "{}", faults.join("\n"));
        Ok(())
    }

    /// The first so many people read that they are in, and of no failure.
    fn expect_only_good_news(&self, people: u64) -> Result<()> {
        for number in 0..people {
            let person = self.environment.telegram.person(self.environment.person(number, false));
            let said: Vec<_> = person.from_bot().into_iter().map(|message| message.text).collect();
            let is_in = said.iter().any(|text| text.starts_with("✅ Авторизация"));
            ensure!(is_in && !said.iter().any(|text| text.starts_with('❌')), "{said:?}");
        }
        Ok(())
    }

    fn is_in_the_log(&self, text: &str) -> bool {
        self.process.service.log_after(0).iter().any(|line| line.line.contains(text))
    }

    fn pid(&self) -> Result<u32> {
        self.process.service.status().pid.context("it does not run")
    }
}

/// A script that does something first, and then is the binary.
fn wrapped(settings: &Settings, dir: &Path, before: &str) -> Result<PathBuf> {
    let script = dir.join("qr-login");
    std::fs::write(&script, format!("#!/bin/sh\n{before}\nexec '{}' \"$@\"\n", settings.binary.display()))?;
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o700))?;
    Ok(script)
}

/// 1. The database is 20 ms away, and Telegram half a second.
/// 2. People log in: nothing is given up, and nobody is told of a failure.
#[tokio::test(flavor = "multi_thread")]
async fn over_a_slow_network_people_log_in_and_are_told_of_no_failure() -> Result<()> {
    let _turn = crate::TURN.lock().await;
    let machine = Machine::with("").await?;
    machine.process.database.delay(Duration::from_millis(10));
    machine.process.telegram.iter().for_each(|line| line.delay(Duration::from_millis(250)));
    machine.log_in(6).await?;
    machine.expect_only_good_news(6)
}

/// 1. The process may open a hundred files. It says that this is little.
/// 2. Strangers hold connections, and more people log in than there are descriptors for: a login takes two.
/// 3. Everybody gets in, some later. The process goes on.
#[tokio::test(flavor = "multi_thread")]
async fn without_descriptors_people_wait_and_get_in() -> Result<()> {
    let _turn = crate::TURN.lock().await;
    let machine = Machine::with("ulimit -n 100").await?;
    ensure!(
        machine.is_in_the_log("at most 100 open files (RLIMIT_NOFILE)"),
        "it does not say that these are few"
    );
    let pid = machine.pid()?;
    let mut strangers = Vec::new();
    for _ in 0..60 {
        strangers.push(TcpStream::connect(machine.process.service.settings().listen).await?);
    }
    machine.log_in(48).await?;
    ensure!(machine.pid()? == pid, "the process did not go on");
    drop(strangers);
    Ok(())
}

/// 1. The process gets no more memory, while people log in.
/// 2. It ends, and is started again, as systemd and Docker do.
/// 3. Nobody's login is lost.
#[tokio::test(flavor = "multi_thread")]
async fn without_memory_the_process_ends_and_no_login_is_lost() -> Result<()> {
    let _turn = crate::TURN.lock().await;
    let machine = Machine::with("").await?;
    let came = Instant::now();
    let visitors = Visitors::come(&machine.environment, Duration::from_millis(300), None);
    visitors.wait_for(3, came).await?;
    limit_memory_to_what_it_has(machine.pid()?)?;
    let until = Instant::now() + ENDS_WITHIN;
    while machine.process.service.status().state != Condition::Exited {
        ensure!(Instant::now() < until, "it goes on without memory");
        sleep(LOOK_EVERY).await;
    }
    let note = machine.process.service.status().note.unwrap_or_default();
    eprintln!("without memory: {note}");
    machine.process.service.start()?;
    machine.process.service.wait_until_running().await?;
    visitors.wait_for(3, Instant::now()).await?;
    let (lost, let_in) = visitors.end().await;
    ensure!(lost.is_empty(), "{}", lost.join("\n"));
    let missing = checks::missing_in_the_log(&machine.environment, &let_in).await?;
    ensure!(missing.is_empty(), "{missing:?}");
    machine.expect_no_fault().await
}

/// Every request for more memory from the system is refused from now on.
fn limit_memory_to_what_it_has(pid: u32) -> Result<()> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let size = status.lines().find_map(|line| line.strip_prefix("VmSize:")).context("no VmSize")?;
    let kib: u64 = size.trim().trim_end_matches("kB").trim().parse()?;
    let pid = Pid::from_raw(pid.cast_signed()).context("a pid")?;
    prlimit(Some(pid), Resource::As, Rlimit { current: Some(kib * 1024), maximum: None })?;
    Ok(())
}

/// 1. Each time that PostgreSQL waits for its disk, the disk takes 50 ms.
/// 2. People get in, and nobody is told of a failure.
#[tokio::test(flavor = "multi_thread")]
async fn on_a_slow_disk_people_get_in() -> Result<()> {
    let _turn = crate::TURN.lock().await;
    let cluster = PrivateCluster::start_temporary().await?;
    let url = cluster.create_database("slow").await?;
    let machine = Machine::on(Database::connect(&url).await?, &url, &url, "").await?;
    let slow = SlowDisk::of(&machine.environment).await?;
    machine.log_in(4).await?;
    ensure!(slow.delays()? > 0, "the disk was not slow");
    machine.expect_only_good_news(4)
}

/// The system calls with which PostgreSQL waits for its disk, slowed down by strace, until this is dropped.
struct SlowDisk {
    told: tempfile::NamedTempFile,
    _strace: Child,
}

impl SlowDisk {
    async fn of(environment: &Environment) -> Result<Self> {
        let backend: i32 =
            sqlx::query_scalar("select pg_backend_pid()").fetch_one(&environment.checked).await?;
        let server = parent(backend.cast_unsigned()).context("a backend has a parent")?;
        let processes = std::fs::read_dir("/proc")?.filter_map(|entry| {
            let pid = entry.ok()?.file_name().to_str()?.parse().ok()?;
            (pid == server || parent(pid) == Some(server)).then_some(pid)
        });
        let told = tempfile::NamedTempFile::new()?;
        let mut strace = Command::new("strace");
        strace.args(["-f", "-q", "-e", "trace=fdatasync,fsync", "-e"]);
        strace.arg("inject=fdatasync,fsync:delay_exit=50000").arg("-o").arg(told.path());
        for pid in processes {
            strace.arg("-p").arg(pid.to_string());
        }
        let strace = strace.stdin(Stdio::null()).kill_on_drop(true).spawn();
        let slow = Self { told, _strace: strace.context("strace is missing: apt-get install strace")? };
        let until = Instant::now() + ENDS_WITHIN;
        while slow.delays()? == 0 {
            ensure!(Instant::now() < until, "strace slows nothing down");
            // Something that waits for the disk.
            sqlx::query("select pg_logical_emit_message(true, 'drill', 'slow')")
                .execute(&environment.checked)
                .await?;
        }
        Ok(slow)
    }

    /// How often the disk was slow.
    fn delays(&self) -> Result<usize> {
        Ok(std::fs::read_to_string(self.told.path())?.matches("(DELAYED)").count())
    }
}

/// The process that made this one.
fn parent(pid: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in brackets, may hold anything.
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}
