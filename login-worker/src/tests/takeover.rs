//! An attempt passes from one worker to another: which of them ends the login, and how.

use std::sync::Arc;
use std::time::Duration;

use domain::LoginId;
use eventlog::Log;
use stand_in::accounts::ILYA;
use tokio::time::Instant;
use vault::Presence;
use vault::{RetireReason, random_login_id};

use super::world::{KEY_EXCHANGE, TestLogin, World};
use crate::attempt::Attempt;
use crate::held_attempts::HeldAttempts;
use crate::login_progress::LoginFollower;
use crate::record::AttemptRecord;
use crate::step::Step;
use crate::stop::Stop;

const HOLDER: &str = "the test";

/// A worker that the test controls, with the only attempt that is free.
struct Worker {
    attempt: Attempt,
    /// Once it is dropped, other processes do not see this one any more.
    presence: Option<Presence>,
}

impl World {
    async fn worker(&self, login: &TestLogin) -> Worker {
        let presence = Presence::announce(&self.db.db, HOLDER).await.unwrap();
        let claims = self.vault.claim_attempts(HOLDER, Duration::from_secs(1), 1).await.unwrap();
        let claimed = claims.into_iter().next().expect("the attempt is free");
        let held = Arc::new(HeldAttempts::default());
        let input_signal = held.hold(&claimed.fence, Instant::now()).input_signal();
        let mut watch = LoginFollower::new(Log::new(&self.db.db)).watch(&login.id).await.unwrap();
        let start = watch.started(login.attempt).await;
        let workers = Arc::new(self.workers());
        let record = AttemptRecord::new(workers.clone(), claimed, watch, start, Arc::default());
        let attempt = Attempt::restore(&workers, record, None, input_signal).await.unwrap();
        assert!(attempt.telegram.has_home_key(), "there is a key");
        Worker { attempt, presence: Some(presence) }
    }

    async fn count_present(&self) -> i64 {
        let present = sqlx::query_scalar("select count(*) from vault.present()");
        present.fetch_one(self.db.db.pool()).await.unwrap()
    }

    async fn is_held(&self, login: &LoginId) -> bool {
        let held = sqlx::query_scalar("select holder is not null from vault.attempts where login_id = $1");
        held.bind(login.as_str()).fetch_one(self.db.db.pool()).await.unwrap()
    }

    /// A worker that takes over the only attempt, confirms the login, and stops there. A test that drops it has a dead worker; a
    /// test that keeps it has a frozen one.
    async fn confirm_with_one_worker(&self, login: &TestLogin) -> Worker {
        let mut worker = self.worker(login).await;
        let accepted = worker.attempt.log_in().await.unwrap();
        worker.attempt.confirm(accepted).await.unwrap();
        worker.attempt.telegram.hang_up().await;
        worker
    }

    /// A worker confirms a login, and does not close the attempt. Its events have no position yet, so followers of the log do not
    /// see them.
    async fn login_confirmed_while_the_log_stands_still(&mut self) -> (TestLogin, Worker) {
        let login = self.ilya_requests_login().await;
        self.wait_for_event(&login, "QrIssued", 1).await;
        let link = self.link(&login).await;
        self.kill_workers().await;
        self.stop_leader().await;
        self.ilya_scans(&link).await;
        let worker = self.confirm_with_one_worker(&login).await;
        (login, worker)
    }

    /// The next worker completes the login, as the events say. Then the log goes on.
    async fn complete_with_the_next_worker(&mut self, login: &TestLogin) {
        let probes = self.telegram.calls("updates.getState");
        self.start_workers();
        self.wait_until_closed(login).await;
        assert_eq!(self.telegram.calls("updates.getState"), probes, "it does not ask Telegram");
        self.start_leader();
        self.wait_for_event(login, "AuthorizationConfirmed", 1).await;
    }

    /// The session of the confirmed login is linked and logged in, and its key is not retired.
    async fn assert_ilya_is_logged_in(&self, login: &TestLogin) {
        assert_eq!(self.event_names(login).await, ["LoginStarted", "QrIssued", "AuthorizationConfirmed"]);
        let linked = self.vault.linked(login.account).await.unwrap().expect("the session is linked");
        assert_eq!(linked.login_id, login.id);
        assert!(self.session_file().exists());
        assert!(self.no_key_is_retired().await);
        let sessions = self.telegram.sessions_of(ILYA);
        assert_eq!(sessions.len(), 1, "it is logged in");
        assert!(!self.telegram.logged_out(sessions[0].key));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_a_dead_worker_confirmed_is_completed_by_one_whose_log_is_behind() {
    let mut world = World::start().await;
    let (login, worker) = world.login_confirmed_while_the_log_stands_still().await;
    drop(worker);
    world.complete_with_the_next_worker(&login).await;
    world.assert_ilya_is_logged_in(&login).await;
}

/// The key of a frozen worker is retired, but not that of a session which it has linked for good.
#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_a_frozen_worker_confirmed_is_completed_with_its_key_by_one_whose_log_is_behind() {
    let mut world = World::start().await;
    let (login, mut worker) = world.login_confirmed_while_the_log_stands_still().await;
    world.complete_with_the_next_worker(&login).await;
    // The frozen worker wakes up.
    assert!(matches!(worker.attempt.complete().await, Err(Stop::Fenced)));
    world.assert_ilya_is_logged_in(&login).await;
}

/// The leader reads logins for a whole batch of reactions at once, so its reaction to the start may come when the login is confirmed
/// and its attempt closed. A worker without the key must not take the session for one that nobody confirmed.
#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_that_is_offered_again_after_its_login_was_confirmed_takes_nothing_away() {
    let world = World::start().await;
    let login = world.ilya_requests_login().await;
    world.wait_for_event(&login, "QrIssued", 1).await;
    world.ilya_scans(&world.link(&login).await).await;
    world.wait_until_closed(&login).await;

    // 1. The vault takes no such offer.
    world.vault.open_attempt(&login.id, login.attempt, login.account).await.unwrap();
    assert_eq!(world.vault.attempts().await.unwrap(), 0);
    // 2. And where there is one, it is completed as the events say.
    sqlx::query("insert into vault.attempts (login_id, attempt, account_id) values ($1, $2, $3)")
        .bind(login.id.as_str())
        .bind(i64::from(login.attempt))
        .bind(login.account.0)
        .execute(world.db.db.pool())
        .await
        .unwrap();
    world.wait_until_closed(&login).await;
    world.assert_ilya_is_logged_in(&login).await;
}

/// A session replaces the one before only once its login is completed. A person who logs out before that has neither.
#[tokio::test(flavor = "multi_thread")]
async fn a_person_who_logs_out_before_the_login_is_completed_keeps_no_older_session() {
    let mut world = World::start().await;
    let first = world.ilya_requests_login().await;
    world.wait_for_event(&first, "QrIssued", 1).await;
    world.ilya_scans(&world.link(&first).await).await;
    world.wait_until_closed(&first).await;
    let second = world.ilya_requests_login().await;
    world.wait_for_event(&second, "QrIssued", 1).await;
    let link = world.link(&second).await;
    world.kill_workers().await;
    world.ilya_scans(&link).await;

    // 1. A worker confirms the second login, and dies. 2. Ilya logs out of it. 3. The next worker completes it.
    drop(world.confirm_with_one_worker(&second).await);
    world.vault.retire_linked(second.account, &second.id, RetireReason::LoggedOut).await.unwrap();
    world.start_workers();
    world.wait_until_closed(&second).await;

    assert!(world.vault.linked(second.account).await.unwrap().is_none());
    let is_out = async || world.telegram.sessions_of(ILYA).is_empty() && world.no_key_is_retired().await;
    world.eventually("both sessions are logged out", is_out).await;
    assert!(!world.session_file().exists());
}

/// A restart of PostgreSQL or of a pooler cuts the connection that shows a process to the others. Until the process notices, it
/// goes on with its keys, and Telegram kills a key that two use at once.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_not_seen_any_more_keeps_its_key_for_as_long_as_its_lease() {
    let mut world = World::start().await;
    let login = world.ilya_requests_login().await;
    world.wait_for_event(&login, "QrIssued", 1).await;
    let link = world.link(&login).await;
    world.kill_workers().await;

    // 1. A worker goes on with the login's key.
    let mut one = world.worker(&login).await;
    assert!(matches!(one.attempt.probe().await.unwrap(), Step::Export));
    let probes = world.telegram.calls("updates.getState");
    // 2. The others do not see it any more, and its lease lasts.
    world.vault.renew(&[one.attempt.record.fence().epoch], Duration::from_secs(3600)).await.unwrap();
    one.presence = None;
    world.eventually("no process is present", async || world.count_present().await == 0).await;
    // 3. Other workers claim what is free: a later login, but not this one.
    world.start_workers();
    let later = random_login_id();
    world.vault.open_attempt(&later, 1, login.account).await.unwrap();
    world.eventually("the later one is taken", async || world.is_held(&later).await).await;
    assert_eq!(world.telegram.calls("updates.getState"), probes, "no other worker uses the key");
    // 4. It goes on with its key.
    assert!(matches!(one.attempt.probe().await.unwrap(), Step::Export));
    assert!(world.telegram.keys_in_two_places().is_empty());
    // 5. It notices, and hangs up. Its lease ends, and others go on with the same key.
    one.attempt.telegram.hang_up().await;
    world.vault.renew(&[one.attempt.record.fence().epoch], Duration::ZERO).await.unwrap();
    world.ilya_scans(&link).await;
    world.wait_for_event(&login, "AuthorizationConfirmed", 1).await;
    assert!(world.telegram.keys_in_two_places().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_that_cannot_renew_their_leases_hang_up_and_go_on_with_their_keys_once_they_can() {
    let world = World::start().await;
    let login = world.ilya_requests_login().await;
    world.wait_for_event(&login, "QrIssued", 1).await;
    let link = world.link(&login).await;

    // 1. No query about attempts is answered, for longer than a lease lasts.
    let mut away = world.db.db.begin("begin").await.unwrap();
    sqlx::query("lock table vault.attempts in access exclusive mode").execute(&mut *away).await.unwrap();
    world.eventually("the worker hangs up", async || world.telegram.keys_in_use().is_empty()).await;
    // 2. Its code is scanned. No worker notices.
    let exports = world.telegram.calls("auth.exportLoginToken");
    world.ilya_scans(&link).await;
    assert_eq!(world.telegram.calls("auth.exportLoginToken"), exports);
    assert_eq!(world.event_names(&login).await, ["LoginStarted", "QrIssued"]);
    // 3. The database is back, and the login goes on: the scan counts.
    let keys = world.telegram.calls(KEY_EXCHANGE);
    away.rollback().await.unwrap();
    world.wait_for_event(&login, "AuthorizationConfirmed", 1).await;
    assert_eq!(world.telegram.calls(KEY_EXCHANGE), keys, "with the same key");
    assert!(world.telegram.keys_in_two_places().is_empty());
}
