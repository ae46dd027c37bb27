//! What a process does for webhooks while it has the lease.

use std::convert::Infallible;
use std::time::Duration;

use domain::ServiceCommand;
use domain::service::DisabledReason;
use eventlog::Outage;
use eventlog::database::Database;
use eventlog::store::{Context, StoreError};
use eventlog::wake::Topic;
use vault::{Lease, Leases};

use crate::endpoints::Webhooks;
use crate::fan_out::FanOut;
use crate::prune;
use crate::queue::{LEASE, LEASE_TTL, Queue, QueueError};
use crate::sender::Sender;

/// How often the views are looked at without a signal.
const POLL_EVERY: Duration = Duration::from_secs(1);
const AFTER_FAILURE: Duration = Duration::from_secs(1);
/// An outage is over when there was no failure for so long.
const WORKS_AGAIN_AFTER: Duration = Duration::from_secs(5);
/// After a pass that handled events. Those that come meanwhile make one batch.
const PAUSE: Duration = Duration::from_millis(20);

/// Turns events into messages and sends them, whenever the lease is this process's, for as long as it is polled. `holder` is the name of
/// this process.
pub async fn run(webhooks: Webhooks, holder: String) {
    let leases = Leases::new(webhooks.db(), holder);
    leases
        .hold(LEASE, LEASE_TTL, |lease| {
            let webhooks = webhooks.clone();
            async move {
                let mut outage = Outage::new(
                    "webhooks get nothing; what happens meanwhile is sent later",
                    "webhooks get messages again",
                );
                loop {
                    let Err(error) = Box::pin(work(&webhooks, &lease, &mut outage)).await;
                    outage.failed(&error);
                    tokio::time::sleep(AFTER_FAILURE).await;
                }
            }
        })
        .await
}

async fn work(webhooks: &Webhooks, lease: &Lease, outage: &mut Outage) -> Result<Infallible, QueueError> {
    let queue = Queue::new(webhooks.db(), lease);
    let fan_out = FanOut::new(&queue);
    let mut sender = Sender::new(&queue, webhooks.keys(), webhooks.clock(), webhooks.transport());
    let (never, ..) = tokio::try_join!(
        sender.run(),
        follow(webhooks.db(), &fan_out),
        switch_off(webhooks),
        prune::run(webhooks.db(), webhooks.clock()),
        async {
            tokio::time::sleep(WORKS_AGAIN_AFTER).await;
            outage.over();
            std::future::pending::<Result<Infallible, QueueError>>().await
        },
    )?;
    Ok(never)
}

async fn follow(db: &Database, fan_out: &FanOut) -> Result<Infallible, QueueError> {
    let mut projected = db.wake().subscribe(Topic::Projected);
    loop {
        if fan_out.catch_up().await? > 0 {
            tokio::time::sleep(PAUSE).await;
        }
        projected.wait(POLL_EVERY).await;
    }
}

/// A receiver that answered 410 gets nothing from then on; this makes it an event.
async fn switch_off(webhooks: &Webhooks) -> Result<Infallible, QueueError> {
    loop {
        switch_off_gone(webhooks).await?;
        tokio::time::sleep(POLL_EVERY).await;
    }
}

pub(crate) async fn switch_off_gone(webhooks: &Webhooks) -> Result<(), QueueError> {
    let gone = sqlx::query_scalar!(
        "select webhook_id from vault.webhooks where state = 'on' and gone_at is not null"
    )
    .fetch_all(webhooks.db().pool())
    .await?;
    for webhook_id in gone {
        let command = ServiceCommand::ChangeWebhook {
            host: None,
            types: None,
            enabled: Some(false),
            reason: Some(DisabledReason::Gone),
            rotated: false,
            at: webhooks.clock().now(),
        };
        match webhooks.store().service(&webhook_id.to_string(), command, Context::system()).await {
            Ok(()) => tracing::warn!(webhook.id = %webhook_id, "a webhook was switched off: it is gone"),
            // It was deleted meanwhile.
            Err(StoreError::Refused(_) | StoreError::Fenced) => {}
            Err(StoreError::Database(error)) => return Err(error.into()),
        }
    }
    Ok(())
}
