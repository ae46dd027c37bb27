//! A worker has shown a code, and is dead or frozen when a person scans it. If it is dead, the next worker takes its key, and the
//! scan counts. A frozen worker may wake up and use its key, so the next worker shows a code of its own, and the scan of the old
//! code is undone at Telegram.
//!
//! A frozen process is, in these tests, a runtime with its own connections, whose only thread stands still.

use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;

use eventlog::{Database, Store};
use stand_in::accounts::ILYA;
use stand_in::mtproto::KeyId;
use tokio::sync::{mpsc, oneshot};
use vault::Vault;

use super::world::{KEY_EXCHANGE, TestLogin, World};
use crate::LoginWorkers;

/// Workers in a process of their own, as far as these tests need one.
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
            let working = tokio::spawn(crate::run(LoginWorkers { db, store, vault, ..workers }));
            while let Some((is_frozen, thawed)) = frozen.recv().await {
                is_frozen.send(()).unwrap();
                // A failed test drops the sender: the thread goes on then, too.
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
    /// A login whose code is shown by a worker in a process of its own, and the key of that code.
    async fn login_run_by_another_process(&mut self) -> (Process, TestLogin, KeyId) {
        self.kill_workers().await;
        let process = Process::start(self);
        let login = self.ilya_requests_login().await;
        self.wait_for_event(&login, "QrIssued", 1).await;
        let keys = self.telegram.keys_in_use();
        assert_eq!(keys.len(), 1);
        (process, login, keys[0])
    }

    /// Retired keys are due now, not in a minute.
    pub async fn make_retired_keys_due(&self) {
        let due = sqlx::query("update vault.retired_keys set not_before = clock_timestamp()");
        due.execute(self.db.db.pool()).await.unwrap();
    }

    /// The old key is logged out, with what was accepted for it. The session of the new key is linked and logged in.
    async fn assert_only_the_new_key_is_left(&self, login: &TestLogin, old: KeyId) {
        self.wait_until_closed(login).await;
        self.make_retired_keys_due().await;
        self.eventually("the old key is logged out", async || self.telegram.logged_out(old)).await;
        self.wait_until_one_session_is_left().await;
        let session = &self.telegram.sessions_of(ILYA)[0];
        assert!(session.key != old && !self.telegram.logged_out(session.key));
        let linked = self.vault.linked(login.account).await.unwrap().expect("the session is linked");
        assert_eq!(linked.login_id, login.id);
        self.eventually("it is forgotten", async || self.no_key_is_retired().await).await;
        assert_eq!(self.event_names(login).await, ["LoginStarted", "QrIssued", "AuthorizationConfirmed"]);
    }
}

/// 1. A shows a code, and dies.  2. B takes over, and does not know yet whether A's key is logged in.  3. Ilya scans A's code.
#[tokio::test(flavor = "multi_thread")]
async fn the_code_of_a_dead_worker_counts_also_after_the_next_one_has_taken_over() {
    let mut world = World::start().await;
    let login = world.ilya_requests_login().await;
    world.wait_for_event(&login, "QrIssued", 1).await;
    let link = world.link(&login).await;
    world.kill_workers().await;

    world.telegram.faults().flood_wait("updates.getState", 5);
    let probes = world.telegram.calls("updates.getState");
    world.start_workers();
    world.wait_for_call("updates.getState", probes + 1).await;
    assert_eq!(world.link(&login).await, link, "A's code is still on the screen");
    world.ilya_scans(&link).await;
    let keys = world.telegram.calls(KEY_EXCHANGE);
    world.while_time_passes(world.wait_for_call("updates.getState", probes + 2)).await;
    world.wait_for_event(&login, "AuthorizationConfirmed", 1).await;

    assert_eq!(world.telegram.calls(KEY_EXCHANGE), keys, "with A's key");
    world.wait_until_closed(&login).await;
    world.wait_until_one_session_is_left().await;
}

/// 1. A shows a code, and freezes.  2. Ilya scans it.  3. A's lease ends; B shows a code of its own, which Ilya scans.
/// 4. A wakes up.
#[tokio::test(flavor = "multi_thread")]
async fn a_scan_of_a_frozen_workers_code_is_undone_and_the_next_code_links_the_session() {
    let mut world = World::start().await;
    let (process, login, old) = world.login_run_by_another_process().await;
    let thaw = process.freeze().await;
    let link = world.link(&login).await;
    world.ilya_scans(&link).await;

    world.start_workers();
    world.wait_for_event(&login, "QrIssued", 2).await;
    assert_ne!(world.link(&login).await, link, "the page shows the new code");
    assert!(!world.telegram.logged_out(old), "A may wake up and use it");
    world.ilya_scans(&world.link(&login).await).await;
    world.wait_for_event(&login, "AuthorizationConfirmed", 1).await;

    // A learns from Telegram that a person has scanned, and from the vault that it is too late.
    thaw.send(()).unwrap();
    world.eventually("A hangs up", async || !world.telegram.keys_in_use().contains(&old)).await;
    world.assert_only_the_new_key_is_left(&login, old).await;
    process.end();
}

/// 1. A shows a code, and freezes.  2. A's lease ends; B takes over, and has no code to show yet.  3. Ilya scans A's code,
/// which is still on the screen.  4. A wakes up.  5. B shows a code of its own.
#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_workers_code_that_is_scanned_before_the_next_one_is_shown_links_nothing() {
    let mut world = World::start().await;
    let (process, login, old) = world.login_run_by_another_process().await;
    let thaw = process.freeze().await;
    let link = world.link(&login).await;

    world.telegram.faults().flood_wait("auth.exportLoginToken", 5);
    let exports = world.telegram.calls("auth.exportLoginToken");
    world.start_workers();
    world.wait_for_call("auth.exportLoginToken", exports + 1).await;
    assert_eq!(world.link(&login).await, link, "A's code is still on the screen");
    world.ilya_scans(&link).await;
    thaw.send(()).unwrap();
    world.eventually("A hangs up", async || !world.telegram.keys_in_use().contains(&old)).await;
    assert_eq!(
        world.event_names(&login).await,
        ["LoginStarted", "QrIssued"],
        "nothing that A records counts"
    );

    world.while_time_passes(world.wait_for_event(&login, "QrIssued", 2)).await;
    world.ilya_scans(&world.link(&login).await).await;
    world.wait_for_event(&login, "AuthorizationConfirmed", 1).await;
    world.assert_only_the_new_key_is_left(&login, old).await;
    process.end();
}
