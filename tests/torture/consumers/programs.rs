//! The programs of `examples/` as consumers: with a key and a webhook of their own, and what their tables say.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use jiff::Timestamp;
use serde_json::Value;
use tokio::process::Command;
use tokio::time::{Instant, sleep};

use super::LAST_WITHIN;
use crate::environment::Environment;
use crate::port::Port;

/// What is known of a person, the same way by all three.
#[derive(Clone, Debug, PartialEq)]
pub struct Known {
    pub tier: String,
    pub status: String,
    pub expires_at: Option<Timestamp>,
    pub is_blocked: bool,
    /// What webhooks alone do not say is not compared.
    pub is_linked: Option<bool>,
}

/// By account id.
pub type People = BTreeMap<String, Known>;

/// One of the two.
#[derive(Clone, Copy, Debug)]
pub enum Which {
    /// Reads the event feed.
    Follower,
    /// Takes webhooks.
    Receiver,
}

impl Which {
    const fn table(self) -> &'static str {
        match self {
            Self::Follower => "followed.db",
            Self::Receiver => "received.db",
        }
    }
}

pub struct Consumers {
    programs: PathBuf,
    dir: tempfile::TempDir,
    service: String,
    key: String,
    /// The receiver listens on it again after each kill.
    listen: Port,
    webhook: String,
    secret: String,
}

impl Consumers {
    /// A key and a webhook for them.
    pub async fn subscribe(environment: &Environment, programs: PathBuf) -> Result<Self> {
        let scopes = "users:read,events:read";
        let made = environment.tool.tool(&["apikey", "create", "--name", "drill", "--scope", scopes]).await?;
        let mut consumers = Self {
            programs,
            dir: tempfile::tempdir()?,
            service: environment.origin.clone(),
            key: made.lines().last().context("a key")?.trim().to_owned(),
            listen: Port::reserve()?,
            webhook: String::new(),
            secret: String::new(),
        };
        let url = format!("http://{}/webhooks", consumers.listen.addr);
        let made = environment.tool.tool(&["webhook", "create", "--url", &url]).await?;
        let after =
            |word: &str| made.lines().find_map(|line| line.strip_prefix(word)).map(|it| it.trim().to_owned());
        consumers.webhook = after("id ").context("an id")?;
        consumers.secret = after("secret ").context("a secret")?;
        Ok(consumers)
    }

    fn table(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn of_the_service(&self, mut command: Command, table: &str) -> Command {
        command
            .env("QR_LOGIN_URL", &self.service)
            .env("QR_LOGIN_KEY", &self.key)
            .env("PEOPLE_DB", self.table(table));
        command
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .current_dir(self.dir.path())
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }

    /// How it is started.
    pub fn command(&self, which: Which) -> Command {
        match which {
            Which::Follower => self.follower(),
            Which::Receiver => self.receiver(),
        }
    }

    /// Until it has stored something since now.
    pub async fn wait_until_it_works(&self, which: Which) -> Result<()> {
        let table = self.table(which.table());
        let changed = || std::fs::metadata(&table).and_then(|it| it.modified()).ok();
        let (before, began) = (changed(), Instant::now());
        while changed() == before {
            ensure!(began.elapsed() < LAST_WITHIN, "{which:?} does nothing");
            sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }

    fn follower(&self) -> Command {
        let mut command = Command::new(self.programs.join("python"));
        command.arg(example("follow_events.py"));
        self.of_the_service(command, Which::Follower.table())
    }

    fn receiver(&self) -> Command {
        let mut command = Command::new(self.programs.join("uvicorn"));
        command.arg("--app-dir").arg(example("")).arg("subscription_gate:app").args([
            "--log-level",
            "critical",
            "--host",
            "127.0.0.1",
        ]);
        command
            .arg("--port")
            .arg(self.listen.addr.port().to_string())
            .env("WEBHOOK_SECRET", &self.secret)
            .env("BOT_TOKEN", "1:none");
        self.of_the_service(command, Which::Receiver.table())
    }

    /// Switches the webhook off, and on.
    pub async fn switch_off_and_on(&self, environment: &Environment) -> Result<()> {
        for enabled in ["no", "yes"] {
            environment.tool.tool(&["webhook", "change", &self.webhook, "--enabled", enabled]).await?;
        }
        Ok(())
    }

    /// Until the feed's reader has handled the last event that there is.
    pub async fn wait_for_the_last_event(&self, environment: &Environment) -> Result<()> {
        let began = Instant::now();
        loop {
            let end: i64 = sqlx::query_scalar("select max(position) from log_index")
                .fetch_one(&environment.checked)
                .await?;
            let at = self.query(Which::Follower, "select position from place").await?[0][0].as_i64();
            if at >= Some(end) {
                return Ok(());
            }
            ensure!(began.elapsed() < LAST_WITHIN, "the reader of the feed stays at {at:?} of {end}");
            sleep(Duration::from_millis(200)).await;
        }
    }

    /// Until no message waits: how many there were.
    pub async fn wait_until_all_is_told(&self, environment: &Environment) -> Result<i64> {
        let began = Instant::now();
        let count =
            "select count(*) filter (where state <> 'delivered'), count(*) from vault.webhook_deliveries";
        loop {
            let (left, all): (i64, i64) = sqlx::query_as(count).fetch_one(&environment.checked).await?;
            if left == 0 && all > 0 {
                return Ok(all);
            }
            if began.elapsed() > LAST_WITHIN {
                let why = "select state, attempts, last_status, last_error from vault.webhook_deliveries where state <> 'delivered' limit 5";
                let why: Vec<(String, i32, Option<i16>, Option<String>)> =
                    sqlx::query_as(why).fetch_all(&environment.checked).await?;
                bail!("{left} of {all} messages are not delivered: {why:?}");
            }
            sleep(Duration::from_millis(200)).await;
        }
    }

    async fn query(&self, which: Which, query: &str) -> Result<Value> {
        let read = "import json, sqlite3, sys; print(json.dumps(sqlite3.connect(sys.argv[1]).execute(sys.argv[2]).fetchall()))";
        let mut python = Command::new(self.programs.join("python"));
        let answer = python.args(["-c", read]).arg(self.table(which.table())).arg(query).output().await?;
        ensure!(answer.status.success(), "{}", String::from_utf8_lossy(&answer.stderr));
        Ok(serde_json::from_slice(&answer.stdout)?)
    }

    pub async fn followed(&self) -> Result<People> {
        known(&self.query(Which::Follower, "select account_id, tier, status, expires_at, is_blocked, login_id is not null from people").await?)
    }

    /// How many events it has taken for each person.
    pub async fn counted(&self) -> Result<BTreeMap<String, i64>> {
        let rows = self.query(Which::Follower, "select account_id, changes from people").await?;
        Ok(serde_json::from_value::<Vec<(String, i64)>>(rows)?.into_iter().collect())
    }

    pub async fn received(&self) -> Result<People> {
        known(
            &self
                .query(
                    Which::Receiver,
                    "select account_id, tier, status, expires_at, is_blocked, null from people",
                )
                .await?,
        )
    }
}

fn example(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(file)
}

/// The rows of a consumer's table.
fn known(rows: &Value) -> Result<People> {
    let text = |value: &Value| value.as_str().map(str::to_owned).context("a text");
    let row = |row: &Value| {
        let expires_at = row[3].as_str().map(str::parse::<Timestamp>).transpose()?;
        Ok((
            text(&row[0])?,
            Known {
                tier: text(&row[1])?,
                status: text(&row[2])?,
                // The database keeps microseconds.
                expires_at: expires_at
                    .map(|it| Timestamp::from_microsecond(it.as_microsecond()))
                    .transpose()?,
                is_blocked: row[4].as_i64() == Some(1),
                is_linked: row[5].as_i64().map(|linked| linked == 1),
            },
        ))
    };
    rows.as_array().context("rows")?.iter().map(row).collect()
}
