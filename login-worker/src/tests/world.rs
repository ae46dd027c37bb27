//! A world for login tests: a real PostgreSQL with a leader, the workers, and a stand-in Telegram with Ilya and Anna. Its methods
//! are the steps of the tests.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use app::Leader;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::login::CancelReason;
use domain::{
    AccountCommand, AccountId, InviteCommand, InviteId, LoginCommand, LoginId, StreamKind, Tier, Tiers,
};
use eventlog::testing::TestDatabase;
use eventlog::{Clock, Context, Log, LogEvent, ManualClock, Store};
use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use stand_in::accounts::{ANNA, ILYA};
use stand_in::mtproto::{MtProto, MtProtoOptions};
use stand_in::phone::Phone;
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use uuid::Uuid;
use vault::{MasterKey, Vault};
use vault::{PasswordProof, UserInput, random_login_id};

use crate::{LoginWorkers, Network, TelegramApp};

/// No step takes this long. A test that waits for what never happens ends by it.
const TIMEOUT: Duration = Duration::from_secs(40);

pub struct World {
    pub telegram: MtProto,
    pub db: TestDatabase,
    pub store: Store,
    pub vault: Vault,
    pub manual_clock: Arc<ManualClock>,
    pub clock: Clock,
    pub master: Arc<MasterKey>,
    directory: TempDir,
    workers: Option<JoinHandle<()>>,
    leader: JoinHandle<()>,
}

pub const ILYAS_NUMBER: &str = "+79990000001";

/// The last call of a key exchange, as the stand-in counts calls.
pub const KEY_EXCHANGE: &str = "set_client_DH_params";

/// A login that Ilya has requested.
pub struct TestLogin {
    pub account: AccountId,
    pub invite: InviteId,
    pub id: LoginId,
    pub attempt: u32,
}

impl World {
    /// Everything runs. The clock stands still, and tokens live for 30 s of it.
    pub async fn start() -> Self {
        Self::with_token_lifetime(Duration::from_secs(30)).await
    }

    pub async fn with_token_lifetime(token_lifetime: Duration) -> Self {
        Self::with_telegram(token_lifetime, SignedDuration::ZERO).await
    }

    /// Telegram's clock is ahead of ours by this much.
    pub async fn with_telegram_ahead_by(ahead: SignedDuration) -> Self {
        Self::with_telegram(Duration::from_secs(30), ahead).await
    }

    async fn with_telegram(token_lifetime: Duration, ahead: SignedDuration) -> Self {
        let (clock, manual_clock) = Clock::manual("2026-11-22T10:00:00Z".parse().unwrap());
        let theirs = clock.clone();
        let options = MtProtoOptions {
            clock: stand_in::clock::Clock::from_fn(Arc::new(move || (theirs.now() + ahead).into())),
            token_lifetime,
            ..MtProtoOptions::default()
        };
        let telegram = MtProto::start(options).await.unwrap();
        Self::over(telegram, (clock, Arc::new(manual_clock)), Arc::new(MasterKey::random())).await
    }

    /// With a database of its own, which knows nothing.
    pub async fn over(
        telegram: MtProto,
        (clock, manual_clock): (Clock, Arc<ManualClock>),
        master: Arc<MasterKey>,
    ) -> Self {
        let db = eventlog::testing::database().await;
        let mut world = Self {
            store: Store::new(&db.db),
            vault: Vault::new(&db.db),
            leader: lead(&db, &clock),
            master,
            directory: tempfile::tempdir().unwrap(),
            workers: None,
            telegram,
            db,
            clock,
            manual_clock,
        };
        world.start_workers();
        world
    }

    pub fn start_workers(&mut self) {
        self.workers = Some(tokio::spawn(crate::run(self.workers())));
    }

    pub fn workers(&self) -> LoginWorkers {
        let network = Network::parse(&self.telegram.network_toml(None)).unwrap();
        LoginWorkers {
            db: self.db.db.clone(),
            store: self.store.clone(),
            vault: self.vault.clone(),
            master: self.master.clone(),
            clock: self.clock.clone(),
            telegram: TelegramApp {
                api_id: 1,
                api_hash: SecretString::from("0123456789abcdef"),
                device_name: "qr-login".to_owned(),
                network,
            },
            sessions_dir: self.sessions_dir(),
            due_files: crate::DueFiles::default(),
            ended_sessions: self.ended_sessions(),
            log_telegram_ids: true,
        }
    }

    /// As if the process had died: none of its futures is polled again. Its leases end at once, so that no test waits for them.
    pub async fn kill_workers(&mut self) {
        let workers = self.workers.take().unwrap();
        workers.abort();
        assert!(workers.await.unwrap_err().is_cancelled());
        let over = "update vault.attempts set expires_at = '-infinity' where holder is not null";
        sqlx::query(over).execute(self.db.db.pool()).await.unwrap();
    }

    /// From now on, events get no positions.
    pub async fn stop_leader(&mut self) {
        self.leader.abort();
        assert!((&mut self.leader).await.unwrap_err().is_cancelled());
    }

    pub fn start_leader(&mut self) {
        self.leader = lead(&self.db, &self.clock);
    }

    pub fn sessions_dir(&self) -> PathBuf {
        self.directory.path().join("sessions")
    }

    pub fn ended_sessions(&self) -> PathBuf {
        self.directory.path().join(app::sessions::stay_ended::LEDGER)
    }

    pub fn session_file(&self) -> PathBuf {
        self.sessions_dir().join(format!("user_{ILYA}.session"))
    }

    /// Ilya sends `/login CODE`.
    pub async fn ilya_requests_login(&self) -> TestLogin {
        let account = self.ilya().await;
        let login = TestLogin { account, invite: self.invite().await, id: random_login_id(), attempt: 1 };
        self.redeem(&login).await;
        login
    }

    pub async fn ilya(&self) -> AccountId {
        let subject = self.vault.subject_for(ILYA).await.unwrap();
        let register = AccountCommand::Register {
            account_id: subject.account_id,
            telegram_id: subject.seal(&ILYA.to_string()),
            profile: subject.seal(r#"{"first_name":"Ilya"}"#),
            at: self.now(),
        };
        self.store.account(subject.account_id, register, Context::by(subject.account_id)).await.unwrap();
        subject.account_id
    }

    pub async fn invite(&self) -> InviteId {
        let invite_id = InviteId(Uuid::new_v4());
        let create = InviteCommand::Create {
            invite_id,
            tier: Tier::Premium,
            max_uses: 1,
            valid_until: self.now() + SignedDuration::from_hours(24 * 30),
            subscription_days: 30,
            created_by: None,
            at: self.now(),
        };
        self.store.invite(invite_id, create, Context::tool("cli")).await.unwrap();
        invite_id
    }

    /// Reserves the invite for the login. Then the reactor starts the login.
    pub async fn redeem(&self, login: &TestLogin) {
        let redeem = InviteCommand::Redeem {
            account_id: login.account,
            login_id: login.id.clone(),
            attempt: login.attempt,
            at: self.now(),
        };
        let context = Context::by(login.account).with_login(&login.id);
        self.store.invite(login.invite, redeem, context).await.unwrap();
    }

    pub async fn cancel(&self, login: &TestLogin) {
        let cancel =
            LoginCommand::Cancel { attempt: login.attempt, reason: CancelReason::Person, at: self.now() };
        self.store.login(&login.id, cancel, Context::by(login.account)).await.unwrap();
    }

    /// The link of the QR code that is on the screen now.
    pub async fn link(&self, login: &TestLogin) -> String {
        let live = self.vault.token(&login.id).await.unwrap().expect("a code is on the screen");
        format!("tg://login?token={}", URL_SAFE_NO_PAD.encode(live.token.expose_secret()))
    }

    pub async fn ilya_scans(&self, link: &str) {
        Phone::new(&self.telegram, ILYA).scan(link).await.unwrap();
    }

    pub async fn anna_scans(&self, link: &str) {
        Phone::new(&self.telegram, ANNA).scan(link).await.unwrap();
    }

    pub async fn set_ilyas_password(&self, password: &str) {
        let password = stand_in::accounts::Password::new(password, "a horse");
        self.telegram.accounts().update(ILYA, |ilya| ilya.password = Some(password));
    }

    /// Ilya has this 2-step password and has scanned the code. Now the login asks for the password.
    pub async fn ilya_is_asked_for_password(&self, password: &str) -> TestLogin {
        self.set_ilyas_password(password).await;
        let login = self.ilya_requests_login().await;
        self.wait_for_event(&login, "QrIssued", 1).await;
        self.ilya_scans(&self.link(&login).await).await;
        self.wait_for_event(&login, "PasswordRequested", 1).await;
        login
    }

    /// The person gives something in the page.
    pub async fn give_input(&self, login: &TestLogin, input: UserInput) {
        assert!(
            self.vault.give_input(self.master.derived(), &login.id, login.attempt, &input).await.unwrap()
        );
    }

    /// The person types a password in the page, which computes the proof.
    pub async fn prove_password(&self, login: &TestLogin, password: &str) {
        let challenge =
            self.vault.challenge(self.master.derived(), &login.id, login.attempt).await.unwrap().unwrap();
        assert_eq!(challenge.hint.as_deref(), Some("a horse"));
        let bytes = |hex: &str| -> Vec<u8> {
            (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
        };
        let hex = |bytes: &[u8]| -> String { bytes.iter().map(|byte| format!("{byte:02x}")).collect() };
        let (m1, a) = grammers_crypto::two_factor_auth::calculate_2fa(
            &bytes(&challenge.salt1),
            &bytes(&challenge.salt2),
            &bytes(&challenge.p),
            &challenge.g,
            bytes(&challenge.b),
            vec![7; 256],
            password,
        );
        let proof = PasswordProof { srp_id: challenge.srp_id, a: hex(&a), m1: hex(&m1) };
        self.give_input(login, UserInput::Password(proof)).await;
    }

    /// Gives the password until the login is confirmed: a challenge may change while it is answered.
    pub async fn prove_password_until_confirmed(&self, login: &TestLogin, password: &str) {
        let mut rejections = 0;
        loop {
            self.prove_password(login, password).await;
            rejections += 1;
            tokio::select! {
                _ = self.wait_for_event(login, "AuthorizationConfirmed", 1) => return,
                _ = self.wait_for_event(login, "PasswordRejected", rejections) => {}
            }
        }
    }

    /// Waits for the login's event of this name, the `nth`, counted from 1.
    pub async fn wait_for_event(&self, login: &TestLogin, name: &str, nth: usize) -> LogEvent {
        let follow = async {
            let mut follower = Log::new(&self.db.db).follow(0);
            let mut left = nth;
            loop {
                for event in follower.next().await.unwrap() {
                    if event.stream_id == login.id.as_str() && event.name == name {
                        left -= 1;
                        if left == 0 {
                            return event;
                        }
                    }
                }
            }
        };
        timeout(TIMEOUT, follow).await.unwrap_or_else(|_| panic!("{name} number {nth} never came"))
    }

    /// The names of the login's events so far, without renewals of the code.
    pub async fn event_names(&self, login: &TestLogin) -> Vec<String> {
        eventlog::testing::all_in_place(&self.db.db).await;
        let events = Log::new(&self.db.db).stream(StreamKind::Login, login.id.as_str()).await.unwrap();
        let mut names: Vec<_> = events.into_iter().map(|event| event.name).collect();
        names.dedup();
        names
    }

    /// The names of the account's events so far.
    pub async fn account_event_names(&self, account: AccountId) -> Vec<String> {
        eventlog::testing::all_in_place(&self.db.db).await;
        let log = Log::new(&self.db.db);
        let events = log.stream(StreamKind::Account, &account.to_string()).await.unwrap();
        events.into_iter().map(|event| event.name).collect()
    }

    /// Waits until the login, the only one, is over and its attempt is closed.
    pub async fn wait_until_closed(&self, login: &TestLogin) {
        self.eventually("the attempt is closed", async || {
            let status = self.store.load_login(&login.id).await.unwrap().status();
            status.is_some_and(|it| !it.is_live()) && self.vault.attempts().await.unwrap() == 0
        })
        .await;
    }

    /// Whether no key is left to log out at Telegram.
    pub async fn no_key_is_retired(&self) -> bool {
        let kept: i64 = sqlx::query_scalar("select count(*) from vault.retired_keys")
            .fetch_one(self.db.db.pool())
            .await
            .unwrap();
        kept == 0
    }

    /// Waits until a method of Telegram was called so often.
    pub async fn wait_for_call(&self, method: &str, times: u64) {
        let called = timeout(TIMEOUT, self.telegram.wait_for_call(method, times)).await;
        called.unwrap_or_else(|_| panic!("{method} was never called {times} times"));
    }

    /// Moves the clock on, second by second, until something has happened.
    pub async fn while_time_passes<T>(&self, happens: impl Future<Output = T>) -> T {
        let time = async {
            loop {
                tokio::time::sleep(Duration::from_millis(20)).await;
                self.manual_clock.advance(Duration::from_secs(1));
            }
        };
        tokio::select! {
            happened = happens => happened,
            () = time => unreachable!("time never ends"),
        }
    }

    /// Asks again and again until it is so.
    pub async fn eventually(&self, what: &str, is_so: impl AsyncFn() -> bool) {
        let look = async {
            while !is_so().await {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(TIMEOUT, look).await.unwrap_or_else(|_| panic!("never: {what}"));
    }

    pub fn now(&self) -> Timestamp {
        self.manual_clock.now()
    }
}

fn lead(db: &TestDatabase, clock: &Clock) -> JoinHandle<()> {
    tokio::spawn(app::leader::run(Leader {
        db: db.db.clone(),
        clock: clock.clone(),
        tiers: Arc::new(Tiers::default()),
        holder: format!("the test's leader {}", Uuid::new_v4()),
    }))
}

impl Drop for World {
    fn drop(&mut self) {
        self.leader.abort();
        if let Some(workers) = &self.workers {
            workers.abort();
        }
    }
}
