//! Webhooks: made, listed, changed, deleted. Each of these is an event with its actor. The row is written first, and takes effect at the
//! event's place in the log ([`crate::fan_out`]); so one without an event is a row that nobody sees.

use std::sync::Arc;
use std::time::Duration;

use domain::service::DisabledReason;
use domain::{ServiceCommand, ServiceError};
use eventlog::clock::Clock;
use eventlog::database::{Database, DatabaseError};
use eventlog::log::Log;
use eventlog::store::{Context, Store, StoreError};
use eventlog::wake::Topic;
use jiff::Timestamp;
use jiff_sqlx::Timestamp as Stored;
use secrecy::SecretString;
use tokio::time::timeout;
use uuid::Uuid;
use vault::{DerivedKeys, installation};

use crate::address::{BadAddress, Policy, system_lookup};
use crate::fan_out;
use crate::message_type::MessageType;
use crate::secret::NewSecret;
use crate::transport::Transport;

/// How many there may be: each event is a message to every one.
pub const MOST_WEBHOOKS: i64 = 100;
/// How long an answer waits for the change to take effect.
const CATCH_UP: Duration = Duration::from_secs(5);
const POLL_EVERY: Duration = Duration::from_millis(20);
/// After that a staged secret is left over from a process that died, and the next one takes its place.
const STAGED_FOR: Duration = Duration::from_secs(60);

/// The use cases of webhooks. A cheap clone.
#[derive(Clone, Debug)]
pub struct Webhooks {
    db: Database,
    store: Store,
    keys: Arc<DerivedKeys>,
    clock: Clock,
    policy: Policy,
    transport: Transport,
}

/// A webhook to make.
#[derive(Clone, Debug)]
pub struct NewWebhook {
    /// Where its messages go.
    pub url: String,
    /// Which it gets; none: all.
    pub types: Vec<MessageType>,
}

/// What to change; what is None stays.
#[derive(Clone, Debug, Default)]
pub struct Change {
    /// Where its messages go.
    pub url: Option<String>,
    /// Which it gets; none: all.
    pub types: Option<Vec<MessageType>>,
    /// Whether messages are sent.
    pub enabled: Option<bool>,
    /// Whether it gets another secret. The one before signs beside it for a day.
    pub rotate_secret: bool,
}

/// A webhook, as its owner sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// Random; the stream of its events.
    pub webhook_id: Uuid,
    /// Where its messages go.
    pub url: String,
    /// The types of message that it gets; none: all.
    pub types: Vec<String>,
    /// Whether messages are sent.
    pub enabled: bool,
    /// Why they are not.
    pub disabled_reason: Option<DisabledReason>,
    /// Who made it, as the actor of an event.
    pub created_by: String,
    /// When.
    pub created_at: Timestamp,
    /// Until when the secret before signs as well.
    pub secret_rotates_until: Option<Timestamp>,
    /// Messages that wait.
    pub waiting: i64,
    /// Messages that were given up.
    pub parked: i64,
    /// When it last took one.
    pub last_delivered_at: Option<Timestamp>,
}

/// A webhook that was made or changed.
#[derive(Debug)]
pub struct Made {
    /// As it is now.
    pub webhook: Webhook,
    /// What its messages are signed with, `whsec_…`, where it is new. Nobody can see it again.
    pub secret: Option<SecretString>,
}

/// Why an order about a webhook was refused.
#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    /// There is none with this id, or it is somebody else's.
    #[error("there is no such webhook")]
    Unknown,
    /// It has no message with this id, or that one is not parked.
    #[error("there is no such message, or it is not parked")]
    UnknownDelivery,
    /// Messages cannot go there.
    #[error(transparent)]
    BadAddress(#[from] BadAddress),
    /// There are as many as there may be.
    #[error("there are {MOST_WEBHOOKS} webhooks already")]
    TooMany,
    /// The secret is being changed by somebody else.
    #[error("its secret is being changed: try again in a minute")]
    Busy,
    /// The database failed.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

impl From<sqlx::Error> for WebhookError {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error.into())
    }
}

impl From<StoreError<ServiceError>> for WebhookError {
    fn from(error: StoreError<ServiceError>) -> Self {
        match error {
            StoreError::Refused(ServiceError::Unknown) => Self::Unknown,
            StoreError::Database(error) => Self::Database(error),
            StoreError::Fenced => Self::Busy,
        }
    }
}

impl Webhooks {
    /// Over this database. Which addresses are allowed is by the network that it is stamped with.
    ///
    /// # Errors
    /// The database failed.
    pub async fn new(db: &Database, keys: Arc<DerivedKeys>, clock: Clock) -> Result<Self, DatabaseError> {
        let policy = Policy::of_network(installation::stamp(db).await?.network.as_deref());
        Ok(Self::with_policy(db, keys, clock, policy))
    }

    /// The same, with these addresses allowed.
    pub fn with_policy(db: &Database, keys: Arc<DerivedKeys>, clock: Clock, policy: Policy) -> Self {
        let transport = Transport::new(policy, &system_lookup());
        Self { store: Store::new(db), db: db.clone(), keys, clock, policy, transport }
    }

    /// Makes a webhook. Its messages are about what happens from now on.
    ///
    /// # Errors
    /// [`WebhookError`]: the address is not allowed, there are too many, or the database failed.
    pub async fn create(&self, new: NewWebhook, context: Context) -> Result<Made, WebhookError> {
        let created_by = context.actor.to_string();
        let url = self.policy.check(&new.url)?;
        let host = url.host_str().ok_or(BadAddress::Malformed)?.to_owned();
        let types = names(&new.types);
        let webhook_id = Uuid::new_v4();
        let secret = NewSecret::draw(&self.keys, webhook_id);
        let made = sqlx::query!(
            r#"with made as (
               insert into vault.webhooks (webhook_id, url, types, created_by)
               select $1, $2, $3, $4
                where (select count(*) from vault.webhooks where state <> 'deleted') < $5
               returning webhook_id, created_at),
             secret as (
               insert into vault.webhook_secrets (webhook_id, secret_id, sealed)
               select webhook_id, $6, $7 from made)
             select created_at as "created_at: Stored" from made"#,
            webhook_id,
            url.as_str(),
            &types,
            created_by,
            MOST_WEBHOOKS,
            secret.secret_id,
            secret.sealed,
        )
        .fetch_optional(self.db.pool())
        .await?;
        let created_at = made.ok_or(WebhookError::TooMany)?.created_at.to_jiff();
        let command = ServiceCommand::CreateWebhook { host, types: types.clone(), at: self.clock.now() };
        self.store.service(&webhook_id.to_string(), command, context).await?;
        self.caught_up().await?;
        let webhook = Webhook {
            webhook_id,
            url: url.into(),
            types,
            enabled: true,
            disabled_reason: None,
            created_by,
            created_at,
            secret_rotates_until: None,
            waiting: 0,
            parked: 0,
            last_delivered_at: None,
        };
        Ok(Made { webhook, secret: Some(secret.text) })
    }

    /// All webhooks, or those that this actor made, in the order in which they were made: after the one with this id, up to a limit.
    ///
    /// # Errors
    /// The database failed.
    pub async fn list(
        &self,
        made_by: Option<&str>,
        limit: i64,
        after: Option<Uuid>,
    ) -> Result<Vec<Webhook>, DatabaseError> {
        self.select(made_by, None, limit, after).await
    }

    /// One; `made_by`: only if this actor made it.
    ///
    /// # Errors
    /// [`WebhookError::Unknown`]; the database failed.
    pub async fn show(&self, webhook_id: Uuid, made_by: Option<&str>) -> Result<Webhook, WebhookError> {
        let found = self.select(made_by, Some(webhook_id), 1, None).await?;
        found.into_iter().next().ok_or(WebhookError::Unknown)
    }

    /// Changes it. Repeating it changes nothing more, but for the secret.
    ///
    /// # Errors
    /// [`WebhookError`].
    pub async fn change(
        &self,
        webhook_id: Uuid,
        made_by: Option<&str>,
        change: Change,
        context: Context,
    ) -> Result<Made, WebhookError> {
        let before = self.show(webhook_id, made_by).await?;
        let url = change.url.as_deref().map(|url| self.policy.check(url)).transpose()?;
        let url = url.filter(|url| url.as_str() != before.url);
        let types = change.types.as_deref().map(names);
        if let Some(url) = &url {
            sqlx::query!(
                "update vault.webhooks set next_url = $2 where webhook_id = $1",
                webhook_id,
                url.as_str()
            )
            .execute(self.db.pool())
            .await?;
        }
        let secret = match change.rotate_secret {
            true => Some(self.stage_secret(webhook_id).await?),
            false => None,
        };
        let command = ServiceCommand::ChangeWebhook {
            host: url.as_ref().and_then(|url| url.host_str()).map(str::to_owned),
            types: types.clone(),
            enabled: change.enabled,
            reason: (change.enabled == Some(false)).then_some(DisabledReason::Order),
            rotated: change.rotate_secret,
            at: self.clock.now(),
        };
        self.store.service(&webhook_id.to_string(), command, context).await?;
        let mut webhook = match self.caught_up().await? {
            true => self.show(webhook_id, made_by).await?,
            false => before,
        };
        // Also where no process has put it into force yet.
        webhook.url = url.map_or(webhook.url, Into::into);
        webhook.types = types.unwrap_or(webhook.types);
        if let Some(enabled) = change.enabled.filter(|enabled| *enabled != webhook.enabled) {
            webhook.enabled = enabled;
            webhook.disabled_reason = (!enabled).then_some(DisabledReason::Order);
        }
        Ok(Made { webhook, secret: secret.map(|secret| secret.text) })
    }

    /// Forgets it, with its messages. Repeating it changes nothing, and finds none.
    ///
    /// # Errors
    /// [`WebhookError`].
    pub async fn delete(
        &self,
        webhook_id: Uuid,
        made_by: Option<&str>,
        context: Context,
    ) -> Result<(), WebhookError> {
        self.show(webhook_id, made_by).await?;
        let command = ServiceCommand::DeleteWebhook { at: self.clock.now() };
        self.store.service(&webhook_id.to_string(), command, context).await?;
        self.caught_up().await?;
        Ok(())
    }

    /// One at a time is staged. One that a process left behind makes way.
    async fn stage_secret(&self, webhook_id: Uuid) -> Result<NewSecret, WebhookError> {
        let secret = NewSecret::draw(&self.keys, webhook_id);
        let staged = sqlx::query!(
            "insert into vault.webhook_secrets as s (webhook_id, secret_id, sealed)
             values ($1, $2, $3)
             on conflict (webhook_id) where signs_since is null do update
                set secret_id = excluded.secret_id,
                    sealed = excluded.sealed,
                    staged_at = clock_timestamp()
              where s.staged_at < clock_timestamp() - make_interval(secs => $4)",
            webhook_id,
            secret.secret_id,
            secret.sealed,
            STAGED_FOR.as_secs_f64(),
        )
        .execute(self.db.pool())
        .await?;
        if staged.rows_affected() == 1 { Ok(secret) } else { Err(WebhookError::Busy) }
    }

    /// Waits until what was recorded before now has taken effect. False: it has not yet.
    async fn caught_up(&self) -> Result<bool, DatabaseError> {
        let due = Log::new(&self.db).due().await?;
        let mut projected = self.db.wake().subscribe(Topic::Projected);
        let taking_effect = async {
            while fan_out::position(&self.db).await? < due {
                projected.wait(POLL_EVERY).await;
            }
            Ok(())
        };
        match timeout(CATCH_UP, taking_effect).await {
            Ok(outcome) => outcome.map(|()| true),
            Err(_) => {
                tracing::warn!(
                    "a change of a webhook has not taken effect yet: no process has turned it into messages"
                );
                Ok(false)
            }
        }
    }

    async fn select(
        &self,
        made_by: Option<&str>,
        webhook_id: Option<Uuid>,
        limit: i64,
        after: Option<Uuid>,
    ) -> Result<Vec<Webhook>, DatabaseError> {
        let rows = sqlx::query!(
            r#"select w.webhook_id, w.url, w.types, w.state, w.off_reason, w.created_by,
                      w.created_at as "created_at: Stored",
                      w.last_delivered_at as "last_delivered_at: Stored",
                      (select max(s.valid_until) from vault.webhook_secrets s
                        where s.webhook_id = w.webhook_id and s.valid_until > $5) as "rotates_until: Stored",
                      (select count(*) from vault.webhook_deliveries d
                        where d.webhook_id = w.webhook_id and d.state = 'waiting') as "waiting!",
                      (select count(*) from vault.webhook_deliveries d
                        where d.webhook_id = w.webhook_id and d.state = 'parked') as "parked!"
                 from vault.webhooks w
                where w.state in ('on', 'off')
                  and ($1::text is null or w.created_by = $1)
                  and ($2::uuid is null or w.webhook_id = $2)
                  and ($3::uuid is null
                       or (w.created_at, w.webhook_id) > (select created_at, webhook_id from vault.webhooks where webhook_id = $3))
                order by w.created_at, w.webhook_id
                limit $4"#,
            made_by,
            webhook_id,
            after,
            limit,
            jiff_sqlx::ToSqlx::to_sqlx(self.clock.now()) as _,
        )
        .fetch_all(self.db.pool())
        .await?;
        let webhook = rows.into_iter().map(|row| Webhook {
            webhook_id: row.webhook_id,
            url: row.url,
            types: row.types,
            enabled: row.state == "on",
            disabled_reason: row.off_reason.map(|reason| match &*reason {
                "gone" => DisabledReason::Gone,
                _ => DisabledReason::Order,
            }),
            created_by: row.created_by,
            created_at: row.created_at.to_jiff(),
            secret_rotates_until: row.rotates_until.map(Stored::to_jiff),
            waiting: row.waiting,
            parked: row.parked,
            last_delivered_at: row.last_delivered_at.map(Stored::to_jiff),
        });
        Ok(webhook.collect())
    }

    /// Its database.
    pub fn db(&self) -> &Database {
        &self.db
    }

    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    pub(crate) fn keys(&self) -> &Arc<DerivedKeys> {
        &self.keys
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
    }

    pub(crate) fn transport(&self) -> &Transport {
        &self.transport
    }
}

/// In their order, each once.
fn names(types: &[MessageType]) -> Vec<String> {
    let chosen: std::collections::BTreeSet<_> = types.iter().collect();
    chosen.into_iter().map(|kind| kind.name().to_owned()).collect()
}
