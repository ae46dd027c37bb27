//! From the log to the queue. A pass reads a batch of events in their order. One transaction then puts changed webhooks into force, adds
//! the messages, and moves the position: so each event becomes one message a webhook, whatever dies when.
//!
//! It keeps nothing in mind between two passes. Position, messages and log are in one database: where a standby takes over without its
//! tail, or a backup is restored, all three are set back together. Events that were lost have other message ids than those that come in
//! their places: see [`message_id`].
//!
//! It never runs ahead of the views: who gets a message and asks for the person then reads what the message says.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::service::{DisabledReason, ServiceEvent};
use domain::{AccountId, Event, StreamKind};
use eventlog::database::{Database, DatabaseError, Transaction};
use eventlog::log::{Log, LogEvent};
use eventlog::wake::Topic;
use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use projections::projector;
use sha2::{Digest, Sha256};
use sqlx::Executor;
use uuid::Uuid;
use vault::Leases;

use crate::erasure;
use crate::message_type::MessageType;
use crate::queue::{LEASE, LEASE_TTL, NewMessage, Queue, QueueError};
use crate::retry::TRIED_FOR;
use crate::secret::BOTH_SIGN_FOR;

/// Events in one transaction.
const BATCH: i64 = 500;

/// Turns events into messages, for the holder of the lease.
#[derive(Debug)]
pub(crate) struct FanOut {
    queue: Queue,
    log: Log,
}

/// Why a pass failed; it has changed nothing.
pub type FanOutError = QueueError;

/// A webhook that is on.
struct Endpoint {
    webhook_id: Uuid,
    /// None: all.
    types: Vec<String>,
}

impl FanOut {
    pub(crate) fn new(queue: &Queue) -> Self {
        Self { queue: queue.clone(), log: Log::new(&queue.db) }
    }

    /// Handles one batch. Returns the number of events.
    #[tracing::instrument(name = "fan_out", level = "error", skip_all, fields(position))]
    pub(crate) async fn pass(&self) -> Result<usize, FanOutError> {
        let db = &self.queue.db;
        let after = position(db).await?;
        tracing::Span::current().record("position", after);
        let projected = projector::projected(db).await?;
        if projected <= after {
            return Ok(0);
        }
        let mut events = self.log.read(after, BATCH).await?;
        events.retain(|event| event.position <= projected);
        let Some(end) = events.last().map(|event| event.position) else { return Ok(0) };

        let mut transaction = self.queue.begin().await?;
        let moved = sqlx::query!(
            "update vault.webhook_fan_out set position = $2, moved_at = clock_timestamp() where position = $1",
            after,
            end,
        )
        .execute(&mut *transaction)
        .await?;
        if moved.rows_affected() == 0 {
            // The holder before has moved it meanwhile.
            return Ok(0);
        }
        let mut batch = Batch { endpoints: endpoints(&mut transaction).await?, messages: Vec::new() };
        for event in &events {
            batch.handle(&mut transaction, event).await?;
        }
        let added = Queue::add(&mut transaction, &batch.messages).await?;
        if added == 0 {
            // Nothing is sent that a crash could make unsaid.
            transaction.execute("set local synchronous_commit = off").await?;
        }
        transaction.commit().await?;
        metrics::counter!("qrlogin_webhook_messages_total").increment(added);
        if added > 0 {
            db.wake().notify(Topic::Webhooks);
        }
        Ok(events.len())
    }

    /// Passes until all events are handled that the views show.
    pub(crate) async fn catch_up(&self) -> Result<usize, FanOutError> {
        let mut total = 0;
        loop {
            let events = self.pass().await?;
            total += events;
            if events < BATCH as usize {
                return Ok(total);
            }
        }
    }
}

/// Handles what the views show, where no process does so: for a command that ends soon.
///
/// # Errors
/// The database failed.
pub async fn catch_up(db: &Database, holder: String) -> Result<(), FanOutError> {
    let leases = Leases::new(db, holder);
    let Some(lease) = leases.acquire(LEASE, LEASE_TTL).await? else { return Ok(()) };
    let fan_out = FanOut::new(&Queue::new(db, &lease));
    let caught_up = async {
        while fan_out.pass().await? == BATCH as usize {
            leases.renew(&lease).await?;
        }
        Ok(())
    };
    let caught_up: Result<(), FanOutError> = caught_up.await;
    leases.release(lease).await?;
    match caught_up {
        // Another process has the lease by now, and does it.
        Err(QueueError::Fenced) => Ok(()),
        caught_up => caught_up,
    }
}

/// How far the log is turned into messages.
pub(crate) async fn position(db: &Database) -> Result<i64, DatabaseError> {
    Ok(sqlx::query_scalar!("select position from vault.webhook_fan_out").fetch_one(db.pool()).await?)
}

async fn endpoints(transaction: &mut Transaction) -> Result<Vec<Endpoint>, sqlx::Error> {
    sqlx::query_as!(
        Endpoint,
        "select webhook_id, types from vault.webhooks where state = 'on' order by created_at, webhook_id"
    )
    .fetch_all(&mut **transaction)
    .await
}

/// What a pass collects.
struct Batch {
    endpoints: Vec<Endpoint>,
    messages: Vec<NewMessage>,
}

impl Batch {
    async fn handle(&mut self, transaction: &mut Transaction, event: &LogEvent) -> Result<(), sqlx::Error> {
        if event.stream == StreamKind::Service.name() {
            let (Ok(Event::Service(changed)), Ok(webhook_id)) = (&event.event, event.stream_id.parse())
            else {
                return Ok(());
            };
            return self.change(transaction, webhook_id, changed, &event.metadata.actor).await;
        }
        let Some(kind) = MessageType::of_event(&event.name) else { return Ok(()) };
        let Some(account) = account_of(event) else { return Ok(()) };
        if kind == MessageType::UserErased {
            self.messages.retain(|message| message.account != account);
            erasure::drop_in(transaction, account).await?;
        }
        let takes = |endpoint: &&Endpoint| {
            endpoint.types.is_empty() || endpoint.types.iter().any(|name| name == kind.name())
        };
        self.messages.extend(self.endpoints.iter().filter(takes).map(|endpoint| NewMessage {
            message_id: message_id(endpoint.webhook_id, event),
            webhook_id: endpoint.webhook_id,
            kind,
            position: event.position,
            account,
        }));
        Ok(())
    }

    /// A webhook is made, changed or deleted, from this event on.
    async fn change(
        &mut self,
        transaction: &mut Transaction,
        webhook_id: Uuid,
        changed: &ServiceEvent,
        actor: &str,
    ) -> Result<(), sqlx::Error> {
        match changed {
            ServiceEvent::ApiKeyCreated { .. } | ServiceEvent::ApiKeyRevoked { .. } => return Ok(()),
            ServiceEvent::WebhookCreated { types, at, .. } => {
                sqlx::query!(
                    "update vault.webhooks set state = 'on', types = $2, created_by = $3
                      where webhook_id = $1 and state = 'made'",
                    webhook_id,
                    types,
                    actor,
                )
                .execute(&mut **transaction)
                .await?;
                change_secret(transaction, webhook_id, *at).await?;
            }
            ServiceEvent::WebhookChanged { host, types, enabled, reason, rotated, at } => {
                let reason = match reason {
                    Some(DisabledReason::Gone) => "gone",
                    Some(DisabledReason::Order) | None => "order",
                };
                sqlx::query!(
                    "update vault.webhooks
                        set url = case when $2::boolean then coalesce(next_url, url) else url end,
                            next_url = case when $2::boolean then null else next_url end,
                            types = coalesce($3, types),
                            state = case $4::boolean when true then 'on' when false then 'off' else state end,
                            off_reason = case $4::boolean when true then null when false then $5 else off_reason end,
                            off_at = case $4::boolean when true then null when false then clock_timestamp() else off_at end,
                            gone_at = case when $4::boolean then null else gone_at end
                      where webhook_id = $1 and state in ('on', 'off')",
                    webhook_id,
                    host.is_some(),
                    types.as_deref(),
                    *enabled,
                    reason,
                )
                .execute(&mut **transaction)
                .await?;
                if *enabled == Some(true) {
                    begin_anew(transaction, webhook_id).await?;
                }
                if *rotated {
                    change_secret(transaction, webhook_id, *at).await?;
                }
            }
            ServiceEvent::WebhookDeleted { .. } => {
                sqlx::query!(
                    "update vault.webhooks
                        set state = 'deleted', url = '', next_url = null, off_reason = null, off_at = null
                      where webhook_id = $1",
                    webhook_id,
                )
                .execute(&mut **transaction)
                .await?;
                sqlx::query!("delete from vault.webhook_secrets where webhook_id = $1", webhook_id)
                    .execute(&mut **transaction)
                    .await?;
                self.messages.retain(|message| message.webhook_id != webhook_id);
            }
        }
        self.endpoints = endpoints(transaction).await?;
        Ok(())
    }
}

/// What waits while a webhook is off has its three days when it is on again.
async fn begin_anew(transaction: &mut Transaction, webhook_id: Uuid) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update vault.webhook_deliveries
            set give_up_at = clock_timestamp() + make_interval(secs => $2),
                due_at = case when due_at is not null then clock_timestamp() end
          where webhook_id = $1 and state = 'waiting'",
        webhook_id,
        TRIED_FOR.as_secs_f64(),
    )
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

/// The staged secret signs from now on. The one before it signs for a day as well, and no third one.
async fn change_secret(
    transaction: &mut Transaction,
    webhook_id: Uuid,
    at: Timestamp,
) -> Result<(), sqlx::Error> {
    let until = at.checked_add(BOTH_SIGN_FOR).unwrap_or(Timestamp::MAX);
    sqlx::query!(
        "with staged as (
           update vault.webhook_secrets set signs_since = $2
            where webhook_id = $1 and signs_since is null
           returning secret_id),
         older as (
           delete from vault.webhook_secrets
            where webhook_id = $1 and valid_until is not null and exists (select from staged))
         update vault.webhook_secrets set valid_until = $3
          where webhook_id = $1 and signs_since is not null and valid_until is null and exists (select from staged)",
        webhook_id,
        at.to_sqlx() as _,
        until.to_sqlx() as _,
    )
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

/// Whom an event is about: its envelope says so, and for an account its stream.
fn account_of(event: &LogEvent) -> Option<AccountId> {
    if event.stream == StreamKind::Account.name() {
        return event.stream_id.parse().ok();
    }
    let named = event.event.as_ref().ok().and_then(Event::account_id);
    event.metadata.account_id.or(named)
}

/// `msg_` and 24 characters: the same for each try of an event at a webhook. Where the end of the log was lost with a server, and other
/// events have the positions now, theirs differ: each has its own time, to the microsecond.
fn message_id(webhook_id: Uuid, event: &LogEvent) -> String {
    let LogEvent { stream, stream_id, sequence, name, recorded_at, .. } = event;
    let recorded = recorded_at.as_microsecond();
    let what = format!("{webhook_id}\n{stream}\n{stream_id}\n{sequence}\n{name}\n{recorded}");
    format!("msg_{}", URL_SAFE_NO_PAD.encode(&Sha256::digest(what)[..18]))
}
