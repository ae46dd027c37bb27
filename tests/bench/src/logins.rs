//! What the write side is measured with: logins, four orders each, as bot and worker give them, and who carries them out.
//!
//! The people are registered, so that the views have rows that the events belong to. Every order leads to one event; the
//! worker's lease, which adds a check in the database to two of the four, is left out on every side.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use app::leader::{self, Leader};
use cqrs_es::persist::PersistedEventStore;
use cqrs_es::{CqrsFramework, Query};
use domain::login::Method;
use domain::{AccountCommand, AccountId, Login, LoginCommand, LoginId, Tiers};
use eventlog::Database;
use eventlog::clock::Clock;
use eventlog::store::{Context, Store};
use jiff::{SignedDuration, Timestamp};
use postgres_es::PostgresEventRepository;
use projections::projector;
use sqlx::PgPool;
use tokio::task::JoinSet;
use uuid::Uuid;
use vault::Vault;

/// The table of postgres-es, as that crate makes it.
pub const BARE_TABLE: &str = "bare_events";

/// Carries out the orders of logins.
pub trait Orders: Clone + Send + Sync + 'static {
    /// One order.
    fn give(
        &self,
        id: &LoginId,
        order: LoginCommand,
        about: AccountId,
    ) -> impl Future<Output = Result<()>> + Send;
}

/// By the product: appended to its log, sequenced, projected and reacted to by a leader beside it.
#[derive(Clone)]
pub struct Ours(pub Store);

impl Orders for Ours {
    async fn give(&self, id: &LoginId, order: LoginCommand, about: AccountId) -> Result<()> {
        Ok(self.0.login(id, order, Context::system().with_account(about)).await?)
    }
}

/// By cqrs-es and postgres-es alone, in a table of the latter's own shape.
#[derive(Clone)]
pub struct Bare(Arc<CqrsFramework<Login, PersistedEventStore<PostgresEventRepository, Login>>>);

impl Bare {
    /// Over this pool, with views that are kept by each command.
    pub fn new(pool: &PgPool, views: Vec<Box<dyn Query<Login>>>) -> Self {
        let events = PostgresEventRepository::new(pool.clone()).with_tables(BARE_TABLE, "bare_snapshots");
        Self(Arc::new(CqrsFramework::new(PersistedEventStore::new_event_store(events), views, ())))
    }
}

impl Orders for Bare {
    async fn give(&self, id: &LoginId, order: LoginCommand, about: AccountId) -> Result<()> {
        // What the product writes into the envelope.
        let envelope = [
            ("actor", "system".to_owned()),
            ("account_id", about.to_string()),
            ("correlation_id", id.to_string()),
        ];
        let envelope = envelope.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        Ok(self.0.execute_with_metadata(id.as_str(), order, envelope).await?)
    }
}

/// The four orders of one login: asked for, two QR codes shown, confirmed.
pub fn orders_of(about: AccountId, at: Timestamp) -> [LoginCommand; 4] {
    let qr = || LoginCommand::IssueQr {
        attempt: 1,
        token_sha256: format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple()),
        expires_at: at + SignedDuration::from_secs(30),
        at,
    };
    [
        LoginCommand::Start { account_id: about, invite: None, attempt: 1, at },
        qr(),
        qr(),
        LoginCommand::Confirm { attempt: 1, method: Method::Qr, at },
    ]
}

/// An id that nobody has.
pub fn new_login() -> LoginId {
    Uuid::new_v4().simple().to_string().parse().expect("32 hexadecimal digits are a login id")
}

/// So many registered people.
pub async fn people(db: &Database, count: usize) -> Result<Vec<AccountId>> {
    let (vault, store, at) = (Vault::new(db), Store::new(db), Clock::system().now());
    let mut people = Vec::with_capacity(count);
    for number in 0..count {
        let telegram_id = 1_000_000 + number as i64;
        let subject = vault.subject_for(telegram_id).await?;
        let account_id = subject.account_id;
        let profile = r#"{"first_name":"Ilya","last_name":null,"username":"ilya","language_code":"ru"}"#;
        let order = AccountCommand::Register {
            account_id,
            telegram_id: subject.seal(&telegram_id.to_string()),
            profile: subject.seal(profile),
            at,
        };
        store.account(account_id, order, Context::by(account_id)).await?;
        people.push(account_id);
    }
    Ok(people)
}

/// Sequencing, projecting, reacting and sweeping, as in the service; until it is dropped.
pub struct Leading {
    db: Database,
    tasks: JoinSet<()>,
}

impl Leading {
    /// Begins.
    pub fn start(db: &Database) -> Self {
        let mut tasks = JoinSet::new();
        let wake = db.wake().clone();
        tasks.spawn(async move { wake.listen().await });
        tasks.spawn(leader::run(Leader {
            db: db.clone(),
            clock: Clock::system(),
            tiers: Arc::new(Tiers::default()),
            holder: "bench".to_owned(),
        }));
        Self { db: db.clone(), tasks }
    }

    /// Waits until every event so far is projected and reacted to, and what followed from them, too.
    pub async fn settle(&self) -> Result<()> {
        loop {
            let due = eventlog::Log::new(&self.db).due().await?;
            projector::wait_for(&self.db, due).await?;
            let reacted = projector::position_of(&self.db, "reactor").await?;
            if reacted >= eventlog::Log::new(&self.db).due().await? {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Ends it.
    pub async fn stop(mut self) {
        self.tasks.shutdown().await;
    }
}
