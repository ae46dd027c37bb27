//! A login passes from one worker to another: which of them ends it, and how.

use std::sync::Arc;
use std::time::Duration;

use domain::LoginId;
use eventlog::Log;
use stand_in::accounts::ILYA;
use tokio::time::Instant;
use vault::Presence;
use vault::{RetireReason, random_login_id};

use super::world::{Asked, KEY_EXCHANGE, World};
use crate::login::attempt::Attempt;
use crate::login::held_attempts::HeldAttempts;
use crate::login::login_progress::LoginFollower;
use crate::login::record::AttemptRecord;
use crate::login::step::Step;
use crate::login::stop::Stop;

const BY_HAND: &str = "the test";

/// A worker in the test's own hands, with the only attempt that is free.
struct Worker {
    attempt: Attempt,
    /// Dropped, its process is not seen any more.
    presence: Option<Presence>,
}

impl World {
    async fn worker(&self, asked: &Asked) -> Worker {
        let presence = Presence::announce(&self.db.db, BY_HAND).await.unwrap();
        let claims = self.vault.claim_attempts(BY_HAND, Duration::from_secs(1), 1).await.unwrap();
        let claimed = claims.into_iter().next().expect("the attempt is free");
        let held = Arc::new(HeldAttempts::default());
        let input_signal = held.hold(&claimed.fence, Instant::now()).input_signal();
        let mut watch = LoginFollower::new(Log::new(&self.db.db)).watch(&asked.login).await.unwrap();
        let start = watch.started(asked.attempt).await;
        let workers = Arc::new(self.workers());
        let record = AttemptRecord::new(workers.clone(), claimed, watch, start, Arc::default());
        let attempt = Attempt::restore(&workers, record, None, input_signal).await.unwrap();
        assert!(attempt.telegram.has_home_key(), "there is a key");
        Worker { attempt, presence: Some(presence) }
    }

    async fn present(&self) -> i64 {
        let present = sqlx::query_scalar("select count(*) from vault.present()");
        present.fetch_one(self.db.db.pool()).await.unwrap()
    }

    async fn is_held(&self, login: &LoginId) -> bool {
        let held = sqlx::query_scalar("select holder is not null from vault.attempts where login_id = $1");
        held.bind(login.as_str()).fetch_one(self.db.db.pool()).await.unwrap()
    }

    /// A worker that takes the only attempt up, goes on until it has confirmed the login, and no further. Dropped, it is dead;
    /// kept, it is frozen.
    async fn confirms(&self, asked: &Asked) -> Worker {
        let mut worker = self.worker(asked).await;
        let accepted = worker.attempt.log_in().await.unwrap();
        worker.attempt.confirm(accepted).await.unwrap();
        worker.attempt.telegram.hang_up().await;
        worker
    }

    /// A worker confirms a login, and does not close the attempt; what it has recorded has no position yet, and followers of the
    /// log do not see it.
    async fn is_confirmed_while_the_log_stands_still(&mut self) -> (Asked, Worker) {
        let asked = self.ilya_asks().await;
        self.event(&asked, "QrIssued", 1).await;
        let link = self.link(&asked).await;
        self.kill_workers().await;
        self.stop_leader().await;
        self.ilya_scans(&link).await;
        let worker = self.confirms(&asked).await;
        (asked, worker)
    }

    /// The next worker completes it, as the events say; then the log goes on.
    async fn is_completed_by_the_next(&mut self, asked: &Asked) {
        let probes = self.telegram.calls("updates.getState");
        self.start_workers();
        self.closed(asked).await;
        assert_eq!(self.telegram.calls("updates.getState"), probes, "Telegram has nothing to tell it");
        self.start_leader();
        self.event(asked, "AuthorizationConfirmed", 1).await;
    }

    /// The confirmed login's session is linked, and logged in; its key is not among those to be logged out.
    async fn ilya_is_in(&self, asked: &Asked) {
        assert_eq!(self.story(asked).await, ["LoginStarted", "QrIssued", "AuthorizationConfirmed"]);
        let linked = self.vault.linked(asked.account).await.unwrap().expect("the session is linked");
        assert_eq!(linked.login_id, asked.login);
        assert!(self.session_file().exists());
        assert!(self.no_key_is_retired().await);
        let sessions = self.telegram.sessions_of(ILYA);
        assert_eq!(sessions.len(), 1, "it is logged in");
        assert!(!self.telegram.logged_out(sessions[0].key));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_dead_worker_confirmed_is_completed_by_one_who_read_the_log_too_early() {
    let mut world = World::start().await;
    let (asked, worker) = world.is_confirmed_while_the_log_stands_still().await;
    drop(worker);
    world.is_completed_by_the_next(&asked).await;
    world.ilya_is_in(&asked).await;
}

/// The key of a frozen worker is put aside, to be logged out: but not that of a session which it has linked for good.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_frozen_worker_confirmed_is_completed_with_its_key_by_one_who_read_the_log_too_early() {
    let mut world = World::start().await;
    let (asked, mut worker) = world.is_confirmed_while_the_log_stands_still().await;
    world.is_completed_by_the_next(&asked).await;
    // It wakes up.
    assert!(matches!(worker.attempt.complete().await, Err(Stop::Fenced)));
    world.ilya_is_in(&asked).await;
}

/// The next session takes the place of the one before only once its login is completed; whoever logs out before that has
/// neither.
#[tokio::test(flavor = "multi_thread")]
async fn who_logs_out_before_the_login_is_completed_keeps_no_older_session() {
    let mut world = World::start().await;
    let first = world.ilya_asks().await;
    world.event(&first, "QrIssued", 1).await;
    world.ilya_scans(&world.link(&first).await).await;
    world.closed(&first).await;
    let second = world.ilya_asks().await;
    world.event(&second, "QrIssued", 1).await;
    let link = world.link(&second).await;
    world.kill_workers().await;
    world.ilya_scans(&link).await;

    // 1. A worker confirms the second login, and dies. 2. Ilya logs out of it. 3. The next worker completes it.
    drop(world.confirms(&second).await);
    world.vault.retire_linked(second.account, &second.login, RetireReason::LoggedOut).await.unwrap();
    world.start_workers();
    world.closed(&second).await;

    assert!(world.vault.linked(second.account).await.unwrap().is_none());
    let is_out = async || world.telegram.sessions_of(ILYA).is_empty() && world.no_key_is_retired().await;
    world.eventually("both sessions are logged out", is_out).await;
    assert!(!world.session_file().exists());
}

/// A restart of PostgreSQL or of a pooler cuts the connection by which others see a process; until it has noticed, it
/// speaks on with its keys, which Telegram kills where two do so at once.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_not_seen_any_more_keeps_its_key_for_as_long_as_its_lease() {
    let mut world = World::start().await;
    let asked = world.ilya_asks().await;
    world.event(&asked, "QrIssued", 1).await;
    let link = world.link(&asked).await;
    world.kill_workers().await;

    // 1. A worker goes on with the login's key.
    let mut one = world.worker(&asked).await;
    assert!(matches!(one.attempt.probe().await.unwrap(), Step::Export));
    let probes = world.telegram.calls("updates.getState");
    // 2. It is not seen any more, and its lease lasts.
    world.vault.renew(&[one.attempt.record.fence().epoch], Duration::from_secs(3600)).await.unwrap();
    one.presence = None;
    world.eventually("nobody is present", async || world.present().await == 0).await;
    // 3. Others take up whatever is free: a later login, but not this one.
    world.start_workers();
    let later = random_login_id();
    world.vault.open_attempt(&later, 1, asked.account).await.unwrap();
    world.eventually("the later one is taken", async || world.is_held(&later).await).await;
    assert_eq!(world.telegram.calls("updates.getState"), probes, "nobody else speaks with the key");
    // 4. It speaks on.
    assert!(matches!(one.attempt.probe().await.unwrap(), Step::Export));
    assert!(world.telegram.keys_in_two_places().is_empty());
    // 5. It has noticed, and hangs up; its lease ends, and others go on with the same key.
    one.attempt.telegram.hang_up().await;
    world.vault.renew(&[one.attempt.record.fence().epoch], Duration::ZERO).await.unwrap();
    world.ilya_scans(&link).await;
    world.event(&asked, "AuthorizationConfirmed", 1).await;
    assert!(world.telegram.keys_in_two_places().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_that_cannot_renew_their_leases_hang_up_and_go_on_with_their_keys_once_they_can() {
    let world = World::start().await;
    let asked = world.ilya_asks().await;
    world.event(&asked, "QrIssued", 1).await;
    let link = world.link(&asked).await;

    // 1. The database answers nobody who asks about attempts, for longer than a lease lasts.
    let mut away = world.db.db.begin("begin").await.unwrap();
    sqlx::query("lock table vault.attempts in access exclusive mode").execute(&mut *away).await.unwrap();
    world.eventually("the worker hangs up", async || world.telegram.keys_in_use().is_empty()).await;
    // 2. Its code is scanned: nobody hears of it, or does anything about it.
    let exports = world.telegram.calls("auth.exportLoginToken");
    world.ilya_scans(&link).await;
    assert_eq!(world.telegram.calls("auth.exportLoginToken"), exports);
    assert_eq!(world.story(&asked).await, ["LoginStarted", "QrIssued"]);
    // 3. The database is back, and the login goes on: the scan counts.
    let keys = world.telegram.calls(KEY_EXCHANGE);
    away.rollback().await.unwrap();
    world.event(&asked, "AuthorizationConfirmed", 1).await;
    assert_eq!(world.telegram.calls(KEY_EXCHANGE), keys, "with the same key");
    assert!(world.telegram.keys_in_two_places().is_empty());
}
