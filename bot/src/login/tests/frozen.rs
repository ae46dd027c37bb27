//! A worker that has shown a code is gone, or does not answer, when somebody scans it. Of a dead one the next worker takes the
//! key, and the scan counts. The key of one that may wake up and speak with it is not taken: the next worker shows a code of
//! its own, and what was scanned before is taken back at Telegram.
//!
//! A process that freezes is a runtime on a thread of its own, with its own connections, whose only thread stands still.

use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;

use eventlog::{Database, Store};
use stand_in::accounts::ILYA;
use stand_in::mtproto::KeyId;
use tokio::sync::{mpsc, oneshot};
use vault::Vault;

use super::world::{Asked, KEY_EXCHANGE, World};
use crate::login::LoginWorkers;

/// Workers in a process of their own, as far as it matters here.
struct Process {
    freeze: mpsc::UnboundedSender<(oneshot::Sender<()>, std::sync::mpsc::Receiver<()>)>,
    thread: Option<JoinHandle<()>>,
}

impl Process {
    fn start(world: &World) -> Self {
        let (url, workers) = (world.db.url.clone(), world.workers());
        let (freeze, mut frozen) =
            mpsc::unbounded_channel::<(oneshot::Sender<()>, std::sync::mpsc::Receiver<()>)>();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let life = async move {
            let db = Database::connect(&url).await.unwrap();
            let (store, vault) = (Store::new(&db), Vault::new(&db));
            let working = tokio::spawn(crate::login::run(LoginWorkers { db, store, vault, ..workers }));
            while let Some((is_frozen, thawed)) = frozen.recv().await {
                is_frozen.send(()).unwrap();
                // Also where the test has failed, and nobody is left to thaw it.
                let _ = thawed.recv();
            }
            working.abort();
        };
        let thread = std::thread::spawn(move || runtime.block_on(life));
        Self { freeze, thread: Some(thread) }
    }

    /// Nothing in the process moves until it is thawed; its sockets stay open.
    async fn freeze(&self) -> Sender<()> {
        let ((is_frozen, froze), (thaw, thawed)) = (oneshot::channel(), channel());
        self.freeze.send((is_frozen, thawed)).unwrap();
        froze.await.unwrap();
        thaw
    }

    fn end(mut self) {
        drop(self.freeze);
        self.thread.take().unwrap().join().unwrap();
    }
}

impl World {
    /// A login whose code is shown by a worker in a process of its own; with the key it is for.
    async fn shown_by_another_process(&mut self) -> (Process, Asked, KeyId) {
        self.kill_workers().await;
        let process = Process::start(self);
        let asked = self.ilya_asks().await;
        self.event(&asked, "QrIssued", 1).await;
        let keys = self.telegram.keys_in_use();
        assert_eq!(keys.len(), 1);
        (process, asked, keys[0])
    }

    /// What is to happen in a minute happens now.
    pub async fn a_minute_passes_for_retired_keys(&self) {
        let due = sqlx::query("update vault.retired_keys set not_before = clock_timestamp()");
        due.execute(self.db.db.pool()).await.unwrap();
    }

    /// The old key is logged out, with whatever was accepted for it; the session of the new one is linked and logged in.
    async fn only_the_new_key_is_left(&self, asked: &Asked, old: KeyId) {
        self.closed(asked).await;
        self.a_minute_passes_for_retired_keys().await;
        self.eventually("the old key is logged out", async || self.telegram.logged_out(old)).await;
        self.one_session_is_left().await;
        let session = &self.telegram.sessions_of(ILYA)[0];
        assert!(session.key != old && !self.telegram.logged_out(session.key));
        let linked = self.vault.linked(asked.account).await.unwrap().expect("the session is linked");
        assert_eq!(linked.login_id, asked.login);
        self.eventually("it is forgotten", async || self.no_key_is_retired().await).await;
        assert_eq!(self.story(asked).await, ["LoginStarted", "QrIssued", "AuthorizationConfirmed"]);
    }
}

/// 1. A shows a code, and dies.  2. B takes over, and does not know yet how A's key stands.  3. Ilya scans A's code.
#[tokio::test(flavor = "multi_thread")]
async fn the_code_of_a_dead_worker_counts_also_after_the_next_one_has_taken_over() {
    let mut world = World::start().await;
    let asked = world.ilya_asks().await;
    world.event(&asked, "QrIssued", 1).await;
    let link = world.link(&asked).await;
    world.kill_workers().await;

    world.telegram.faults().flood_wait("updates.getState", 5);
    let probes = world.telegram.calls("updates.getState");
    world.start_workers();
    world.called("updates.getState", probes + 1).await;
    assert_eq!(world.link(&asked).await, link, "A's code is still on the screen");
    world.ilya_scans(&link).await;
    let keys = world.telegram.calls(KEY_EXCHANGE);
    world.as_time_passes(world.called("updates.getState", probes + 2)).await;
    world.event(&asked, "AuthorizationConfirmed", 1).await;

    assert_eq!(world.telegram.calls(KEY_EXCHANGE), keys, "with A's key");
    world.closed(&asked).await;
    world.one_session_is_left().await;
}

/// 1. A shows a code, and freezes.  2. Ilya scans it.  3. A's lease ends; B shows a code of its own, which Ilya scans.
/// 4. A wakes up.
#[tokio::test(flavor = "multi_thread")]
async fn a_scan_of_a_frozen_workers_code_is_taken_back_and_the_next_code_lets_in() {
    let mut world = World::start().await;
    let (process, asked, old) = world.shown_by_another_process().await;
    let thaw = process.freeze().await;
    let link = world.link(&asked).await;
    world.ilya_scans(&link).await;

    world.start_workers();
    world.event(&asked, "QrIssued", 2).await;
    assert_ne!(world.link(&asked).await, link, "the page shows the new code");
    assert!(!world.telegram.logged_out(old), "A may wake up and speak with it");
    world.ilya_scans(&world.link(&asked).await).await;
    world.event(&asked, "AuthorizationConfirmed", 1).await;

    // A finds Telegram's word that somebody has scanned, and that it is too late.
    thaw.send(()).unwrap();
    world.eventually("A hangs up", async || !world.telegram.keys_in_use().contains(&old)).await;
    world.only_the_new_key_is_left(&asked, old).await;
    process.end();
}

/// 1. A shows a code, and freezes.  2. A's lease ends; B takes over, and has no code to show yet.  3. Ilya scans A's code,
/// which is still on the screen.  4. A wakes up.  5. B shows a code of its own.
#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_workers_code_that_is_scanned_before_the_next_one_is_shown_lets_nobody_in() {
    let mut world = World::start().await;
    let (process, asked, old) = world.shown_by_another_process().await;
    let thaw = process.freeze().await;
    let link = world.link(&asked).await;

    world.telegram.faults().flood_wait("auth.exportLoginToken", 5);
    let exports = world.telegram.calls("auth.exportLoginToken");
    world.start_workers();
    world.called("auth.exportLoginToken", exports + 1).await;
    assert_eq!(world.link(&asked).await, link, "A's code is still on the screen");
    world.ilya_scans(&link).await;
    thaw.send(()).unwrap();
    world.eventually("A hangs up", async || !world.telegram.keys_in_use().contains(&old)).await;
    assert_eq!(world.story(&asked).await, ["LoginStarted", "QrIssued"], "nothing that A says counts");

    world.as_time_passes(world.event(&asked, "QrIssued", 2)).await;
    world.ilya_scans(&world.link(&asked).await).await;
    world.event(&asked, "AuthorizationConfirmed", 1).await;
    world.only_the_new_key_is_left(&asked, old).await;
    process.end();
}
