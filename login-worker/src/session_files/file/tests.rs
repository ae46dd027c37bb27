//! Tests of `file`.

use uuid::Uuid;

use super::*;

fn content(letter: &str) -> SessionFile {
    SessionFile::of(&Linked {
        account_id: AccountId(Uuid::from_u128(1)),
        login_id: letter.repeat(32).parse().unwrap(),
        key_id: "0a1b2c3d".to_owned(),
        sealed: letter.as_bytes().to_vec(),
    })
}

#[test]
fn a_session_file_is_its_owners_alone_and_replaces_the_one_before() {
    let root = tempfile::tempdir().unwrap();
    let directory = root.path().join("sessions");
    write(&directory, 139_883_458, content("a")).unwrap();
    write(&directory, 139_883_458, content("b")).unwrap();

    let file = path(&directory, 139_883_458);
    assert!(file.ends_with("user_139883458.session"));
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(directory.metadata().unwrap().permissions().mode() & 0o777, 0o700);
    let read = read(&directory, 139_883_458).unwrap().unwrap();
    assert_eq!(read, content("b"));
    assert_eq!(read.sealed().unwrap(), b"b");
    assert_eq!(std::fs::read_dir(&directory).unwrap().count(), 1, "no draft stays behind");
}

#[test]
fn a_directory_that_was_open_is_closed() {
    let root = tempfile::tempdir().unwrap();
    std::fs::set_permissions(root.path(), Permissions::from_mode(0o755)).unwrap();
    prepare(root.path()).unwrap();
    assert_eq!(root.path().metadata().unwrap().permissions().mode() & 0o777, 0o700);
}

#[test]
fn a_killed_writers_draft_goes_with_the_file_or_at_the_next_start() {
    let root = tempfile::tempdir().unwrap();
    let draft = root.path().join(".user_1.00c0ffee00c0ffee");
    let others = root.path().join(".user_12.00c0ffee00c0ffee");
    std::fs::write(&others, "half").unwrap();
    std::fs::write(&draft, "half").unwrap();
    write(root.path(), 1, content("a")).unwrap();
    remove(root.path(), 1).unwrap();
    assert!(!draft.exists() && others.exists());
    write(root.path(), 12, content("a")).unwrap();
    remove_all_drafts(root.path()).unwrap();
    assert!(!others.exists());
    assert_eq!(read(root.path(), 12).unwrap(), Some(content("a")));
    remove_all_drafts(&root.path().join("not yet")).unwrap();
}

#[test]
fn session_files_are_listed_and_nothing_else() {
    let root = tempfile::tempdir().unwrap();
    assert!(telegram_ids(&root.path().join("not yet")).unwrap().is_empty());
    write(root.path(), 139_883_458, content("a")).unwrap();
    for other in [".user_1.00c0ffee00c0ffee", "user_x.session", "user_1.session.old", "README"] {
        std::fs::write(root.path().join(other), "").unwrap();
    }
    assert_eq!(telegram_ids(root.path()).unwrap(), [139_883_458]);
}

#[test]
fn removing_a_file_twice_succeeds() {
    let root = tempfile::tempdir().unwrap();
    write(root.path(), 1, content("a")).unwrap();
    remove(root.path(), 1).unwrap();
    remove(root.path(), 1).unwrap();
    assert_eq!(read(root.path(), 1).unwrap(), None);
}

#[test]
fn a_failed_write_leaves_the_file_before() {
    let root = tempfile::tempdir().unwrap();
    write(root.path(), 1, content("a")).unwrap();
    // A directory in the way of the rename.
    std::fs::create_dir(path(root.path(), 2)).unwrap();
    std::fs::write(path(root.path(), 2).join("in the way"), "").unwrap();
    assert!(write(root.path(), 2, content("b")).is_err());
    assert_eq!(read(root.path(), 1).unwrap(), Some(content("a")));
    assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 2, "no draft stays behind");
}
