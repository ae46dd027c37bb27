//! The history that the tests read: people, invites and logins in a real database.

use std::process::{Command, Output};

use domain::login::{CancelReason, Method};
use domain::{AccountCommand, AccountId, InviteCommand, InviteId, LoginCommand, LoginId, Tier};
use eventlog::testing::{self, TestDatabase};
use eventlog::{Clock, Context, Sequencer, Store};
use jiff::{SignedDuration, Timestamp};
use projections::Projector;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use uuid::Uuid;
use vault::Vault;
use vault::random_login_id;

/// A database in which Ilya has logged in with one code, and Olga's login with another was cancelled.
pub struct Past {
    pub test: TestDatabase,
    pub ilya: AccountId,
    pub logins: [LoginId; 2],
    pub now: Timestamp,
}

pub const ILYA: i64 = 139_883_458;

impl Past {
    pub async fn make() -> Self {
        Self::of(testing::database().await).await
    }

    /// The same in this database, in which nothing has happened yet.
    pub async fn of(test: TestDatabase) -> Self {
        let now = Clock::system().now();
        let ilya = person(&test, ILYA, "Ilya", now).await;
        let olga = person(&test, 2, "Olga", now).await;
        let logins = [random_login_id(), random_login_id()];
        let store = Store::new(&test.db);

        let (used, open) =
            (invite(&test, "3HBP4Z3ECICZ", now).await, invite(&test, "9XK7QM2VWTRB", now).await);
        for (account_id, invite, login_id) in [(ilya, used, &logins[0]), (olga, open, &logins[1])] {
            let context = Context::by(account_id).with_login(login_id).with_update(77);
            let redeem =
                InviteCommand::Redeem { account_id, login_id: login_id.clone(), attempt: 1, at: now };
            store.invite(invite, redeem, context.clone()).await.unwrap();
            let start = LoginCommand::Start { account_id, invite: None, attempt: 1, at: now };
            store.login(login_id, start, context).await.unwrap();
        }
        let confirm = LoginCommand::Confirm { attempt: 1, method: Method::Qr, at: now };
        store.login(&logins[0], confirm, Context::system().with_account(ilya)).await.unwrap();
        let cancel = LoginCommand::Cancel { attempt: 1, reason: CancelReason::Person, at: now };
        store.login(&logins[1], cancel, Context::by(olga)).await.unwrap();
        let release =
            InviteCommand::Release { account_id: olga, login_id: logins[1].clone(), attempt: 1, at: now };
        store.invite(open, release, Context::system().with_cause("login/x/2")).await.unwrap();

        let past = Self { test, ilya, logins, now };
        past.project().await;
        past
    }

    /// Positions for what was appended, and the views up to there.
    pub async fn project(&self) {
        let db = &self.test.db;
        while Sequencer::take_over(db).await.unwrap().pass().await.unwrap() > 0 {}
        Projector::take_over(db).await.unwrap().catch_up().await.unwrap();
    }

    pub fn replay(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("replay can be run")
    }

    /// The program, as it would be started.
    pub fn command(&self, arguments: &[&str]) -> Command {
        command_at(&self.test.url, arguments)
    }

    /// As somebody who may only read.
    pub fn as_auditor(&self, arguments: &[&str]) -> Output {
        let url = self.test.url.expose_secret().replace("user=qr_login", "user=qr_auditor");
        Command::new(env!("CARGO_BIN_EXE_replay"))
            .args(arguments)
            .env("DATABASE_URL", url)
            .output()
            .expect("replay can be run")
    }

    pub async fn run(&self, sql: &str) {
        sqlx::raw_sql(sql).execute(self.test.db.pool()).await.expect(sql);
    }

    pub async fn count(&self, sql: &str) -> i64 {
        sqlx::query_scalar(sql).fetch_one(self.test.db.pool()).await.expect(sql)
    }

    pub async fn text(&self, sql: &str) -> String {
        sqlx::query_scalar(sql).fetch_one(self.test.db.pool()).await.expect(sql)
    }

    /// The account of Olga.
    pub async fn olga(&self) -> Value {
        Value::String(self.text("select account_id::text from users where telegram_id = 2").await)
    }

    pub fn lines(&self, arguments: &[&str]) -> Vec<Value> {
        let output = self.replay(arguments);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        text(&output).lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
    }

    pub fn names(&self, arguments: &[&str]) -> Vec<String> {
        let all = [&["history", "--format", "jsonl"], arguments].concat();
        self.lines(&all).iter().map(|line| line["event"].as_str().unwrap().to_owned()).collect()
    }
}

/// The program with this database.
pub fn command_at(url: &SecretString, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_replay"));
    command.args(arguments).env("DATABASE_URL", url.expose_secret());
    command
}

pub async fn person(test: &TestDatabase, telegram_id: i64, name: &str, at: Timestamp) -> AccountId {
    let subject = Vault::new(&test.db).subject_for(telegram_id).await.unwrap();
    let account_id = subject.account_id;
    let register = AccountCommand::Register {
        account_id,
        telegram_id: subject.seal(&telegram_id.to_string()),
        profile: subject.seal(&format!(r#"{{"first_name":"{name}"}}"#)),
        at,
    };
    Store::new(&test.db).account(account_id, register, Context::by(account_id)).await.unwrap();
    account_id
}

pub async fn invite(test: &TestDatabase, code: &str, at: Timestamp) -> InviteId {
    let invite_id = InviteId(Uuid::new_v4());
    Vault::new(&test.db).add_code(invite_id, code, None, None).await.unwrap();
    let create = InviteCommand::Create {
        invite_id,
        tier: Tier::Premium,
        max_uses: 1,
        valid_until: at + SignedDuration::from_hours(24),
        subscription_days: 30,
        created_by: None,
        at,
    };
    Store::new(&test.db).invite(invite_id, create, Context::tool("cli")).await.unwrap();
    invite_id
}

pub fn text(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("text")
}
