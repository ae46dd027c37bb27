//! Tests of `disk`.

use super::*;

#[test]
fn a_disk_is_full_without_room_without_inodes_and_read_only() {
    let disk = Disk { free_bytes: 1 << 30, size_bytes: 1 << 40, has_inodes: true, is_read_only: false };
    assert!(!disk.is_full());
    assert!(Disk { free_bytes: 4_096, ..disk }.is_full());
    assert!(Disk { has_inodes: false, ..disk }.is_full());
    assert!(Disk { is_read_only: true, ..disk }.is_full());
}

#[test]
fn a_folder_that_is_not_made_yet_is_on_the_disk_of_the_one_above() {
    let folder = tempfile::tempdir().unwrap();
    let [there, missing] =
        [folder.path().to_owned(), folder.path().join("not/yet")].map(|path| Disk::of(&path).unwrap());
    assert_eq!(there.size_bytes, missing.size_bytes);
    assert!(!there.is_full());
}
