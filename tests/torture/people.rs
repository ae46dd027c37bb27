//! The crowd: people who log in, cancel, change their minds, scan at once, scan what is not theirs, come back. They are
//! patient as people are: what is not there yet is looked for again, and what was said and lost is said again.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};
use stand_in::bot_api::Message;
use stand_in::mini_app::MiniApp;
use tokio::time::{Instant, sleep, timeout};

use crate::dice::Dice;
use crate::ground::Ground;

/// How long a person waits for anything before it counts as broken.
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
    /// Nobody begins anything new.
    pub over: AtomicBool,
    next: AtomicU64,
    /// An invite that several race for.
    contested: Mutex<(String, u32)>,
    pub tally: Tally,
    complaints: Mutex<Vec<String>>,
}

/// What the crowd has done.
#[derive(Debug, Default)]
pub struct Tally {
    pub people: AtomicU64,
    pub asked: AtomicU64,
    pub cards: AtomicU64,
    pub authorized: AtomicU64,
    pub cancelled: AtomicU64,
    pub rejected: AtomicU64,
    pub superseded: AtomicU64,
    pub retried: AtomicU64,
    pub raced: AtomicU64,
    /// Scans that Telegram took and that led to nothing: only a frozen worker may cost one.
    pub lost_scans: AtomicU64,
}

impl Crowd {
    pub fn new(ground: Arc<Ground>, seed: u64) -> Self {
        Self {
            ground,
            seed,
            over: AtomicBool::new(false),
            next: AtomicU64::new(0),
            contested: Mutex::default(),
            tally: Tally::default(),
            complaints: Mutex::default(),
        }
    }

    /// One place in the crowd: person after person, until it is over.
    pub async fn keep_coming(self: Arc<Self>) -> Result<()> {
        while !self.over.load(Relaxed) {
            let number = self.next.fetch_add(1, Relaxed);
            let id = self.ground.person(number);
            Self::count(&self.tally.people);
            let dice = Dice::for_number(self.seed, number + 1);
            let mut person = Person {
                crowd: self.clone(),
                id,
                dice,
                seen: HashSet::new(),
                asked_again: false,
                last_refusal: None,
            };
            person.live().await?;
        }
        Ok(())
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
    /// Said `/login` twice, because no answer came: which of the two the card is for, they cannot know.
    asked_again: bool,
    /// What Telegram last said to a scan.
    last_refusal: Option<String>,
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
            if self.crowd.over.load(Relaxed) {
                break;
            }
            let code = match self.dice.percent(35) {
                true => self.crowd.contested_code().await?,
                false => self.crowd.ground.invite(1).await?,
            };
            if let Said::Card(page) = self.ask(&code).await? {
                Crowd::count(&self.crowd.tally.cards);
                self.go_on(&page).await;
            }
        }
        self.chat().send("/cancel");
        Ok(())
    }

    fn chat(&self) -> stand_in::bot_api::ChatPerson {
        self.crowd.ground.telegram.person(self.id)
    }

    /// `/login CODE`, again where the answer does not come.
    async fn ask(&mut self, code: &str) -> Result<Said> {
        for again in [false, true, true] {
            self.asked_again = again;
            Crowd::count(&self.crowd.tally.asked);
            let asked = self.chat().send(&format!("/login {code}"));
            match self.answer_after(asked).await? {
                Said::Nothing => {}
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
        match self.dice.within(0..100) {
            0..35 => self.log_in(page).await,
            35..50 => self.scan_and_cancel(page).await,
            50..62 => self.cancel(page).await,
            62..74 => self.strangers_scan(page).await,
            74..82 => self.two_scan(page).await,
            82..90 => self.linger(page).await,
            // Left alone: the next /login supersedes it, or the last word of this person ends it.
            _ => Crowd::count(&self.crowd.tally.superseded),
        }
    }

    /// Scans until it is in; or until the login has ended, which nobody but this person could wish.
    async fn log_in(&mut self, page: &MiniApp) {
        let began = Instant::now();
        let (mut scanned, mut scanned_at): (HashSet<String>, Option<Instant>) = Default::default();
        let mut last = Value::Null;
        while began.elapsed() < PATIENCE {
            let Some(status) = self.look(page).await else { continue };
            match status["status"].as_str() {
                Some("authorized") => return Crowd::count(&self.crowd.tally.authorized),
                Some("waiting") => {}
                Some("cancelled" | "failed") if self.asked_again => return,
                _ => {
                    return self.crowd.complain(format!(
                        "{}: ended while its owner logged in: {}; Telegram said {:?}",
                        page.session_id(),
                        without_secrets(status),
                        self.last_refusal,
                    ));
                }
            }
            let waited_enough = scanned_at.is_none_or(|at| at.elapsed() > SCAN_PATIENCE);
            if let Some(link) = status["deep_link"].as_str()
                && waited_enough
                && scanned.insert(link.to_owned())
                && self.crowd.ground.telegram.phone(self.id).scan(link).await.is_ok()
                && scanned_at.replace(Instant::now()).is_some()
            {
                Crowd::count(&self.crowd.tally.lost_scans);
                self.crowd.complain_of_a_lost_scan(page);
            }
            last = status;
            sleep(PAUSE).await;
        }
        self.crowd.complain(format!(
            "{}: not in after {} s: scanned {} codes, {}; last {}",
            page.session_id(),
            PATIENCE.as_secs(),
            scanned.len(),
            scanned_at.map_or("none taken".to_owned(), |at| format!("{} s ago", at.elapsed().as_secs())),
            without_secrets(last),
        ));
    }

    async fn scan_and_cancel(&mut self, page: &MiniApp) {
        let Some(link) = self.link(page).await else { return };
        Crowd::count(&self.crowd.tally.raced);
        let (before_scan, before_cancel) = (self.dice.millis(0..60), self.dice.millis(0..60));
        let phone = self.crowd.ground.telegram.phone(self.id);
        let scan = async {
            sleep(before_scan).await;
            phone.scan(&link).await.is_ok()
        };
        let cancel = async {
            sleep(before_cancel).await;
            self.post(page, "/qr-auth/cancel").await
        };
        tokio::join!(scan, cancel);
        self.ends(page).await;
    }

    async fn cancel(&mut self, page: &MiniApp) {
        if self.dice.percent(50) {
            // At any moment, also before there is a code.
            let _ = self.link(page).await;
        }
        // What is said in the chat may be heard late: whoever says it there does not retry.
        if self.dice.percent(50) {
            self.chat().send("/cancel");
            self.ends(page).await;
            return;
        }
        self.post(page, "/qr-auth/cancel").await;
        if self.ends(page).await == Some("cancelled".to_owned()) && self.dice.percent(60) {
            self.retry(page).await;
        }
    }

    async fn strangers_scan(&mut self, page: &MiniApp) {
        let Some(link) = self.link(page).await else { return };
        let stranger = self.crowd.ground.stranger_near(self.id);
        if let Err(error) = self.crowd.ground.telegram.phone(stranger).scan(&link).await {
            self.last_refusal = Some(format!("to a stranger {error}"));
            return self.log_in(page).await;
        }
        let ended = self.status_within(page, SCAN_PATIENCE, |status| status != "waiting").await;
        match ended.as_deref() {
            Some("rejected") => {
                Crowd::count(&self.crowd.tally.rejected);
                if self.dice.percent(50) {
                    self.retry(page).await;
                }
            }
            Some("waiting") | None => {
                Crowd::count(&self.crowd.tally.lost_scans);
                self.crowd.complain_of_a_lost_scan(page);
                self.log_in(page).await;
            }
            Some("cancelled" | "failed") if self.asked_again => {}
            Some(other) => {
                self.crowd.complain(format!("{}: a stranger's scan led to {other}", page.session_id()));
            }
        }
    }

    /// Who is first decides.
    async fn two_scan(&mut self, page: &MiniApp) {
        let Some(link) = self.link(page).await else { return };
        Crowd::count(&self.crowd.tally.raced);
        let telegram = &self.crowd.ground.telegram;
        let stranger = telegram.phone(self.crowd.ground.stranger_near(self.id));
        let own = telegram.phone(self.id);
        let (mine, theirs) = tokio::join!(own.scan(&link), stranger.scan(&link));
        self.last_refusal = Some(format!(
            "to the owner {:?}, to a stranger {:?}",
            mine.as_ref().err(),
            theirs.as_ref().err()
        ));
        match (mine.is_ok(), theirs.is_ok()) {
            (false, true) => {
                let ended = self.status_within(page, SCAN_PATIENCE, |status| status != "waiting").await;
                if ended.as_deref() == Some("authorized") {
                    self.crowd.complain(format!("{}: a stranger's scan let its owner in", page.session_id()));
                }
            }
            _ => self.log_in(page).await,
        }
    }

    /// Lets codes go by, then scans.
    async fn linger(&mut self, page: &MiniApp) {
        let Some(first) = self.link(page).await else { return };
        let other = |status: &Value| status["deep_link"].as_str().is_some_and(|link| link != first);
        let _ = self.until(page, PATIENCE, other).await;
        self.log_in(page).await;
    }

    async fn retry(&mut self, page: &MiniApp) {
        Crowd::count(&self.crowd.tally.retried);
        if self.post(page, "/qr-auth/retry").await {
            self.log_in(page).await;
        }
    }

    /// The status that the login ends with; whoever asked for its end asks again where that was not heard.
    async fn ends(&self, page: &MiniApp) -> Option<String> {
        for _ in 0..4 {
            let ended = self.status_within(page, PATIENCE / 4, |status| status != "waiting").await;
            match ended.as_deref() {
                Some("authorized") => {
                    Crowd::count(&self.crowd.tally.authorized);
                    return ended;
                }
                Some("failed") if self.asked_again => return ended,
                Some("cancelled") => {
                    Crowd::count(&self.crowd.tally.cancelled);
                    return ended;
                }
                Some("waiting") | None => {
                    self.post(page, "/qr-auth/cancel").await;
                }
                Some(other) => {
                    self.crowd.complain(format!("{}: a cancelled login is {other}", page.session_id()));
                    return ended;
                }
            }
        }
        self.crowd.complain(format!("{}: a cancelled login does not end", page.session_id()));
        None
    }

    async fn link(&self, page: &MiniApp) -> Option<String> {
        let status = self.until(page, PATIENCE, |status| status["deep_link"].is_string()).await;
        let link = status.as_ref().and_then(|status| status["deep_link"].as_str()).map(str::to_owned);
        if link.is_none() {
            self.crowd.complain(format!("{}: never showed a code", page.session_id()));
        }
        link
    }

    async fn status_within(
        &self,
        page: &MiniApp,
        patience: Duration,
        is_so: impl Fn(&str) -> bool,
    ) -> Option<String> {
        let found = self.until(page, patience, |status| status["status"].as_str().is_some_and(&is_so)).await;
        let status = match found {
            Some(status) => status,
            None => self.look(page).await?,
        };
        status["status"].as_str().map(str::to_owned)
    }

    async fn until(
        &self,
        page: &MiniApp,
        patience: Duration,
        is_so: impl Fn(&Value) -> bool,
    ) -> Option<Value> {
        let until = Instant::now() + patience;
        while Instant::now() < until {
            if let Some(status) = self.look(page).await.filter(&is_so) {
                return Some(status);
            }
            sleep(PAUSE).await;
        }
        None
    }

    /// The status, if the service answers just now.
    async fn look(&self, page: &MiniApp) -> Option<Value> {
        match timeout(ONE_ANSWER, page.status()).await {
            Ok(Ok(status)) => Some(status),
            Ok(Err(_)) | Err(_) => {
                sleep(PAUSE).await;
                None
            }
        }
    }

    /// Presses a button of the page until the service has heard it.
    async fn post(&self, page: &MiniApp, path: &str) -> bool {
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            if let Ok(Ok(answer)) = timeout(ONE_ANSWER, page.post(path, json!({}))).await
                && !answer.status().is_server_error()
            {
                return answer.status().is_success();
            }
            sleep(PAUSE).await;
        }
        self.crowd.complain(format!("{}: nobody hears {path}", page.session_id()));
        false
    }
}

impl Crowd {
    fn complain_of_a_lost_scan(&self, page: &MiniApp) {
        self.complain(format!("{LOST_SCAN}{}", page.session_id()));
    }
}

/// How the complaints begin that a frozen worker excuses.
pub const LOST_SCAN: &str = "a scan led to nothing: ";

fn without_secrets(mut status: Value) -> Value {
    for secret in ["token", "deep_link"] {
        status[secret] = json!(!status[secret].is_null());
    }
    status
}
