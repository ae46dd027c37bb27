//! Visitors: new people who come one after the other and log in, each once. What each of them waited for is kept, so that a test can
//! tell the longest wait since a fault.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use stand_in::mini_app::MiniApp;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use crate::environment::Environment;

/// The number of the first visitor; the others of a test have lower ones.
const FIRST: u64 = 1_000_000;
/// So many are under way at most.
const AT_ONCE: usize = 12;
/// Nobody waits longer: then the login is lost.
const PATIENCE: Duration = Duration::from_secs(120);
/// Before a page asks again, and how long one answer may take.
const ASK_AGAIN_AFTER: Duration = Duration::from_millis(100);
const ONE_ANSWER: Duration = Duration::from_secs(3);
/// After a scan that led to nothing, a person scans the code that is shown by then.
const SCAN_AGAIN_AFTER: Duration = Duration::from_secs(15);

/// What a visitor waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wait {
    /// The bot's answer to `/login`.
    Answer,
    /// The first QR code, from then on.
    Code,
    /// The page, from the scan on.
    Confirmed,
    /// Any answer of the page.
    Page,
}

impl Wait {
    pub const ALL: [Self; 4] = [Self::Answer, Self::Code, Self::Confirmed, Self::Page];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Answer => "answer",
            Self::Code => "code",
            Self::Confirmed => "confirmed",
            Self::Page => "page",
        }
    }
}

/// Those who came so far.
pub struct Visitors {
    seen: Arc<Mutex<Seen>>,
    coming: JoinHandle<()>,
}

#[derive(Default)]
struct Seen {
    waits: Vec<(Wait, Instant, Option<Instant>)>,
    /// When each came who is in by now.
    in_since: Vec<Instant>,
    under_way: usize,
    is_over: bool,
    failures: Vec<String>,
    /// Answers of the page that were none: a connection error, or a status of 500 and above.
    failed_requests: u64,
    let_in: Vec<String>,
}

impl Visitors {
    /// One comes every so often, with an invite for each, or with this one.
    pub fn come(environment: &Arc<Environment>, every: Duration, invite: Option<String>) -> Self {
        let seen = Arc::<Mutex<Seen>>::default();
        let (all, theirs) = (environment.clone(), seen.clone());
        let coming = tokio::spawn(async move {
            for number in FIRST.. {
                if theirs.lock().expect("nothing panics").is_over {
                    return;
                }
                if theirs.lock().expect("nothing panics").under_way < AT_ONCE {
                    theirs.lock().expect("nothing panics").under_way += 1;
                    tokio::spawn(visit(all.clone(), theirs.clone(), number, invite.clone()));
                }
                sleep(every).await;
            }
        });
        Self { seen, coming }
    }

    /// Waits until so many are in who came after this moment.
    pub async fn wait_for(&self, count: usize, since: Instant) -> Result<()> {
        let until = Instant::now() + PATIENCE;
        loop {
            {
                let seen = self.seen();
                if seen.in_since.iter().filter(|came| **came >= since).count() >= count {
                    return Ok(());
                }
                ensure!(seen.failures.is_empty(), "{}", seen.failures.join("\n"));
            }
            ensure!(Instant::now() < until, "nobody gets in any more");
            sleep(ASK_AGAIN_AFTER).await;
        }
    }

    /// The longest wait of each kind since this moment, from then on counted.
    pub fn longest_since(&self, since: Instant) -> Vec<(Wait, Duration)> {
        let now = Instant::now();
        let seen = self.seen();
        let longest = |kind: Wait| {
            let waits = seen
                .waits
                .iter()
                .filter(|(wait, _, ended)| *wait == kind && ended.is_none_or(|ended| ended >= since));
            waits
                .map(|(_, began, ended)| ended.unwrap_or(now).saturating_duration_since((*began).max(since)))
                .max()
                .unwrap_or_default()
        };
        Wait::ALL.map(|kind| (kind, longest(kind))).into()
    }

    /// How many are in.
    pub fn in_all(&self) -> usize {
        self.seen().in_since.len()
    }

    pub fn failed_requests(&self) -> u64 {
        self.seen().failed_requests
    }

    /// Nobody comes any more; waits for those who are under way. Returns whose login was lost, and the logins that let in.
    pub async fn end(&self) -> (Vec<String>, Vec<String>) {
        self.seen().is_over = true;
        let until = Instant::now() + PATIENCE;
        while self.seen().under_way > 0 && Instant::now() < until {
            sleep(ASK_AGAIN_AFTER).await;
        }
        let seen = self.seen();
        let mut failures = seen.failures.clone();
        if seen.under_way > 0 {
            failures.push(format!("{} visitors never finish", seen.under_way));
        }
        (failures, seen.let_in.clone())
    }

    fn seen(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().expect("nothing panics while it is held")
    }
}

impl Drop for Visitors {
    fn drop(&mut self) {
        self.coming.abort();
    }
}

/// One login of the person with this number; returns its id.
pub async fn log_in(environment: &Arc<Environment>, number: u64, invite: Option<String>) -> Result<String> {
    let id = environment.person(number, false);
    Visitor { environment: environment.clone(), seen: Arc::default(), id }.log_in(invite).await
}

/// A visitor and what is kept of the visit.
struct Visitor {
    environment: Arc<Environment>,
    seen: Arc<Mutex<Seen>>,
    id: i64,
}

async fn visit(environment: Arc<Environment>, seen: Arc<Mutex<Seen>>, number: u64, invite: Option<String>) {
    let came = Instant::now();
    let id = environment.person(number, false);
    let visitor = Visitor { environment, seen: seen.clone(), id };
    let outcome = visitor.log_in(invite).await;
    let mut seen = seen.lock().expect("nothing panics");
    seen.under_way -= 1;
    match outcome {
        Ok(login) => {
            seen.in_since.push(came);
            seen.let_in.push(login);
        }
        Err(error) => seen.failures.push(format!("{id}: {error:#}")),
    }
}

impl Visitor {
    /// `/login`, the code, the scan: returns the login.
    async fn log_in(&self, invite: Option<String>) -> Result<String> {
        let code = match invite {
            Some(code) => code,
            None => self.environment.invite(1).await?,
        };
        let page = self.measured(Wait::Answer, self.ask(&code)).await?;
        let has_code = |status: &Value| status["deep_link"].is_string();
        let mut status = self.measured(Wait::Code, self.follow(&page, has_code)).await?;
        let confirmed = async {
            let mut scanned: Option<(String, Instant)> = None;
            loop {
                match status["status"].as_str() {
                    Some("authorized") => return anyhow::Ok(()),
                    Some("waiting") => {}
                    other => {
                        anyhow::bail!("{}: the login is {other:?}: {}", page.session_id(), status["error"])
                    }
                }
                if let Some(link) = status["deep_link"].as_str() {
                    let is_due = scanned
                        .as_ref()
                        .is_none_or(|(before, at)| before != link && at.elapsed() > SCAN_AGAIN_AFTER);
                    // A code may have been replaced a moment ago: then the next one is scanned.
                    if is_due && self.environment.telegram.phone(self.id).scan(link).await.is_ok() {
                        scanned = Some((link.to_owned(), Instant::now()));
                    }
                }
                sleep(ASK_AGAIN_AFTER).await;
                status = self.follow(&page, |_| true).await?;
            }
        };
        self.measured(Wait::Confirmed, confirmed).await?;
        Ok(page.session_id().to_owned())
    }

    async fn ask(&self, code: &str) -> Result<MiniApp> {
        let chat = self.environment.telegram.person(self.id);
        let asked = chat.send(&format!("/login {code}"));
        loop {
            let answer = chat.wait_for_message(|message| message.message_id > asked).await;
            let Ok(answer) = answer else { continue };
            let url = answer.web_app_url().with_context(|| format!("no card: {}", answer.text))?;
            return MiniApp::open(url, Some(chat.init_data(None)));
        }
    }

    /// Asks the page until the status is so.
    async fn follow(&self, page: &MiniApp, is_so: impl Fn(&Value) -> bool) -> Result<Value> {
        loop {
            let status = self.measured(Wait::Page, self.answered(page)).await?;
            if is_so(&status) {
                return Ok(status);
            }
            let name = status["status"].as_str().unwrap_or_default();
            // The process that answers may not have read the log so far yet.
            ensure!(["waiting", "not_found"].contains(&name), "the login is {status}");
            sleep(ASK_AGAIN_AFTER).await;
        }
    }

    async fn answered(&self, page: &MiniApp) -> Result<Value> {
        loop {
            match timeout(ONE_ANSWER, page.status()).await {
                Ok(Ok(status)) => return Ok(status),
                Ok(Err(_)) | Err(_) => self.seen.lock().expect("nothing panics").failed_requests += 1,
            }
            sleep(ASK_AGAIN_AFTER).await;
        }
    }

    async fn measured<T>(&self, wait: Wait, what: impl Future<Output = Result<T>>) -> Result<T> {
        let number = {
            let mut seen = self.seen.lock().expect("nothing panics");
            seen.waits.push((wait, Instant::now(), None));
            seen.waits.len() - 1
        };
        let outcome = timeout(PATIENCE, what).await;
        self.seen.lock().expect("nothing panics").waits[number].2 = Some(Instant::now());
        outcome.with_context(|| format!("waited for {} in vain", wait.name()))?
    }
}
