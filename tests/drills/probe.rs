//! Somebody says `/login` again and again, each time as a new person; and somebody looks at `/readyz`.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Result, ensure};
use stand_in::bot_api::ChatPerson;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use crate::ground::Ground;

/// Between two people who say `/login`, and between two looks at `/readyz`.
const EVERY: Duration = Duration::from_millis(300);
/// The first of these people, far from the crowd's.
const FIRST: u64 = 1_000_000;
/// Invites that are made before the database goes away: enough for the longest wait.
const STOCK: usize = 500;
/// An answer of `/readyz` that takes longer is none.
const READY_WITHIN: Duration = Duration::from_secs(2);

/// Invites, and the people who use them.
pub struct Probes {
    ground: Arc<Ground>,
    stock: Vec<String>,
    asked: u64,
}

/// What people saw between the beginning of a fault and the first answer.
pub struct Answers {
    /// When the first card came that was asked for after the fault.
    pub first: Instant,
    /// Who has asked meanwhile, and when.
    asked: Vec<(ChatPerson, Instant)>,
}

impl Probes {
    pub fn new(ground: Arc<Ground>) -> Self {
        Self { ground, stock: Vec::new(), asked: 0 }
    }

    /// Makes invites, while the database is there.
    pub async fn fill_stock(&mut self) -> Result<()> {
        while self.stock.len() < STOCK {
            self.stock.push(self.ground.invite(1).await?);
        }
        Ok(())
    }

    /// People ask from now on; returns at the first card that comes after `writable` has happened.
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
                    // Who was answered before has asked the old primary.
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

    /// A new person says `/login`, as long as there are invites.
    fn ask(&mut self) -> Option<ChatPerson> {
        let code = self.stock.pop()?;
        let person = self.ground.person(FIRST + self.asked, false);
        self.asked += 1;
        let chat = self.ground.telegram.person(person);
        chat.send(&format!("/login {code}"));
        Some(chat)
    }
}

impl Answers {
    /// Waits until everybody who asked has a card, and has cancelled; how long the last one waited.
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

/// When it was asked, when it answered, and the status; None without an answer.
type Look = (Instant, Instant, Option<u16>);

/// Looks at `/readyz` of a process, from now on.
pub struct Readiness {
    seen: Arc<Mutex<Vec<Look>>>,
    looking: JoinHandle<()>,
}

impl Readiness {
    pub fn watch(ops: SocketAddr) -> Result<Self> {
        let client = reqwest::Client::builder().no_proxy().timeout(READY_WITHIN).build()?;
        let seen = Arc::new(Mutex::new(Vec::new()));
        let into = seen.clone();
        let looking = tokio::spawn(async move {
            loop {
                let asked = Instant::now();
                let answer = client.get(format!("http://{ops}/readyz")).send().await;
                let status = answer.ok().map(|answer| answer.status().as_u16());
                into.lock().expect("nobody panics while looking").push((asked, Instant::now(), status));
                sleep(EVERY).await;
            }
        });
        Ok(Self { seen, looking })
    }

    /// How many looks that began and ended in this time found 200, another status, and no answer.
    pub fn between(&self, from: Instant, to: Instant) -> (usize, usize, usize) {
        let seen = self.seen.lock().expect("nobody panics while looking");
        let looks = seen.iter().filter(|(asked, answered, _)| from <= *asked && *answered < to);
        looks.fold((0, 0, 0), |(ready, not, none), (.., status)| match status {
            Some(200) => (ready + 1, not, none),
            Some(_) => (ready, not + 1, none),
            None => (ready, not, none + 1),
        })
    }
}

impl Drop for Readiness {
    fn drop(&mut self) {
        self.looking.abort();
    }
}
