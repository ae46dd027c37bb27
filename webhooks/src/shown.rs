//! What webhooks there are, and how each does.

use domain::service::DisabledReason;
use eventlog::database::DatabaseError;
use jiff_sqlx::{Timestamp as Stored, ToSqlx};
use uuid::Uuid;

use crate::endpoints::{WebhookError, Webhooks};
use crate::webhook::Webhook;

impl Webhooks {
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

    /// Refuses what [`Self::show`] does not find. It counts no messages.
    pub(crate) async fn must_be(&self, webhook_id: Uuid, made_by: Option<&str>) -> Result<(), WebhookError> {
        let is_there = sqlx::query_scalar!(
            r#"select exists (select from vault.webhooks
                               where webhook_id = $1
                                 and state in ('on', 'off')
                                 and ($2::text is null or created_by = $2)) as "is_there!""#,
            webhook_id,
            made_by,
        )
        .fetch_one(self.db().pool())
        .await?;
        if is_there { Ok(()) } else { Err(WebhookError::Unknown) }
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
            self.clock().now().to_sqlx() as _,
        )
        .fetch_all(self.db().pool())
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
}
