//! The crowd: people who log in, cancel, change their minds, scan at once, scan what is not theirs, come back, log out, are
//! forgotten. They are patient as people are: what is not there yet is looked for again, and what was said and lost is
//! said again.

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

use crate::dice::Dice;
use crate::fleet::Lines;
use crate::ground::Ground;

mod after;
mod page;
mod ways;

/// How long a person waits for anything before it counts as broken; only peace counts: while processes are killed faster
/// than they can start, nobody can promise anything.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long a person waits for one answer of the page, or of the chat, before trying again.
const ONE_ANSWER: Duration = Duration::from_secs(4);
const CARD_PATIENCE: Duration = Duration::from_secs(10);
/// How long after a scan a person scans again what is new on the screen.
const SCAN_PATIENCE: Duration = Duration::from_secs(20);
/// Between two looks at a page that does not answer.
const PAUSE: Duration = Duration::from_millis(150);

/// What the crowd shares.
pub struct Crowd {
    pub ground: Arc<Ground>,
    seed: u64,
    /// Since when nobody is disturbed any more; from then on, nobody begins anything new.
    peace: OnceLock<Instant>,
    next: AtomicU64,
    /// An invite that several race for.
    contested: Mutex<(String, u32)>,
    pub tally: Tally,
    complaints: Mutex<Vec<String>>,
    /// What the people do, among what the processes say.
    diary: Lines,
    /// Whose page has let them in, by login.
    pub told_in: Mutex<Vec<String>>,
    /// Whose sessions were handed over; one entry each.
    pub handed_over: Mutex<Vec<i64>>,
    /// Who was forgotten, and since when.
    pub forgotten: Mutex<Vec<(i64, Timestamp)>>,
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
    /// Scans that Telegram took and that led to nothing: only a frozen worker may cost one.
    pub lost_scans: AtomicU64,
}

impl Crowd {
    pub fn new(ground: Arc<Ground>, seed: u64, diary: Lines) -> Self {
        Self {
            ground,
            seed,
            peace: OnceLock::new(),
            next: AtomicU64::new(0),
            contested: Mutex::default(),
            tally: Tally::default(),
            complaints: Mutex::default(),
            diary,
            told_in: Mutex::default(),
            handed_over: Mutex::default(),
            forgotten: Mutex::default(),
        }
    }

    /// One place in the crowd: person after person, until it is over.
    pub async fn keep_coming(self: Arc<Self>) -> Result<()> {
        while !self.is_over() {
            let number = self.next.fetch_add(1, Relaxed);
            let mut dice = Dice::for_number(self.seed, number + 1);
            let id = self.ground.person(number, dice.percent(15));
            Self::count(&self.tally.people);
            let mut person = Person {
                crowd: self.clone(),
                id,
                dice,
                seen: HashSet::new(),
                unsure: false,
                last_refusal: None,
                asked_for: None,
                is_in: false,
                is_ended: false,
                is_forgotten: false,
            };
            person.live().await?;
        }
        Ok(())
    }

    /// Nobody is disturbed any more.
    pub fn stop_disturbing(&self) {
        let _ = self.peace.set(Instant::now());
    }

    fn is_over(&self) -> bool {
        self.peace.get().is_some()
    }

    /// Whether somebody who has waited since then still waits.
    fn is_patient(&self, since: Instant, patience: Duration) -> bool {
        self.peace.get().is_none_or(|peace| since.max(*peace).elapsed() < patience)
    }

    pub fn complaints(&self) -> Vec<String> {
        self.complaints.lock().expect("nobody panics while complaining").clone()
    }

    fn complain(&self, what: String) {
        self.complaints.lock().expect("nobody panics while complaining").push(what);
    }

    fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Relaxed);
    }

    /// A code that up to three people use, and more want.
    async fn contested_code(&self) -> Result<String> {
        {
            let mut contested = self.contested.lock().expect("nobody panics while racing");
            if contested.1 > 0 {
                contested.1 -= 1;
                return Ok(contested.0.clone());
            }
        }
        let code = self.ground.invite(3).await?;
        *self.contested.lock().expect("nobody panics while racing") = (code.clone(), 5);
        Ok(code)
    }
}

struct Person {
    crowd: Arc<Crowd>,
    id: i64,
    dice: Dice,
    /// Cards that were there before.
    seen: HashSet<String>,
    /// Something said in the chat was not answered in time, and may be heard at any moment: which `/login` a card is for,
    /// and what ends it, this person cannot know any more.
    unsure: bool,
    /// What Telegram last said to a scan.
    last_refusal: Option<String>,
    /// Which version of the page asked for what was given last, a password or a code, and when that was.
    asked_for: Option<(i64, Instant)>,
    is_in: bool,
    /// The session was ended in Telegram since.
    is_ended: bool,
    is_forgotten: bool,
}

/// What the bot said to `/login CODE`.
enum Said {
    Card(MiniApp),
    Refused,
    /// The answer got lost with its sender.
    Nothing,
}

impl Person {
    async fn live(&mut self) -> Result<()> {
        for _ in 0..self.dice.within(1..4) {
            if self.is_forgotten || self.crowd.is_over() {
                break;
            }
            if !self.seen.is_empty() && self.dice.percent(15) {
                self.come_back_late().await?;
            } else {
                let code = match self.dice.percent(35) {
                    true => self.crowd.contested_code().await?,
                    false => self.crowd.ground.invite(1).await?,
                };
                if let Said::Card(page) = self.ask(&code).await? {
                    Crowd::count(&self.crowd.tally.cards);
                    self.go_on(&page).await;
                }
            }
            if self.is_in {
                self.go_on_after().await?;
            }
        }
        if !self.is_forgotten {
            self.say("/cancel");
        }
        Ok(())
    }

    fn chat(&self) -> stand_in::bot_api::ChatPerson {
        self.crowd.ground.telegram.person(self.id)
    }

    /// Says something in the chat; the number of that message.
    fn say(&self, text: &str) -> i64 {
        self.note(text);
        self.chat().send(text)
    }

    /// Writes down what this person does.
    fn note(&self, what: &str) {
        let line = format!("crowd {} {} {what}", self.crowd.ground.now(), self.id);
        self.crowd.diary.lock().expect("nobody panics while writing down").push(line);
    }

    /// `/login CODE`, again where the answer does not come.
    async fn ask(&mut self, code: &str) -> Result<Said> {
        for _ in 0..3 {
            Crowd::count(&self.crowd.tally.asked);
            let asked = self.say(&format!("/login {code}"));
            match self.answer_after(asked).await? {
                Said::Nothing => self.unsure = true,
                answer => return Ok(answer),
            }
        }
        Ok(Said::Nothing)
    }

    async fn answer_after(&mut self, asked: i64) -> Result<Said> {
        let seen = self.seen.clone();
        let is_answer = |message: &Message| {
            let is_refusal = ["❌", "ℹ️", "⏳", "⛔"].iter().any(|sign| message.text.starts_with(sign));
            let is_card = message.web_app_url().is_some_and(|url| !seen.contains(url));
            message.message_id > asked && (is_card || is_refusal)
        };
        let chat = self.chat();
        let Ok(Ok(answer)) = timeout(CARD_PATIENCE, chat.wait_for_message(is_answer)).await else {
            return Ok(Said::Nothing);
        };
        let Some(url) = answer.web_app_url() else { return Ok(Said::Refused) };
        self.seen.insert(url.to_owned());
        Ok(Said::Card(MiniApp::open(url, Some(chat.init_data(None)))?))
    }

    /// What becomes of this login is up to the dice.
    async fn go_on(&mut self, page: &MiniApp) {
        let way = self.dice.within(0..100);
        self.note(&format!("{} goes way {way}", page.session_id()));
        match way {
            0..30 => self.log_in(page).await,
            30..40 => self.log_in_by_code(page).await,
            40..53 => self.scan_and_cancel(page).await,
            53..64 => self.cancel(page).await,
            64..75 => self.strangers_scan(page).await,
            75..83 => self.two_scan(page).await,
            83..91 => self.linger(page).await,
            // Left alone: the next /login supersedes it, or the last word of this person ends it.
            _ => Crowd::count(&self.crowd.tally.superseded),
        }
    }
}

impl Crowd {
    fn complain_of_a_lost_scan(&self, page: &MiniApp) {
        self.complain(format!("{LOST_SCAN}{}", page.session_id()));
    }
}

/// How the complaints begin that a frozen worker excuses.
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
