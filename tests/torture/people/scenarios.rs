//! The scenarios of a login, by what its person does.

use std::collections::HashSet;

use anyhow::Result;
use serde_json::{Value, json};
use stand_in::mini_app::MiniApp;
use tokio::time::{Instant, sleep};

use super::{Crowd, MAX_WAIT, PAUSE, Person, SCAN_MAX_WAIT, is_live, without_secrets};

/// How much time a login has left when its person comes back late.
const SECONDS_LEFT: std::ops::Range<u64> = 3..9;

impl Person {
    /// Does what the page asks for until the login is authorized, or has ended because of this person.
    pub(super) async fn log_in(&mut self, page: &MiniApp) {
        let began = Instant::now();
        let (mut scanned, mut scanned_at): (HashSet<String>, Option<Instant>) = Default::default();
        let mut last = Value::Null;
        while self.crowd.may_wait(began, MAX_WAIT) {
            let Some(status) = self.look(page).await else { continue };
            match status["status"].as_str() {
                Some("authorized") => return self.record_login(page),
                Some("waiting") => {}
                Some("password_required") => self.give_password(page, &status).await,
                Some("code_required") => self.give_code(page, &status).await,
                Some("cancelled" | "failed") if self.unsure => return,
                // Its five minutes are over.
                Some("expired") => return Crowd::count(&self.crowd.tally.expired),
                _ => {
                    return self.crowd.report(format!(
                        "{}: ended while its owner logged in: {}; Telegram said {:?}",
                        page.session_id(),
                        without_secrets(status),
                        self.last_refusal,
                    ));
                }
            }
            let waited_enough = scanned_at.is_none_or(|at| at.elapsed() > SCAN_MAX_WAIT);
            if let Some(link) = status["deep_link"].as_str()
                && waited_enough
                && scanned.insert(link.to_owned())
                && self.scan(link).await
                && scanned_at.replace(Instant::now()).is_some()
            {
                Crowd::count(&self.crowd.tally.lost_scans);
                self.crowd.report_lost_scan(page);
            }
            last = status;
            sleep(PAUSE).await;
        }
        self.crowd.report(format!(
            "{}: not in after {} s of peace: scanned {} codes, {}; last {}",
            page.session_id(),
            MAX_WAIT.as_secs(),
            scanned.len(),
            scanned_at.map_or("none taken".to_owned(), |at| format!("{} s ago", at.elapsed().as_secs())),
            without_secrets(last),
        ));
    }

    pub(super) fn record_login(&mut self, page: &MiniApp) {
        let login = page.session_id().to_owned();
        self.crowd.let_in_pages.lock().expect("nobody panics while counting").push(login);
        Crowd::count(&self.crowd.tally.authorized);
        self.note("is in");
        self.is_in = true;
        self.is_ended = false;
    }

    /// Scans a code; returns whether Telegram accepted it.
    async fn scan(&mut self, link: &str) -> bool {
        let taken = self.crowd.environment.telegram.phone(self.id).scan(link).await;
        self.note(&format!("scans: {:?}", taken.as_ref().err()));
        if let Err(error) = &taken {
            self.last_refusal = Some(error.to_string());
        }
        taken.is_ok()
    }

    /// Logs in by a code on one phone, if possible. If the worker dies, the page shows a QR code again.
    pub(super) async fn log_in_by_code(&mut self, page: &MiniApp) {
        if self.link(page).await.is_none() {
            return;
        }
        let number = self.crowd.environment.number_of(self.id);
        if self.post_with(page, "/qr-auth/phone", json!({"phone": number})).await {
            Crowd::count(&self.crowd.tally.by_code);
            self.status_within(page, SCAN_MAX_WAIT, |status| status != "waiting").await;
        }
        self.log_in(page).await;
    }

    pub(super) async fn scan_and_cancel(&mut self, page: &MiniApp) {
        let Some(link) = self.link(page).await else { return };
        Crowd::count(&self.crowd.tally.raced);
        let (before_scan, before_cancel) = (self.random.millis(0..60), self.random.millis(0..60));
        let phone = self.crowd.environment.telegram.phone(self.id);
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

    pub(super) async fn cancel(&mut self, page: &MiniApp) {
        if self.random.percent(50) {
            // At any moment, also before there is a QR code.
            let _ = self.link(page).await;
        }
        // A message in the chat may be handled late, so a person who cancels there does not retry.
        if self.random.percent(50) {
            self.say("/cancel");
            self.ends(page).await;
            return;
        }
        self.post(page, "/qr-auth/cancel").await;
        if self.ends(page).await == Some("cancelled".to_owned()) && self.random.percent(60) {
            self.retry(page).await;
        }
    }

    pub(super) async fn strangers_scan(&mut self, page: &MiniApp) {
        let Some(link) = self.link(page).await else { return };
        let stranger = self.crowd.environment.stranger_near(self.id);
        if let Err(error) = self.crowd.environment.telegram.phone(stranger).scan(&link).await {
            self.last_refusal = Some(format!("to a stranger {error}"));
            return self.log_in(page).await;
        }
        let ended = self.status_within(page, SCAN_MAX_WAIT, |status| status != "waiting").await;
        match ended.as_deref() {
            Some("rejected") => {
                Crowd::count(&self.crowd.tally.rejected);
                if self.random.percent(50) {
                    self.retry(page).await;
                }
            }
            Some("waiting") | None => {
                Crowd::count(&self.crowd.tally.lost_scans);
                self.crowd.report_lost_scan(page);
                self.log_in(page).await;
            }
            Some("cancelled" | "failed") if self.unsure => {}
            Some(other) => {
                self.crowd.report(format!("{}: a stranger's scan led to {other}", page.session_id()));
            }
        }
    }

    /// The first scan decides.
    pub(super) async fn two_scan(&mut self, page: &MiniApp) {
        let Some(link) = self.link(page).await else { return };
        Crowd::count(&self.crowd.tally.raced);
        let telegram = &self.crowd.environment.telegram;
        let stranger = telegram.phone(self.crowd.environment.stranger_near(self.id));
        let own = telegram.phone(self.id);
        let (mine, theirs) = tokio::join!(own.scan(&link), stranger.scan(&link));
        self.last_refusal = Some(format!(
            "to the owner {:?}, to a stranger {:?}",
            mine.as_ref().err(),
            theirs.as_ref().err()
        ));
        match (mine.is_ok(), theirs.is_ok()) {
            (false, true) => {
                let ended = self.status_within(page, SCAN_MAX_WAIT, |status| status != "waiting").await;
                if ended.as_deref() == Some("authorized") {
                    self.crowd.report(format!("{}: a stranger's scan let its owner in", page.session_id()));
                }
            }
            _ => self.log_in(page).await,
        }
    }

    /// Lets codes go by, then scans.
    pub(super) async fn linger(&mut self, page: &MiniApp) {
        let Some(first) = self.link(page).await else { return };
        // An earlier `/login` of this person may be handled late, and ends this one.
        let other = |status: &Value| {
            let is_over = status["status"].as_str().is_some_and(|status| !is_live(status));
            is_over || status["deep_link"].as_str().is_some_and(|link| link != first)
        };
        let _ = self.until(page, MAX_WAIT, other).await;
        self.log_in(page).await;
    }

    /// Comes back to a page that was opened nearly five minutes ago: lets it expire, or scans in the last seconds.
    pub(super) async fn come_back_late(&mut self) -> Result<()> {
        let left = self.random.millis(SECONDS_LEFT.start * 1000..SECONDS_LEFT.end * 1000);
        let Some(login) = self.crowd.environment.begun_long_ago(self.id, left).await? else { return Ok(()) };
        self.note(&format!("{login} is nearly over"));
        let url = format!("{}/qr-auth?session_id={login}", self.crowd.environment.origin);
        let page = MiniApp::open(&url, Some(self.chat().init_data(None)))?;
        if self.crowd.environment.has_more_time(&login).await? {
            self.log_in(&page).await;
            return Ok(());
        }
        if self.random.percent(30) {
            let before_scan = left.saturating_sub(self.random.millis(0..600));
            sleep(before_scan).await;
            let link = self.look(&page).await.and_then(|it| it["deep_link"].as_str().map(str::to_owned));
            if let Some(link) = link {
                Crowd::count(&self.crowd.tally.raced);
                self.scan(&link).await;
            }
        }
        // A request for the password in the last moment gives three more minutes.
        let until = |status: &str| status == "password_required" || !is_live(status);
        match self.status_within(&page, MAX_WAIT, until).await.as_deref() {
            Some("authorized") => self.record_login(&page),
            Some("password_required") => self.log_in(&page).await,
            Some("expired") => {
                Crowd::count(&self.crowd.tally.expired);
                if self.random.percent(50) {
                    self.retry(&page).await;
                }
            }
            Some("cancelled" | "failed") if self.unsure => {}
            // The page may have asked for the password unseen. If the worker froze then, a QR code is shown again.
            _ if self.crowd.environment.has_more_time(&login).await? => self.log_in(&page).await,
            other => self.crowd.report(format!("{login}: its time was over, it is {other:?}")),
        }
        Ok(())
    }

    async fn retry(&mut self, page: &MiniApp) {
        Crowd::count(&self.crowd.tally.retried);
        if self.post(page, "/qr-auth/retry").await {
            self.log_in(page).await;
        }
    }

    /// The final status of the login. The cancellation is repeated if no answer came.
    async fn ends(&mut self, page: &MiniApp) -> Option<String> {
        for _ in 0..4 {
            let ended = self.status_within(page, MAX_WAIT / 4, |status| !is_live(status)).await;
            match ended.as_deref() {
                Some("authorized") => {
                    self.record_login(page);
                    return ended;
                }
                Some("failed") if self.unsure => return ended,
                Some("cancelled") => {
                    Crowd::count(&self.crowd.tally.cancelled);
                    return ended;
                }
                None => {
                    self.post(page, "/qr-auth/cancel").await;
                }
                Some(live) if is_live(live) => {
                    // The message in the chat is not handled yet.
                    self.unsure = true;
                    self.post(page, "/qr-auth/cancel").await;
                }
                Some(other) => {
                    self.crowd.report(format!("{}: a cancelled login is {other}", page.session_id()));
                    return ended;
                }
            }
        }
        self.crowd.report(format!("{}: a cancelled login does not end", page.session_id()));
        None
    }
}
