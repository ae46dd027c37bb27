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
use jiff_sqlx::Timestamp as Stored;
use secrecy::SecretString;
use tokio::time::timeout;
use uuid::Uuid;
use vault::{DerivedKeys, installation};

use crate::address::{BadAddress, Policy, system_lookup};
use crate::fan_out;
use crate::message_type::MessageType;
use crate::secret;
use crate::transport::Transport;
use crate::webhook::Webhook;

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

/// The ids of what an order makes. An order that is repeated with the same ids makes nothing twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ids {
    /// Of a new webhook.
    pub webhook_id: Uuid,
    /// Of a new secret.
    pub secret_id: Uuid,
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

/// A webhook that was made or changed.
#[derive(Debug)]
pub struct Made {
    /// As it is now.
    pub webhook: Webhook,
    /// What its messages are signed with, `whsec_…`, where it is new. It is shown to nobody again.
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

impl Ids {
    /// Random ones: each order is another one.
    pub fn random() -> Self {
        Self { webhook_id: Uuid::new_v4(), secret_id: Uuid::new_v4() }
    }
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
    pub async fn create(&self, new: NewWebhook, ids: Ids, context: Context) -> Result<Made, WebhookError> {
        let created_by = context.actor.to_string();
        let url = self.policy.check(&new.url)?;
        let host = url.host_str().ok_or(BadAddress::Malformed)?.to_owned();
        let types = names(&new.types);
        let Ids { webhook_id, secret_id } = ids;
        let sealed = secret::draw(&self.keys, webhook_id, secret_id);
        let made = sqlx::query!(
            r#"with made as (
               insert into vault.webhooks (webhook_id, url, types, created_by)
               select $1, $2, $3, $4
                where (select count(*) from vault.webhooks where state <> 'deleted') < $5
               on conflict (webhook_id) do nothing
               returning webhook_id, created_at),
             secret as (
               insert into vault.webhook_secrets (webhook_id, secret_id, sealed)
               select webhook_id, $6, $7 from made)
             select created_at as "created_at!: Stored" from made
             union all
             select created_at from vault.webhooks where webhook_id = $1"#,
            webhook_id,
            url.as_str(),
            &types,
            created_by,
            MOST_WEBHOOKS,
            secret_id,
            sealed,
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
        // An order that is repeated has the secret that it drew first.
        let secret = self.secret(ids).await?.ok_or(WebhookError::Unknown)?;
        Ok(Made { webhook, secret: Some(secret) })
    }

    /// Changes it. A new secret has this id. Repeating it changes nothing more.
    ///
    /// # Errors
    /// [`WebhookError`].
    pub async fn change(
        &self,
        webhook_id: Uuid,
        made_by: Option<&str>,
        change: Change,
        secret_id: Uuid,
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
        let ids = Ids { webhook_id, secret_id };
        if change.rotate_secret {
            self.stage_secret(ids).await?;
        }
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
        let secret = match change.rotate_secret {
            true => Some(self.secret(ids).await?.ok_or(WebhookError::Busy)?),
            false => None,
        };
        Ok(Made { webhook, secret })
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
        self.must_be(webhook_id, made_by).await?;
        let command = ServiceCommand::DeleteWebhook { at: self.clock.now() };
        self.store.service(&webhook_id.to_string(), command, context).await?;
        self.caught_up().await?;
        Ok(())
    }

    /// One at a time is staged. One that a process left behind makes way. One of this id that is there already stays.
    async fn stage_secret(&self, Ids { webhook_id, secret_id }: Ids) -> Result<(), WebhookError> {
        let sealed = secret::draw(&self.keys, webhook_id, secret_id);
        let staged = sqlx::query!(
            "insert into vault.webhook_secrets as s (webhook_id, secret_id, sealed)
             select $1, $2, $3
              where not exists (select from vault.webhook_secrets where webhook_id = $1 and secret_id = $2)
             on conflict (webhook_id) where signs_since is null do update
                set secret_id = excluded.secret_id,
                    sealed = excluded.sealed,
                    staged_at = clock_timestamp()
              where s.staged_at < clock_timestamp() - make_interval(secs => $4)",
            webhook_id,
            secret_id,
            sealed,
            STAGED_FOR.as_secs_f64(),
        )
        .execute(self.db.pool())
        .await?;
        if staged.rows_affected() == 1 || self.secret(Ids { webhook_id, secret_id }).await?.is_some() {
            Ok(())
        } else {
            Err(WebhookError::Busy)
        }
    }

    /// A secret, for the one whose order made it. None: it is not there any more, or is another master key's.
    ///
    /// # Errors
    /// The database failed.
    pub async fn secret(
        &self,
        Ids { webhook_id, secret_id }: Ids,
    ) -> Result<Option<SecretString>, DatabaseError> {
        let sealed = sqlx::query_scalar!(
            "select sealed from vault.webhook_secrets where webhook_id = $1 and secret_id = $2",
            webhook_id,
            secret_id,
        )
        .fetch_optional(self.db.pool())
        .await?;
        Ok(sealed.and_then(|sealed| secret::open(&self.keys, webhook_id, secret_id, &sealed)))
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
