//! What outlives every kill: a Telegram, a PostgreSQL, a data directory; and who lives there.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use bot::invites::{Invites, Order};
use domain::Tier;
use projections::{Clock, Context, Database, Store, Vault};
use secrecy::{ExposeSecret, SecretString};
use stand_in::accounts::Account;
use stand_in::service::Settings;
use stand_in::{Options, Telegram};

/// The first of the people, and of the strangers who scan what is not theirs.
const PEOPLE: i64 = 500_000_000;
const STRANGERS: i64 = 900_000_000;

pub struct Ground {
    pub telegram: Telegram,
    pub db: Database,
    pub dir: tempfile::TempDir,
    url: SecretString,
    invites: Invites,
}

impl Ground {
    pub async fn lay(token_lifetime: Duration) -> Result<Self> {
        let telegram = Telegram::start(Options { token_lifetime, ..Options::default() }).await?;
        let test = projections::testing::database().await;
        let db = test.db;
        let invites = Invites {
            db: db.clone(),
            store: Store::new(&db),
            vault: Vault::new(&db),
            tiers: Arc::default(),
            clock: Clock::system(),
        };
        Ok(Self { telegram, db, dir: tempfile::tempdir()?, url: test.url, invites })
    }

    /// How a process on this ground runs that does everything.
    pub fn settings(&self) -> Result<Settings> {
        let settings = Settings::new(&self.telegram, self.dir.path(), None)?;
        Ok(settings.with("DATABASE_URL", self.url.expose_secret()))
    }

    /// A new person; every other one lives in another data centre than the service asks first.
    pub fn person(&self, number: u64) -> i64 {
        let account = account(PEOPLE, number, "Person");
        let id = account.id;
        self.telegram.accounts.insert(account);
        id
    }

    /// Somebody near this person, and near nobody else: a phone does one thing at a time.
    pub fn stranger_near(&self, person: i64) -> i64 {
        let account = account(STRANGERS, (person - PEOPLE).unsigned_abs(), "Stranger");
        let id = account.id;
        self.telegram.accounts.insert(account);
        id
    }

    pub async fn invite(&self, max_uses: u32) -> Result<String> {
        let order = Order { max_uses, ..Order::new(Tier::Premium) };
        let made = self.invites.create(order, Context::tool("test")).await;
        Ok(made.context("no invite")?.code)
    }
}

fn account(first: i64, number: u64, name: &str) -> Account {
    let id = first + i64::try_from(number).expect("few people");
    let dc = if number % 3 == 2 { 4 } else { 2 };
    Account { language_code: Some("ru".into()), ..Account::new(id, name, &format!("+7{id}"), dc) }
}
