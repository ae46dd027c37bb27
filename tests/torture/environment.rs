//! What stays through every kill: a Telegram, a PostgreSQL, a data directory, and the people.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use app::invites::{Invites, Order};
use domain::login::LOGIN_TTL;
use domain::{AccountCommand, AccountId, InviteCommand, LoginCommand, LoginId, Tier};
use eventlog::{Clock, Context, Database, Store};
use jiff::{SignedDuration, Timestamp};
use secrecy::ExposeSecret;
use sqlx::PgPool;
use stand_in::accounts::{Account, Password};
use stand_in::service::{Service, Settings};
use stand_in::{Options, Telegram};
use tokio::time::{Instant, sleep, timeout};
use vault::{MasterKey, Origin, Vault};

/// The first Telegram id of the people, and of the strangers who scan the codes of others.
const PEOPLE: i64 = 600_000_000;
const STRANGERS: i64 = 900_000_000;

/// The 2-step password of all people who have one, so that the stand-in computes its verifier once.
pub const PASSWORD: &str = "correct horse";
/// How long the database may be unreachable.
const MAX_WAIT: Duration = Duration::from_secs(300);
/// How long one query may take.
const ONE_ANSWER: Duration = Duration::from_secs(10);

pub struct Environment {
    pub telegram: Telegram,
    pub db: Database,
    pub dir: tempfile::TempDir,
    /// Runs commands of the command line, beside the running processes.
    pub tool: Service,
    /// The database as the checks see it: only what the people of this test did.
    pub checked: PgPool,
    /// Where people reach the pages.
    pub origin: String,
    whole: Settings,
    store: Store,
    vault: Vault,
    invites: Invites,
}

impl Environment {
    pub async fn set_up(token_lifetime: Duration) -> Result<Self> {
        let test = eventlog::testing::database().await;
        Self::on(test.db, test.url.expose_secret(), token_lifetime).await
    }

    /// On a database which the processes reach by this URL.
    pub async fn on(db: Database, url: &str, token_lifetime: Duration) -> Result<Self> {
        let telegram = Telegram::start(Options { token_lifetime, ..Options::default() }).await?;
        let (store, vault) = (Store::new(&db), Vault::new(&db));
        let invites = Invites::new(&db, Clock::system(), Arc::default());
        let dir = tempfile::tempdir()?;
        let whole = Settings::new(&telegram, dir.path(), None)?
            .with("DATABASE_URL", url)
            .with("ONE_PHONE_LOGIN", "typed");
        let tool = Service::new(whole.clone());
        let checked = db.pool().without_deadlines();
        let origin = format!("http://{}", whole.listen);
        Ok(Self { telegram, db, dir, tool, checked, origin, whole, store, vault, invites })
    }

    /// The settings of a process with all roles.
    pub fn settings(&self) -> Settings {
        self.whole.clone()
    }

    pub fn now(&self) -> Timestamp {
        Clock::system().now()
    }

    /// A new person. Every third one is in another data centre than the service connects to first.
    pub fn person(&self, number: u64, has_password: bool) -> i64 {
        let password = has_password.then(|| Password::new(PASSWORD, "which animal was right"));
        let account = Account { password, ..account(PEOPLE, number, "Person") };
        let id = account.id;
        self.telegram.accounts.insert(account);
        id
    }

    /// A stranger for this person alone, because a phone does one thing at a time.
    pub fn stranger_near(&self, person: i64) -> i64 {
        let account = account(STRANGERS, (person - PEOPLE).unsigned_abs(), "Stranger");
        let id = account.id;
        self.telegram.accounts.insert(account);
        id
    }

    pub fn number_of(&self, person: i64) -> String {
        self.telegram.accounts.get(person).map(|account| account.phone).unwrap_or_default()
    }

    /// Whether the service has this person in its vault.
    pub async fn is_known(&self, person: i64) -> Result<bool> {
        retry_until_ok(|| async { Ok(self.vault.subject_of(person).await?.is_some()) }).await
    }

    /// A login of this person that has only this much time left; None for an unknown person.
    pub async fn begun_long_ago(&self, person: i64, left: Duration) -> Result<Option<LoginId>> {
        retry_until_ok(|| self.begin_long_ago(person, left)).await
    }

    async fn begin_long_ago(&self, person: i64, left: Duration) -> Result<Option<LoginId>> {
        let Some(subject) = self.vault.subject_of(person).await? else { return Ok(None) };
        let account_id = subject.account_id;
        let code = self.invite(1).await?;
        let invite_id = self.vault.invite_of(&code).await?.context("an invite")?;
        // As the bot makes ids, so that the page finds the login after its end.
        let master = MasterKey::load(&self.dir.path().join("master.key"))?;
        let order = self.vault.order(person, &Origin::Button(0, code)).await?;
        let login_id = master.derived().login_id(&order);
        let at = self.now() - LOGIN_TTL + SignedDuration::try_from(left)?;
        let context = Context::by(account_id).with_login(&login_id);
        let redeem = InviteCommand::Redeem { account_id, login_id: login_id.clone(), attempt: 1, at };
        self.store.invite(invite_id, redeem, context.clone()).await?;
        let invite = self.store.load_invite(invite_id).await?.grant();
        let start = LoginCommand::Start { account_id, invite, attempt: 1, at };
        self.store.login(&login_id, start, context).await?;
        Ok(Some(login_id))
    }

    /// Whether this login lasts longer than it was begun for: a password was asked for, or the service itself began it, when it
    /// saw the invite redeemed.
    pub async fn has_more_time(&self, login: &LoginId) -> Result<bool> {
        let has = "select exists (select from events where aggregate_type = 'login' and aggregate_id = $1 \
             and event_type in ('LoginStarted', 'PasswordRequested') and metadata ->> 'actor' = 'system')";
        retry_until_ok(|| async {
            Ok(sqlx::query_scalar(has).bind(login.as_str()).fetch_one(self.db.pool()).await?)
        })
        .await
    }

    /// Makes the check of this person's session due.
    pub async fn check_now(&self, person: i64) -> Result<()> {
        let due = "update vault.sessions set check_at = clock_timestamp() \
                    where account_id = (select account_id from vault.subjects where telegram_id = $1)";
        retry_until_ok(|| async {
            sqlx::query(due).bind(person).execute(self.db.pool()).await?;
            Ok(())
        })
        .await
    }

    /// The account of a person who has written to the bot.
    pub async fn account_of(&self, person: i64) -> Result<AccountId> {
        Ok(self.vault.subject_of(person).await?.context("a person whom the service knows")?.account_id)
    }

    /// An order to an account, as if an admin had given it.
    pub async fn order(&self, account: AccountId, order: AccountCommand) -> Result<()> {
        Ok(self.store.account(account, order, Context::tool("test").with_account(account)).await?)
    }

    /// Whether the log says that the subscription that ran until then has ended.
    pub async fn is_expired(&self, account: AccountId, end: Timestamp) -> Result<bool> {
        Ok(end <= self.now()
            && self.store.load_account(account).await?.subscription_at(Timestamp::MIN).is_none())
    }

    /// Whether a message of this key was ever queued.
    pub async fn is_queued(&self, key: &str) -> Result<bool> {
        let queued = sqlx::query_scalar("select exists (select from vault.outbox where dedup_key = $1)");
        Ok(queued.bind(key).fetch_one(&self.checked).await?)
    }

    pub async fn invite(&self, max_uses: u32) -> Result<String> {
        retry_until_ok(|| async {
            let order = Order { max_uses, ..Order::new(Tier::Premium) };
            let made = self.invites.create(order, Context::tool("test")).await;
            Ok(made.context("no invite")?.code)
        })
        .await
    }
}

/// Tries until the database answers: a drill stops it, and this query is not part of the test.
async fn retry_until_ok<T, Query: Future<Output = Result<T>>>(query: impl Fn() -> Query) -> Result<T> {
    let began = Instant::now();
    loop {
        match timeout(ONE_ANSWER, query()).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(error)) if began.elapsed() > MAX_WAIT => return Err(error),
            Err(error) if began.elapsed() > MAX_WAIT => return Err(error.into()),
            Ok(Err(_)) | Err(_) => sleep(Duration::from_millis(200)).await,
        }
    }
}

fn account(first: i64, number: u64, name: &str) -> Account {
    let id = first + i64::try_from(number).expect("few people");
    let dc = if number % 3 == 2 { 4 } else { 2 };
    Account {
        language_code: Some("ru".into()),
        ..Account::new(id, &format!("{name}{id}"), &format!("+7{id}"), dc)
    }
}
