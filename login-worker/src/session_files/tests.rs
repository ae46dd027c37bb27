//! The file of a linked session is what the vault holds, whichever process writes it, and whenever.

use std::fs::OpenOptions;
use std::io::Write;
use std::time::Duration;

use domain::{AccountCommand, AccountId, LoginId};
use eventlog::store::Fence;
use eventlog::testing::{self, TestDatabase};
use eventlog::{Context, Log, Sequencer, Store};
use jiff::Timestamp;
use tempfile::TempDir;
use uuid::Uuid;
use vault::{Linked, RetireReason, Vault, random_login_id};

use super::file::SessionFile;
use super::*;

const ILYA: i64 = 139_883_458;

/// A vault, a directory, and one person who has logged in.
struct World {
    database: TestDatabase,
    vault: Vault,
    directory: TempDir,
    account: AccountId,
}

impl World {
    async fn start() -> Self {
        let database = testing::database().await;
        let vault = Vault::new(&database.db);
        let account = vault.subject_for(ILYA).await.unwrap().account_id;
        Self { vault, directory: tempfile::tempdir().unwrap(), account, database }
    }

    /// A session that a login of this person has just linked; the file is not there yet.
    async fn link(&self) -> Linked {
        let login: LoginId = random_login_id();
        self.vault.open_attempt(&login, 1, self.account).await.unwrap();
        let claims = self.vault.claim_attempts("worker", Duration::from_secs(3600), 10).await.unwrap();
        let fence: Fence = claims.into_iter().find(|claim| claim.fence.login_id == login).unwrap().fence;
        let linked = Linked {
            account_id: self.account,
            login_id: login,
            sealed: b"sealed".to_vec(),
            key_id: "0a1b2c3d".to_owned(),
        };
        self.vault.link_session(&fence, &linked).await.unwrap();
        linked
    }

    async fn update(&self) {
        update(&self.vault, self.directory.path(), self.account, ILYA).await.unwrap();
    }

    fn file(&self) -> Option<SessionFile> {
        file::read(self.directory.path(), ILYA).unwrap()
    }
}

#[tokio::test]
async fn a_file_comes_changes_and_goes_with_the_session() {
    let world = World::start().await;
    world.update().await;
    assert_eq!(world.file(), None);

    let first = world.link().await;
    world.update().await;
    assert_eq!(world.file(), Some(SessionFile::of(&first)));

    let second = world.link().await;
    world.update().await;
    assert_eq!(world.file(), Some(SessionFile::of(&second)));

    world.vault.unlink(world.account, &first.login_id).await.unwrap();
    world.update().await;
    assert_eq!(world.file(), Some(SessionFile::of(&second)), "another login's end changes nothing");

    world.vault.unlink(world.account, &second.login_id).await.unwrap();
    world.update().await;
    assert_eq!(world.file(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_is_handed_over_while_its_file_is_written_leaves_none() {
    let world = World::start().await;
    let linked = world.link().await;
    // A pipe in the file's place: a reader waits until something is written.
    let (place, other_end) = (file::path(world.directory.path(), ILYA), world.directory.path().join("pipe"));
    let made = std::process::Command::new("mkfifo").arg(&place).status().unwrap();
    assert!(made.success());
    std::fs::hard_link(&place, &other_end).unwrap();

    let handed_over = async {
        // Opens once the reader has opened it. The reader has seen the session by then.
        let opened = tokio::task::spawn_blocking(move || OpenOptions::new().write(true).open(other_end));
        let mut pipe = opened.await.unwrap().unwrap();
        world.vault.unlink(world.account, &linked.login_id).await.unwrap();
        std::fs::remove_file(&place).unwrap();
        pipe.write_all(b"half a file").unwrap();
    };
    tokio::join!(world.update(), handed_over);

    assert_eq!(world.file(), None, "an older look at the vault does not stay");
}

#[tokio::test]
async fn an_erased_account_does_not_remove_the_file_of_the_persons_new_account() {
    let world = World::start().await;
    let new = world.link().await;
    world.update().await;

    update(&world.vault, world.directory.path(), AccountId(Uuid::new_v4()), ILYA).await.unwrap();

    assert_eq!(world.file(), Some(SessionFile::of(&new)));
}

#[tokio::test]
async fn a_stranger_who_confirmed_the_login_gets_no_file() {
    const STRANGER: i64 = 900_000_001;
    let world = World::start().await;
    world.link().await;

    update(&world.vault, world.directory.path(), world.account, STRANGER).await.unwrap();

    assert_eq!(file::read(world.directory.path(), STRANGER).unwrap(), None);
}

#[tokio::test]
async fn a_file_that_a_dead_process_left_behind_is_removed_at_the_next_start() {
    let world = World::start().await;
    let linked = world.link().await;
    world.update().await;
    world.vault.unlink(world.account, &linked.login_id).await.unwrap();
    std::fs::write(world.directory.path().join("user_7.session"), "not one of ours").unwrap();

    update_all(&world.vault, world.directory.path()).await.unwrap();

    assert_eq!(world.file(), None);
    assert!(world.directory.path().join("user_7.session").exists(), "it is no session file");
}

/// 1. A session is linked, and two machines have its file.
/// 2. It ends by an order that the first one handles.
/// 3. The file goes on the second one as well.
#[tokio::test]
async fn the_file_of_a_session_that_ended_elsewhere_goes() {
    let world = World::start().await;
    let linked = world.link().await;
    world.update().await;
    let log = Log::new(&world.database.db);
    let gone = async {
        let store = Store::new(&world.database.db);
        let profile = AccountCommand::Register {
            account_id: world.account,
            telegram_id: domain::Sealed(String::new()),
            profile: domain::Sealed(String::new()),
            at: Timestamp::UNIX_EPOCH,
        };
        store.account(world.account, profile, Context::system()).await.unwrap();
        let log_out = AccountCommand::LogOut { login_id: linked.login_id.clone(), at: Timestamp::UNIX_EPOCH };
        store.account(world.account, log_out, Context::system()).await.unwrap();
        world.vault.retire_all_linked(world.account, RetireReason::LoggedOut).await.unwrap();
        // As a machine has it that knows nothing yet, and has looked through its files already.
        file::write(world.directory.path(), ILYA, SessionFile::of(&linked)).unwrap();
        while Sequencer::take_over(&world.database.db).await.unwrap().pass().await.unwrap() > 0 {}
        while world.file().is_some() {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        biased;
        _ = keep(&world.vault, &log, world.directory.path()) => {}
        done = tokio::time::timeout(Duration::from_secs(30), gone) => done.expect("gone in time"),
    }
}

/// 1. A session is linked while SESSIONS_DIR cannot be written.
/// 2. It can be, and the file comes; so does that of one that was linked before the process began.
#[tokio::test]
async fn a_file_that_could_not_be_written_comes_as_soon_as_it_can() {
    let world = World::start().await;
    let linked = world.link().await;
    // A file is in the way of the directory.
    let directory = world.directory.path().join("sessions");
    std::fs::write(&directory, "").unwrap();
    let due = DueFiles::default();
    let come = async {
        update(&world.vault, &directory, world.account, ILYA).await.expect_err("it is no directory");
        due.add(world.account, ILYA);
        // Whether it was tried meanwhile makes no difference.
        tokio::task::yield_now().await;
        std::fs::remove_file(&directory).unwrap();
        while file::read(&directory, ILYA).unwrap().is_none() {
            tokio::task::yield_now().await;
        }
        assert_eq!(file::read(&directory, ILYA).unwrap(), Some(SessionFile::of(&linked)));
        // The file of the login before is there, and that of the next one has no room.
        let next = world.link().await;
        due.add(world.account, ILYA);
        while file::read(&directory, ILYA).unwrap() != Some(SessionFile::of(&next)) {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        biased;
        _ = write_due(&world.vault, &directory, &due) => {}
        done = tokio::time::timeout(Duration::from_secs(30), come) => done.expect("it comes in time"),
    }
}
