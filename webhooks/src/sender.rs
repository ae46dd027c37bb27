//! Sends what is due: many messages at a time, of one lane one after the other.
//!
//! 1. Claim: of each webhook that is on, as many due messages as it may have under way. Those of a lane that is under way are left out.
//! 2. Make their texts, from the log and from who the person is now.
//! 3. Send each in a task of its own.
//! 4. Record what came of those that have ended, all with one statement. Then the next of their lanes are due.
//!
//! A webhook that fails has few messages under way, so that it takes no place from the others; and one whose receiver asked to wait has
//! none for that time.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use eventlog::clock::Clock;
use eventlog::log::Log;
use eventlog::wake::{Topic, Waker};
use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use metrics::{counter, gauge};
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;
use uuid::Uuid;
use vault::{DerivedKeys, Vault};

use crate::body;
use crate::message_type::MessageType;
use crate::queue::{Due, Outcome, Queue, QueueError};
use crate::retry;
use crate::secret::Signer;
use crate::transport::{Answer, Attempt, Transport};

/// Messages under way: of all webhooks, of one that works, of one that fails.
const AT_ONCE: usize = 512;
const AT_ONCE_OF_ONE: usize = 64;
const AT_ONCE_WHILE_FAILING: usize = 2;
/// For how long a webhook rests at most whose receiver asked to wait; each message waits as long as it asked.
const LONGEST_REST: Duration = Duration::from_hours(1);
/// How often it looks without a signal: for messages that are tried again, and for webhooks that were changed.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Sends for the holder of the lease.
pub(crate) struct Sender {
    queue: Queue,
    vault: Vault,
    log: Log,
    keys: Arc<DerivedKeys>,
    clock: Clock,
    transport: Transport,
    /// Those that are on.
    endpoints: BTreeMap<Uuid, Endpoint>,
    loaded_at: Option<Instant>,
    /// How the webhooks do, as this process has seen it.
    health: HashMap<Uuid, Health>,
    under_way: JoinSet<Sent>,
    /// What is under way, by webhook.
    lanes: HashMap<Uuid, HashSet<Uuid>>,
}

#[derive(Clone)]
struct Endpoint {
    url: Arc<str>,
    signer: Arc<Signer>,
}

#[derive(Default)]
struct Health {
    fails: bool,
    rests_until: Option<Instant>,
}

/// What a task has done.
struct Sent {
    due: Due,
    outcome: Outcome,
    /// How long the receiver asked to wait, for all that it gets.
    rest: Option<Duration>,
}

impl Sender {
    pub(crate) fn new(queue: &Queue, keys: &Arc<DerivedKeys>, clock: &Clock, transport: &Transport) -> Self {
        gauge!("qrlogin_webhook_deliveries_under_way").set(0.0);
        Self {
            queue: queue.clone(),
            vault: Vault::new(&queue.db),
            log: Log::new(&queue.db),
            keys: keys.clone(),
            clock: clock.clone(),
            transport: transport.clone(),
            endpoints: BTreeMap::new(),
            loaded_at: None,
            health: HashMap::new(),
            under_way: JoinSet::new(),
            lanes: HashMap::new(),
        }
    }

    /// Sends for as long as it is polled. Dropped, it hangs up; what was under way is sent again.
    pub(crate) async fn run(&mut self) -> Result<Infallible, QueueError> {
        let mut waker = self.queue.db.wake().subscribe(Topic::Webhooks);
        loop {
            self.start_due().await?;
            self.wait(&mut waker).await?;
        }
    }

    /// Sends what is due now, and what becomes due by that, until nothing is. For tests and measurements.
    #[cfg(test)]
    pub(crate) async fn drain(&mut self) -> Result<(), QueueError> {
        loop {
            self.loaded_at = None;
            let started = self.start_due().await?;
            if started == 0 && self.under_way.is_empty() {
                return Ok(());
            }
            if let Some(ended) = self.under_way.join_next().await {
                self.record(ended).await?;
            }
        }
    }

    async fn wait(&mut self, waker: &mut Waker) -> Result<(), QueueError> {
        if self.under_way.is_empty() {
            waker.wait(LOOK_EVERY).await;
            return Ok(());
        }
        let ended = tokio::select! {
            ended = self.under_way.join_next() => ended,
            () = waker.wait(LOOK_EVERY) => None,
        };
        match ended {
            Some(ended) => self.record(ended).await,
            None => Ok(()),
        }
    }

    /// Steps 1 to 3. Returns how many were started.
    async fn start_due(&mut self) -> Result<usize, QueueError> {
        if self.loaded_at.is_none_or(|at| at.elapsed() >= LOOK_EVERY) {
            self.load_endpoints().await?;
        }
        let rooms = self.rooms();
        if rooms.is_empty() {
            return Ok(0);
        }
        let mut claimed = self.queue.claim(&rooms).await?;
        // Those of whom little is under way come first, so that slow receivers do not keep all places.
        claimed.sort_by_key(|due| self.lanes.get(&due.webhook_id).map_or(0, HashSet::len));
        let mut left = AT_ONCE.saturating_sub(self.under_way.len());
        claimed.retain(|due| {
            let is_new = left > 0 && self.lanes.entry(due.webhook_id).or_default().insert(due.lane);
            left -= usize::from(is_new);
            is_new
        });
        let count = claimed.len();
        self.start(claimed).await?;
        gauge!("qrlogin_webhook_deliveries_under_way").set(self.under_way.len() as f64);
        Ok(count)
    }

    /// How many messages to read of each webhook: as many as it may have under way, because the oldest that are due may be those.
    fn rooms(&self) -> Vec<(Uuid, i64)> {
        let now = Instant::now();
        if self.under_way.len() >= AT_ONCE {
            return Vec::new();
        }
        let rooms = self.endpoints.keys().filter_map(|webhook_id| {
            let health = self.health.get(webhook_id);
            if health.and_then(|it| it.rests_until).is_some_and(|until| until > now) {
                return None;
            }
            let most = if health.is_some_and(|it| it.fails) { AT_ONCE_WHILE_FAILING } else { AT_ONCE_OF_ONE };
            let under_way = self.lanes.get(webhook_id).map_or(0, HashSet::len);
            (under_way < most).then_some((*webhook_id, most as i64))
        });
        rooms.collect()
    }

    async fn load_endpoints(&mut self) -> Result<(), QueueError> {
        let now = self.clock.now();
        let rows = sqlx::query!(
            "select w.webhook_id, w.url, s.secret_id, s.sealed
               from vault.webhooks w join vault.webhook_secrets s using (webhook_id)
              where w.state = 'on'
                and w.gone_at is null
                and s.signs_since is not null
                and (s.valid_until is null or s.valid_until > $1)
              order by w.webhook_id, s.signs_since desc",
            now.to_sqlx() as _,
        )
        .fetch_all(self.queue.db.pool())
        .await?;
        self.loaded_at = Some(Instant::now());
        let before = std::mem::take(&mut self.endpoints);
        for of_one in rows.chunk_by(|a, b| a.webhook_id == b.webhook_id) {
            let webhook_id = of_one[0].webhook_id;
            let sealed = of_one.iter().map(|row| (row.secret_id, &*row.sealed));
            let signer = Signer::of(&self.keys, webhook_id, sealed);
            if !signer.can_sign() {
                tracing::warn!(webhook.id = %webhook_id, "the secret of a webhook does not open; rotate it");
                continue;
            }
            let endpoint = Endpoint { url: (*of_one[0].url).into(), signer: signer.into() };
            self.endpoints.insert(webhook_id, endpoint);
        }
        // Another address, or on again: nothing is known of it yet.
        self.health.retain(|webhook_id, _| match (before.get(webhook_id), self.endpoints.get(webhook_id)) {
            (Some(before), Some(now)) => before.url == now.url,
            _ => false,
        });
        Ok(())
    }

    async fn start(&mut self, claimed: Vec<Due>) -> Result<(), QueueError> {
        if claimed.is_empty() {
            return Ok(());
        }
        let texts = self.texts(&claimed).await?;
        for (due, text) in claimed.into_iter().zip(texts) {
            let endpoint = self.endpoints[&due.webhook_id].clone();
            let (transport, sent_at) = (self.transport.clone(), self.clock.now());
            self.under_way.spawn(async move {
                match text {
                    Ok(body) => send(&transport, &endpoint, due, sent_at, body).await,
                    Err(outcome) => Sent { due, outcome, rest: None },
                }
            });
        }
        Ok(())
    }

    /// The text of each; or what becomes of one that has none.
    async fn texts(&self, claimed: &[Due]) -> Result<Vec<Result<String, Outcome>>, QueueError> {
        let positions: Vec<_> = claimed.iter().filter_map(|due| due.position).collect();
        let accounts: Vec<_> = claimed.iter().filter_map(|due| due.account).collect();
        let (events, people) =
            tokio::try_join!(self.log.at_each(&positions), self.vault.subjects(&accounts))?;
        let events: HashMap<_, _> = events.iter().map(|event| (event.position, event)).collect();
        let text = |due: &Due| {
            let (Some(position), Some(account)) = (due.position, due.account) else {
                return Ok(body::of_test(due.created_at));
            };
            let kind: MessageType = due.kind.parse().map_err(|_| Outcome::Unreadable)?;
            let telegram_id = match (kind, people.get(&account)) {
                // Also where the key is not deleted yet: each try says the same.
                (MessageType::UserErased, _) => None,
                (_, Some(person)) => Some(person.telegram_id),
                (_, None) => return Err(Outcome::Dropped),
            };
            let event = events.get(&position).ok_or(Outcome::Unreadable)?;
            body::of_event(kind, event, account, telegram_id).ok_or(Outcome::Unreadable)
        };
        Ok(claimed.iter().map(text).collect())
    }

    /// Step 4: records one that has ended, with all that have ended by then.
    async fn record(&mut self, first: Result<Sent, JoinError>) -> Result<(), QueueError> {
        let mut ended = Vec::new();
        ended.extend(settled(first));
        while let Some(next) = self.under_way.try_join_next() {
            ended.extend(settled(next));
        }
        for Sent { due, outcome, rest } in &ended {
            counter!("qrlogin_webhook_deliveries_total", "outcome" => outcome.name()).increment(1);
            let health = self.health.entry(due.webhook_id).or_default();
            match outcome {
                Outcome::Delivered(_) => health.fails = false,
                Outcome::Failed { .. } => health.fails = true,
                Outcome::Gone => drop(self.endpoints.remove(&due.webhook_id)),
                Outcome::Unreadable | Outcome::Dropped => {}
            }
            if let Some(rest) = rest {
                health.rests_until = Some(Instant::now() + *rest);
            }
        }
        let outcomes: Vec<_> = ended.iter().map(|it| (it.due.delivery_no, it.outcome.clone())).collect();
        let parked = self.queue.record(&outcomes).await?;
        if parked > 0 {
            tracing::warn!(parked, "messages to webhooks were given up and are parked");
        }
        for Sent { due, .. } in &ended {
            if let Some(lanes) = self.lanes.get_mut(&due.webhook_id) {
                lanes.remove(&due.lane);
            }
        }
        Ok(())
    }
}

/// A task that was cut off belongs to a sender that is being dropped.
fn settled(ended: Result<Sent, JoinError>) -> Option<Sent> {
    match ended {
        Ok(sent) => Some(sent),
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_) => None,
    }
}

#[tracing::instrument(name = "deliver", level = "error", skip_all, fields(webhook.id = %due.webhook_id, message.id = due.message_id))]
async fn send(
    transport: &Transport,
    endpoint: &Endpoint,
    due: Due,
    sent_at: Timestamp,
    body: String,
) -> Sent {
    let signature = endpoint.signer.sign(&due.message_id, sent_at, &body);
    let attempt = Attempt { url: &endpoint.url, message_id: &due.message_id, sent_at, signature, body };
    match transport.send(attempt).await {
        Answer::Taken(status) => Sent { due, outcome: Outcome::Delivered(status), rest: None },
        Answer::Gone => Sent { due, outcome: Outcome::Gone, rest: None },
        Answer::Failed { status, why, retry_after } => {
            let status_code = status.map(|status| status.as_u16());
            tracing::debug!(
                status = status_code,
                why,
                attempt = due.attempts + 1,
                "a message was not delivered"
            );
            let wait = retry::wait(due.attempts + 1, retry::chance(), retry_after);
            // These two are about the receiver, and not about the message.
            let is_busy = matches!(status_code, Some(429 | 503));
            let rest = retry_after.filter(|_| is_busy).map(|rest| rest.min(LONGEST_REST));
            Sent { due, outcome: Outcome::Failed { status, why, wait }, rest }
        }
    }
}
