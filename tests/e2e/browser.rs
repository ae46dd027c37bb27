//! Drives a headless Chromium over the DevTools protocol, as far as the tests of the pages need it.
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

/// How long a test waits for a condition on a page.
const WAIT_TIMEOUT: Duration = Duration::from_secs(30);
/// Telegram's SDK, which `scripts/telegram-sdk` downloads.
const SDK: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/telegram-sdk/telegram-web-app.js");

/// A browser process. Dropping the value ends it.
pub struct Browser {
    connection: Connection,
    _process: Child,
    _profile: tempfile::TempDir,
}

/// The window, the colour scheme and the network of a page.
#[derive(Clone, Copy, Debug)]
pub struct PageOptions {
    pub width: u32,
    pub height: u32,
    /// Pixels of a screenshot per CSS pixel.
    pub scale: u32,
    pub dark: bool,
    /// Whether telegram.org answers with the real SDK. Otherwise it is blocked.
    pub sdk: bool,
}

/// A tab with its own cookies, storage and connections, or the document of a frame in it.
#[derive(Clone)]
pub struct Page {
    connection: Connection,
    session: String,
    target: String,
    /// The JavaScript context of a frame. `None` is the page's own document.
    context: Option<i64>,
}

impl Browser {
    /// Starts Chromium with an empty profile.
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
            // No host name resolves. Only the tests answer requests to other hosts.
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
        // Chromium would block on a full pipe.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        let connection = Connection::open(&url).await?;
        Ok(Self { connection, _process: process, _profile: profile })
    }

    /// Opens an empty page.
    pub async fn page(&self, options: PageOptions) -> Result<Page> {
        let context = self.connection.call("", "Target.createBrowserContext", json!({})).await?;
        let create = json!({"url": "about:blank", "browserContextId": context["browserContextId"]});
        let target = text(&self.connection.call("", "Target.createTarget", create).await?, "targetId")?;
        let attach = json!({"targetId": target, "flatten": true});
        let session = text(&self.connection.call("", "Target.attachToTarget", attach).await?, "sessionId")?;
        let sdk = options.sdk.then(|| std::fs::read(Path::new(SDK)));
        let sdk = sdk.transpose().context("Telegram's SDK is missing: run scripts/telegram-sdk")?;
        self.connection.add_page(&session, sdk.map(|script| STANDARD.encode(script)));
        let page = Page { connection: self.connection.clone(), session, target, context: None };
        for domain in ["Page", "Runtime", "Log", "Network"] {
            page.call(&format!("{domain}.enable"), json!({})).await?;
        }
        let size = json!({
            "width": options.width, "height": options.height,
            "deviceScaleFactor": options.scale, "mobile": false,
        });
        page.call("Emulation.setDeviceMetricsOverride", size).await?;
        let scheme = if options.dark { "dark" } else { "light" };
        // Animations on many pages at once use too much processor time on a small machine.
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
    /// Runs a script before the scripts of every document that this page loads, also in frames.
    pub async fn run_before_load(&self, script: &str) -> Result<()> {
        self.call("Page.addScriptToEvaluateOnNewDocument", json!({"source": script})).await.map(drop)
    }

    pub async fn goto(&self, url: &str) -> Result<()> {
        let navigation = self.call("Page.navigate", json!({"url": url})).await?;
        match navigation.get("errorText").and_then(Value::as_str) {
            None => Ok(()),
            Some(error) => bail!("the page does not open: {error}"),
        }
    }

    /// The document of the page's only frame, from any origin. The frame must have loaded.
    pub async fn frame_document(&self) -> Result<Self> {
        let tree = self.call("Page.getFrameTree", json!({})).await?;
        let frame = &tree["frameTree"]["childFrames"][0]["frame"]["id"];
        let world = self.call("Page.createIsolatedWorld", json!({"frameId": frame})).await?;
        let context = world["executionContextId"].as_i64().context("the page has a frame")?;
        Ok(Self { context: Some(context), ..self.clone() })
    }

    /// The value of a JavaScript expression. Waits for a promise.
    pub async fn evaluate(&self, expression: &str) -> Result<Value> {
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

    /// Waits until an expression is true. An expression that throws counts as false, because a page may still be loading.
    pub async fn wait_until(&self, expression: &str) -> Result<()> {
        let check = format!("(() => {{ try {{ return !!({expression}); }} catch {{ return false; }} }})()");
        let poll = async {
            // An evaluation fails if the page navigates meanwhile. The next one runs in the new document.
            while self.evaluate(&check).await.unwrap_or_default() != true {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        if tokio::time::timeout(WAIT_TIMEOUT, poll).await.is_err() {
            let text = self.text().await.unwrap_or_default();
            bail!("never true on the page: {expression}\nits text: {text}\nits errors: {:?}", self.errors());
        }
        Ok(())
    }

    /// A real mouse click in the middle of the first element that matches. Works only in a page's own document.
    pub async fn click(&self, selector: &str) -> Result<()> {
        let point = self
            .evaluate(&format!(
                "(() => {{ const element = document.querySelector({}); element.scrollIntoView({{ block: 'nearest' }}); \
                 const box = element.getBoundingClientRect(); \
                 return {{ x: box.x + box.width / 2, y: box.y + box.height / 2 }}; }})()",
                json!(selector)
            ))
            .await?;
        for kind in ["mousePressed", "mouseReleased"] {
            let event =
                json!({"type": kind, "x": point["x"], "y": point["y"], "button": "left", "clickCount": 1});
            self.call("Input.dispatchMouseEvent", event).await?;
        }
        Ok(())
    }

    /// Types into the element that has the focus.
    pub async fn type_text(&self, text: &str) -> Result<()> {
        self.call("Input.insertText", json!({"text": text})).await.map(drop)
    }

    /// The visible text of the document.
    pub async fn text(&self) -> Result<String> {
        Ok(self.evaluate("document.body.innerText").await?.as_str().unwrap_or_default().to_owned())
    }

    /// The visible part of the page, as a PNG.
    pub async fn screenshot(&self) -> Result<Vec<u8>> {
        let screenshot = self.call("Page.captureScreenshot", json!({"format": "png"})).await?;
        Ok(STANDARD.decode(text(&screenshot, "data")?)?)
    }

    /// All errors of the page so far: exceptions, console errors, violations of its policy, failed requests.
    pub fn errors(&self) -> Vec<String> {
        self.connection.errors(&self.session)
    }

    /// The bodies of all requests that the page has sent so far.
    pub fn request_bodies(&self) -> Vec<String> {
        self.connection.request_bodies(&self.session)
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
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut candidates = std::env::split_paths(&path).flat_map(|dir| names.map(|name| dir.join(name)));
    candidates.find(|file| file.is_file()).context("no Chromium: apt-get install chromium")
}
