//! The messages of a webhook as its owner sees them: their history, a test, and those that are sent once more.

use eventlog::wake::Topic;
use jiff::Timestamp;
use jiff_sqlx::Timestamp as Stored;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::endpoints::{WebhookError, Webhooks};
use crate::lanes::{self, Lanes};
use crate::message_type::MessageType;
use crate::retry::TRIED_FOR;

/// How a message stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// It is sent, or sent again, when it is due and those before it were.
    Waiting,
    /// The receiver took it.
    Delivered,
    /// It was given up.
    Parked,
}

/// A message. Programs read it with these names, in this order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Delivery {
    /// Its `webhook-id`.
    pub delivery_id: String,
    /// The type of message.
    #[serde(rename = "type")]
    pub kind: String,
    /// Of the event; None: a test.
    pub position: Option<i64>,
    /// How it stands.
    pub state: DeliveryState,
    /// How often it was sent.
    pub attempts: i32,
    /// When it is sent; None: others come before it, or it is settled.
    pub next_attempt_at: Option<Timestamp>,
    /// The HTTP status of the last answer.
    pub last_status: Option<i16>,
    /// Why the last try failed.
    pub last_error: Option<String>,
    /// Since when it is there.
    pub created_at: Timestamp,
    /// When the receiver took it.
    pub delivered_at: Option<Timestamp>,
}

impl DeliveryState {
    /// As stored.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Delivered => "delivered",
            Self::Parked => "parked",
        }
    }

    fn of(stored: &str) -> Self {
        match stored {
            "delivered" => Self::Delivered,
            "parked" => Self::Parked,
            _ => Self::Waiting,
        }
    }
}

impl Webhooks {
    /// Sends a test to it, of the type `webhook.test`. Returns the message's id.
    ///
    /// # Errors
    /// [`WebhookError`].
    pub async fn test(&self, webhook_id: Uuid, made_by: Option<&str>) -> Result<String, WebhookError> {
        self.must_be(webhook_id, made_by).await?;
        let message_id = format!("msg_{}", Uuid::new_v4().simple());
        sqlx::query!(
            "insert into vault.webhook_deliveries (message_id, webhook_id, type, lane, due_at, give_up_at)
             values ($1, $2, $3, $4, clock_timestamp(), clock_timestamp() + make_interval(secs => $5))",
            message_id,
            webhook_id,
            MessageType::Test.name(),
            Uuid::new_v4(),
            TRIED_FOR.as_secs_f64(),
        )
        .execute(self.db().pool())
        .await?;
        self.db().wake().notify(Topic::Webhooks);
        Ok(message_id)
    }

    /// Its messages, the newest first: after the one with this id, up to a limit.
    ///
    /// # Errors
    /// [`WebhookError`].
    pub async fn deliveries(
        &self,
        webhook_id: Uuid,
        made_by: Option<&str>,
        state: Option<DeliveryState>,
        limit: i64,
        after: Option<&str>,
    ) -> Result<Vec<Delivery>, WebhookError> {
        self.must_be(webhook_id, made_by).await?;
        let rows = sqlx::query!(
            r#"select message_id, type as kind, position, state, attempts, last_status, last_error,
                      due_at as "due_at: Stored", created_at as "created_at: Stored", settled_at as "settled_at: Stored"
                 from vault.webhook_deliveries
                where webhook_id = $1
                  and ($2::text is null or state = $2)
                  and delivery_no < coalesce((select delivery_no from vault.webhook_deliveries
                                               where message_id = $4 and webhook_id = $1), 9223372036854775807)
                order by delivery_no desc
                limit $3"#,
            webhook_id,
            state.map(DeliveryState::name),
            limit,
            after,
        )
        .fetch_all(self.db().pool())
        .await?;
        let deliveries = rows.into_iter().map(|row| {
            let state = DeliveryState::of(&row.state);
            let delivered = row.settled_at.filter(|_| state == DeliveryState::Delivered);
            Delivery {
                delivery_id: row.message_id,
                kind: row.kind,
                position: row.position,
                state,
                attempts: row.attempts,
                next_attempt_at: row.due_at.map(Stored::to_jiff),
                last_status: row.last_status,
                last_error: row.last_error,
                created_at: row.created_at.to_jiff(),
                delivered_at: delivered.map(Stored::to_jiff),
            }
        });
        Ok(deliveries.collect())
    }

    /// Sends one that is parked once more, before what waits for the same person. One that waits already stays as it is.
    ///
    /// # Errors
    /// [`WebhookError::UnknownDelivery`]: there is none, or it was delivered.
    pub async fn replay(
        &self,
        webhook_id: Uuid,
        made_by: Option<&str>,
        delivery_id: &str,
    ) -> Result<(), WebhookError> {
        self.must_be(webhook_id, made_by).await?;
        if self.unpark(webhook_id, Some(delivery_id)).await? > 0 {
            return Ok(());
        }
        let waits = sqlx::query_scalar!(
            r#"select exists (select from vault.webhook_deliveries
                               where webhook_id = $1 and message_id = $2 and state = 'waiting') as "waits!""#,
            webhook_id,
            delivery_id,
        )
        .fetch_one(self.db().pool())
        .await?;
        if waits { Ok(()) } else { Err(WebhookError::UnknownDelivery) }
    }

    /// Sends all that are parked once more. Returns how many they are.
    ///
    /// # Errors
    /// [`WebhookError`].
    pub async fn replay_all(&self, webhook_id: Uuid, made_by: Option<&str>) -> Result<u64, WebhookError> {
        self.must_be(webhook_id, made_by).await?;
        self.unpark(webhook_id, None).await
    }

    async fn unpark(&self, webhook_id: Uuid, delivery_id: Option<&str>) -> Result<u64, WebhookError> {
        let mut transaction = lanes::begin(self.db()).await?;
        let lanes = sqlx::query_scalar!(
            "update vault.webhook_deliveries
                set state = 'waiting',
                    settled_at = null,
                    give_up_at = clock_timestamp() + make_interval(secs => $3)
              where webhook_id = $1
                and state = 'parked'
                and ($2::text is null or message_id = $2)
             returning lane",
            webhook_id,
            delivery_id,
            TRIED_FOR.as_secs_f64(),
        )
        .fetch_all(&mut *transaction)
        .await?;
        let count = lanes.len() as u64;
        let lanes: Lanes = lanes.into_iter().map(|lane| (webhook_id, lane)).collect();
        lanes.restore(&mut transaction).await?;
        transaction.commit().await?;
        self.db().wake().notify(Topic::Webhooks);
        Ok(count)
    }
}
