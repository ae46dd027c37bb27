//! As root, with a server's user who attacks: no link that this user makes leads root to another file.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};

use super::*;

/// A stopped cluster, and a directory of root's that its user cannot enter.
struct Attack {
    data_dir: TempDir,
    dir: ClusterDir,
    roots: TempDir,
}

impl Attack {
    /// None where we are not root: the server's user is ourselves, and has no rights to gain.
    async fn prepare() -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            // Not through eprintln!, which the test harness keeps to itself.
            let _ =
                writeln!(std::io::stderr(), "not root: there is no other user, so nothing to attack here");
            return None;
        }
        let data_dir = TempDir::new().unwrap();
        PrivateCluster::start(data_dir.path()).await.unwrap().stop().await.unwrap();
        let dir = ClusterDir::at(data_dir.path()).unwrap();
        Some(Self { data_dir, dir, roots: TempDir::new().unwrap() })
    }

    /// A file of root's.
    fn file(&self, name: &str, text: &str) -> std::path::PathBuf {
        let path = self.roots.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }

    /// Runs a line of shell in the cluster's directory as its user.
    fn as_server(&self, script: &str, args: &[&Path]) {
        let mut command = Command::new("/bin/sh");
        command.args(["-euc", script, "sh"]).args(args).current_dir(self.dir.home());
        self.dir.run_as_server(&mut command);
        assert!(command.status().unwrap().success(), "{script}");
    }

    async fn start_and_stop(&self) {
        if let Ok(cluster) = PrivateCluster::start(self.data_dir.path()).await {
            cluster.stop().await.unwrap();
        }
    }
}

#[tokio::test]
async fn no_link_in_the_clusters_directory_leads_root_to_a_file_of_its_own() {
    let Some(attack) = Attack::prepare().await else { return };
    let file = attack.file("passwd", "root:x:0:0\n");
    let planted = "for name in server.log postgres.log postgres.lock; do ln -sf \"$1\" $name; done";
    attack.as_server(planted, &[&file]);
    attack.start_and_stop().await;
    assert_eq!(fs::read_to_string(&file).unwrap(), "root:x:0:0\n");
    assert_eq!(file.metadata().unwrap().uid(), 0);
}

/// An attacker who can replace the log with a link does so just before it is read.
#[tokio::test]
async fn what_root_alone_may_read_is_in_no_error() {
    let Some(attack) = Attack::prepare().await else { return };
    let secret = attack.file("shadow", "FATAL secret\n");
    attack.as_server("for name in server.log postgres.log; do ln -sf \"$1\" $name; done", &[&secret]);
    let said = attack.dir.last_log_line();
    assert!(!said.contains("secret"), "{said}");
}

#[tokio::test]
async fn a_cluster_that_was_moved_into_a_directory_of_roots_costs_root_no_file_there() {
    let Some(attack) = Attack::prepare().await else { return };
    let version = fs::read_to_string(attack.dir.data().join("PG_VERSION")).unwrap();
    attack.file("PG_VERSION", &version);
    // A number that no process has.
    let pid_file = attack.file("postmaster.pid", "2000000000\n");
    attack.as_server("mv data gone; ln -s \"$1\" data", &[attack.roots.path()]);
    attack.start_and_stop().await;
    assert!(pid_file.exists());
}

#[tokio::test]
async fn a_process_of_roots_that_the_pid_file_names_is_not_ended() {
    let Some(attack) = Attack::prepare().await else { return };
    let mut shell = Command::new("/bin/cat");
    shell.stdin(Stdio::piped()).current_dir(attack.dir.data());
    let mut shell = shell.spawn().unwrap();
    attack.as_server(&format!("echo {} >data/postmaster.pid", shell.id()), &[]);
    attack.start_and_stop().await;
    assert!(shell.try_wait().unwrap().is_none(), "it lives");
    drop(shell.stdin.take());
    shell.wait().unwrap();
}

#[tokio::test]
async fn a_data_dir_that_another_user_writes_is_refused() {
    let Some(attack) = Attack::prepare().await else { return };
    let open = attack.roots.path().join("open");
    fs::DirBuilder::new().mode(0o700).create(&open).unwrap();
    fs::set_permissions(&open, fs::Permissions::from_mode(0o777)).unwrap();
    let error = PrivateCluster::start(&open).await.unwrap_err().to_string();
    assert!(error.contains("DATA_DIR") && error.contains("another user"), "{error}");
    assert_eq!(fs::read_dir(&open).unwrap().count(), 0, "nothing was put there");
}
