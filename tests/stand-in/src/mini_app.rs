//! The login page as a client of the service's HTTP: what its script asks for, asked for without a browser.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use reqwest::{Response, StatusCode, Url};
use serde_json::{Value, json};
use tokio::time::{Instant, timeout_at};

use crate::camera::read_qr;
use crate::svg::png_of;

/// How long a wait for a status may take before a test fails.
const PATIENCE: Duration = Duration::from_secs(30);

/// A login page that was opened from a button.
#[derive(Clone)]
pub struct MiniApp {
    http: reqwest::Client,
    page: Url,
    session_id: String,
    init_data: Option<String>,
}

impl MiniApp {
    /// Opens what a `web_app` button names, with launch data or (in a plain browser) without.
    ///
    /// # Errors
    /// Where the address has no session id.
    pub fn open(url: &str, init_data: Option<String>) -> Result<Self> {
        let page = Url::parse(url).with_context(|| format!("no address: {url}"))?;
        let session_id =
            page.query_pairs().find(|(name, _)| name == "session_id").map(|(_, id)| id.into_owned());
        let session_id = session_id.with_context(|| format!("no session id in {url}"))?;
        let http = reqwest::Client::builder().no_proxy().build()?;
        Ok(Self { http, page, session_id, init_data })
    }

    /// The login's public id.
    pub fn session_id(&self) -> &str {
        &self.session_id
    }

    /// The same page opened by somebody else, or with other launch data.
    pub fn with_init_data(&self, init_data: Option<String>) -> Self {
        Self { init_data, ..self.clone() }
    }

    /// The page itself.
    ///
    /// # Errors
    /// Where the service cannot be reached.
    pub async fn page(&self) -> Result<Response> {
        Ok(self.http.get(self.page.clone()).send().await?)
    }

    /// A request for this login; returns any answer.
    ///
    /// # Errors
    /// Where the service cannot be reached.
    pub async fn get(&self, path: &str, query: &[(&str, String)]) -> Result<Response> {
        let mut url = self.page.join(path)?;
        url.query_pairs_mut().clear().append_pair("session_id", &self.session_id).extend_pairs(query);
        Ok(self.authorised(self.http.get(url)).send().await?)
    }

    /// A POST for this login, whose id is added to the body.
    ///
    /// # Errors
    /// Where the service cannot be reached.
    pub async fn post(&self, path: &str, mut body: Value) -> Result<Response> {
        body["session_id"] = json!(self.session_id);
        let url = self.page.join(path)?;
        Ok(self.authorised(self.http.post(url)).json(&body).send().await?)
    }

    /// The status now.
    ///
    /// # Errors
    /// Where the answer is not 200 with JSON.
    pub async fn status(&self) -> Result<Value> {
        read_json(self.get("/qr-auth-status", &[]).await?).await
    }

    /// The status as soon as its version is above `since`, or after 20 s.
    ///
    /// # Errors
    /// The same.
    pub async fn follow(&self, since: i64) -> Result<Value> {
        let query = [("since", since.to_string()), ("wait", "20".to_owned())];
        read_json(self.get("/qr-auth-status", &query).await?).await
    }

    /// Follows the status until it is what is asked for.
    ///
    /// # Errors
    /// After 30 s, with the status instead.
    pub async fn wait_until(&self, is_so: impl Fn(&Value) -> bool) -> Result<Value> {
        let deadline = Instant::now() + PATIENCE;
        let mut status = self.status().await?;
        while !is_so(&status) {
            let version = status["version"].as_i64().unwrap_or(-1);
            let Ok(next) = timeout_at(deadline, self.follow(version)).await else {
                bail!(
                    "the login did not get there within 30 s: {} (error: {})",
                    status["status"],
                    status["error"]
                );
            };
            status = next?;
        }
        Ok(status)
    }

    /// Follows the status until it has this name.
    ///
    /// # Errors
    /// As [`Self::wait_until`].
    pub async fn wait_for_status(&self, name: &str) -> Result<Value> {
        self.wait_until(|status| status["status"] == name).await
    }

    /// What a camera reads from the QR code on the screen.
    ///
    /// # Errors
    /// Where there is none, or it cannot be read.
    pub async fn look_at_the_code(&self) -> Result<String> {
        let picture = self.get("/qr-auth/qr.svg", &[]).await?;
        ensure!(picture.status() == StatusCode::OK, "no QR code on the screen: {}", picture.status());
        read_qr(&png_of(&picture.text().await?)?)
    }

    fn authorised(&self, request: reqwest::RequestBuilder) -> reqwest::RequestBuilder {
        match &self.init_data {
            Some(init_data) => request.header("Authorization", format!("tma {init_data}")),
            None => request,
        }
    }
}

async fn read_json(answer: Response) -> Result<Value> {
    let (status, text) = (answer.status(), answer.text().await?);
    ensure!(status == StatusCode::OK, "{status}: {text}");
    serde_json::from_str(&text).with_context(|| format!("not JSON: {text}"))
}
