//! The connection to the browser: questions and their answers, and what pages report by themselves.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use anyhow::{Context as _, Result, anyhow};
use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};
use tokio_tungstenite::tungstenite::Message;

use super::PATIENCE;

/// One WebSocket for the whole browser; a page is a session on it.
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
    /// What telegram.org answers, in Base64; nothing where it is blocked.
    sdk: Option<String>,
    complaints: Vec<String>,
    sent: Vec<String>,
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

    /// From now on this page's reports are kept, and its questions to telegram.org answered with this.
    pub fn add_page(&self, session: &str, sdk: Option<String>) {
        self.lock().pages.insert(session.to_owned(), PageState { sdk, ..PageState::default() });
    }

    pub fn complaints(&self, session: &str) -> Vec<String> {
        self.lock().pages.get(session).map(|page| page.complaints.clone()).unwrap_or_default()
    }

    pub fn sent(&self, session: &str) -> Vec<String> {
        self.lock().pages.get(session).map(|page| page.sent.clone()).unwrap_or_default()
    }

    /// Asks the browser (session `""`) or a page.
    pub async fn call(&self, session: &str, method: &str, params: Value) -> Result<Value> {
        let (answer, answered) = oneshot::channel();
        let id = self.next_id.fetch_add(1, Ordering::Relaxed) + 1;
        self.lock().pending.insert(id, answer);
        self.send(id, session, method, params);
        let answered = tokio::time::timeout(PATIENCE + PATIENCE, answered).await;
        let answered = answered.with_context(|| format!("chromium does not answer {method}"))?;
        answered?.map_err(|error| anyhow!("{method}: {error}"))
    }

    fn send(&self, id: u64, session: &str, method: &str, params: Value) {
        let mut message = json!({"id": id, "method": method, "params": params});
        if !session.is_empty() {
            message["sessionId"] = session.into();
        }
        // A browser that is gone answers nothing either: whoever asked finds out by that.
        let _ = self.outgoing.send(Message::text(message.to_string()));
    }

    fn receive(&self, message: &Value) {
        if let Some(id) = message["id"].as_u64() {
            let waiting = self.lock().pending.remove(&id);
            if let Some(waiting) = waiting {
                let error = message.get("error").map(ToString::to_string);
                let _ = waiting.send(error.map_or_else(|| Ok(message["result"].clone()), Err));
            }
            return;
        }
        let session = message["sessionId"].as_str().unwrap_or_default();
        let params = &message["params"];
        let said = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let complaint = match message["method"].as_str().unwrap_or_default() {
            "Fetch.requestPaused" => return self.answer_outside(session, params),
            "Network.requestWillBeSent" => {
                let body = params["request"]["postData"].as_str();
                if let (Some(body), Some(page)) = (body, self.lock().pages.get_mut(session)) {
                    page.sent.push(body.to_owned());
                }
                return;
            }
            "Runtime.exceptionThrown" => {
                let details = &params["exceptionDetails"];
                format!("{} {}", said(&details["text"]), said(&details["exception"]["description"]))
            }
            "Runtime.consoleAPICalled" if matches!(params["type"].as_str(), Some("error" | "assert")) => {
                format!("console: {}", params["args"])
            }
            "Log.entryAdded" if params["entry"]["level"] == "error" => {
                let entry = &params["entry"];
                format!("{}: {} {}", said(&entry["source"]), said(&entry["text"]), said(&entry["url"]))
            }
            _ => return,
        };
        if let Some(page) = self.lock().pages.get_mut(session) {
            page.complaints.push(complaint);
        }
    }

    /// Pages ask the outside for one thing: Telegram's SDK.
    fn answer_outside(&self, session: &str, params: &Value) {
        let request = &params["requestId"];
        let wanted = params["request"]["url"] == "https://telegram.org/js/telegram-web-app.js";
        let sdk = self.lock().pages.get(session).and_then(|page| page.sdk.clone()).filter(|_| wanted);
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
