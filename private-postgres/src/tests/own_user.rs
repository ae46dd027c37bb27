//! As root: the server's user is one of its own, made where it is missing, and takes over what an older version gave to `nobody`.

use std::fs;
use std::os::unix::fs::{MetadataExt, lchown};

use super::*;
use crate::user::{NAME, User};

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn owner(path: &Path) -> u32 {
    path.symlink_metadata().unwrap().uid()
}

fn own_uid() -> u32 {
    User::find(Path::new("/"), NAME).unwrap().uid
}

/// Every path in a directory, without following links.
fn all_in(directory: &Path) -> Vec<std::path::PathBuf> {
    let mut found = vec![directory.to_owned()];
    let mut next = 0;
    while let Some(path) = found.get(next).cloned() {
        next += 1;
        if path.symlink_metadata().unwrap().is_dir() {
            found.extend(fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
        }
    }
    found
}

#[tokio::test]
async fn a_new_cluster_belongs_to_a_user_of_its_own() {
    if !is_root() {
        return;
    }
    let data_dir = TempDir::new().unwrap();
    PrivateCluster::start(data_dir.path()).await.unwrap().stop().await.unwrap();
    for path in all_in(&data_dir.path().join("postgres")) {
        assert_eq!(owner(&path), own_uid(), "{}", path.display());
    }
}

/// Also where the process that did it was killed half-way: the directory is root's then.
#[tokio::test]
async fn a_cluster_of_nobodys_is_taken_over_and_nothing_else_is() {
    if !is_root() {
        return;
    }
    let nobody = User::find(Path::new("/"), "nobody").unwrap().uid;
    for died_half_way in [false, true] {
        // On one file system with the cluster, for the hard link.
        let root = TempDir::new().unwrap();
        fs::set_permissions(root.path(), fs::Permissions::from_mode(0o711)).unwrap();
        let data_dir = root.path().join("data");
        let cluster = PrivateCluster::start(&data_dir).await.unwrap();
        remember(&cluster, "kept").await;
        cluster.stop().await.unwrap();
        let home = data_dir.join("postgres");
        for (number, path) in all_in(&home).into_iter().enumerate() {
            if !died_half_way || number % 2 == 1 {
                lchown(&path, Some(nobody), Some(nobody)).unwrap();
            }
        }
        if died_half_way {
            lchown(&home, Some(0), Some(0)).unwrap();
        }
        let (linked, hard_linked) = (root.path().join("linked"), root.path().join("hard linked"));
        for (path, mode) in [(&linked, 0o600), (&hard_linked, 0o600)] {
            fs::write(path, "root's").unwrap();
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        }
        symlink(&linked, home.join("link")).unwrap();
        fs::hard_link(&hard_linked, home.join("hard link")).unwrap();

        let cluster = PrivateCluster::start(&data_dir).await.unwrap();

        assert_eq!(remembered(&cluster).await, ["kept"]);
        cluster.stop().await.unwrap();
        assert_eq!((owner(&linked), owner(&hard_linked)), (0, 0));
        assert_eq!(owner(&home), own_uid());
        for path in all_in(&home) {
            assert_ne!(owner(&path), nobody, "{}", path.display());
        }
    }
}

#[test]
fn processes_that_start_at_once_make_one_user() {
    if !is_root() {
        return;
    }
    let system = TempDir::new().unwrap();
    let etc = system.path().join("etc");
    fs::create_dir(&etc).unwrap();
    fs::write(etc.join("passwd"), "root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65534::/:/bin/false\n")
        .unwrap();
    fs::write(etc.join("group"), "root:x:0:\nnogroup:x:65534:\n").unwrap();
    fs::write(etc.join("shadow"), "root:*:1::::::\n").unwrap();
    fs::write(etc.join("gshadow"), "root:*::\n").unwrap();

    let making: Vec<_> = (0..8)
        .map(|_| {
            let root = system.path().to_owned();
            std::thread::spawn(move || User::find_or_make(&root).unwrap())
        })
        .collect();
    let made: Vec<_> = making.into_iter().map(|thread| thread.join().unwrap()).collect();

    assert!(made.iter().all(|user| user.uid == made[0].uid && user.uid != 65534), "{made:?}");
    let passwd = fs::read_to_string(etc.join("passwd")).unwrap();
    assert_eq!(passwd.matches(NAME).count(), 1, "{passwd}");
    assert!(passwd.contains("nologin"), "{passwd}");
}

#[test]
fn where_the_user_cannot_be_made_one_line_says_what_to_do() {
    if !is_root() {
        return;
    }
    let nowhere = TempDir::new().unwrap();
    let told = User::find_or_make(nowhere.path()).unwrap_err().to_string();
    assert!(told.contains(&format!("run useradd --system --user-group {NAME}")), "{told}");
    assert!(!told.contains('\n'), "{told}");
}
