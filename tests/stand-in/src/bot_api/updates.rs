//! Updates for the bot: the queue, `getUpdates` (long poll, confirmed by offset) and the webhook.
//!
//! An update stays in the queue until it is confirmed, so a bot that dies before gets it again, as from Telegram. Updates are
//! bytes here, so that a test can also inject invalid JSON.

use std::collections::VecDeque;
use std::time::Duration;

use reqwest::Url;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout_at};

use super::BotApi;
use super::keyboard::is_loopback;
use super::params::Params;
use super::refusal::Refusal;

/// Between two tries to reach a webhook.
const RETRY_AFTER: Duration = Duration::from_millis(500);

/// What the bot has not confirmed yet, and where it wants it.
#[derive(Debug)]
pub(super) struct Updates {
    next_id: i64,
    queue: VecDeque<(i64, Vec<u8>)>,
    /// Updates to deliver once more, although they were confirmed.
    again: Vec<Vec<u8>>,
    last: Option<Vec<u8>>,
    allowed: Option<Vec<String>>,
    webhook: Option<Webhook>,
    /// Counts `getUpdates` calls: a new one ends the one before.
    poll: u64,
}

#[derive(Clone, Debug)]
struct Webhook {
    url: Url,
    secret: Option<String>,
    max_connections: i64,
    last_error: Option<(i64, String)>,
}

impl Updates {
    /// Ids grow from run to run (up to 16 updates a second), so that a bot with a memory takes none for an old one.
    pub fn new(now: i64) -> Self {
        const YEAR_2025: i64 = 1_735_689_600;
        Self {
            next_id: (now - YEAR_2025).max(1) * 16,
            queue: VecDeque::new(),
            again: Vec::new(),
            last: None,
            allowed: None,
            webhook: None,
            poll: 0,
        }
    }

    /// Queues an update of this kind (`message`, `callback_query`, …), if the bot wants such.
    pub fn push(&mut self, kind: &str, what: Value) -> i64 {
        let id = self.next_id;
        if self.allowed.as_ref().is_none_or(|allowed| allowed.iter().any(|name| name == kind)) {
            self.inject(|id| json!({"update_id": id, kind: what}).to_string().into_bytes());
        }
        id
    }

    /// Queues these bytes, without a check.
    pub fn inject(&mut self, update: impl FnOnce(i64) -> Vec<u8>) -> i64 {
        let id = self.next_id;
        self.next_id += 1;
        let update = update(id);
        self.last = Some(update.clone());
        self.queue.push_back((id, update));
        id
    }

    /// Delivers the last update once more. False where there was none.
    pub fn redeliver_last(&mut self) -> bool {
        self.again.extend(self.last.clone());
        self.last.is_some()
    }

    pub fn pending(&self) -> usize {
        self.queue.len()
    }

    fn confirm_before(&mut self, offset: i64) {
        if offset > 0 {
            self.queue.retain(|(id, _)| *id >= offset);
        } else if offset < 0 {
            let keep = usize::try_from(-offset).unwrap_or(usize::MAX);
            self.queue.drain(..self.queue.len().saturating_sub(keep));
        }
    }

    fn batch(&mut self, limit: usize) -> Vec<Vec<u8>> {
        let mut batch = std::mem::take(&mut self.again);
        batch.extend(self.queue.iter().take(limit).map(|(_, update)| update.clone()));
        batch.truncate(limit);
        batch
    }

    /// What came of bringing one update (none: one to deliver once more) to the webhook.
    fn note_delivery(&mut self, id: Option<i64>, outcome: Result<(), String>, now: i64) {
        match (outcome, id) {
            (Ok(()), None) => drop(self.again.drain(..1)),
            (Ok(()), Some(id)) => self.queue.retain(|(queued, _)| *queued != id),
            (Err(why), _) => {
                if let Some(webhook) = &mut self.webhook {
                    webhook.last_error = Some((now, why));
                }
            }
        }
    }

    fn allow(&mut self, allowed: Option<Vec<String>>) {
        if let Some(allowed) = allowed {
            self.allowed = (!allowed.is_empty()).then_some(allowed);
        }
    }
}

impl BotApi {
    /// The result as JSON, with the updates in it as they are.
    pub(super) async fn get_updates(&self, params: &Params) -> Result<Vec<u8>, Refusal> {
        let offset = params.integer("offset")?.unwrap_or(0);
        let limit = usize::try_from(params.integer("limit")?.unwrap_or(100).clamp(1, 100)).unwrap_or(100);
        let seconds = u64::try_from(params.integer("timeout")?.unwrap_or(0).clamp(0, 50)).unwrap_or(0);
        let allowed = params.object("allowed_updates", "allowed updates")?;
        let mut changed = self.inner.changed.subscribe();
        let mine = {
            let mut state = self.state();
            if state.updates.webhook.is_some() {
                return Err(webhook_is_active());
            }
            state.updates.allow(allowed);
            state.updates.confirm_before(offset);
            state.updates.poll += 1;
            state.updates.poll
        };
        // The one before looks again, and ends.
        self.touch();
        let deadline = Instant::now() + Duration::from_secs(seconds);
        loop {
            changed.borrow_and_update();
            {
                let mut state = self.state();
                if state.updates.poll != mine {
                    return Err(Refusal::conflict(
                        "terminated by other getUpdates request; make sure that only one bot instance is running",
                    ));
                }
                if state.updates.webhook.is_some() {
                    return Err(webhook_is_active());
                }
                let batch = state.updates.batch(limit);
                if !batch.is_empty() || Instant::now() >= deadline {
                    return Ok([b"[", batch.join(&b',').as_slice(), b"]"].concat());
                }
            }
            // Either way the queue is looked at again.
            let _ = timeout_at(deadline, changed.changed()).await;
        }
    }

    pub(super) fn set_webhook(&self, params: &Params) -> Result<Value, Refusal> {
        let url = params.text("url").unwrap_or_default();
        if url.is_empty() {
            return self.delete_webhook(params);
        }
        let refused = |why: &str| Refusal::bad_request(format!("bad webhook: {why}"));
        let url = Url::parse(&url).map_err(|_| refused("invalid webhook URL specified"))?;
        if url.scheme() != "https" && !is_loopback(&url) {
            return Err(refused("An HTTPS URL must be provided for webhook"));
        }
        if url.scheme() == "https" && ![443, 80, 88, 8443].contains(&url.port().unwrap_or(443)) {
            return Err(refused("Webhook can be set up only on ports 80, 88, 443 or 8443"));
        }
        let secret = params.text("secret_token").filter(|secret| !secret.is_empty());
        if let Some(secret) = &secret {
            let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
            if secret.len() > 256 || !secret.chars().all(allowed) {
                return Err(Refusal::bad_request("secret token contains unallowed characters"));
            }
        }
        let max_connections = params.integer("max_connections")?.unwrap_or(40);
        let allowed = params.object("allowed_updates", "allowed updates")?;
        let mut state = self.state();
        if params.flag("drop_pending_updates") {
            state.updates.queue.clear();
        }
        state.updates.allow(allowed);
        state.updates.webhook = Some(Webhook { url, secret, max_connections, last_error: None });
        drop(state);
        self.touch();
        Ok(true.into())
    }

    pub(super) fn delete_webhook(&self, params: &Params) -> Result<Value, Refusal> {
        let mut state = self.state();
        if params.flag("drop_pending_updates") {
            state.updates.queue.clear();
        }
        state.updates.webhook = None;
        drop(state);
        self.touch();
        Ok(true.into())
    }

    pub(super) fn webhook_info(&self) -> Value {
        let state = self.state();
        let updates = &state.updates;
        let mut info =
            json!({"url": "", "has_custom_certificate": false, "pending_update_count": updates.pending()});
        if let Some(webhook) = &updates.webhook {
            info["url"] = webhook.url.as_str().into();
            info["max_connections"] = webhook.max_connections.into();
            if let Some((at, message)) = &webhook.last_error {
                info["last_error_date"] = (*at).into();
                info["last_error_message"] = message.as_str().into();
            }
        }
        if let Some(allowed) = &updates.allowed {
            info["allowed_updates"] = json!(allowed);
        }
        info
    }

    /// Brings updates to the webhook, one after the other, each until it is taken. Runs as long as the server.
    pub(super) async fn deliver_to_webhook(self, mut cut: tokio::sync::watch::Receiver<bool>) {
        let mut changed = self.inner.changed.subscribe();
        loop {
            if cut.wait_for(|cut| !*cut).await.is_err() {
                return;
            }
            changed.borrow_and_update();
            let next = {
                let state = self.state();
                let updates = &state.updates;
                let again = updates.again.first().map(|update| (None, update.clone()));
                let queued = updates.queue.front().map(|(id, update)| (Some(*id), update.clone()));
                updates.webhook.clone().zip(again.or(queued))
            };
            let Some((webhook, (id, update))) = next else {
                if changed.changed().await.is_err() {
                    return;
                }
                continue;
            };
            let outcome = self.post(&webhook, update).await;
            let failed = outcome.is_err();
            self.state().updates.note_delivery(id, outcome, self.now());
            self.touch();
            if failed {
                tokio::time::sleep(RETRY_AFTER).await;
            }
        }
    }

    async fn post(&self, webhook: &Webhook, update: Vec<u8>) -> Result<(), String> {
        let mut url = webhook.url.clone();
        if let Some(front) = *self.inner.front.lock().expect("nothing panics while it is held")
            && url.scheme() == "https"
        {
            // What DNS and the TLS proxy in front of the service do in the world.
            url = Url::parse(&format!("http://{front}{}", url.path())).map_err(|error| error.to_string())?;
        }
        let mut request = self.inner.http.post(url).header("Content-Type", "application/json").body(update);
        if let Some(secret) = &webhook.secret {
            request = request.header("X-Telegram-Bot-Api-Secret-Token", secret);
        }
        match request.send().await {
            Ok(answer) if answer.status().is_success() => Ok(()),
            Ok(answer) => Err(format!("Wrong response from the webhook: {}", answer.status())),
            Err(_) => Err("Connection refused".into()),
        }
    }
}

fn webhook_is_active() -> Refusal {
    Refusal::conflict(
        "can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first",
    )
}
