//! What the sections about HTTP need: the real service as a process of its own, a private PostgreSQL with fsync on, a
//! stand-in Telegram, and people whose logins are live because their events say so.

use anyhow::{Context as _, Result, ensure};
use domain::{LoginCommand, LoginId};
use eventlog::{Clock, Context, Database, Log, Store};
use futures::{StreamExt, TryStreamExt, stream};
use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use stand_in::accounts::Account;
use stand_in::bot_api::Launch;
use stand_in::service::{Service, Settings};
use stand_in::{Options, Telegram};
use std::path::Path;
use std::time::Duration;
use vault::Vault;
use vault::{Claimed, random_login_id};

use crate::process::parent;

/// The first of the people.
const PEOPLE: i64 = 500_000_000;
/// As many connections as the pool has.
const AT_ONCE: usize = 16;
/// Longer than any section takes.
const HELD_FOR: Duration = Duration::from_secs(3600);
const TOKEN_LIFETIME: SignedDuration = SignedDuration::from_secs(30);
/// Of the size of Telegram's.
const TOKEN_BYTES: usize = 32;
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A running service and its surroundings. Dropping it ends them all.
pub struct Environment {
    pub telegram: Telegram,
    pub db: Database,
    pub service: Service,
    pub dir: tempfile::TempDir,
    url: SecretString,
}

/// A person whose login is live.
#[derive(Clone)]
pub struct Person {
    pub login_id: LoginId,
    /// The launch data of their Mini App.
    pub init_data: String,
    claimed: Option<Claimed>,
}

impl Environment {
    /// With a service that has these roles.
    pub async fn set_up(roles: &str) -> Result<Self> {
        Self::with(roles, &[]).await
    }

    /// With other settings as well.
    pub async fn with(roles: &str, others: &[(&'static str, &str)]) -> Result<Self> {
        let telegram = Telegram::start(Options::default()).await?;
        let test = eventlog::testing::database().await;
        let dir = tempfile::tempdir()?;
        let service = running(&telegram, dir.path(), &test.url, roles, others).await?;
        Ok(Self { telegram, db: test.db, service, dir, url: test.url })
    }

    /// Another process with these roles, over the same database.
    pub async fn beside(&self, roles: &str) -> Result<Service> {
        running(&self.telegram, self.dir.path(), &self.url, roles, &[]).await
    }

    /// The database's URL.
    pub fn database_url(&self) -> &SecretString {
        &self.url
    }

    /// The service's process.
    pub fn pid(&self) -> Result<u32> {
        self.service.status().pid.context("the service has ended")
    }

    /// PostgreSQL's first process, the parent of all its others.
    pub async fn postmaster(&self) -> Result<u32> {
        let backend: i32 = sqlx::query_scalar("select pg_backend_pid()")
            .fetch_one(&self.db.pool().without_deadlines())
            .await?;
        parent(u32::try_from(backend)?)
    }

    /// People who have said `/login` and see a QR code: each login's events are appended to the log by the product's own
    /// store, and reach the board by sequencer and follower. Only Telegram is left out, so there is no worker in this.
    pub async fn people(&self, number: usize) -> Result<Vec<Person>> {
        let (store, vault) = (Store::new(&self.db), Vault::new(&self.db));
        let mut people: Vec<Person> = stream::iter(0..number)
            .map(|number| self.begin(&store, &vault, number))
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await?;
        let limit = i64::try_from(number)?;
        let mut claims = Vec::with_capacity(number);
        while claims.len() < number {
            claims.extend(vault.claim_attempts("bench", HELD_FOR, limit).await?);
        }
        claims.sort_by(|a: &Claimed, b| a.fence.login_id.as_str().cmp(b.fence.login_id.as_str()));
        people.sort_by(|a, b| a.login_id.as_str().cmp(b.login_id.as_str()));
        for (person, claimed) in people.iter_mut().zip(claims) {
            ensure!(person.login_id == claimed.fence.login_id, "somebody else's attempt");
            person.claimed = Some(claimed);
        }
        self.show_codes(&people).await?;
        Ok(people)
    }

    async fn begin(&self, store: &Store, vault: &Vault, number: usize) -> Result<Person> {
        let id = PEOPLE + i64::try_from(number)?;
        let account =
            Account { language_code: Some("ru".into()), ..Account::new(id, "Person", &format!("+7{id}"), 2) };
        let subject = vault.subject_for(id).await?;
        let login_id = random_login_id();
        let start =
            LoginCommand::Start { account_id: subject.account_id, invite: None, attempt: 1, at: now() };
        let context = Context::by(subject.account_id);
        store.login(&login_id, start, context).await.context("a login cannot begin")?;
        // As the reactor does, a moment later.
        vault.open_attempt(&login_id, 1, subject.account_id).await?;
        let init_data = self.telegram.bot_api.launch_data(&account, &Launch::default());
        Ok(Person { login_id, init_data, claimed: None })
    }

    /// A new QR code for each, as the workers record one.
    pub async fn show_codes(&self, people: &[Person]) -> Result<()> {
        let (store, vault) = (&Store::new(&self.db), &Vault::new(&self.db));
        stream::iter(people)
            .map(|person| show_code(store, vault, person))
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await
    }

    /// Returns when the service has reacted to all events of the log.
    pub async fn settle(&self) -> Result<()> {
        loop {
            let end = Log::new(&self.db).end().await?;
            let lag = projections::lag::lag(&self.db).await?;
            if lag.unplaced == 0 && projections::projector::position_of(&self.db, "reactor").await? >= end {
                return Ok(());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Ends the service in good order.
    pub async fn clear(self) {
        self.service.stop().await;
        self.db.close().await;
    }
}

/// A process of the service that answers.
async fn running(
    telegram: &Telegram,
    dir: &Path,
    database: &SecretString,
    roles: &str,
    others: &[(&'static str, &str)],
) -> Result<Service> {
    let settings = Settings::new(telegram, dir, None)?
        .with("DATABASE_URL", database.expose_secret())
        .with("RUST_LOG", "warn")
        .with("ROLE", roles);
    let settings = others.iter().fold(settings, |settings, (name, value)| settings.with(name, value));
    let service = Service::new(settings);
    service.start()?;
    service.wait_until_running().await?;
    Ok(service)
}

async fn show_code(store: &Store, vault: &Vault, person: &Person) -> Result<()> {
    let claimed = person.claimed.as_ref().context("nobody holds the attempt")?;
    let fence = &claimed.fence;
    let (at, token) = (now(), uuid::Uuid::new_v4().as_bytes().repeat(TOKEN_BYTES / 16));
    let expires_at = at + TOKEN_LIFETIME;
    vault.put_token(fence, &token, expires_at).await?;
    // The page never sees it; any 64 digits are as good.
    let token_sha256 = format!("{0}{0}", uuid::Uuid::new_v4().simple());
    let issued = LoginCommand::IssueQr { attempt: fence.attempt, token_sha256, expires_at, at };
    let context = Context::system().with_account(claimed.account_id).with_fence(fence);
    store.login(&person.login_id, issued, context).await.context("a QR code cannot be shown")
}

fn now() -> Timestamp {
    Clock::system().now()
}
