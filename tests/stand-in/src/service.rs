//! The real service as a child process of the stand-in Telegram: starts, stops and kills it, keeps its log, runs its tools.

use std::collections::VecDeque;
use std::process::{Output, Stdio};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use serde::Serialize;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::Child;
use tokio::sync::watch;

mod settings;

pub use settings::Settings;

/// How long the service may take to end by itself when it is asked to.
const STOP_PATIENCE: Duration = Duration::from_secs(15);
/// How long it may take until its HTTP answers.
const START_PATIENCE: Duration = Duration::from_secs(90);
/// Between two looks whether it answers.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// How the service is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// Started; its HTTP does not answer yet.
    Starting,
    /// Its HTTP answers.
    Running,
    /// Killed by [`Service::kill`].
    Killed,
    /// Ended, by itself or asked to.
    Exited,
}

/// What there is to say of the service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Status {
    /// How it is doing.
    pub state: Condition,
    /// Its process, while there is one.
    pub pid: Option<u32>,
    /// How often it was started.
    pub starts: u32,
    /// How it ended, where it did by itself.
    pub note: Option<String>,
}

/// A line of its log.
#[derive(Clone, Debug, Serialize)]
pub struct LogLine {
    /// Counts from 1, over restarts.
    pub n: u64,
    /// The text.
    pub line: String,
}

/// The service. Clones are the same one; it ends with the runtime.
#[derive(Clone)]
pub struct Service {
    inner: Arc<Inner>,
}

struct Inner {
    settings: Settings,
    status: Mutex<Status>,
    log: Mutex<Log>,
    /// Moves with every change of the status and every line of the log.
    changed: watch::Sender<u64>,
    http: reqwest::Client,
}

#[derive(Default)]
struct Log {
    written: u64,
    lines: VecDeque<LogLine>,
}

impl Service {
    /// A service that was not started yet.
    pub fn new(settings: Settings) -> Self {
        let status = Status { state: Condition::Exited, pid: None, starts: 0, note: None };
        let http = reqwest::Client::builder().no_proxy().build().expect("no TLS setting can be wrong");
        Self {
            inner: Arc::new(Inner {
                settings,
                status: Mutex::new(status),
                log: Mutex::default(),
                changed: watch::Sender::new(0),
                http,
            }),
        }
    }

    /// Starts the process; [`Self::wait_until_running`] says when it answers.
    ///
    /// # Errors
    /// Where it runs already or cannot be started.
    pub fn start(&self) -> Result<()> {
        let settings = &self.inner.settings;
        let starts = {
            let mut status = self.lock();
            ensure!(status.pid.is_none(), "the service runs already");
            let mut child = settings
                .command(&settings.binary)
                .arg("serve")
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .with_context(|| format!("cannot start {}", settings.binary.display()))?;
            let starts = status.starts + 1;
            *status = Status { state: Condition::Starting, pid: child.id(), starts, note: None };
            tokio::spawn(self.clone().keep_lines(child.stdout.take()));
            tokio::spawn(self.clone().keep_lines(child.stderr.take()));
            tokio::spawn(self.clone().wait_for_the_end(child));
            starts
        };
        self.touch();
        tokio::spawn(self.clone().look_until_it_answers(starts));
        Ok(())
    }

    /// Waits until its HTTP answers.
    ///
    /// # Errors
    /// Where it ends instead, or does not answer in time; with the end of its log.
    pub async fn wait_until_running(&self) -> Result<()> {
        let settled = |status: &Status| status.state != Condition::Starting;
        let status = match tokio::time::timeout(START_PATIENCE, self.wait_for(settled)).await {
            Ok(status) => status,
            Err(_) => {
                bail!("qr-login does not answer after {} s:\n{}", START_PATIENCE.as_secs(), self.last_words())
            }
        };
        match status.state {
            Condition::Running => Ok(()),
            _ => {
                bail!("qr-login did not start ({}):\n{}", status.note.unwrap_or_default(), self.last_words())
            }
        }
    }

    /// `kill -9`, and waits until the process is gone. Nothing happens where none runs.
    pub async fn kill(&self) {
        self.end(Signal::KILL, Condition::Killed).await;
    }

    /// Asks it to end (SIGTERM), and kills it where it does not within 15 s.
    pub async fn stop(&self) {
        let ended = self.end(Signal::TERM, Condition::Exited);
        if tokio::time::timeout(STOP_PATIENCE, ended).await.is_err() {
            self.kill().await;
        }
    }

    /// Freezes it (SIGSTOP), as a laptop that is closed does; nothing happens where none runs.
    pub fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets a frozen one go on (SIGCONT).
    pub fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    /// What there is to say of it now.
    pub fn status(&self) -> Status {
        self.lock().clone()
    }

    /// How it was told to run.
    pub fn settings(&self) -> &Settings {
        &self.inner.settings
    }

    /// Its origin, for a client: `http://127.0.0.1:port`.
    pub fn url(&self) -> String {
        format!("http://{}", self.inner.settings.listen)
    }

    /// Moves with every change of the status and every line of the log.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.inner.changed.subscribe()
    }

    /// The lines after this number that are still kept.
    pub fn log_after(&self, n: u64) -> Vec<LogLine> {
        let log = self.log();
        log.lines.iter().filter(|line| line.n > n).cloned().collect()
    }

    /// Runs one of the service's own commands (`invite create …`) with its settings.
    ///
    /// # Errors
    /// Where it fails; with what it wrote to stderr.
    pub async fn tool(&self, args: &[&str]) -> Result<String> {
        let settings = &self.inner.settings;
        let output = settings.command(&settings.binary).args(args).output().await;
        said(&format!("qr-login {}", args.join(" ")), output)
    }

    /// The address of the service's database.
    ///
    /// # Errors
    /// Where there is none yet.
    pub async fn database_url(&self) -> Result<String> {
        Ok(self.tool(&["database", "url"]).await?.trim().to_owned())
    }

    /// Runs `replay` on the service's database.
    ///
    /// # Errors
    /// Where it was not built, or fails; with what it wrote to stderr.
    pub async fn replay(&self, database_url: &str, args: &[&str]) -> Result<String> {
        let settings = &self.inner.settings;
        let output =
            settings.command(&settings.replay()?).env("DATABASE_URL", database_url).args(args).output().await;
        said(&format!("replay {}", args.join(" ")), output)
    }

    /// Stops it, and starts it anew with so many made-up people and a month of history; what was in its database is gone.
    ///
    /// # Errors
    /// Where `made-up` was not built, or fails; with what it wrote to stderr.
    pub async fn begin_with_made_up_people(&self, people: u32) -> Result<()> {
        let settings = &self.inner.settings;
        let program = settings.made_up()?;
        self.stop().await;
        let data_dir = settings.data_dir().context("the service has a data directory")?;
        for folder in ["postgres", "sessions", "checkpoints"] {
            match tokio::fs::remove_dir_all(data_dir.join(folder)).await {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
                _ => {}
            }
        }
        let output = settings.command(&program).args(["--people", &people.to_string()]).output().await;
        said("made-up", output)?;
        self.start()
    }

    async fn end(&self, signal: Signal, condition: Condition) {
        {
            let mut status = self.lock();
            let Some(pid) = pid_of(&status) else { return };
            if condition == Condition::Killed {
                status.state = Condition::Killed;
            }
            let _ = kill_process(pid, signal);
        }
        self.wait_for(|status| status.pid.is_none()).await;
    }

    fn signal(&self, signal: Signal) {
        // Under the lock, so that the process is not gone, and its number somebody else's.
        let status = self.lock();
        if let Some(pid) = pid_of(&status) {
            let _ = kill_process(pid, signal);
        }
    }

    async fn wait_for_the_end(self, mut child: Child) {
        let ended = child.wait().await;
        let mut status = self.lock();
        status.pid = None;
        if status.state != Condition::Killed {
            status.state = Condition::Exited;
            status.note = Some(match ended {
                Ok(how) => how.to_string(),
                Err(error) => format!("lost sight of it: {error}"),
            });
        }
        drop(status);
        self.touch();
    }

    /// `/readyz`: its database is there and its views are caught up, so what is done next is seen.
    async fn look_until_it_answers(self, start: u32) {
        let url = format!("http://{}/readyz", self.inner.settings.ops);
        loop {
            let answer = self.inner.http.get(&url).timeout(Duration::from_secs(5)).send().await;
            {
                let mut status = self.lock();
                if status.starts != start || status.state != Condition::Starting {
                    return;
                }
                if answer.is_ok_and(|answer| answer.status().is_success()) {
                    status.state = Condition::Running;
                    break;
                }
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        self.touch();
    }

    async fn keep_lines(self, pipe: Option<impl AsyncRead + Unpin>) {
        let Some(pipe) = pipe else { return };
        let mut lines = BufReader::new(pipe).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            {
                let mut log = self.log();
                log.written += 1;
                let n = log.written;
                log.lines.push_back(LogLine { n, line });
                if log.lines.len() > self.inner.settings.lines_kept {
                    log.lines.pop_front();
                }
            }
            self.touch();
        }
    }

    async fn wait_for(&self, is_so: impl Fn(&Status) -> bool) -> Status {
        let mut changed = self.changes();
        loop {
            changed.borrow_and_update();
            let status = self.status();
            if is_so(&status) {
                return status;
            }
            if changed.changed().await.is_err() {
                return self.status();
            }
        }
    }

    fn last_words(&self) -> String {
        let lines = self.log_after(0);
        let last = lines.iter().rev().take(10).rev();
        last.map(|line| format!("  {}", line.line)).collect::<Vec<_>>().join("\n")
    }

    fn lock(&self) -> MutexGuard<'_, Status> {
        self.inner.status.lock().expect("nothing panics while it is held")
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.inner.log.lock().expect("nothing panics while it is held")
    }

    fn touch(&self) {
        self.inner.changed.send_modify(|changes| *changes += 1);
    }
}

fn pid_of(status: &Status) -> Option<Pid> {
    status.pid.and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?))
}

fn said(what: &str, output: std::io::Result<Output>) -> Result<String> {
    let output = output.with_context(|| format!("cannot run {what}"))?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    // `replay verify` says on stdout what differs.
    let said = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "{what}: {}: {}\n{}", output.status, stderr.trim(), said.trim());
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
