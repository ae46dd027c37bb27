//! The page in a person's hands: looked at again and again, its buttons pressed until they are heard.

use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use stand_in::mini_app::MiniApp;
use tokio::time::{Instant, sleep, timeout};

use super::{Crowd, ONE_ANSWER, PATIENCE, PAUSE, Person, is_live};
use crate::ground::PASSWORD;

/// After so long without an answer, a password or code is given again.
const GIVE_AGAIN_AFTER: Duration = Duration::from_secs(3);

impl Person {
    /// The link on the screen; None where the login ends before one is there.
    pub(super) async fn link(&self, page: &MiniApp) -> Option<String> {
        let there_or_over = |status: &Value| {
            status["deep_link"].is_string() || status["status"].as_str().is_some_and(|it| !is_live(it))
        };
        let status = self.until(page, PATIENCE, there_or_over).await;
        let link = status.as_ref().and_then(|status| status["deep_link"].as_str()).map(str::to_owned);
        let gone =
            status.is_some_and(|status| ["cancelled", "failed"].iter().any(|it| status["status"] == *it));
        if link.is_none() && !(gone && self.unsure) {
            self.crowd.complain(format!("{}: never showed a code", page.session_id()));
        }
        link
    }

    /// The status by name, once it is so; else what it is in the end.
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
        while self.crowd.is_patient(began, patience) {
            if let Some(status) = self.look(page).await.filter(&is_so) {
                return Some(status);
            }
            sleep(PAUSE).await;
        }
        None
    }

    /// The status, if the service answers just now.
    pub(super) async fn look(&self, page: &MiniApp) -> Option<Value> {
        match timeout(ONE_ANSWER, page.status()).await {
            Ok(Ok(status)) => Some(status),
            Ok(Err(_)) | Err(_) => {
                sleep(PAUSE).await;
                None
            }
        }
    }

    /// Presses a button of the page until the service has heard it.
    pub(super) async fn post(&self, page: &MiniApp, path: &str) -> bool {
        self.post_with(page, path, json!({})).await
    }

    /// Sends a form of the page until the service has heard it; whether it was taken.
    pub(super) async fn post_with(&self, page: &MiniApp, path: &str, body: Value) -> bool {
        self.note(&format!("{} {path}", page.session_id()));
        let began = Instant::now();
        while self.crowd.is_patient(began, PATIENCE) {
            if let Ok(Ok(answer)) = timeout(ONE_ANSWER, page.post(path, body.clone())).await
                && !answer.status().is_server_error()
            {
                return answer.status().is_success();
            }
            sleep(PAUSE).await;
        }
        self.crowd.complain(format!("{}: nobody hears {path}", page.session_id()));
        false
    }

    /// Whether the page asks for something that was not given to it yet, or too long ago.
    fn is_due(&mut self, status: &Value) -> bool {
        let version = status["version"].as_i64().unwrap_or_default();
        let due = self.asked_for.is_none_or(|(at, when)| at != version || when.elapsed() > GIVE_AGAIN_AFTER);
        if due {
            self.asked_for = Some((version, Instant::now()));
        }
        due
    }

    /// Types the 2-step password, at times a wrong one: the proof of it goes out.
    pub(super) async fn give_password(&mut self, page: &MiniApp, status: &Value) {
        if !self.is_due(status) {
            return;
        }
        let password = if self.dice.percent(30) { "battery staple" } else { PASSWORD };
        let Ok(Ok(answer)) = timeout(ONE_ANSWER, page.get("/qr-auth/password", &[])).await else { return };
        let Ok(parameters) = answer.json::<Value>().await else { return };
        let proof = tokio::task::spawn_blocking(move || proof(&parameters, password)).await;
        // No parameters: the login has gone on meanwhile.
        let Ok(Ok(proof)) = proof else { return };
        self.note("gives a password");
        Crowd::count(&self.crowd.tally.passwords);
        let answer = timeout(ONE_ANSWER, page.post("/qr-auth/password", proof)).await;
        if !answer.is_ok_and(|answer| answer.is_ok_and(|it| it.status().is_success())) {
            // Nobody heard it, or the parameters have changed: with new ones, at once.
            self.asked_for = None;
        }
    }

    /// Types the login code that Telegram has sent, at times a wrong one.
    pub(super) async fn give_code(&mut self, page: &MiniApp, status: &Value) {
        if !self.is_due(status) {
            return;
        }
        let number = self.crowd.ground.number_of(self.id);
        let Some(code) = self.crowd.ground.telegram.mtproto.last_code(&number) else { return };
        let wrong = if code == "00000" { "11111" } else { "00000" };
        let code = if self.dice.percent(30) { wrong.to_owned() } else { code };
        self.note("gives a code");
        let _ = timeout(ONE_ANSWER, page.post("/qr-auth/code", json!({"code": code}))).await;
    }
}

/// What the page makes of a password.
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
