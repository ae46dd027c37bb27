//! For tests: a person, an invite and a login in a few verbs, over a real database, with a manual clock.

#![expect(missing_docs, reason = "the verbs say what they do")]

use std::sync::Arc;

use domain::login::Method;
use domain::{AccountCommand, AccountId, InviteCommand, InviteId, LoginCommand, LoginId, Tier, Tiers};
use jiff::Timestamp;
use secrecy::SecretString;
use uuid::Uuid;

use crate::reactor::Reactor;
use crate::sweeper::Sweeper;
use eventlog::clock::{Clock, ManualClock};
use eventlog::database::Database;
use eventlog::sequencer::Sequencer;
use eventlog::store::{Context, Store};
use eventlog::testing::{self, TestDatabase};
use projections::projector::Projector;
use vault::{Subject, Vault, random_login_id};

/// A database with a story in it.
pub struct Story {
    pub db: Database,
    pub url: SecretString,
    pub store: Store,
    pub vault: Vault,
    pub clock: Clock,
    pub manual_clock: ManualClock,
    pub tiers: Arc<Tiers>,
}

impl Story {
    pub async fn begin() -> Self {
        let TestDatabase { db, url } = testing::database().await;
        Self::of(db, url)
    }

    /// In a database of the caller.
    pub fn of(db: Database, url: SecretString) -> Self {
        let start: Timestamp = "2026-11-22T10:00:00Z".parse().expect("a time");
        let (clock, manual_clock) = Clock::manual(start);
        let (store, vault) = (Store::new(&db), Vault::new(&db));
        Self { db, url, store, vault, clock, manual_clock, tiers: Arc::new(Tiers::default()) }
    }

    /// The person writes to the bot for the first time.
    pub async fn person(&self, telegram_id: i64, profile: &str) -> AccountId {
        let subject = self.vault.subject_for(telegram_id).await.expect("a subject");
        self.set_profile(&subject, profile).await;
        subject.account_id
    }

    /// Telegram sends this profile of the person.
    pub async fn set_profile(&self, subject: &Subject, profile: &str) {
        let command = AccountCommand::Register {
            account_id: subject.account_id,
            telegram_id: subject.seal(&subject.telegram_id.to_string()),
            profile: subject.seal(profile),
            at: self.clock.now(),
        };
        self.account(subject.account_id, command).await;
    }

    pub async fn account(&self, account: AccountId, command: AccountCommand) {
        self.store.account(account, command, Context::by(account)).await.expect("the account accepts it");
    }

    pub async fn invite(&self, max_uses: u32, created_by: Option<AccountId>) -> InviteId {
        let invite_id = InviteId(Uuid::new_v4());
        let at = self.clock.now();
        let command = InviteCommand::Create {
            invite_id,
            tier: Tier::Premium,
            max_uses,
            valid_until: at + jiff::SignedDuration::from_hours(24 * 30),
            subscription_days: 30,
            created_by,
            at,
        };
        self.store.invite(invite_id, command, Context::tool("cli")).await.expect("a new invite");
        invite_id
    }

    /// `/login CODE`; the reactor starts the login.
    pub async fn redeem(&self, account_id: AccountId, invite: InviteId) -> LoginId {
        let login_id = random_login_id();
        self.redeem_for(account_id, invite, &login_id).await;
        login_id
    }

    pub async fn redeem_for(&self, account_id: AccountId, invite: InviteId, login_id: &LoginId) {
        let at = self.clock.now();
        let command = InviteCommand::Redeem { account_id, login_id: login_id.clone(), attempt: 1, at };
        let context = Context::by(account_id).with_login(login_id);
        self.store.invite(invite, command, context).await.expect("the invite can be redeemed");
    }

    /// `/login` of a person who needs no invite.
    pub async fn start(&self, account_id: AccountId) -> LoginId {
        let login_id = random_login_id();
        let command = LoginCommand::Start { account_id, invite: None, attempt: 1, at: self.clock.now() };
        self.login(&login_id, account_id, command).await;
        login_id
    }

    pub async fn login(&self, login_id: &LoginId, account: AccountId, command: LoginCommand) {
        let context = Context::by(account).with_login(login_id);
        self.store.login(login_id, command, context).await.expect("the login accepts it");
    }

    /// Telegram confirms.
    pub async fn confirm(&self, account_id: AccountId, invite: InviteId, login_id: &LoginId) {
        let at = self.clock.now();
        let command = InviteCommand::Use { account_id, login_id: login_id.clone(), attempt: 1, at };
        let context = Context::by(account_id).with_login(login_id);
        self.store.invite(invite, command, context).await.expect("the reservation becomes a use");
        let command = LoginCommand::Confirm { attempt: 1, method: Method::Qr, at };
        self.login(login_id, account_id, command).await;
    }

    /// Gives positions to appended events, and projects them; does not react.
    pub async fn project(&self) {
        let sequencer = Sequencer::take_over(&self.db).await.expect("a sequencer");
        while sequencer.pass().await.expect("a pass") > 0 {}
        Projector::take_over(&self.db).await.expect("a projector").catch_up().await.expect("caught up");
    }

    /// Projects and reacts until nothing is left to do.
    pub async fn settle(&self) {
        let sequencer = Sequencer::take_over(&self.db).await.expect("a sequencer");
        let projector = Projector::take_over(&self.db).await.expect("a projector");
        let reactor = self.reactor().await;
        loop {
            let placed = sequencer.pass().await.expect("a pass");
            projector.catch_up().await.expect("caught up");
            if placed == 0 && reactor.catch_up().await.expect("reacted") == 0 {
                return;
            }
        }
    }

    pub async fn reactor(&self) -> Reactor {
        Reactor::take_over(&self.db, &self.clock, &self.tiers).await.expect("a reactor")
    }

    pub fn sweeper(&self) -> Sweeper {
        Sweeper::new(&self.db, &self.clock)
    }

    /// How many rows this query counts.
    pub async fn count(&self, sql: &str) -> i64 {
        sqlx::query_scalar(sql).fetch_one(self.db.pool()).await.expect("a count")
    }

    pub async fn run(&self, sql: &str) {
        sqlx::raw_sql(sql).execute(self.db.pool()).await.expect("a statement");
    }
}
