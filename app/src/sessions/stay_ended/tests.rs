//! What a restored backup brings back does not stay.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use vault::{DerivedKeys, Linked};

use super::*;
use crate::testing::Story;

const ILYA: i64 = 139_883_458;

struct World {
    story: Story,
    app: App,
    account: AccountId,
    directory: tempfile::TempDir,
}

impl World {
    async fn start() -> Self {
        let story = Story::begin().await;
        let keys = Arc::new(DerivedKeys::random());
        let app = App::new(&story.db, keys, story.clock.clone(), story.tiers.clone());
        let account = story.person(ILYA, "{}").await;
        Self { story, app, account, directory: tempfile::tempdir().unwrap() }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("ended-sessions.log")
    }

    fn ledger(&self) -> Ledger<EndedSession> {
        Ledger::open(&self.path()).unwrap()
    }

    /// A session that a login of Ilya's has linked.
    async fn link(&self) -> EndedSession {
        let login_id = self.story.start(self.account).await;
        self.story.settle().await;
        let vault = &self.app.vault;
        let claims = vault.claim_attempts("worker", Duration::from_secs(3600), 10).await.unwrap();
        let fence = claims.into_iter().find(|claim| claim.fence.login_id == login_id).unwrap().fence;
        let (account_id, sealed, key_id) = (self.account, b"sealed".to_vec(), "0a1b2c3d".to_owned());
        let linked = Linked { account_id, login_id: login_id.clone(), sealed, key_id };
        vault.link_session(&fence, &linked).await.unwrap();
        EndedSession { account_id, login_id }
    }

    async fn order(&self, command: AccountCommand) {
        self.story.account(self.account, command).await;
        self.story.settle().await;
    }

    fn logged_out(&self, session: &EndedSession) -> AccountCommand {
        AccountCommand::LogOut { login_id: session.login_id.clone(), at: self.story.clock.now() }
    }

    async fn recorded(&self, count: usize) {
        let mut ledger = self.ledger();
        let recorded = async {
            while self.ledger().entries().len() < count {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            _ = record(&self.app, &mut ledger) => {}
            done = tokio::time::timeout(Duration::from_secs(30), recorded) => done.expect("recorded in time"),
        }
    }
}

#[tokio::test]
async fn every_way_in_which_a_session_ends_is_recorded_once() {
    let world = World::start().await;
    let (first, second, third) = (world.link().await, world.link().await, world.link().await);
    let at = world.story.clock.now();
    world.order(world.logged_out(&first)).await;
    world.order(AccountCommand::ExportSession { login_id: second.login_id.clone(), at }).await;
    world.order(AccountCommand::RevokeAuthorization { login_id: third.login_id.clone(), at }).await;

    world.recorded(3).await;
    let text = std::fs::read_to_string(world.path()).unwrap();
    world.recorded(3).await;

    assert_eq!(
        world.ledger().entries().into_iter().collect::<std::collections::BTreeSet<_>>(),
        [first, second, third].into()
    );
    assert_eq!(std::fs::read_to_string(world.path()).unwrap(), text, "nothing is written twice");
    assert!(!text.contains(&ILYA.to_string()));
}

/// 1. A session is linked, and a backup is made.
/// 2. It is handed over to another service, which the ledger beside the database tells.
/// 3. The backup is restored: log and vault know nothing of that.
/// 4. The session is dropped before anything uses it, and the log says that it has ended here.
#[tokio::test]
async fn a_session_that_a_backup_brings_back_is_dropped_before_it_is_used() {
    let world = World::start().await;
    let (ended, stays) = (world.link().await, world.link().await);
    let mut ledger = world.ledger();
    ledger.add([ended.clone()]).unwrap();

    assert_eq!(apply(&world.app, &ledger).await.unwrap(), 1);
    assert_eq!(apply(&world.app, &ledger).await.unwrap(), 0);

    assert_eq!(world.app.vault.sessions().await.unwrap(), [(world.account, stays.login_id)]);
    let log_out = world.logged_out(&ended);
    let account = world.app.store.load_account(world.account).await.unwrap();
    assert_eq!(account.decide(log_out).unwrap(), [], "the log knows that it has ended");
}

/// Its key may not be out yet: the export is repeated.
#[tokio::test]
async fn a_session_whose_export_is_in_the_log_is_left_to_the_export() {
    let world = World::start().await;
    let session = world.link().await;
    let export =
        AccountCommand::ExportSession { login_id: session.login_id.clone(), at: world.story.clock.now() };
    world.order(export).await;
    world.recorded(1).await;

    assert_eq!(apply(&world.app, &world.ledger()).await.unwrap(), 0);
    assert_eq!(world.app.vault.sessions().await.unwrap().len(), 1);
}
