//! What the leader keeps and signs: a tree over the log, and no second history.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use domain::{HistoryCommand, SignedTree};
use eventlog::store::Context;
use eventlog::{Log, Store, testing};
use jiff::Timestamp;
use transparency::history::new_log_id;
use transparency::keeper::KeeperError;
use transparency::merkle::{is_consistent, leaf_hash, root, root_by_inclusion};
use transparency::stored::TreeError;
use transparency::walk::{self, Fault};

use crate::world::{World, is_too_small};

#[tokio::test]
async fn the_leaves_are_the_lines_of_the_export_and_every_proof_holds() {
    let mut world = World::new().await;
    world.append(700).await;
    let mut keeper = world.kept_once().await;
    let first = world.checkpoint().await;
    let lines = Log::new(&world.test.db).stored(0, 1_000).await.unwrap();
    let leaves: Vec<_> = lines.iter().map(|event| leaf_hash(event.line().as_bytes())).collect();
    assert_eq!((first.size, first.root), (700, root(&leaves)));
    assert!(first.origin.starts_with("login.example.com/qr-login/"));

    world.append(300).await;
    world.pass(&mut keeper).await.unwrap();
    let second = world.checkpoint().await;
    assert_eq!((second.size, second.origin.clone()), (1_000, first.origin.clone()));
    let proof = world.tree().consistency(first.size, second.size).await.unwrap();
    assert!(is_consistent((first.size, first.root), (second.size, second.root), &proof));
    let indexes: Vec<u64> = (0..1_000).collect();
    let proofs = world.tree().inclusions(&indexes, 1_000).await.unwrap();
    assert_eq!(proofs.len(), 1_000);
    for index in [0, 255, 256, 699, 999] {
        let line = Log::new(&world.test.db).stored(index, 1).await.unwrap()[0].line();
        let proof = world.tree().inclusion(index.unsigned_abs(), 1_000).await.unwrap();
        let found = root_by_inclusion(index.unsigned_abs(), 1_000, leaf_hash(line.as_bytes()), &proof);
        assert_eq!(found, Some(second.root));
        assert_eq!(proofs[index as usize], proof);
    }
    assert_eq!(world.tree().root_at(700).await.unwrap(), first.root);
    assert!(is_too_small(&world.tree().root_at(1_001).await.unwrap_err()));
    assert!(is_too_small(&world.tree().inclusion(5, 5).await.unwrap_err()));
}

#[tokio::test]
async fn what_was_signed_is_on_the_disk_and_a_keeper_that_was_taken_over_writes_nothing() {
    let mut world = World::new().await;
    world.append(3).await;
    let mut former = world.kept_once().await;
    let checkpoint = world.checkpoint().await;
    let kept = world.settings.kept.latest().unwrap();
    assert_eq!(kept[0].checkpoint, checkpoint);
    assert_eq!(Some(&kept[0].note), world.state().await.checkpoint.as_ref());
    let mode = fs::metadata(&world.settings.key_file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    let mut latter = world.kept_once().await;
    world.append(2).await;
    assert!(matches!(world.pass(&mut former).await, Err(KeeperError::Fenced)));
    world.pass(&mut latter).await.unwrap();
    assert_eq!(world.checkpoint().await.size, 5);
}

#[tokio::test]
async fn a_key_file_that_others_can_read_signs_nothing_and_is_named() {
    let mut world = World::new().await;
    world.append(1).await;
    drop(world.kept_once().await);
    fs::set_permissions(&world.settings.key_file, fs::Permissions::from_mode(0o644)).unwrap();
    world.append(1).await;
    let keeper = world.kept_once().await;
    let fault = keeper.fault().expect("nothing is signed");
    assert!(fault.contains("CHECKPOINT_KEY_FILE") && fault.contains("can be read by others"), "{fault}");
    assert_eq!(world.state().await.signed_size, 1);
    assert_eq!(world.state().await.fault.as_deref(), Some(fault));
    // The tree goes on.
    assert_eq!(world.state().await.edge.size(), 2);

    fs::set_permissions(&world.settings.key_file, fs::Permissions::from_mode(0o600)).unwrap();
    let keeper = world.kept_once().await;
    assert_eq!(keeper.fault(), None);
    assert_eq!((world.state().await.signed_size, world.state().await.fault), (2, None));
}

#[tokio::test]
async fn another_key_than_the_log_names_signs_nothing() {
    let mut world = World::new().await;
    world.append(1).await;
    drop(world.kept_once().await);
    fs::remove_file(&world.settings.key_file).unwrap();
    let gone = world.kept_once().await.fault().unwrap().to_owned();
    assert!(gone.contains("CHECKPOINT_KEY_FILE") && !world.settings.key_file.exists(), "{gone}");
    transparency::SigningKeys::load_or_make(&world.settings.key_file).unwrap();
    let other = world.kept_once().await.fault().unwrap().to_owned();
    assert!(other.contains("does not hold the key that signs this log"), "{other}");
}

#[tokio::test]
async fn a_disk_that_is_away_stops_signatures_alone_until_it_is_back() {
    let mut world = World::new().await;
    world.append(1).await;
    let mut keeper = world.kept_once().await;
    let folder = world.folder.path().join("checkpoints");
    let aside = world.folder.path().join("aside");
    fs::rename(&folder, &aside).unwrap();
    fs::write(&folder, "no folder").unwrap();
    world.append(1).await;
    world.pass(&mut keeper).await.unwrap();
    let fault = world.state().await.fault.expect("it is told");
    assert!(fault.contains("DATA_DIR/checkpoints") || fault.contains("cannot be read"), "{fault}");
    assert_eq!((world.state().await.signed_size, world.state().await.edge.size()), (1, 2));

    fs::remove_file(&folder).unwrap();
    fs::rename(&aside, &folder).unwrap();
    drop(world.kept_once().await);
    assert_eq!((world.state().await.signed_size, world.state().await.fault), (2, None));
}

#[tokio::test]
async fn a_key_is_rotated_by_an_event_and_the_old_one_signs_no_more() {
    let mut world = World::new().await;
    world.append(2).await;
    let mut keeper = world.kept_once().await;
    let before = world.history().await;
    let key = transparency::SigningKeys::add_key(&world.settings.key_file).unwrap();
    let encode = |bytes: &[u8]| base64::Engine::encode(&base64::engine::general_purpose::STANDARD, bytes);
    let command = HistoryCommand::ChangeKey {
        public_key: encode(key.verifying_key().as_bytes()),
        previous: encode(&before.key.bytes()),
        at: Timestamp::UNIX_EPOCH,
    };
    // The file has the new key, and the log does not yet: the old one signs.
    world.append(1).await;
    world.pass(&mut keeper).await.unwrap();
    assert_eq!(world.history().await.key, before.key);
    assert_eq!(world.checkpoint().await.size, 3);

    Store::new(&world.test.db).history(command, Context::system()).await.unwrap();
    world.sequence().await;
    world.pass(&mut keeper).await.unwrap();
    let after = world.history().await;
    assert_eq!(after.key.bytes(), key.verifying_key().to_bytes());
    assert_eq!((after.origin.clone(), world.checkpoint().await.size), (before.origin.clone(), 4));
    let note = transparency::Note::parse(&world.state().await.checkpoint.unwrap()).unwrap();
    assert!(!note.is_signed_by(&before.key));
}

/// The database of an earlier moment, on the machine that has signed since.
#[tokio::test]
async fn a_backup_without_its_tail_is_signed_by_nobody_until_it_is_branched() {
    let mut world = World::new().await;
    world.append(300).await;
    drop(world.kept_once().await);
    let signed = world.checkpoint().await;
    let folder = std::mem::replace(&mut world.folder, tempfile::tempdir().unwrap());
    // 1. The tail is gone. 2. Other events come in its place.
    let mut restored = World::on(testing::database().await, folder);
    let row = world.state().await;
    restored
        .run(&format!(
            "update log_tree set origin = '{}', public_key = '\\x{}'",
            row.origin.unwrap(),
            hex::encode(row.public_key.unwrap())
        ))
        .await;
    restored.append(200).await;
    let told = restored.kept_once().await.fault().unwrap().to_owned();
    assert_eq!(told, "the log ends at position 200, but was signed up to position 300");
    restored.append(200).await;
    let mut keeper = restored.kept_once().await;
    assert_eq!(keeper.fault(), Some("the log up to position 300 is not the one that was signed"));
    assert_eq!(restored.state().await.checkpoint, None);

    let at = Timestamp::UNIX_EPOCH;
    let previous = SignedTree { origin: signed.origin.clone(), size: signed.size, root: "x".to_owned() };
    let reason = "the backup of Friday".to_owned();
    let log_id = new_log_id();
    let branch = HistoryCommand::Branch { log_id: log_id.clone(), previous, reason, at };
    Store::new(&restored.test.db).history(branch, Context::system()).await.unwrap();
    restored.sequence().await;
    restored.pass(&mut keeper).await.unwrap();
    assert_eq!(keeper.fault(), None);
    let branched = restored.checkpoint().await;
    assert_eq!((branched.size, branched.origin), (401, format!("login.example.com/qr-login/{log_id}")));
    let kept = restored.settings.kept.latest_of(&signed.origin).unwrap().unwrap();
    assert_eq!(kept.checkpoint, signed, "what was signed before stays");
    assert!(walk::walk(&restored.test.db, &[], 0, |_, _| {}).await.unwrap().is_clean());
    drop(restored.kept_once().await);
    assert_eq!(restored.state().await.fault, None);
}

#[tokio::test]
async fn a_database_of_another_log_is_not_signed_where_this_one_was() {
    let mut world = World::new().await;
    world.append(3).await;
    drop(world.kept_once().await);
    let folder = std::mem::replace(&mut world.folder, tempfile::tempdir().unwrap());
    let mut other = World::on(testing::database().await, folder);
    other.append(5).await;
    let told = other.kept_once().await.fault().unwrap().to_owned();
    assert!(told.starts_with("this database is not the one whose log login.example.com/qr-login/"), "{told}");
}

/// Tiles over a log without one of its events would have every later leaf in the wrong place.
#[tokio::test]
async fn tiles_are_not_made_again_over_a_log_that_has_a_gap() {
    let mut world = World::new().await;
    world.append(600).await;
    drop(world.kept_once().await);
    let checkpoint = world.checkpoint().await;
    for gone in [600, 17] {
        world.tamper(&format!("delete from events where aggregate_id = 'login-{gone}'")).await;
        let refused = walk::rebuild(&world.test.db, |_, _| {}).await;
        assert!(matches!(refused, Err(TreeError::Gap(position)) if position == gone), "{refused:?}");
        assert_eq!(world.tree().root_at(600).await.unwrap(), checkpoint.root);
    }
}

#[tokio::test]
async fn tiles_that_are_gone_or_wrong_are_named_and_made_again() {
    let mut world = World::new().await;
    world.append(600).await;
    drop(world.kept_once().await);
    let checkpoint = world.checkpoint().await;
    let signed = [checkpoint.clone()];
    assert!(walk::walk(&world.test.db, &signed, 0, |_, _| {}).await.unwrap().is_clean());
    world.run("delete from log_tiles where level = 0 and index = 1").await;
    world.run("update log_tiles set hashes = set_byte(hashes, 0, get_byte(hashes, 0) # 1) where level = 0 and index = 0").await;
    let report = walk::walk(&world.test.db, &signed, 0, |_, _| {}).await.unwrap();
    let told: Vec<String> = report.faults.iter().map(Fault::to_string).collect();
    assert_eq!(told[0], "position 1: the event is not the one that is in the tree");
    assert!(told.contains(&"tile 0/001 of the tree is gone".to_owned()), "{told:?}");
    assert!(world.tree().inclusion(300, 600).await.is_err());
    assert_eq!(walk::rebuild(&world.test.db, |_, _| {}).await.unwrap(), (600, 2));
    assert_eq!(walk::rebuild(&world.test.db, |_, _| {}).await.unwrap(), (600, 0));
    assert!(walk::walk(&world.test.db, &signed, 0, |_, _| {}).await.unwrap().is_clean());
    assert_eq!(world.tree().root_at(600).await.unwrap(), checkpoint.root);
}
