//! The admins' app as a client of the service's HTTP: launch data for a token, and what is asked with it.

use anyhow::{Context, Result, ensure};
use reqwest::{Method, Url};
use serde_json::Value;

/// The admins' app that was opened from a button.
pub struct AdminApp {
    http: reqwest::Client,
    page: Url,
    token: String,
    account_id: String,
}

impl AdminApp {
    /// Opens what a `web_app` button names: exchanges the launch data.
    ///
    /// # Errors
    /// Where the service refuses it.
    pub async fn open(url: &str, init_data: &str) -> Result<Self> {
        let page = Url::parse(url).with_context(|| format!("no address: {url}"))?;
        let http = reqwest::Client::builder().no_proxy().build()?;
        let request = http.post(page.join("/api/admin/session")?);
        let answer = request.header("Authorization", format!("tma {init_data}")).send().await?;
        let session = read(answer, "the session").await?;
        let text = |field: &str| session[field].as_str().map(str::to_owned).context("a field is missing");
        Ok(Self { token: text("token")?, account_id: text("account_id")?, http, page })
    }

    /// The admin's id in events.
    pub fn account_id(&self) -> &str {
        &self.account_id
    }

    /// What stands at `/api/admin/…`.
    ///
    /// # Errors
    /// Where the answer is no success.
    pub async fn get(&self, path: &str) -> Result<Value> {
        self.ask(Method::GET, path, None).await
    }

    /// A POST to `/api/admin/…`.
    ///
    /// # Errors
    /// The same.
    pub async fn post(&self, path: &str, body: &Value) -> Result<Value> {
        self.ask(Method::POST, path, Some(body)).await
    }

    async fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value> {
        let request = self.http.request(method, self.page.join(&format!("/api/admin/{path}"))?);
        let request = request.bearer_auth(&self.token);
        let request = match body {
            Some(body) => request.json(body),
            None => request,
        };
        read(request.send().await?, path).await
    }
}

async fn read(answer: reqwest::Response, what: &str) -> Result<Value> {
    let (status, text) = (answer.status(), answer.text().await?);
    ensure!(status.is_success(), "{what}: {status}: {text}");
    serde_json::from_str(&text).with_context(|| format!("{what} is not JSON: {text}"))
}
