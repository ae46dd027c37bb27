//! The crowd: people who log in, cancel, scan at the same time, scan the codes of others, come back, log out, and are erased.
//! They repeat what gets no answer, as people do.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use anyhow::Result;
use jiff::Timestamp;
use serde_json::Value;
use stand_in::bot_api::Message;
use stand_in::mini_app::MiniApp;
use tokio::time::{Instant, timeout};

use crate::environment::Environment;
use crate::fleet::Lines;
use crate::random::Random;

mod after;
mod page;
mod scenarios;

/// How long a person waits before it counts as a failure. The time begins after the last disturbance: while processes are
/// killed faster than they can start, nothing can be expected.
const MAX_WAIT: Duration = Duration::from_secs(60);
/// How long a person waits for one answer of the page, or of the chat, before trying again.
const ONE_ANSWER: Duration = Duration::from_secs(4);
const CARD_MAX_WAIT: Duration = Duration::from_secs(10);
/// How long after a scan a person scans a new code.
const SCAN_MAX_WAIT: Duration = Duration::from_secs(20);
/// Between two requests to a page that does not answer.
const PAUSE: Duration = Duration::from_millis(150);

/// What the crowd shares.
pub struct Crowd {
    pub environment: Arc<Environment>,
    seed: u64,
    /// The end of the disturbances; from then on nobody begins a new login.
    quiet_since: OnceLock<Instant>,
    next: AtomicU64,
    /// An invite that several people try to use at the same time.
    shared_invite: Mutex<(String, u32)>,
    pub tally: Tally,
    failures: Mutex<Vec<String>>,
    /// The log lines of the processes; what people do is added to them.
    lines: Lines,
    /// The logins whose page said that they are authorized.
    pub let_in_pages: Mutex<Vec<String>>,
    /// The people whose sessions were handed over; one entry each.
    pub handed_over: Mutex<Vec<i64>>,
    /// Who was erased, and since when.
    pub erased: Mutex<Vec<(i64, Timestamp)>>,
}

/// What the crowd has done.
#[derive(Debug, Default)]
pub struct Tally {
    pub people: AtomicU64,
    pub asked: AtomicU64,
    pub cards: AtomicU64,
    pub authorized: AtomicU64,
    pub by_code: AtomicU64,
    pub passwords: AtomicU64,
    pub cancelled: AtomicU64,
    pub rejected: AtomicU64,
    pub expired: AtomicU64,
    pub superseded: AtomicU64,
    pub retried: AtomicU64,
    pub raced: AtomicU64,
    pub logged_out: AtomicU64,
    pub revoked: AtomicU64,
    pub exported: AtomicU64,
    pub erased: AtomicU64,
    /// Scans that Telegram accepted and that led to nothing: only a frozen worker may cost one.
    pub lost_scans: AtomicU64,
}

impl Crowd {
    pub fn new(environment: Arc<Environment>, seed: u64, lines: Lines) -> Self {
        Self {
            environment,
            seed,
            quiet_since: OnceLock::new(),
            next: AtomicU64::new(0),
            shared_invite: Mutex::default(),
            tally: Tally::default(),
            failures: Mutex::default(),
            lines,
            let_in_pages: Mutex::default(),
            handed_over: Mutex::default(),
            erased: Mutex::default(),
        }
    }

    /// Runs one person after the other, until the end.
    pub async fn run_people(self: Arc<Self>) -> Result<()> {
        while !self.is_over() {
            let number = self.next.fetch_add(1, Relaxed);
            let mut random = Random::for_number(self.seed, number + 1);
            let id = self.environment.person(number, random.percent(15));
            Self::count(&self.tally.people);
            let mut person = Person {
                crowd: self.clone(),
                id,
                random,
                seen: HashSet::new(),
                unsure: false,
                last_refusal: None,
                asked_for: None,
                wrong_passwords: 0,
                is_in: false,
                is_ended: false,
                is_erased: false,
            };
            person.live().await?;
        }
        Ok(())
    }

    /// Marks the end of the disturbances.
    pub fn stop_disturbing(&self) {
        let _ = self.quiet_since.set(Instant::now());
    }

    fn is_over(&self) -> bool {
        self.quiet_since.get().is_some()
    }

    /// Whether a person who has waited since then may wait longer.
    fn may_wait(&self, since: Instant, patience: Duration) -> bool {
        self.quiet_since.get().is_none_or(|quiet_since| since.max(*quiet_since).elapsed() < patience)
    }

    pub fn failures(&self) -> Vec<String> {
        self.failures.lock().expect("nobody panics while complaining").clone()
    }

    fn report(&self, what: String) {
        self.failures.lock().expect("nobody panics while complaining").push(what);
    }

    fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Relaxed);
    }

    /// A code for up to three people, which more people try.
    async fn shared_code(&self) -> Result<String> {
        {
            let mut shared_invite = self.shared_invite.lock().expect("nobody panics while racing");
            if shared_invite.1 > 0 {
                shared_invite.1 -= 1;
                return Ok(shared_invite.0.clone());
            }
        }
        let code = self.environment.invite(3).await?;
        *self.shared_invite.lock().expect("nobody panics while racing") = (code.clone(), 5);
        Ok(code)
    }
}

struct Person {
    crowd: Arc<Crowd>,
    id: i64,
    random: Random,
    /// Cards from before.
    seen: HashSet<String>,
    /// A message in the chat was not answered in time, and may be handled at any moment. So this person cannot know which
    /// `/login` a card is for, or what ends it.
    unsure: bool,
    /// The last error of Telegram to a scan.
    last_refusal: Option<String>,
    /// The version of the page that asked for the last password or code, and when it was given.
    asked_for: Option<(i64, Instant)>,
    /// How often this person typed a wrong password. Five tries in five minutes are all that a login has, and tries whose answer got
    /// lost count as well.
    wrong_passwords: u32,
    is_in: bool,
    /// The session was ended in Telegram since.
    is_ended: bool,
    is_erased: bool,
}

/// The answer of the bot to `/login CODE`.
enum Answer {
    Card(MiniApp),
    Refused,
    /// The answer was lost with its sender.
    Nothing,
}

impl Person {
    async fn live(&mut self) -> Result<()> {
        for _ in 0..self.random.within(1..4) {
            if self.is_erased || self.crowd.is_over() {
                break;
            }
            if !self.seen.is_empty() && self.random.percent(15) {
                self.come_back_late().await?;
            } else {
                let code = match self.random.percent(35) {
                    true => self.crowd.shared_code().await?,
                    false => self.crowd.environment.invite(1).await?,
                };
                if let Answer::Card(page) = self.ask(&code).await? {
                    Crowd::count(&self.crowd.tally.cards);
                    self.run_scenario(&page).await;
                }
            }
            if self.is_in {
                self.act_after_login().await?;
            }
        }
        if !self.is_erased {
            self.say("/cancel");
        }
        Ok(())
    }

    fn chat(&self) -> stand_in::bot_api::ChatPerson {
        self.crowd.environment.telegram.person(self.id)
    }

    /// Sends a message in the chat; returns its id.
    fn say(&self, text: &str) -> i64 {
        self.note(text);
        self.chat().send(text)
    }

    /// Adds a line about what this person does.
    fn note(&self, what: &str) {
        let line = format!("crowd {} {} {what}", self.crowd.environment.now(), self.id);
        self.crowd.lines.lock().expect("nobody panics while writing down").push(line);
    }

    /// `/login CODE`, again where the answer does not come.
    async fn ask(&mut self, code: &str) -> Result<Answer> {
        for _ in 0..3 {
            Crowd::count(&self.crowd.tally.asked);
            let asked = self.say(&format!("/login {code}"));
            match self.answer_after(asked).await? {
                Answer::Nothing => self.unsure = true,
                answer => return Ok(answer),
            }
        }
        Ok(Answer::Nothing)
    }

    async fn answer_after(&mut self, asked: i64) -> Result<Answer> {
        let seen = self.seen.clone();
        let is_answer = |message: &Message| {
            let is_refusal = ["❌", "ℹ️", "⏳", "⛔"].iter().any(|sign| message.text.starts_with(sign));
            let is_card = message.web_app_url().is_some_and(|url| !seen.contains(url));
            message.message_id > asked && (is_card || is_refusal)
        };
        let chat = self.chat();
        let Ok(Ok(answer)) = timeout(CARD_MAX_WAIT, chat.wait_for_message(is_answer)).await else {
            return Ok(Answer::Nothing);
        };
        let Some(url) = answer.web_app_url() else { return Ok(Answer::Refused) };
        self.seen.insert(url.to_owned());
        Ok(Answer::Card(MiniApp::open(url, Some(chat.init_data(None)))?))
    }

    /// Runs a random scenario for this login.
    async fn run_scenario(&mut self, page: &MiniApp) {
        let way = self.random.within(0..100);
        self.note(&format!("{} goes way {way}", page.session_id()));
        match way {
            0..30 => self.log_in(page).await,
            30..40 => self.log_in_by_code(page).await,
            40..53 => self.scan_and_cancel(page).await,
            53..64 => self.cancel(page).await,
            64..75 => self.strangers_scan(page).await,
            75..83 => self.two_scan(page).await,
            83..91 => self.linger(page).await,
            // Nothing is done: the next /login supersedes it, or the last /cancel of this person ends it.
            _ => Crowd::count(&self.crowd.tally.superseded),
        }
    }
}

impl Crowd {
    fn report_lost_scan(&self, page: &MiniApp) {
        self.report(format!("{LOST_SCAN}{}", page.session_id()));
    }
}

/// The beginning of failures that a frozen worker excuses.
pub const LOST_SCAN: &str = "a scan led to nothing: ";

fn is_live(status: &str) -> bool {
    ["waiting", "code_required", "password_required"].contains(&status)
}

fn without_secrets(mut status: Value) -> Value {
    for secret in ["token", "deep_link"] {
        status[secret] = (!status[secret].is_null()).into();
    }
    status
}
