//! Rotating the master key while other processes run, also where one of them dies half-way, or has an old copy of the file.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use domain::{AccountId, LoginId};
use eventlog::Database;
use eventlog::store::Fence;
use eventlog::testing;
use tempfile::TempDir;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::installation::{self, InstallationError};
use crate::{
    Linked, MasterKey, PasswordChallenge, Process, Progress, RetireReason, Rotation, RotationError,
    UserInput, Vault, key_id_of, random_login_id, session_bound_to,
};

/// A database with its network, and the machine where the service started first.
struct World {
    db: Database,
    vault: Vault,
    machine: TempDir,
}

impl World {
    async fn start() -> Self {
        let db = testing::database().await.db;
        installation::belongs_to(&db, "telegram").await.unwrap();
        let world = Self { vault: Vault::new(&db), machine: tempfile::tempdir().unwrap(), db };
        installation::master_key(&world.db, &world.path()).await.unwrap();
        world
    }

    fn path(&self) -> PathBuf {
        key_file(&self.machine)
    }

    async fn process(&self, path: &Path) -> (Arc<MasterKey>, Process) {
        let master = Arc::new(installation::master_key(&self.db, path).await.unwrap());
        (master.clone(), Process::announce(&self.db, master).await.unwrap())
    }

    /// Takes the rotation, also where one that was dropped a moment ago still holds its lock.
    async fn rotation(&self) -> Rotation {
        loop {
            match Rotation::begin(&self.db, self.path()).await {
                Err(RotationError::Busy) => tokio::task::yield_now().await,
                begun => return begun.unwrap(),
            }
        }
    }

    /// Half a minute passes for the database.
    async fn settle(&self) {
        sqlx::query("update vault.processes set sealed_otherwise_until = sealed_otherwise_until - interval '1 minute'")
            .execute(self.db.pool())
            .await
            .unwrap();
    }

    /// An attempt that a worker holds, with a saved session.
    async fn attempt(&self, master: &MasterKey) -> (Fence, AccountId) {
        let (login, account) = (random_login_id(), AccountId(Uuid::new_v4()));
        self.vault.open_attempt(&login, 1, account).await.unwrap();
        let claims = self.vault.claim_attempts("worker", Duration::from_secs(3600), 100).await.unwrap();
        let fence = claims.into_iter().find(|claim| claim.fence.login_id == login).unwrap().fence;
        self.vault.save_attempt_session(&fence, &seal(master, account, &login)).await.unwrap();
        (fence, account)
    }

    async fn link(&self, master: &MasterKey) -> Linked {
        let (fence, account) = self.attempt(master).await;
        let sealed = seal(master, account, &fence.login_id);
        let key_id = key_id_of(&sealed).unwrap();
        let linked = Linked { account_id: account, login_id: fence.login_id.clone(), sealed, key_id };
        self.vault.link_session(&fence, &linked).await.unwrap();
        linked
    }

    /// Everything sealed in the database, with what it is bound to, opens with this key.
    async fn assert_all_open(&self, master: &MasterKey) {
        let rows: Vec<(Uuid, String, Vec<u8>)> = sqlx::query_as(
            "select account_id, login_id, sealed from vault.sessions
             union all select account_id, login_id, sealed from vault.retired_keys
             union all select account_id, login_id, sealed_session from vault.attempts where key_id is not null",
        )
        .fetch_all(self.db.pool())
        .await
        .unwrap();
        for (account, login, sealed) in rows {
            let plain = master.open(&session_bound_to(AccountId(account), &login.parse().unwrap()), &sealed);
            assert_eq!(plain.expect("it opens").as_slice(), b"a session");
        }
    }

    fn lines(&self) -> usize {
        fs::read_to_string(self.path()).unwrap().lines().count()
    }
}

fn key_file(machine: &TempDir) -> PathBuf {
    machine.path().join("master.key")
}

fn seal(master: &MasterKey, account: AccountId, login: &LoginId) -> Vec<u8> {
    master.seal(&session_bound_to(account, login), b"a session")
}

fn done(progress: Progress) -> String {
    match progress {
        Progress::Done(id) => id,
        Progress::WaitsFor(processes) => panic!("it waits for {processes:?}"),
    }
}

/// Both commands, one after the other, as an operator runs them.
async fn rotate_and_finish(world: &World) {
    let rotation = world.rotation().await;
    if !rotation.is_unfinished().await.unwrap() {
        rotation.add_key().await.unwrap();
        done(rotation.promote().await.unwrap());
    }
    done(rotation.settled().await.unwrap());
    rotation.reseal().await.unwrap();
    rotation.retire().unwrap();
}

/// 1. Two machines run. 2. A rotation begins on the first: its process reads the file, the other one's copy is old. 3. Nothing
/// seals with the new key. 4. The file is copied. 5. The new key seals, and both open it.
#[tokio::test]
async fn a_new_key_seals_only_once_every_process_has_read_it() {
    let world = World::start().await;
    let other = tempfile::tempdir().unwrap();
    fs::copy(world.path(), key_file(&other)).unwrap();
    let (first, first_process) = world.process(&world.path()).await;
    let (second, second_process) = world.process(&key_file(&other)).await; // 1
    let old = first.id();

    let rotation = world.rotation().await;
    rotation.add_key().await.unwrap(); // 2
    for _ in 0..2 {
        first.reload().unwrap();
        first_process.tell(None).await.unwrap();
        let waits = rotation.promote().await.unwrap();
        assert!(matches!(&waits, Progress::WaitsFor(processes) if processes.len() == 1), "{waits:?}");
        assert_eq!(MasterKey::load(&world.path()).unwrap().id(), old, "3");
        rotation.add_key().await.unwrap();
    }
    assert!(matches!(rotation.settled().await, Err(RotationError::NotRotated)));

    fs::copy(world.path(), key_file(&other)).unwrap(); // 4
    second.reload().unwrap();
    second_process.tell(None).await.unwrap();
    let new = done(rotation.promote().await.unwrap()); // 5
    assert_ne!(new, old);
    let sealed = MasterKey::load(&world.path()).unwrap().seal(b"", b"text");
    assert_eq!(key_id_of(&sealed), Some(new.clone()));
    for key in [&first, &second] {
        assert_eq!(key.open(b"", &sealed).unwrap().as_slice(), b"text");
        assert_eq!(key.root_id(), old, "what is derived from the root stays");
    }
    assert_eq!(first.id(), old, "it has not read the file again");
    first.reload().unwrap();
    assert_eq!(first.id(), new);
}

#[tokio::test]
async fn a_process_that_meets_an_unknown_key_reads_the_file_again() {
    let world = World::start().await;
    let running = MasterKey::load(&world.path()).unwrap();
    let rotation = world.rotation().await;
    rotation.add_key().await.unwrap();
    done(rotation.promote().await.unwrap());

    let sealed = MasterKey::load(&world.path()).unwrap().seal(b"", b"text");

    assert_eq!(running.open(b"", &sealed).unwrap().as_slice(), b"text");
}

#[tokio::test]
async fn no_process_starts_with_a_copy_from_before_the_rotation() {
    let world = World::start().await;
    let other = tempfile::tempdir().unwrap();
    fs::copy(world.path(), key_file(&other)).unwrap();
    let loaded_before = Arc::new(installation::master_key(&world.db, &key_file(&other)).await.unwrap());
    let rotation = world.rotation().await;
    rotation.add_key().await.unwrap();
    let id = done(rotation.promote().await.unwrap());

    let late = Process::announce(&world.db, loaded_before).await.unwrap_err();
    let refused = installation::master_key(&world.db, &key_file(&other)).await.unwrap_err();
    for refused in [late, refused] {
        assert!(
            matches!(&refused, InstallationError::RotatedKey { id: needed, .. } if *needed == id),
            "{refused}"
        );
        assert!(refused.to_string().contains(&key_file(&other).display().to_string()), "{refused}");
    }
    let begun = Rotation::begin(&world.db, key_file(&other)).await;
    assert!(begun.is_err(), "the lock or the file");
}

#[tokio::test]
async fn two_machines_do_not_begin_a_rotation_each() {
    let world = World::start().await;
    let other = tempfile::tempdir().unwrap();
    fs::copy(world.path(), key_file(&other)).unwrap();
    let rotation = world.rotation().await;
    assert!(matches!(Rotation::begin(&world.db, key_file(&other)).await, Err(RotationError::Busy)));
    rotation.add_key().await.unwrap();
    drop(rotation);
    let second = loop {
        match Rotation::begin(&world.db, key_file(&other)).await {
            Err(RotationError::Busy) => tokio::task::yield_now().await,
            begun => break begun.unwrap(),
        }
    };

    let refused = second.add_key().await.unwrap_err();

    assert!(matches!(refused, RotationError::BegunElsewhere { .. }), "{refused}");
    assert_eq!(fs::read_to_string(key_file(&other)).unwrap().lines().count(), 1);
}

#[tokio::test]
async fn finishing_seals_everything_anew_and_takes_the_old_keys_out_of_the_file() {
    let world = World::start().await;
    let (running, process) = world.process(&world.path()).await;
    for round in 0..2 {
        let old = running.id();
        let (fence, _) = world.attempt(&running).await;
        let (retired, _) = world.attempt(&running).await;
        world.vault.retire(&retired, RetireReason::LoginEnded).await.unwrap();
        for _ in 0..3 {
            world.link(&running).await;
        }
        let input = UserInput::Phone(Zeroizing::new("+79990000000".to_owned()));
        assert!(world.vault.give_input(running.derived(), &fence.login_id, 1, &input).await.unwrap());
        world.vault.put_challenge(running.derived(), &fence, &challenge()).await.unwrap();

        let rotation = world.rotation().await;
        rotation.add_key().await.unwrap();
        running.reload().unwrap();
        process.tell(None).await.unwrap();
        let new = done(rotation.promote().await.unwrap());
        assert!(rotation.is_unfinished().await.unwrap());
        assert!(
            matches!(rotation.settled().await.unwrap(), Progress::WaitsFor(_)),
            "it seals with the old key"
        );
        running.reload().unwrap();
        process.tell(None).await.unwrap();
        assert!(
            matches!(rotation.settled().await.unwrap(), Progress::WaitsFor(_)),
            "a write may be on its way"
        );
        world.settle().await;
        done(rotation.settled().await.unwrap());
        assert!(rotation.reseal().await.unwrap() >= 6);
        assert_eq!(rotation.reseal().await.unwrap(), 0);
        assert_eq!(rotation.retire().unwrap(), round, "the root stays");
        assert!(!rotation.is_unfinished().await.unwrap());

        assert_eq!(world.vault.sealed_with().await.unwrap(), std::slice::from_ref(&new));
        let fresh = MasterKey::load(&world.path()).unwrap();
        assert_eq!((world.lines(), fresh.id()), (2, new));
        assert!(round == 0 || !fresh.knows(&old));
        world.assert_all_open(&fresh).await;
        assert!(
            world.vault.challenge(fresh.derived(), &fence.login_id, 1).await.unwrap() == Some(challenge())
        );
        let taken = world.vault.take_inputs(&fence).await.unwrap();
        assert!(taken[0].open(&fresh, &fence.login_id) == Some(input));
        running.reload().unwrap();
        // The process may have read a row a moment before.
        assert!(running.open(b"", &MasterKey::random().seal(b"", b"")).is_none());
        installation::master_key(&world.db, &world.path()).await.unwrap();
    }
}

fn challenge() -> PasswordChallenge {
    let text = || "0".to_owned();
    let (srp_id, b, p, salt1, salt2) = (text(), text(), text(), text(), text());
    PasswordChallenge { srp_id, b, p, salt1, salt2, g: 3, hint: Some("a cat".to_owned()) }
}

#[tokio::test]
async fn a_key_that_has_left_the_file_still_opens_in_a_process_that_has_read_it() {
    let world = World::start().await;
    rotate_and_finish(&world).await;
    let running = MasterKey::load(&world.path()).unwrap();
    let sealed = running.seal(b"", b"read from the database, not opened yet");
    rotate_and_finish(&world).await;

    assert_eq!(running.reload().unwrap(), crate::Reloaded::Retired);

    assert_ne!(key_id_of(&sealed), Some(running.id()));
    assert!(running.open(b"", &sealed).is_some());
    assert!(MasterKey::load(&world.path()).unwrap().open(b"", &sealed).is_none());
}

#[tokio::test]
async fn an_old_key_stays_in_the_file_while_a_row_does_not_open() {
    let world = World::start().await;
    rotate_and_finish(&world).await;
    let master = MasterKey::load(&world.path()).unwrap();
    let linked = world.link(&master).await;
    sqlx::query("update vault.sessions set sealed = set_byte(sealed, 40, get_byte(sealed, 40) # 1)")
        .execute(world.db.pool())
        .await
        .unwrap();
    let rotation = world.rotation().await;
    rotation.add_key().await.unwrap();
    done(rotation.promote().await.unwrap());

    let refused = rotation.reseal().await.unwrap_err();

    let is_right =
        matches!(&refused, RotationError::Unopened { count: 1, login } if login == linked.login_id.as_str());
    assert!(is_right, "{refused}");
    assert!(MasterKey::load(&world.path()).unwrap().knows(&master.id()));
}

/// A worker that saves its session again and again while everything is sealed anew loses nothing, and what it wrote stays.
#[tokio::test]
async fn what_a_worker_writes_meanwhile_stays() {
    let world = World::start().await;
    let master = MasterKey::load(&world.path()).unwrap();
    let mut attempts = Vec::new();
    for _ in 0..20 {
        attempts.push(world.attempt(&master).await);
    }
    let rotation = world.rotation().await;
    rotation.add_key().await.unwrap();
    done(rotation.promote().await.unwrap());
    let new = MasterKey::load(&world.path()).unwrap();
    let working = async {
        for (number, (fence, account)) in attempts.iter().enumerate() {
            match number % 2 {
                0 => world.vault.retire(fence, RetireReason::LoginEnded).await.unwrap(),
                _ => {
                    let sealed = new.seal(&session_bound_to(*account, &fence.login_id), b"a session");
                    world.vault.save_attempt_session(fence, &sealed).await.unwrap();
                }
            }
        }
    };

    let (resealed, ()) = tokio::join!(rotation.reseal(), working);

    resealed.unwrap();
    rotation.reseal().await.unwrap();
    assert_eq!(world.vault.sealed_with().await.unwrap(), [new.id()]);
    world.assert_all_open(&new).await;
    let counts: (i64, i64) = sqlx::query_as(
        "select (select count(*) from vault.attempts where key_id is not null),
                (select count(*) from vault.retired_keys)",
    )
    .fetch_one(world.db.pool())
    .await
    .unwrap();
    assert_eq!(counts, (10, 10));
}

#[tokio::test]
async fn a_rotation_that_dies_anywhere_goes_on_with_the_next_run() {
    for steps in 0.. {
        let world = World::start().await;
        let before = MasterKey::load(&world.path()).unwrap();
        world.link(&before).await;
        let ended = testing::dies_after(steps, rotate_and_finish(&world)).await;

        // A process can start, and opens everything.
        let (master, process) = world.process(&world.path()).await;
        world.assert_all_open(&master).await;
        world.link(&master).await;
        process.leave().await.unwrap();
        rotate_and_finish(&world).await;
        let after = MasterKey::load(&world.path()).unwrap();
        assert_eq!((world.lines(), after.root_id()), (2, before.id().as_str()), "after {steps} steps");
        assert_ne!(after.id(), before.id(), "after {steps} steps");
        assert_eq!(world.vault.sealed_with().await.unwrap(), [after.id()], "after {steps} steps");
        world.assert_all_open(&after).await;
        assert_eq!(fs::read_dir(world.machine.path()).unwrap().count(), 1, "no draft with keys is left");
        if ended.is_some() {
            assert!(steps > 5, "it died in the middle");
            return;
        }
    }
}
