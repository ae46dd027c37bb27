//! The WebSocket to the browser: calls with their answers, and the events of pages.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};
use tokio_tungstenite::tungstenite::Message;

/// How long the browser may take to answer a call.
const CALL_TIMEOUT: Duration = Duration::from_secs(60);

/// One WebSocket for the whole browser. A page is a session on it.
#[derive(Clone)]
pub struct Connection {
    outgoing: mpsc::UnboundedSender<Message>,
    next_id: Arc<AtomicU64>,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    pending: HashMap<u64, oneshot::Sender<Result<Value, String>>>,
    pages: HashMap<String, PageState>,
}

#[derive(Default)]
struct PageState {
    /// The script that telegram.org answers with, in Base64. `None` blocks it.
    sdk: Option<String>,
    errors: Vec<String>,
    request_bodies: Vec<String>,
}

impl Connection {
    pub async fn open(url: &str) -> Result<Self> {
        let (socket, _) = tokio_tungstenite::connect_async(url).await?;
        let (mut sink, mut stream) = socket.split();
        let (outgoing, mut queue) = mpsc::unbounded_channel::<Message>();
        let connection = Self { outgoing, next_id: Arc::default(), state: Arc::default() };
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

    /// Starts to record the events of a page, and answers its requests to telegram.org with `sdk`.
    pub fn add_page(&self, session: &str, sdk: Option<String>) {
        self.lock().pages.insert(session.to_owned(), PageState { sdk, ..PageState::default() });
    }

    pub fn errors(&self, session: &str) -> Vec<String> {
        self.lock().pages.get(session).map(|page| page.errors.clone()).unwrap_or_default()
    }

    pub fn request_bodies(&self, session: &str) -> Vec<String> {
        self.lock().pages.get(session).map(|page| page.request_bodies.clone()).unwrap_or_default()
    }

    /// Calls a method of the browser (session `""`) or of a page.
    pub async fn call(&self, session: &str, method: &str, params: Value) -> Result<Value> {
        let (sender, answer) = oneshot::channel();
        let id = self.next_id.fetch_add(1, Ordering::Relaxed) + 1;
        self.lock().pending.insert(id, sender);
        self.send(id, session, method, params);
        let answer = tokio::time::timeout(CALL_TIMEOUT, answer).await;
        let answer = answer.with_context(|| format!("chromium does not answer {method}"))?;
        answer?.map_err(|error| anyhow!("{method}: {error}"))
    }

    fn send(&self, id: u64, session: &str, method: &str, params: Value) {
        let mut message = json!({"id": id, "method": method, "params": params});
        if !session.is_empty() {
            message["sessionId"] = session.into();
        }
        // If the browser has ended, the caller gets no answer and its call fails.
        let _ = self.outgoing.send(Message::text(message.to_string()));
    }

    fn receive(&self, message: &Value) {
        if let Some(id) = message["id"].as_u64() {
            let sender = self.lock().pending.remove(&id);
            if let Some(sender) = sender {
                let error = message.get("error").map(ToString::to_string);
                let _ = sender.send(error.map_or_else(|| Ok(message["result"].clone()), Err));
            }
            return;
        }
        let session = message["sessionId"].as_str().unwrap_or_default();
        let params = &message["params"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let error = match message["method"].as_str().unwrap_or_default() {
            "Fetch.requestPaused" => return self.answer_external_request(session, params),
            "Network.requestWillBeSent" => {
                let body = params["request"]["postData"].as_str();
                if let (Some(body), Some(page)) = (body, self.lock().pages.get_mut(session)) {
                    page.request_bodies.push(body.to_owned());
                }
                return;
            }
            "Runtime.exceptionThrown" => {
                let details = &params["exceptionDetails"];
                format!("{} {}", text(&details["text"]), text(&details["exception"]["description"]))
            }
            "Runtime.consoleAPICalled" if matches!(params["type"].as_str(), Some("error" | "assert")) => {
                format!("console: {}", params["args"])
            }
            "Log.entryAdded" if params["entry"]["level"] == "error" => {
                let entry = &params["entry"];
                format!("{}: {} {}", text(&entry["source"]), text(&entry["text"]), text(&entry["url"]))
            }
            _ => return,
        };
        if let Some(page) = self.lock().pages.get_mut(session) {
            page.errors.push(error);
        }
    }

    /// Telegram's SDK is the only external file that pages may load.
    fn answer_external_request(&self, session: &str, params: &Value) {
        let request = &params["requestId"];
        let is_sdk = params["request"]["url"] == "https://telegram.org/js/telegram-web-app.js";
        let sdk = self.lock().pages.get(session).and_then(|page| page.sdk.clone()).filter(|_| is_sdk);
        let id = self.next_id.fetch_add(1, Ordering::Relaxed) + 1;
        match sdk {
            Some(script) => {
                let headers = json!([{"name": "Content-Type", "value": "text/javascript"}]);
                let answer = json!({
                    "requestId": request, "responseCode": 200, "responseHeaders": headers, "body": script,
                });
                self.send(id, session, "Fetch.fulfillRequest", answer);
            }
            None => {
                let answer = json!({"requestId": request, "errorReason": "BlockedByClient"});
                self.send(id, session, "Fetch.failRequest", answer);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder panics")
    }
}
