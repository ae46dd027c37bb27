//! A headless Chromium, spoken to over the DevTools protocol: just what the tests of the pages need.
//!
//! Source: <https://chromedevtools.github.io/devtools-protocol/>

use std::collections::HashMap;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::{mpsc, oneshot};
use tokio_tungstenite::tungstenite::Message;

/// How long a test waits for something on a page before it says that it never came.
const PATIENCE: Duration = Duration::from_secs(30);

type Pending = Arc<Mutex<HashMap<u64, oneshot::Sender<Result<Value, String>>>>>;

/// A browser; it dies with this value.
pub struct Browser {
    connection: Connection,
    _process: Child,
    _profile: tempfile::TempDir,
}

/// How a page is looked at.
#[derive(Clone, Copy, Debug)]
pub struct View {
    pub width: u32,
    pub height: u32,
    pub dark: bool,
    /// Whether telegram.org answers with the real SDK, or is blocked.
    pub sdk: bool,
}

#[derive(Clone)]
struct Connection {
    outgoing: mpsc::UnboundedSender<Message>,
    pending: Pending,
    next_id: Arc<AtomicU64>,
}

/// One page (a tab).
pub struct Page {
    connection: Connection,
    session: String,
    target: String,
}

impl Browser {
    /// Starts Chromium with a profile of its own.
    pub async fn launch() -> Result<Self> {
        let profile = tempfile::tempdir()?;
        let mut process = Command::new(binary()?)
            .args([
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--hide-scrollbars",
            ])
            .args(["--no-first-run", "--no-default-browser-check", "--disable-background-networking"])
            .args(["--disable-component-update", "--remote-debugging-port=0", "--lang=ru"])
            // No address but loopback resolves: what a page asks of the outside is answered by the tests or not at all.
            .arg("--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1 , EXCLUDE telegram.org")
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let stderr = process.stderr.take().context("stderr is piped")?;
        let mut lines = BufReader::new(stderr).lines();
        let url = loop {
            let line = lines.next_line().await?.context("chromium ended before it listened")?;
            if let Some(url) = line.strip_prefix("DevTools listening on ") {
                break url.to_owned();
            }
        };
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        let connection = Connection::open(&url).await?;
        Ok(Self { connection, _process: process, _profile: profile })
    }

    /// Opens an empty page that looks like this.
    pub async fn page(&self, view: View) -> Result<Page> {
        let target = self.connection.call(None, "Target.createTarget", json!({"url": "about:blank"})).await?;
        let target = text(&target, "targetId")?;
        let attach = json!({"targetId": target, "flatten": true});
        let attached = self.connection.call(None, "Target.attachToTarget", attach).await?;
        let page =
            Page { connection: self.connection.clone(), session: text(&attached, "sessionId")?, target };
        page.call("Page.enable", json!({})).await?;
        page.call("Runtime.enable", json!({})).await?;
        let metrics = json!({"width": view.width, "height": view.height, "deviceScaleFactor": 2, "mobile": view.width < 600});
        page.call("Emulation.setDeviceMetricsOverride", metrics).await?;
        let scheme = if view.dark { "dark" } else { "light" };
        let media = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        page.call("Emulation.setEmulatedMedia", media).await?;
        let patterns = json!({"patterns": [{"urlPattern": "https://*"}]});
        page.connection.serve_sdk(&page.session, view.sdk);
        page.call("Fetch.enable", patterns).await?;
        Ok(page)
    }
}

impl Page {
    async fn call(&self, method: &str, params: Value) -> Result<Value> {
        self.connection.call(Some(&self.session), method, params).await
    }

    /// Runs before any script of any document that this page loads, its frames included.
    pub async fn before_load(&self, script: &str) -> Result<()> {
        self.call("Page.addScriptToEvaluateOnNewDocument", json!({"source": script})).await.map(drop)
    }

    /// Goes there.
    pub async fn goto(&self, url: &str) -> Result<()> {
        let gone = self.call("Page.navigate", json!({"url": url})).await?;
        match gone.get("errorText").and_then(Value::as_str) {
            None => Ok(()),
            Some(error) => bail!("the page does not open: {error}"),
        }
    }

    /// What a JavaScript expression gives; a promise is waited for.
    pub async fn eval(&self, expression: &str) -> Result<Value> {
        let params = json!({
            "expression": expression, "returnByValue": true, "awaitPromise": true, "userGesture": true,
        });
        let answer = self.call("Runtime.evaluate", params).await?;
        if let Some(details) = answer.get("exceptionDetails") {
            bail!("{expression}: {}", details["exception"]["description"].as_str().unwrap_or("threw"));
        }
        Ok(answer["result"]["value"].clone())
    }

    /// Waits until an expression is true: checked at each animation frame of the page.
    pub async fn until(&self, expression: &str) -> Result<()> {
        let watch = format!(
            "new Promise(done => {{ const look = () => {{ let ok = false; try {{ ok = !!({expression}); }} catch {{}} \
             if (ok) done(true); else setTimeout(look, 20); }}; look(); }})"
        );
        match tokio::time::timeout(PATIENCE, self.eval(&watch)).await {
            Ok(answer) => answer.map(drop),
            Err(_) => {
                let seen = self.eval("document.body && document.body.innerText").await.unwrap_or_default();
                bail!("never came true on the page: {expression}\nthe page says: {seen}")
            }
        }
    }

    /// What a person reads on it.
    pub async fn text(&self) -> Result<String> {
        Ok(self.eval("document.body.innerText").await?.as_str().unwrap_or_default().to_owned())
    }

    /// What a person sees, as a PNG.
    pub async fn screenshot(&self) -> Result<Vec<u8>> {
        let shot = self.call("Page.captureScreenshot", json!({"format": "png"})).await?;
        Ok(STANDARD.decode(text(&shot, "data")?)?)
    }

    /// Closes the tab.
    pub async fn close(self) -> Result<()> {
        self.connection.call(None, "Target.closeTarget", json!({"targetId": self.target})).await.map(drop)
    }
}

impl Connection {
    async fn open(url: &str) -> Result<Self> {
        let (socket, _) = tokio_tungstenite::connect_async(url).await?;
        let (mut sink, mut stream) = socket.split();
        let (outgoing, mut queue) = mpsc::unbounded_channel::<Message>();
        let connection = Self { outgoing, pending: Pending::default(), next_id: Arc::default() };
        tokio::spawn(async move {
            while let Some(message) = queue.recv().await {
                if sink.send(message).await.is_err() {
                    return;
                }
            }
        });
        let reader = connection.clone();
        tokio::spawn(async move {
            while let Some(Ok(message)) = stream.next().await {
                let Ok(text) = message.to_text() else { continue };
                let Ok(message) = serde_json::from_str::<Value>(text) else { continue };
                reader.receive(&message);
            }
        });
        Ok(connection)
    }

    fn receive(&self, message: &Value) {
        if let Some(id) = message["id"].as_u64() {
            let waiting = self.pending.lock().expect("no holder panics").remove(&id);
            if let Some(waiting) = waiting {
                let error = message.get("error").map(ToString::to_string);
                let _ = waiting.send(error.map_or_else(|| Ok(message["result"].clone()), Err));
            }
        } else if message["method"] == "Fetch.requestPaused" {
            self.answer_outside(message);
        }
    }

    /// Pages ask the outside for one thing: Telegram's SDK.
    fn answer_outside(&self, message: &Value) {
        let session = message["sessionId"].as_str().unwrap_or_default();
        let id = message["params"]["requestId"].clone();
        let url = message["params"]["request"]["url"].as_str().unwrap_or_default();
        let allowed = SDK_FOR.lock().expect("no holder panics").get(session).copied().unwrap_or(false);
        if url.starts_with("https://telegram.org/js/telegram-web-app.js") && allowed {
            let body = std::fs::read("target/telegram-sdk/telegram-web-app.js").unwrap_or_default();
            let headers = json!([{"name": "Content-Type", "value": "text/javascript"}]);
            let answer = json!({"requestId": id, "responseCode": 200, "responseHeaders": headers, "body": STANDARD.encode(body)});
            self.tell(session, "Fetch.fulfillRequest", answer);
        } else {
            self.tell(
                session,
                "Fetch.failRequest",
                json!({"requestId": id, "errorReason": "BlockedByClient"}),
            );
        }
    }

    fn serve_sdk(&self, session: &str, allowed: bool) {
        SDK_FOR.lock().expect("no holder panics").insert(session.to_owned(), allowed);
    }

    fn tell(&self, session: &str, method: &str, params: Value) -> u64 {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed) + 1;
        let mut message = json!({"id": id, "method": method, "params": params});
        if !session.is_empty() {
            message["sessionId"] = session.into();
        }
        let _ = self.outgoing.send(Message::text(message.to_string()));
        id
    }

    async fn call(&self, session: Option<&str>, method: &str, params: Value) -> Result<Value> {
        let (answer, answered) = oneshot::channel();
        // Registered under the lock that the reader takes too: the answer cannot overtake the question.
        let mut pending = self.pending.lock().expect("no holder panics");
        let id = self.tell(session.unwrap_or_default(), method, params);
        pending.insert(id, answer);
        drop(pending);
        let answered = tokio::time::timeout(PATIENCE + PATIENCE, answered).await;
        let answered = answered.with_context(|| format!("chromium does not answer {method}"))?;
        answered?.map_err(|error| anyhow!("{method}: {error}"))
    }
}

static SDK_FOR: Mutex<std::collections::BTreeMap<String, bool>> =
    Mutex::new(std::collections::BTreeMap::new());

fn text(value: &Value, key: &str) -> Result<String> {
    Ok(value[key].as_str().with_context(|| format!("no {key} in chromium's answer"))?.to_owned())
}

fn binary() -> Result<PathBuf> {
    let named = ["chromium", "chromium-browser", "google-chrome"];
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found =
        std::env::split_paths(&path).flat_map(|dir| named.map(|name| dir.join(name))).find(|it| it.is_file());
    found.context("no Chromium: apt-get install chromium")
}
