//! How a person uses the page: reads it again and again, and presses buttons until the service answers.

use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use stand_in::mini_app::MiniApp;
use tokio::time::{Instant, sleep, timeout};

use super::{Crowd, MAX_WAIT, ONE_ANSWER, PAUSE, Person, is_live};
use crate::environment::PASSWORD;

/// After this time without an answer, a password or code is given again.
const GIVE_AGAIN_AFTER: Duration = Duration::from_secs(3);

impl Person {
    /// The link on the screen; None if the login ends before.
    pub(super) async fn link(&self, page: &MiniApp) -> Option<String> {
        let there_or_over = |status: &Value| {
            status["deep_link"].is_string() || status["status"].as_str().is_some_and(|it| !is_live(it))
        };
        let status = self.until(page, MAX_WAIT, there_or_over).await;
        let link = status.as_ref().and_then(|status| status["deep_link"].as_str()).map(str::to_owned);
        let gone =
            status.is_some_and(|status| ["cancelled", "failed"].iter().any(|it| status["status"] == *it));
        if link.is_none() && !(gone && self.unsure) {
            self.crowd.report(format!("{}: never showed a code", page.session_id()));
        }
        link
    }

    /// The name of the status, once the condition holds, or after the wait.
    pub(super) async fn status_within(
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

    pub(super) async fn until(
        &self,
        page: &MiniApp,
        patience: Duration,
        is_so: impl Fn(&Value) -> bool,
    ) -> Option<Value> {
        let began = Instant::now();
        while self.crowd.may_wait(began, patience) {
            if let Some(status) = self.look(page).await.filter(&is_so) {
                return Some(status);
            }
            sleep(PAUSE).await;
        }
        None
    }

    /// The status, if the service answers now.
    pub(super) async fn look(&self, page: &MiniApp) -> Option<Value> {
        match timeout(ONE_ANSWER, page.status()).await {
            Ok(Ok(status)) => Some(status),
            Ok(Err(_)) | Err(_) => {
                sleep(PAUSE).await;
                None
            }
        }
    }

    /// Presses a button of the page until the service answers.
    pub(super) async fn post(&self, page: &MiniApp, path: &str) -> bool {
        self.post_with(page, path, json!({})).await
    }

    /// Sends a form of the page until the service answers; returns whether it was accepted.
    pub(super) async fn post_with(&self, page: &MiniApp, path: &str, body: Value) -> bool {
        self.note(&format!("{} {path}", page.session_id()));
        let began = Instant::now();
        while self.crowd.may_wait(began, MAX_WAIT) {
            if let Ok(Ok(answer)) = timeout(ONE_ANSWER, page.post(path, body.clone())).await
                && !answer.status().is_server_error()
            {
                return answer.status().is_success();
            }
            sleep(PAUSE).await;
        }
        self.crowd.report(format!("{}: nobody hears {path}", page.session_id()));
        false
    }

    /// Whether the page asks for input that this person has not given yet, or only long ago.
    fn is_due(&mut self, status: &Value) -> bool {
        let version = status["version"].as_i64().unwrap_or_default();
        let due = self.asked_for.is_none_or(|(at, when)| at != version || when.elapsed() > GIVE_AGAIN_AFTER);
        if due {
            self.asked_for = Some((version, Instant::now()));
        }
        due
    }

    /// Types the 2-step password, sometimes a wrong one, and sends its proof.
    pub(super) async fn give_password(&mut self, page: &MiniApp, status: &Value) {
        if !self.is_due(status) {
            return;
        }
        let is_wrong = self.wrong_passwords < 2 && self.random.percent(30);
        let password = if is_wrong { "battery staple" } else { PASSWORD };
        let Ok(Ok(answer)) = timeout(ONE_ANSWER, page.get("/qr-auth/password", &[])).await else { return };
        let Ok(parameters) = answer.json::<Value>().await else { return };
        let proof = tokio::task::spawn_blocking(move || proof(&parameters, password)).await;
        // Without parameters, the login is in another state by now.
        let Ok(Ok(proof)) = proof else { return };
        self.note("gives a password");
        self.wrong_passwords += u32::from(is_wrong);
        Crowd::count(&self.crowd.tally.passwords);
        let answer = timeout(ONE_ANSWER, page.post("/qr-auth/password", proof)).await;
        if !answer.is_ok_and(|answer| answer.is_ok_and(|it| it.status().is_success())) {
            // No answer, or the parameters have changed: try again at once, with new ones.
            self.asked_for = None;
        }
    }

    /// Types the login code that Telegram has sent, sometimes a wrong one.
    pub(super) async fn give_code(&mut self, page: &MiniApp, status: &Value) {
        if !self.is_due(status) {
            return;
        }
        let number = self.crowd.environment.number_of(self.id);
        let Some(code) = self.crowd.environment.telegram.mtproto.last_code(&number) else { return };
        let wrong = if code == "00000" { "11111" } else { "00000" };
        let code = if self.random.percent(30) { wrong.to_owned() } else { code };
        self.note("gives a code");
        let _ = timeout(ONE_ANSWER, page.post("/qr-auth/code", json!({"code": code}))).await;
    }
}

/// The proof that the page computes from a password.
fn proof(parameters: &Value, password: &str) -> Result<Value> {
    let bytes = |name: &str| -> Result<Vec<u8>> {
        Ok(hex::decode(parameters[name].as_str().with_context(|| format!("no {name}"))?)?)
    };
    let (m1, a) = grammers_crypto::two_factor_auth::calculate_2fa(
        &bytes("salt1")?,
        &bytes("salt2")?,
        &bytes("p")?,
        &i32::try_from(parameters["g"].as_i64().context("no g")?)?,
        bytes("B")?,
        vec![7; 256],
        password,
    );
    Ok(json!({"srp_id": parameters["srp_id"], "A": hex::encode(a), "M1": hex::encode(m1)}))
}
