//! Requests that nobody repeats: the page, a status and a long poll, one after the other through Caddy. While processes are replaced,
//! each has to be answered. So are orders with a body; Caddy does not ask another process for those, so one that a process gets in
//! its last moment may fail. These are only told.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

/// Between two requests of a kind.
const EVERY: Duration = Duration::from_millis(30);
/// Longer than a long poll.
const ANSWERED_WITHIN: Duration = Duration::from_secs(40);

/// The requests, until they are dropped.
pub struct Requests {
    told: Arc<Mutex<Told>>,
    _asking: JoinSet<()>,
}

#[derive(Default)]
struct Told {
    answered: u64,
    /// What is done to the processes at the moment.
    now: String,
    failed: Vec<String>,
    /// Orders alone.
    failed_orders: Vec<String>,
}

/// What is asked for with a body.
const ORDER: &str = "an order";

impl Requests {
    /// `session` is a login that waits: its long polls are answered when there is news.
    pub fn begin(origin: &str, session: &str) -> Result<Self> {
        let told = Arc::<Mutex<Told>>::default();
        let mut asking = JoinSet::new();
        let page = format!("{origin}/qr-auth?session_id={session}");
        let status = format!("{origin}/qr-auth-status?session_id={session}");
        let poll = format!("{status}&wait=2&since=9000000000");
        for (what, url) in [("the page", page), ("a status", status), ("a long poll", poll)] {
            let http = client()?;
            asking.spawn(ask(what, told.clone(), move || http.get(&url)));
        }
        let (http, url) = (client()?, format!("{origin}/qr-auth/retry"));
        // Without launch data it is refused: that is an answer, too.
        let order = move || http.post(&url).json(&json!({"session_id": "any"}));
        asking.spawn(ask(ORDER, told.clone(), order));
        Ok(Self { told, _asking: asking })
    }

    /// What is done to the processes from now on.
    pub fn during(&self, what: String) {
        self.told().now = what;
    }

    /// How many were answered, and what failed.
    pub fn end(self) -> Result<(u64, Vec<String>)> {
        let told = self.told();
        ensure!(told.answered > 0, "no request was answered");
        for order in &told.failed_orders {
            eprintln!("{order}");
        }
        Ok((told.answered, told.failed.clone()))
    }

    fn told(&self) -> std::sync::MutexGuard<'_, Told> {
        self.told.lock().expect("nothing panics while it is held")
    }
}

fn client() -> Result<reqwest::Client> {
    Ok(reqwest::Client::builder().no_proxy().timeout(ANSWERED_WITHIN).build()?)
}

async fn ask(what: &str, told: Arc<Mutex<Told>>, request: impl Fn() -> reqwest::RequestBuilder) {
    loop {
        let began = Instant::now();
        let failure = match request().send().await {
            Ok(answer) if !answer.status().is_server_error() => {
                let status = answer.status();
                answer.bytes().await.err().map(|error| format!("{status}, then {error}"))
            }
            Ok(answer) => Some(answer.status().to_string()),
            Err(error) => Some(error.to_string()),
        };
        {
            let mut told = told.lock().expect("nothing panics while it is held");
            match failure {
                None => told.answered += 1,
                Some(failure) => {
                    let line =
                        format!("{what} after {} ms: {failure} ({})", began.elapsed().as_millis(), told.now);
                    match what {
                        ORDER => told.failed_orders.push(line),
                        _ => told.failed.push(line),
                    }
                }
            }
        }
        sleep(EVERY).await;
    }
}
