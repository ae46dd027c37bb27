//! The real binary: signals, `qr-login health`, and a private PostgreSQL that was killed.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::Output;

use anyhow::{Context as _, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};
use stand_in::accounts::{ANNA, ILYA};
use stand_in::mini_app::MiniApp;
use stand_in::service::{Condition, Service, Settings};
use stand_in::{Options, Telegram};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::Command;

use crate::wait::eventually;
use crate::world::World;

/// The binary with a private PostgreSQL.
struct RunningBinary {
    telegram: Telegram,
    service: Service,
    folder: tempfile::TempDir,
}

impl RunningBinary {
    async fn start() -> Result<Self> {
        let telegram = Telegram::start(Options::default()).await?;
        let folder = tempfile::tempdir()?;
        let mut settings = Settings::new(&telegram, folder.path(), None)?;
        settings.binary = env!("CARGO_BIN_EXE_qr-login").into();
        let service = Service::new(settings);
        service.start()?;
        service.wait_until_running().await?;
        Ok(Self { telegram, service, folder })
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        let pid = self.service.status().pid.context("it does not run")?;
        Ok(kill_process(Pid::from_raw(pid.cast_signed()).context("a pid")?, signal)?)
    }

    /// How many lines of the log contain this text.
    fn count_log_lines(&self, text: &str) -> usize {
        self.service.log_after(0).iter().filter(|line| line.line.contains(text)).count()
    }

    async fn wait_for_log_lines(&self, text: &str, times: usize) -> Result<()> {
        eventually(&format!("the log has {text:?} {times} times"), async || {
            ensure!(
                self.service.status().state == Condition::Running,
                "it ended: {:?}",
                self.service.status()
            );
            Ok(self.count_log_lines(text) == times)
        })
        .await
    }

    /// The process id of PostgreSQL. `None` while it is down.
    fn postmaster(&self) -> Option<Pid> {
        let file = self.folder.path().join("postgres/data/postmaster.pid");
        let text = std::fs::read_to_string(file).ok()?;
        Pid::from_raw(text.lines().next()?.trim().parse().ok()?)
    }

    fn assert_each_warning_is_told_once_an_outage_with_its_cause(&self, outages: usize) {
        let lines = self.service.log_after(0);
        let told = |line: &str| {
            let (_, text) = line.split_once(" WARN ").or_else(|| line.split_once(" ERROR "))?;
            Some(text.trim().to_owned())
        };
        let warnings: Vec<_> = lines.iter().filter_map(|line| told(&line.line)).collect();
        assert!(!warnings.is_empty());
        let mut counts = BTreeMap::<&str, usize>::new();
        for warning in &warnings {
            let (text, error) = warning.split_once(" error=").unwrap_or((warning, ""));
            *counts.entry(text).or_default() += 1;
            assert!(
                !error.starts_with("PostgreSQL failed") || error.contains("error.sources=["),
                "{warning}"
            );
            assert!(!text.contains("could not be erased"), "nobody is to be erased: {warning}");
        }
        counts.retain(|_, count| *count > outages);
        assert!(counts.is_empty(), "told more than once an outage: {counts:?}\n{}", warnings.join("\n"));
    }

    async fn log_in(&self, person: i64, code: &str) -> Result<()> {
        self.service.tool(&["invite", "create", "--tier", "premium", "--code", code]).await?;
        let card = self.telegram.person(person).ask_for_card(&format!("/login {code}")).await?;
        let url = card.web_app_url().context("a button")?.to_owned();
        let page = MiniApp::open(&url, Some(self.telegram.person(person).init_data(None)))?;
        let status = page.wait_until(|status| status["deep_link"].is_string()).await?;
        self.telegram.phone(person).scan(status["deep_link"].as_str().context("a link")?).await?;
        page.wait_for_status("authorized").await?;
        Ok(())
    }
}

#[tokio::test]
async fn only_sigterm_and_ctrl_c_end_the_service() -> Result<()> {
    for end in [Signal::TERM, Signal::INT] {
        let running = RunningBinary::start().await?;
        for (signal, name) in [(Signal::HUP, "SIGHUP"), (Signal::USR1, "SIGUSR1"), (Signal::USR2, "SIGUSR2")]
        {
            running.signal(signal)?;
            running.wait_for_log_lines(name, 1).await?;
        }
        running.signal(end)?;
        eventually("it ends", async || Ok(running.service.status().pid.is_none())).await?;
        assert_eq!(running.service.status().note.as_deref(), Some("exit status: 0"));
    }
    Ok(())
}

#[tokio::test]
async fn a_private_postgresql_that_was_killed_or_stopped_is_restarted_and_people_can_log_in() -> Result<()> {
    let running = RunningBinary::start().await?;
    let cases = [(Signal::KILL, ILYA, "3HBP4Z3ECICZ"), (Signal::INT, ANNA, "4HBP4Z3ECICZ")];
    for (times, (signal, person, code)) in (1..).zip(cases) {
        let died = running.postmaster().context("PostgreSQL runs")?;
        kill_process(died, signal)?;
        running.wait_for_log_lines("the private PostgreSQL ended", times).await?;
        eventually("another PostgreSQL", async || Ok(running.postmaster().is_some_and(|it| it != died)))
            .await?;
        running.log_in(person, code).await?;
    }
    running.service.stop().await;
    running.assert_each_warning_is_told_once_an_outage_with_its_cause(cases.len());
    assert_eq!(running.service.status().note.as_deref(), Some("exit status: 0"));
    assert!(running.postmaster().is_none(), "PostgreSQL is not restarted while the service stops");
    Ok(())
}

async fn health(ops: SocketAddr) -> Result<Output> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_qr-login"));
    command.arg("health").env_clear().env("OPS_LISTEN_ADDR", ops.to_string()).current_dir("/");
    Ok(command.output().await?)
}

#[tokio::test]
async fn health_works_for_a_service_that_listens_on_one_address_or_on_all() -> Result<()> {
    let world = World::start().await?;
    world.wait_for_readiness("ready\n").await?;
    for ip in [Ipv4Addr::LOCALHOST, Ipv4Addr::UNSPECIFIED] {
        let answer = health((ip, world.ops_addr().port()).into()).await?;
        assert_eq!(String::from_utf8_lossy(&answer.stdout), "ready\n", "{answer:?}");
        assert!(answer.status.success());
    }
    Ok(())
}

#[tokio::test]
async fn health_fails_with_the_reason_or_when_the_service_does_not_answer() -> Result<()> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let addr = listener.local_addr()?;
    let server = tokio::spawn(async move {
        let (stream, _) = listener.accept().await?;
        let mut stream = BufReader::new(stream);
        let mut request = String::new();
        while !request.ends_with("\r\n\r\n") {
            ensure!(stream.read_line(&mut request).await? > 0, "half a request: {request}");
        }
        assert!(request.starts_with("GET /readyz HTTP/"), "{request}");
        stream.write_all(b"HTTP/1.1 503 Service Unavailable\r\n\r\nthe database does not answer\n").await?;
        anyhow::Ok(())
    });
    let refused = health(addr).await?;
    assert_eq!(
        String::from_utf8_lossy(&refused.stderr),
        "qr-login: not ready: the database does not answer\n"
    );
    server.await??;
    assert_eq!(refused.status.code(), Some(1));

    let silent = health(addr).await?;
    let stderr = String::from_utf8_lossy(&silent.stderr);
    assert!(stderr.starts_with(&format!("qr-login: OPS_LISTEN_ADDR: {addr} does not answer")), "{stderr}");
    assert_eq!((silent.status.code(), stderr.lines().count()), (Some(1), 1));
    Ok(())
}
