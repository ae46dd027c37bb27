//! The master key: its file, what it seals.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::thread;

use crate::{MasterKey, MasterKeyError, key_id_of};

#[test]
fn a_new_key_is_made_once_and_only_its_owner_can_read_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("master.key");

    let made = MasterKey::load_or_make(&path).unwrap().0;

    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(MasterKey::load_or_make(&path).unwrap().0.id(), made.id());
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "no draft is left behind");
}

#[test]
fn a_missing_key_is_not_made_where_something_is_sealed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("master.key");

    let error = MasterKey::load(&path).unwrap_err();

    assert!(matches!(error, MasterKeyError::Missing(_)));
    assert!(error.to_string().contains("master.key"));
    assert!(!path.exists());
}

#[test]
fn a_file_that_holds_no_key_is_named_with_its_line() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("master.key");
    fs::write(&path, "not a key\n").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();

    let error = MasterKey::load_or_make(&path).unwrap_err();

    assert!(matches!(error, MasterKeyError::Malformed { line: 1, .. }));
    assert!(!error.to_string().contains("not a key\n"), "the file's text stays out of the message");
}

#[test]
fn processes_that_start_at_once_agree_on_one_key() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("master.key");

    let starting: Vec<_> = (0..8)
        .map(|_| {
            let path = path.clone();
            thread::spawn(move || MasterKey::load_or_make(&path).unwrap().0.id())
        })
        .collect();
    let mut ids: Vec<_> = starting.into_iter().map(|thread| thread.join().unwrap()).collect();

    ids.dedup();
    assert_eq!(ids.len(), 1);
}

#[test]
fn what_is_sealed_opens_for_the_same_purpose_alone() {
    let key = MasterKey::random();

    let blob = key.seal(b"account 1", b"session");

    assert_eq!(key.open(b"account 1", &blob).unwrap().as_slice(), b"session");
    assert!(key.open(b"account 2", &blob).is_none());
    assert!(MasterKey::random().open(b"account 1", &blob).is_none());
}

#[test]
fn a_blob_that_was_changed_anywhere_does_not_open() {
    let key = MasterKey::random();
    let blob = key.seal(b"", b"session");

    for index in 0..blob.len() {
        let mut changed = blob.clone();
        changed[index] ^= 1;
        assert!(key.open(b"", &changed).is_none(), "byte {index}");
        assert!(key.open(b"", &blob[..index]).is_none(), "cut at {index}");
    }
}

#[test]
fn the_same_text_is_never_sealed_the_same_way_twice() {
    let key = MasterKey::random();

    assert_ne!(key.seal(b"", b"session"), key.seal(b"", b"session"));
}

#[test]
fn after_a_rotation_the_new_key_seals_and_the_old_one_opens() {
    let directory = tempfile::tempdir().unwrap();
    let (old_path, new_path) = (directory.path().join("old"), directory.path().join("new"));
    let old = MasterKey::load_or_make(&old_path).unwrap().0;
    let old_blob = old.seal(b"", b"session");
    MasterKey::load_or_make(&new_path).unwrap();
    let lines = fs::read_to_string(&new_path).unwrap() + &fs::read_to_string(&old_path).unwrap();
    fs::write(&new_path, lines).unwrap();

    let rotated = MasterKey::load(&new_path).unwrap();

    assert_eq!(rotated.open(b"", &old_blob).unwrap().as_slice(), b"session");
    assert_eq!(key_id_of(&old_blob), Some(old.id()));
    assert_eq!(key_id_of(&rotated.seal(b"", b"session")), Some(rotated.id()));
    assert_ne!(rotated.id(), old.id());
    assert!(rotated.knows(&old.id()));
    assert_eq!(rotated.derived().webhook_secret(), old.derived().webhook_secret());
    assert_eq!(rotated.derived().person_hmac(1), old.derived().person_hmac(1));
}

#[test]
fn a_key_does_not_print_itself() {
    let key = MasterKey::random();

    assert_eq!(format!("{key:?}"), format!("MasterKey {{ id: {:?}, .. }}", key.id()));
}

#[test]
fn a_file_that_group_or_others_can_read_is_refused_with_what_to_do() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("master.key");
    MasterKey::make(&path).unwrap();
    for mode in [0o640, 0o604, 0o644, 0o620] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let refused = MasterKey::load(&path).unwrap_err().to_string();
        assert!(refused.ends_with(&format!("run chmod 600 {}", path.display())), "{mode:o}: {refused}");
        assert!(MasterKey::load_or_make(&path).is_err());
    }
    for mode in [0o600, 0o400] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        MasterKey::load(&path).unwrap();
    }
}

#[test]
fn a_new_key_never_overwrites_a_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("master.key");
    let id = MasterKey::make(&path).unwrap();

    assert!(matches!(MasterKey::make(&path), Err(MasterKeyError::Exists(_))));

    assert_eq!(MasterKey::load(&path).unwrap().id(), id);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
}

#[test]
fn a_running_process_keeps_its_keys_where_the_file_cannot_be_used() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("master.key");
    let key = MasterKey::load_or_make(&path).unwrap().0;
    let sealed = key.seal(b"", b"text");
    let text = fs::read_to_string(&path).unwrap();
    let other = directory.path().join("other.key");
    MasterKey::make(&other).unwrap();

    for broken in [String::new(), text[..20].to_owned(), fs::read_to_string(&other).unwrap()] {
        fs::write(&path, broken).unwrap();
        assert!(key.reload().is_err());
        assert!(key.open(b"", &sealed).is_some());
    }
    fs::remove_file(&path).unwrap();
    assert!(matches!(key.reload(), Err(MasterKeyError::Missing(_))));
    assert!(key.open(b"", &sealed).is_some());
}
