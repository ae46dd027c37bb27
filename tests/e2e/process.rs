//! The real binary as its operator sees it: signals, `qr-login health`, and a private PostgreSQL that died.

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

use crate::left::eventually;
use crate::world::World;

/// The binary with a private PostgreSQL of its own.
struct Running {
    telegram: Telegram,
    service: Service,
    folder: tempfile::TempDir,
}

impl Running {
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

    /// How many lines of its log have this in them.
    fn told(&self, words: &str) -> usize {
        self.service.log_after(0).iter().filter(|line| line.line.contains(words)).count()
    }

    async fn tells(&self, words: &str, times: usize) -> Result<()> {
        eventually(&format!("the log tells {words:?} {times} times"), async || {
            ensure!(
                self.service.status().state == Condition::Running,
                "it ended: {:?}",
                self.service.status()
            );
            Ok(self.told(words) == times)
        })
        .await
    }

    /// The number of PostgreSQL's own process; None while it is down.
    fn postmaster(&self) -> Option<Pid> {
        let file = self.folder.path().join("postgres/data/postmaster.pid");
        let text = std::fs::read_to_string(file).ok()?;
        Pid::from_raw(text.lines().next()?.trim().parse().ok()?)
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
        let running = Running::start().await?;
        for (signal, name) in [(Signal::HUP, "SIGHUP"), (Signal::USR1, "SIGUSR1"), (Signal::USR2, "SIGUSR2")]
        {
            running.signal(signal)?;
            running.tells(name, 1).await?;
        }
        running.signal(end)?;
        eventually("it ends", async || Ok(running.service.status().pid.is_none())).await?;
        assert_eq!(running.service.status().note.as_deref(), Some("exit status: 0"));
    }
    Ok(())
}

#[tokio::test]
async fn a_private_postgresql_that_died_or_was_stopped_is_started_again_and_people_log_in() -> Result<()> {
    let running = Running::start().await?;
    let cases = [(Signal::KILL, ILYA, "3HBP4Z3ECICZ"), (Signal::INT, ANNA, "4HBP4Z3ECICZ")];
    for (times, (signal, person, code)) in (1..).zip(cases) {
        let died = running.postmaster().context("PostgreSQL runs")?;
        kill_process(died, signal)?;
        running.tells("the private PostgreSQL ended", times).await?;
        eventually("another PostgreSQL", async || Ok(running.postmaster().is_some_and(|it| it != died)))
            .await?;
        running.log_in(person, code).await?;
    }
    running.service.stop().await;
    assert_eq!(running.service.status().note.as_deref(), Some("exit status: 0"));
    assert!(running.postmaster().is_none(), "it is not started again once the service stops");
    Ok(())
}

async fn health(ops: SocketAddr) -> Result<Output> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_qr-login"));
    command.arg("health").env_clear().env("OPS_LISTEN_ADDR", ops.to_string()).current_dir("/");
    Ok(command.output().await?)
}

#[tokio::test]
async fn health_asks_the_service_that_listens_on_one_address_or_on_all() -> Result<()> {
    let world = World::start().await?;
    world.events().await?;
    for ip in [Ipv4Addr::LOCALHOST, Ipv4Addr::UNSPECIFIED] {
        let answer = health((ip, world.ops_addr().port()).into()).await?;
        assert_eq!(String::from_utf8_lossy(&answer.stdout), "ready\n", "{answer:?}");
        assert!(answer.status.success());
    }
    Ok(())
}

#[tokio::test]
async fn health_fails_with_what_it_was_told_or_that_nobody_answers() -> Result<()> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let addr = listener.local_addr()?;
    let server = tokio::spawn(async move {
        let (asked, _) = listener.accept().await?;
        let mut asked = BufReader::new(asked);
        let mut request = String::new();
        while !request.ends_with("\r\n\r\n") {
            ensure!(asked.read_line(&mut request).await? > 0, "half a request: {request}");
        }
        assert!(request.starts_with("GET /readyz HTTP/"), "{request}");
        asked.write_all(b"HTTP/1.1 503 Service Unavailable\r\n\r\nthe database does not answer\n").await?;
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
    let said = String::from_utf8_lossy(&silent.stderr);
    assert!(said.starts_with(&format!("qr-login: OPS_LISTEN_ADDR: {addr} does not answer")), "{said}");
    assert_eq!((silent.status.code(), said.lines().count()), (Some(1), 1));
    Ok(())
}
