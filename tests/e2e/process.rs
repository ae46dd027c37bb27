//! The real binary as whoever runs it sees it: a private PostgreSQL that died.

use anyhow::{Context as _, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};
use stand_in::accounts::{ANNA, ILYA};
use stand_in::mini_app::MiniApp;
use stand_in::service::{Condition, Service, Settings};
use stand_in::{Options, Telegram};

use crate::left::eventually;

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
