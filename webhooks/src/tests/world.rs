//! A story with webhooks in it.

use std::sync::Arc;
use std::time::Duration;

use app::testing::Story;
use domain::{AccountCommand, AccountId};
use eventlog::store::Context;
use eventlog::wake::Topic;
use uuid::Uuid;
use vault::{DerivedKeys, Leases};

use crate::address::Policy;
use crate::endpoints::{Ids, Made, NewWebhook, Webhooks};
use crate::fan_out::FanOut;
use crate::message_type::MessageType;
use crate::queue::{LEASE, Queue};
use crate::sender::Sender;

pub struct World {
    pub story: Story,
    pub webhooks: Webhooks,
    pub queue: Queue,
    people: std::sync::atomic::AtomicI64,
}

impl World {
    pub async fn begin() -> Self {
        Self::of(Story::begin().await).await
    }

    pub async fn of(story: Story) -> Self {
        let keys = Arc::new(DerivedKeys::random());
        let policy = Policy::PublicAndLoopback;
        let webhooks = Webhooks::with_policy(&story.db, keys, story.clock.clone(), policy);
        let queue = take_over(&story).await;
        Self { story, webhooks, queue, people: 1_000.into() }
    }

    /// Somebody new.
    pub async fn person(&self) -> AccountId {
        let id = self.people.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        self.story.person(id, r#"{"first_name":"Anna"}"#).await
    }

    pub async fn block(&self, account: AccountId) {
        self.story.account(account, AccountCommand::Block { at: self.story.clock.now() }).await;
    }

    pub async fn unblock(&self, account: AccountId) {
        self.story.account(account, AccountCommand::Unblock { at: self.story.clock.now() }).await;
    }

    /// Blocked and let in, so often: twice as many messages.
    pub async fn turns(&self, account: AccountId, turns: usize) {
        for _ in 0..turns {
            self.block(account).await;
            self.unblock(account).await;
        }
    }

    /// A webhook for everything.
    pub async fn webhook(&self, url: &str) -> Made {
        self.webhook_for(url, &[]).await
    }

    pub async fn webhook_for(&self, url: &str, types: &[MessageType]) -> Made {
        let new = NewWebhook { url: url.to_owned(), types: types.to_vec() };
        self.done(self.webhooks.create(new, Ids::random(), Context::tool("cli")))
            .await
            .expect("a new webhook")
    }

    /// Carries out an order that waits until it has taken effect.
    pub async fn done<T>(&self, order: impl Future<Output = T>) -> T {
        let keeping_up = async {
            let mut appended = self.story.db.wake().subscribe(Topic::Appended);
            loop {
                self.fan_out().await;
                appended.wait(Duration::from_millis(20)).await;
            }
        };
        tokio::select! {
            done = order => done,
            () = keeping_up => unreachable!("it keeps up for ever"),
        }
    }

    /// Turns into messages all that has happened.
    pub async fn fan_out(&self) {
        self.story.project().await;
        FanOut::new(&self.queue).catch_up().await.expect("the log is read");
    }

    pub fn sender(&self) -> Sender {
        Sender::new(&self.queue, self.webhooks.keys(), self.webhooks.clock(), self.webhooks.transport())
    }

    /// Sends all that is due, and that becomes due by it.
    pub async fn send(&self) {
        self.sender().drain().await.expect("messages are sent");
    }

    /// Turns into messages all that has happened, and sends it.
    pub async fn deliver(&self) {
        self.fan_out().await;
        self.send().await;
    }

    /// The waits of those that are tried again are over.
    pub async fn time_passes(&self) {
        self.story
            .run("update vault.webhook_deliveries set due_at = clock_timestamp() where due_at is not null")
            .await;
    }

    /// Three days have passed for what waits.
    pub async fn three_days_pass(&self) {
        self.time_passes().await;
        self.story
            .run("update vault.webhook_deliveries set give_up_at = clock_timestamp() where state = 'waiting'")
            .await;
    }

    /// Three days have passed for the first message of each lane.
    pub async fn three_days_pass_for_the_first(&self) {
        self.time_passes().await;
        self.story
            .run(
                "update vault.webhook_deliveries set give_up_at = clock_timestamp() where due_at is not null",
            )
            .await;
    }

    pub async fn states(&self, webhook_id: Uuid) -> Vec<String> {
        sqlx::query_scalar(
            "select state from vault.webhook_deliveries where webhook_id = $1 order by delivery_no",
        )
        .bind(webhook_id)
        .fetch_all(self.story.db.pool())
        .await
        .expect("the table is there")
    }

    pub async fn count(&self, state: &str) -> i64 {
        let count = format!("select count(*) from vault.webhook_deliveries where state = '{state}'");
        self.story.count(&count).await
    }
}

/// The next holder of the lease, after the one before lost it.
pub async fn take_over(story: &Story) -> Queue {
    story.run("update vault.leases set expires_at = '-infinity'").await;
    let leases = Leases::new(&story.db, Uuid::new_v4().to_string());
    let lease = leases.acquire(LEASE, Duration::from_secs(3_600)).await.expect("the database answers");
    Queue::new(&story.db, &lease.expect("the lease is free"))
}
