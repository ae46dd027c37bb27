//! A login passes from one worker to another: which of them ends it, and how.

use std::sync::Arc;
use std::time::Duration;

use projections::Log;
use stand_in::accounts::ILYA;
use tokio::time::Instant;

use super::world::{Asked, World};
use crate::login::attempt::Attempt;
use crate::login::held::Held;
use crate::login::standing::Board;

impl World {
    /// A worker that takes the only attempt up, goes on until it has confirmed the login, and dies.
    async fn confirms_and_dies(&self, asked: &Asked) {
        let claims = self.vault.claim_attempts("one who dies", Duration::from_secs(1), 1).await.unwrap();
        let claimed = claims.into_iter().next().expect("the attempt is free");
        let held = Arc::new(Held::default());
        let hold = held.hold(&claimed.fence, Instant::now());
        let mut watch = Board::new(Log::new(&self.db.db)).watch(&asked.login).await.unwrap();
        let start = watch.started(asked.attempt).await;
        let workers = Arc::new(self.workers());
        let mut attempt = Attempt::new(workers, claimed, watch, hold.bell(), start, "Ilya".to_owned());
        assert!(attempt.restore().await.unwrap(), "there is a key");
        let accepted = attempt.log_in(true).await.unwrap();
        attempt.confirm(accepted).await.unwrap();
        attempt.hang_up().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_dead_worker_confirmed_is_completed_by_one_who_read_the_log_too_early() {
    let mut world = World::start().await;
    let asked = world.ilya_asks().await;
    world.event(&asked, "QrIssued", 1).await;
    let link = world.link(&asked).await;
    world.kill_workers().await;

    // 1. The log stands still: what is recorded from here on has no position, and followers do not see it.
    world.stop_leader().await;
    // 2. A worker confirms the login, and dies before it has closed the attempt.
    world.ilya_scans(&link).await;
    world.confirms_and_dies(&asked).await;
    // 3. The next worker sets out to find whose session it has, as of a login that still waits.
    world.telegram.faults().silence("updates.getState", 1);
    let probes = world.telegram.calls("updates.getState");
    world.start_workers();
    world.called("updates.getState", probes + 1).await;
    // 4. The log goes on: to that worker the login is over.
    world.start_leader();
    world.closed(&asked).await;

    assert_eq!(world.story(&asked).await, ["LoginStarted", "QrIssued", "AuthorizationConfirmed"]);
    let linked = world.vault.linked(asked.account).await.unwrap().expect("the session is linked");
    assert_eq!(linked.login_id, asked.login);
    assert!(world.session_file().exists());
    let sessions = world.telegram.sessions_of(ILYA);
    assert_eq!(sessions.len(), 1, "it is logged in");
    assert!(!world.telegram.logged_out(sessions[0].key));
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_that_cannot_renew_their_leases_hang_up_and_touch_nothing() {
    let world = World::start().await;
    let asked = world.ilya_asks().await;
    world.event(&asked, "QrIssued", 1).await;
    let link = world.link(&asked).await;

    // 1. The database answers nobody who asks about attempts, for longer than a lease lasts.
    let mut away = world.db.db.pool().begin().await.unwrap();
    sqlx::query("lock table vault.attempts in access exclusive mode").execute(&mut *away).await.unwrap();
    world.eventually("the worker hangs up", async || world.telegram.keys_in_use().is_empty()).await;
    // 2. Its code is scanned: nobody hears of it, or does anything about it.
    let exports = world.telegram.calls("auth.exportLoginToken");
    world.ilya_scans(&link).await;
    assert_eq!(world.telegram.calls("auth.exportLoginToken"), exports);
    assert_eq!(world.story(&asked).await, ["LoginStarted", "QrIssued"]);
    // 3. The database is back, and the login goes on.
    away.rollback().await.unwrap();
    world.event(&asked, "QrIssued", 2).await;
    world.ilya_scans(&world.link(&asked).await).await;
    world.event(&asked, "AuthorizationConfirmed", 1).await;
    assert!(world.telegram.keys_in_two_places().is_empty());
}
