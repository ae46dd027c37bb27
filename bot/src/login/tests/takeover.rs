//! A login passes from one worker to another: which of them ends it, and how.

use std::sync::Arc;
use std::time::Duration;

use projections::Log;
use stand_in::accounts::ILYA;

use super::world::{Asked, World};
use crate::login::attempt::Attempt;
use crate::login::standing::Board;

impl World {
    /// A worker that takes the only attempt up, goes on until it has confirmed the login, and dies.
    async fn confirms_and_dies(&self, asked: &Asked) {
        let claims = self.vault.claim_attempts("one who dies", Duration::from_secs(1), 1).await.unwrap();
        let claimed = claims.into_iter().next().expect("the attempt is free");
        let mut watch = Board::new(Log::new(&self.db.db)).watch(&asked.login).await.unwrap();
        let start = watch.started(asked.attempt).await;
        let workers = Arc::new(self.workers());
        let mut attempt = Attempt::new(workers, claimed, watch, start, "Ilya".to_owned());
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
