//! Probes: new people who send `/login` again and again, and requests to `/readyz`.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Result, ensure};
use stand_in::bot_api::ChatPerson;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use crate::environment::Environment;

/// Between two `/login`, and between two requests to `/readyz`.
const EVERY: Duration = Duration::from_millis(300);
/// The number of the first of these people; the others of the test have lower ones.
const FIRST: u64 = 1_000_000;
/// Invites that are made before the database goes away: enough for 45 s. After that nobody new asks.
const STOCK: usize = 150;
/// How long an answer of `/readyz` may take.
const READY_WITHIN: Duration = Duration::from_secs(2);

/// Invites, and the people who use them.
pub struct Probes {
    environment: Arc<Environment>,
    stock: Vec<String>,
    asked: u64,
}

/// The `/login`s between the beginning of a fault and the first answer.
pub struct Answers {
    /// When the first card came that was requested after the fault.
    pub first: Instant,
    /// The people who sent `/login` meanwhile, and when.
    asked: Vec<(ChatPerson, Instant)>,
}

impl Probes {
    pub fn new(environment: Arc<Environment>) -> Self {
        Self { environment, stock: Vec::new(), asked: 0 }
    }

    /// Makes invites, while the database can be reached.
    pub async fn fill_stock(&mut self) -> Result<()> {
        while self.stock.len() < STOCK {
            self.stock.push(self.environment.invite(1).await?);
        }
        Ok(())
    }

    /// Sends `/login`s from now on. Returns at the first card after `writable` is done.
    pub async fn until_answered(
        &mut self,
        writable: impl Future<Output = Result<Instant>>,
        patience: Duration,
    ) -> Result<(Instant, Answers)> {
        let began = Instant::now();
        let mut writable = std::pin::pin!(writable);
        let mut writable_at = None;
        let mut asked: Vec<(ChatPerson, Instant)> = Vec::new();
        loop {
            if asked.last().is_none_or(|(_, at)| at.elapsed() >= EVERY)
                && let Some(person) = self.ask()
            {
                asked.push((person, Instant::now()));
            }
            tokio::select! {
                at = &mut writable, if writable_at.is_none() => {
                    writable_at = Some(at?);
                    // A card from before is an answer of the old primary.
                    for (person, _) in asked.extract_if(.., |(person, _)| has_card(person)) {
                        person.send("/cancel");
                    }
                }
                () = sleep(Duration::from_millis(10)) => {}
            }
            if let Some(writable) = writable_at
                && asked.iter().any(|(person, _)| has_card(person))
            {
                return Ok((writable, Answers { first: Instant::now(), asked }));
            }
            let waited = began.elapsed();
            ensure!(waited < patience, "no `/login` was answered within {} s of the fault", waited.as_secs());
        }
    }

    /// A new person sends `/login`, as long as there are invites.
    fn ask(&mut self) -> Option<ChatPerson> {
        let code = self.stock.pop()?;
        let person = self.environment.person(FIRST + self.asked, false);
        self.asked += 1;
        let chat = self.environment.telegram.person(person);
        chat.send(&format!("/login {code}"));
        Some(chat)
    }
}

impl Answers {
    /// Waits until all these people have a card, and cancels their logins. Returns the longest wait.
    pub async fn all(self, patience: Duration) -> Result<Duration> {
        let until = Instant::now() + patience;
        let mut longest = Duration::ZERO;
        let mut left = self.asked;
        while !left.is_empty() {
            for (person, at) in left.extract_if(.., |(person, _)| has_card(person)) {
                longest = longest.max(at.elapsed());
                person.send("/cancel");
            }
            ensure!(
                Instant::now() < until,
                "{} of those who said `/login` got no card within {} s",
                left.len(),
                patience.as_secs()
            );
            sleep(Duration::from_millis(50)).await;
        }
        Ok(longest)
    }
}

fn has_card(person: &ChatPerson) -> bool {
    person.from_bot().iter().any(|message| message.web_app_url().is_some())
}

/// When the request began and ended, and the status; None without an answer.
type Probe = (Instant, Instant, Option<u16>);

/// Requests `/readyz` of a process, from now on.
pub struct Readiness {
    seen: Arc<Mutex<Vec<Probe>>>,
    probing: JoinHandle<()>,
}

impl Readiness {
    pub fn watch(ops: SocketAddr) -> Result<Self> {
        let client = reqwest::Client::builder().no_proxy().timeout(READY_WITHIN).build()?;
        let seen = Arc::new(Mutex::new(Vec::new()));
        let into = seen.clone();
        let probing = tokio::spawn(async move {
            loop {
                let asked = Instant::now();
                let answer = client.get(format!("http://{ops}/readyz")).send().await;
                let status = answer.ok().map(|answer| answer.status().as_u16());
                into.lock().expect("nobody panics while probing").push((asked, Instant::now(), status));
                sleep(EVERY).await;
            }
        });
        Ok(Self { seen, probing })
    }

    /// How many requests within this time got 200, another status, and no answer.
    pub fn between(&self, from: Instant, to: Instant) -> (usize, usize, usize) {
        let seen = self.seen.lock().expect("nobody panics while probing");
        let probes = seen.iter().filter(|(asked, answered, _)| from <= *asked && *answered < to);
        probes.fold((0, 0, 0), |(ready, not, none), (.., status)| match status {
            Some(200) => (ready + 1, not, none),
            Some(_) => (ready, not + 1, none),
            None => (ready, not, none + 1),
        })
    }
}

impl Drop for Readiness {
    fn drop(&mut self) {
        self.probing.abort();
    }
}
