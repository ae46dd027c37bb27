//! A headless Chromium, spoken to over the DevTools protocol: just what the tests of the pages need.
//!
//! Source: <https://chromedevtools.github.io/devtools-protocol/>

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

mod connection;

use connection::Connection;

/// How long a test waits for something on a page before it says that it never came.
const PATIENCE: Duration = Duration::from_secs(30);
/// Telegram's SDK, as `scripts/telegram-sdk` fetches it.
const SDK: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/telegram-sdk/telegram-web-app.js");

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
    /// Pixels of a screenshot for one of the page.
    pub scale: u32,
    pub dark: bool,
    /// Whether telegram.org answers with the real SDK, or is blocked.
    pub sdk: bool,
}

/// One page (a tab with cookies, storage and connections of its own), or the document of a frame in it.
#[derive(Clone)]
pub struct Page {
    connection: Connection,
    session: String,
    target: String,
    /// The frame's document, where it is not the page's own.
    context: Option<i64>,
}

impl Browser {
    /// Starts Chromium with a profile of its own.
    pub async fn launch() -> Result<Self> {
        let profile = tempfile::tempdir()?;
        let mut process = Command::new(binary()?)
            .args(["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"])
            .args(["--hide-scrollbars", "--no-first-run", "--no-default-browser-check", "--lang=ru"])
            .args([
                "--disable-background-networking",
                "--disable-component-update",
                "--remote-debugging-port=0",
            ])
            // No name resolves: what a page asks of the outside is answered by the tests or not at all.
            .arg("--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1")
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
        // A pipe that nobody empties would hold the browser up.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        let connection = Connection::open(&url).await?;
        Ok(Self { connection, _process: process, _profile: profile })
    }

    /// Opens an empty page that looks like this.
    pub async fn page(&self, view: View) -> Result<Page> {
        let own = self.connection.call("", "Target.createBrowserContext", json!({})).await?;
        let create = json!({"url": "about:blank", "browserContextId": own["browserContextId"]});
        let target = text(&self.connection.call("", "Target.createTarget", create).await?, "targetId")?;
        let attach = json!({"targetId": target, "flatten": true});
        let session = text(&self.connection.call("", "Target.attachToTarget", attach).await?, "sessionId")?;
        let sdk = view.sdk.then(|| std::fs::read(Path::new(SDK)));
        let sdk = sdk.transpose().context("Telegram's SDK is not there: run scripts/telegram-sdk")?;
        self.connection.add_page(&session, sdk.map(|script| STANDARD.encode(script)));
        let page = Page { connection: self.connection.clone(), session, target, context: None };
        for domain in ["Page", "Runtime", "Log", "Network"] {
            page.call(&format!("{domain}.enable"), json!({})).await?;
        }
        let size = json!({"width": view.width, "height": view.height, "deviceScaleFactor": view.scale, "mobile": false});
        page.call("Emulation.setDeviceMetricsOverride", size).await?;
        let scheme = if view.dark { "dark" } else { "light" };
        // Still pictures: a bar that glides on many pages at once takes all of a small machine's time.
        let features = json!([
            {"name": "prefers-color-scheme", "value": scheme},
            {"name": "prefers-reduced-motion", "value": "reduce"},
        ]);
        let media = json!({"features": features});
        page.call("Emulation.setEmulatedMedia", media).await?;
        page.call("Emulation.setFocusEmulationEnabled", json!({"enabled": true})).await?;
        page.call("Fetch.enable", json!({"patterns": [{"urlPattern": "https://*"}]})).await?;
        Ok(page)
    }
}

impl Page {
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

    /// The document in the page's one frame, from any origin; the frame has to have loaded.
    pub async fn framed(&self) -> Result<Self> {
        let tree = self.call("Page.getFrameTree", json!({})).await?;
        let frame = &tree["frameTree"]["childFrames"][0]["frame"]["id"];
        let world = self.call("Page.createIsolatedWorld", json!({"frameId": frame})).await?;
        let context = world["executionContextId"].as_i64().context("the page has a frame")?;
        Ok(Self { context: Some(context), ..self.clone() })
    }

    /// What a JavaScript expression gives; a promise is waited for.
    pub async fn eval(&self, expression: &str) -> Result<Value> {
        let mut params = json!({
            "expression": expression, "returnByValue": true, "awaitPromise": true, "userGesture": true,
        });
        if let Some(context) = self.context {
            params["contextId"] = context.into();
        }
        let answer = self.call("Runtime.evaluate", params).await?;
        if let Some(details) = answer.get("exceptionDetails") {
            bail!("{expression}: {}", details["exception"]["description"].as_str().unwrap_or("threw"));
        }
        Ok(answer["result"]["value"].clone())
    }

    /// Waits until an expression is true; one that throws is not true yet, as on a page that is still loading.
    pub async fn until(&self, expression: &str) -> Result<()> {
        let look = format!("(() => {{ try {{ return !!({expression}); }} catch {{ return false; }} }})()");
        let watch = async {
            // A navigation takes the document from under a question: the next one is put to the new document.
            while self.eval(&look).await.unwrap_or_default() != true {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        if tokio::time::timeout(PATIENCE, watch).await.is_err() {
            let seen = self.text().await.unwrap_or_default();
            bail!(
                "never true on the page: {expression}\nit says: {seen}\nit complains: {:?}",
                self.complaints()
            );
        }
        Ok(())
    }

    /// A real click in the middle of the first element that this selects; only in a page's own document.
    pub async fn click(&self, selector: &str) -> Result<()> {
        let at = self
            .eval(&format!(
                "(() => {{ const element = document.querySelector({}); element.scrollIntoView({{ block: 'nearest' }}); \
                 const box = element.getBoundingClientRect(); \
                 return {{ x: box.x + box.width / 2, y: box.y + box.height / 2 }}; }})()",
                json!(selector)
            ))
            .await?;
        for kind in ["mousePressed", "mouseReleased"] {
            let event = json!({"type": kind, "x": at["x"], "y": at["y"], "button": "left", "clickCount": 1});
            self.call("Input.dispatchMouseEvent", event).await?;
        }
        Ok(())
    }

    /// Types into whatever has the focus.
    pub async fn type_text(&self, words: &str) -> Result<()> {
        self.call("Input.insertText", json!({"text": words})).await.map(drop)
    }

    /// What a person reads on it.
    pub async fn text(&self) -> Result<String> {
        Ok(self.eval("document.body.innerText").await?.as_str().unwrap_or_default().to_owned())
    }

    /// What a person sees, as a PNG: the window's part of the page.
    pub async fn screenshot(&self) -> Result<Vec<u8>> {
        let shot = self.call("Page.captureScreenshot", json!({"format": "png"})).await?;
        Ok(STANDARD.decode(text(&shot, "data")?)?)
    }

    /// Everything that went wrong on it so far: exceptions, console errors, refusals of its policy, failed requests.
    pub fn complaints(&self) -> Vec<String> {
        self.connection.complaints(&self.session)
    }

    /// The bodies of all requests that it has sent so far.
    pub fn sent(&self) -> Vec<String> {
        self.connection.sent(&self.session)
    }

    /// Closes the tab.
    pub async fn close(self) -> Result<()> {
        self.connection.call("", "Target.closeTarget", json!({"targetId": self.target})).await.map(drop)
    }

    pub(super) async fn call(&self, method: &str, params: Value) -> Result<Value> {
        self.connection.call(&self.session, method, params).await
    }
}

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
