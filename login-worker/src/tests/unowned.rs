//! Sessions that Telegram knows and nobody here holds, and sessions that only look like it.

use std::sync::Arc;
use std::time::Duration;

use app::App;
use app::sessions::hand_over;
use domain::{AccountCommand, AccountId};
use eventlog::{Clock, Context};
use jiff::Timestamp;
use serde_json::{Value, json};
use stand_in::accounts::ILYA;
use stand_in::mtproto::{Device, MtProto, MtProtoOptions};
use tokio::task::JoinHandle;
use vault::{MasterKey, random_login_id};

use super::world::{TestLogin, World};

const LIST: &str = "account.getAuthorizations";
const PROBE: &str = "updates.getState";
const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(25 * 60 * 60);

impl World {
    /// A whole login of Ilya's.
    async fn ilya_logs_in(&self) -> TestLogin {
        let login = self.ilya_requests_login().await;
        self.wait_for_event(&login, "QrIssued", 1).await;
        self.ilya_scans(&self.link(&login).await).await;
        self.wait_for_event(&login, "AuthorizationConfirmed", 1).await;
        self.wait_until_closed(&login).await;
        login
    }

    /// The replica that takes over without anything that this database holds.
    async fn replica(&self) -> Self {
        let clocks = (self.clock.clone(), self.manual_clock.clone());
        Self::over(self.telegram.clone(), clocks, self.master.clone()).await
    }

    fn checks(&self) -> Checks {
        Checks(tokio::spawn(crate::check_sessions(self.workers(), Duration::from_millis(20))))
    }

    /// Days pass, and a check of each asks Telegram for all sessions. A check begins when the one before it is done, so what
    /// the last but one has found is told by then.
    async fn days_pass(&self, days: u64) {
        for _ in 0..days {
            let asked = self.telegram.calls(LIST);
            self.manual_clock.advance(DAY);
            self.while_time_passes(self.wait_for_call(LIST, asked + 1)).await;
        }
    }

    /// Days pass, and the checks of each ask Telegram only whether the session lives.
    async fn days_pass_without_asking(&self, days: u64) {
        let asked = self.telegram.calls(LIST);
        for _ in 0..days {
            let probes = self.telegram.calls(PROBE);
            self.manual_clock.advance(DAY);
            self.while_time_passes(self.wait_for_call(PROBE, probes + 1)).await;
        }
        assert_eq!(self.telegram.calls(LIST), asked);
    }

    /// What Ilya is told of sessions that nobody holds.
    async fn told(&self) -> Vec<Value> {
        sqlx::query_scalar(
            "select body from vault.outbox where dedup_key like 'unowned_session/%' order by id",
        )
        .fetch_all(self.db.db.pool())
        .await
        .unwrap()
    }

    async fn execute(&self, sql: &str) {
        sqlx::query(sql).execute(self.db.db.pool()).await.unwrap();
    }

    async fn marks(&self) -> i64 {
        let marks = sqlx::query_scalar("select count(*) from vault.unowned_sessions");
        marks.fetch_one(self.db.db.pool()).await.unwrap()
    }

    /// The session of this person goes to another service.
    async fn hand_over(&self, account: AccountId) {
        let app = App::new(&self.db.db, self.master.derived().clone(), self.clock.clone(), Arc::default());
        let session = hand_over::take(&app, account).await.unwrap();
        session.record(&app, Context::tool("cli")).await.unwrap();
        session.finish(&app).await.unwrap();
    }

    /// Telegram knows a session of this application that no database knows.
    fn lost_session(&self) -> i64 {
        self.session_of(1, "qr-login")
    }

    fn session_of(&self, api_id: i32, model: &str) -> i64 {
        let device = Device {
            api_id,
            model: model.to_owned(),
            system_version: "Linux".to_owned(),
            app_version: "0.1.0".to_owned(),
        };
        self.telegram.add_session(ILYA, device, self.now().as_second())
    }
}

struct Checks(JoinHandle<()>);

impl Checks {
    /// As if the process had died.
    async fn die(mut self) {
        self.0.abort();
        assert!((&mut self.0).await.unwrap_err().is_cancelled());
    }
}

impl Drop for Checks {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_a_failover_has_lost_is_told_once() {
    let mut primary = World::start().await;
    let world = primary.replica().await;
    world.ilya().await;
    let created_at = primary.now();
    primary.ilya_logs_in().await;
    primary.kill_workers().await;
    // The person repeats the login at once.
    let login = world.ilya_logs_in().await;
    assert_eq!(world.telegram.sessions_of(ILYA).len(), 2);

    let checks = world.checks();
    world.days_pass(3).await;
    let told = world.told().await;
    let [only] = &told[..] else { panic!("{told:?}") };
    assert_eq!((&only["kind"], &only["device"]), (&json!("unowned_session"), &json!("qr-login")));
    assert_eq!(only["created_at"].as_str().unwrap().parse::<Timestamp>().unwrap(), created_at);
    checks.die().await;

    // Even where the message itself is forgotten.
    world.execute("delete from vault.outbox").await;
    let _checks = world.checks();
    world.days_pass(2).await;
    assert_eq!(world.told().await, Vec::<Value>::new());
    assert_eq!(world.telegram.sessions_of(ILYA).len(), 2, "it is not for this service to end it");

    assert_eq!(world.marks().await, 1);
    world.vault.erase_subject(login.account).await.unwrap();
    assert_eq!(world.marks().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_dies_before_it_notes_what_it_has_told_does_not_tell_it_again() {
    let world = World::start().await;
    world.ilya_logs_in().await;
    world.lost_session();
    let checks = world.checks();
    world.days_pass(2).await;
    checks.die().await;
    world.execute("delete from vault.unowned_sessions").await;

    let _checks = world.checks();
    world.days_pass(2).await;
    assert_eq!((world.told().await.len(), world.marks().await), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_whose_account_was_lost_with_the_login_is_told_too() {
    let mut primary = World::start().await;
    let world = primary.replica().await;
    primary.ilya_logs_in().await;
    primary.kill_workers().await;
    world.manual_clock.advance(Duration::from_secs(60));
    world.ilya_logs_in().await;

    let _checks = world.checks();
    world.days_pass(2).await;
    assert_eq!(world.told().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_of_other_applications_and_devices_are_not_told() {
    let world = World::start().await;
    world.ilya_logs_in().await;
    world.session_of(2, "qr-login");
    world.session_of(1, "qr-login of another machine");

    let _checks = world.checks();
    world.days_pass(2).await;
    assert_eq!(world.told().await, Vec::<Value>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_was_handed_over_is_not_told() {
    let world = World::start().await;
    let before = world.ilya_logs_in().await;
    world.hand_over(before.account).await;
    world.manual_clock.advance(HOUR);
    world.ilya_logs_in().await;
    assert_eq!(world.telegram.sessions_of(ILYA).len(), 2);

    let _checks = world.checks();
    world.days_pass(2).await;
    assert_eq!(world.told().await, Vec::<Value>::new());
    // The checks do look.
    world.lost_session();
    world.days_pass(2).await;
    assert_eq!(world.told().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_was_handed_over_before_an_erasure_is_not_told() {
    // The log is searched by the time of the database.
    let (clock, manual_clock) = Clock::manual(Clock::system().now());
    let theirs = clock.clone();
    let options = MtProtoOptions {
        clock: stand_in::clock::Clock::from_fn(Arc::new(move || theirs.now().into())),
        ..MtProtoOptions::default()
    };
    let telegram = MtProto::start(options).await.unwrap();
    let clocks = (clock, Arc::new(manual_clock));
    let world = World::over(telegram, clocks, Arc::new(MasterKey::random())).await;
    let before = world.ilya_logs_in().await;
    world.hand_over(before.account).await;
    let erase = AccountCommand::Erase { at: world.now() };
    world.store.account(before.account, erase, Context::system()).await.unwrap();
    world.vault.erase_subject(before.account).await.unwrap();
    world.manual_clock.advance(2 * HOUR);
    let login = world.ilya_logs_in().await;
    assert_ne!(login.account, before.account);

    let _checks = world.checks();
    world.days_pass(2).await;
    assert_eq!(world.told().await, Vec::<Value>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_told_where_the_log_has_lost_that_a_session_was_handed_over() {
    let world = World::start().await;
    let login = world.ilya_logs_in().await;
    world.lost_session();
    let ended = format!("{} {}\n", login.account, random_login_id());
    std::fs::write(world.ended_sessions(), ended).unwrap();

    let checks = world.checks();
    world.days_pass(2).await;
    assert_eq!(world.told().await, Vec::<Value>::new());
    checks.die().await;

    // The end of a session whose login the log knows changes nothing.
    std::fs::write(world.ended_sessions(), format!("{} {}\n", login.account, login.id)).unwrap();
    let _checks = world.checks();
    world.days_pass(2).await;
    assert_eq!(world.told().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn telegram_is_not_asked_while_a_login_is_in_flight() {
    let mut world = World::start().await;
    let login = world.ilya_logs_in().await;
    world.kill_workers().await;
    let next = random_login_id();
    world.vault.open_attempt(&next, 1, login.account).await.unwrap();
    world.lost_session();
    let _checks = world.checks();
    world.days_pass_without_asking(2).await;

    world.execute("delete from vault.attempts").await;
    world.days_pass(2).await;
    assert_eq!(world.told().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retired_key_that_waits_for_its_logout_is_not_told() {
    let world = World::start().await;
    world.ilya_logs_in().await;
    world.telegram.faults().fail("auth.logOut", 500, "INTERNAL", 1_000);
    world.manual_clock.advance(3 * HOUR);
    world.ilya_logs_in().await;
    assert_eq!(world.telegram.sessions_of(ILYA).len(), 2);
    let _checks = world.checks();
    world.days_pass_without_asking(2).await;

    world.telegram.faults().clear();
    world
        .eventually("the key is logged out", async || {
            world.execute("update vault.retired_keys set not_before = clock_timestamp()").await;
            world.db.db.wake().notify(eventlog::Topic::Retired);
            world.no_key_is_retired().await
        })
        .await;
    world.days_pass(2).await;
    assert_eq!(world.told().await, Vec::<Value>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_that_fails_leaves_the_check_as_it_was() {
    let world = World::start().await;
    let login = world.ilya_logs_in().await;
    world.lost_session();
    let faults = world.telegram.faults();
    let _checks = world.checks();
    for (code, name) in [
        (420, "FLOOD_WAIT_86400"),
        (401, "AUTH_KEY_UNREGISTERED"),
        (401, "SESSION_REVOKED"),
        (400, "METHOD_INVALID"),
        (500, "INTERNAL"),
    ] {
        faults.fail(LIST, code, name, 1);
        world.days_pass(1).await;
        // Further checks of the same day do not ask again.
        let (asked, probes) = (world.telegram.calls(LIST), world.telegram.calls(PROBE));
        world.manual_clock.advance(HOUR);
        world.while_time_passes(world.wait_for_call(PROBE, probes + 1)).await;
        assert_eq!(world.telegram.calls(LIST), asked, "{name}");
    }
    assert!(world.vault.linked(login.account).await.unwrap().is_some(), "the session stays");
    assert!(!world.account_event_names(login.account).await.contains(&"AuthorizationRevoked".to_owned()));
    assert_eq!(world.told().await, Vec::<Value>::new());

    world.days_pass(2).await;
    assert_eq!(world.told().await.len(), 1);
}
