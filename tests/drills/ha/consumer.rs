//! Another service that follows the log by `/api/v1/events`, and keeps its position, over every failover.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use reqwest::StatusCode;
use serde_json::Value;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use crate::environment::Environment;
use crate::fleet::Fleet;

/// Between two requests: a consumer is not what this drill loads the service with.
const PAUSE: Duration = Duration::from_millis(100);
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// How long the log may take to go on after a failover.
const GOES_ON_WITHIN: Duration = Duration::from_secs(60);

pub struct Consumer {
    known: Arc<Mutex<Known>>,
    following: JoinHandle<()>,
}

/// What it has been told.
#[derive(Default)]
struct Known {
    position: i64,
    log: Option<String>,
    /// From which position to which the log was set back.
    taken_back: Vec<(i64, i64)>,
    faults: Vec<String>,
}

impl Consumer {
    /// Makes a key, and follows the log from its beginning.
    pub async fn begin(environment: &Environment, fleet: &Fleet) -> Result<Self> {
        let order = ["apikey", "create", "--name", "drill", "--scope", "events:read"];
        let said = environment.tool.tool(&order).await?;
        let key = said.split_whitespace().find(|word| word.starts_with("qrl_")).context("a key")?.to_owned();
        let front = fleet.up().pop().context("a process with the role api")?;
        let known = Arc::new(Mutex::new(Known::default()));
        let client = reqwest::Client::builder().no_proxy().timeout(ANSWER_WITHIN).build()?;
        let following = tokio::spawn(follow(client, front.url(), key, known.clone()));
        Ok(Self { known, following })
    }

    /// The last position that it was told.
    pub fn position(&self) -> i64 {
        lock(&self.known).position
    }

    /// How the log was set back since this was asked last.
    pub fn taken_back(&self) -> Vec<(i64, i64)> {
        std::mem::take(&mut lock(&self.known).taken_back)
    }

    /// What was wrong since this was asked last.
    pub fn faults(&self) -> Vec<String> {
        std::mem::take(&mut lock(&self.known).faults)
    }

    /// Waits until it was told more than that, or that the log was set back.
    pub async fn wait_until_beyond(&self, position: i64) -> Result<()> {
        let until = Instant::now() + GOES_ON_WITHIN;
        loop {
            let is_beyond = {
                let known = lock(&self.known);
                known.position > position || !known.taken_back.is_empty()
            };
            if is_beyond {
                return Ok(());
            }
            ensure!(Instant::now() < until, "a service that knows position {position} is told nothing more");
            sleep(PAUSE).await;
        }
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        self.following.abort();
    }
}

async fn follow(client: reqwest::Client, base: String, key: String, known: Arc<Mutex<Known>>) {
    loop {
        let query = {
            let known = lock(&known);
            let log = known.log.as_ref().map(|log| format!("&log={log}")).unwrap_or_default();
            format!("after={}&limit=1000&wait=5{log}", known.position)
        };
        let asked = client.get(format!("{base}/api/v1/events?{query}")).bearer_auth(&key).send().await;
        if let Ok(answer) = asked {
            let status = answer.status();
            if let Ok(body) = answer.json::<Value>().await {
                lock(&known).take(status, &body);
            }
        }
        sleep(PAUSE).await;
    }
}

impl Known {
    fn take(&mut self, status: StatusCode, body: &Value) {
        match status {
            StatusCode::OK => {
                for item in body["items"].as_array().into_iter().flatten() {
                    let position = item["position"].as_i64().unwrap_or_default();
                    if position != self.position + 1 {
                        self.faults.push(format!("after position {} came {position}", self.position));
                    }
                    self.position = position;
                }
                self.log = body["log"].as_str().map(str::to_owned);
            }
            StatusCode::CONFLICT => {
                let from = body["go_on_from"].as_i64().unwrap_or_default();
                self.taken_back.push((self.position, from));
                self.position = from;
                self.log = body["log"].as_str().map(str::to_owned);
            }
            // The database is away.
            _ if status.is_server_error() => {}
            other => self.faults.push(format!("/api/v1/events answered {other}: {body}")),
        }
    }
}

fn lock(known: &Mutex<Known>) -> MutexGuard<'_, Known> {
    known.lock().unwrap_or_else(PoisonError::into_inner)
}
