//! The private PostgreSQL: started, used by a second process, left by its owner, killed, half made.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::{Child, ChildStdout};

use tempfile::TempDir;

use super::*;
use eventlog::database::Database;

mod full_disk;
mod links;
mod own_user;

/// In the environment of a process that a test starts: the directory in which it owns a cluster.
const OWNED: &str = "QR_LOGIN_TEST_OWNED_CLUSTER";

async fn connect(cluster: &PrivateCluster) -> Database {
    Database::connect(&cluster.url()).await.unwrap()
}

async fn remember(cluster: &PrivateCluster, note: &str) {
    let db = connect(cluster).await;
    sqlx::raw_sql("create table if not exists notes (note text)").execute(db.pool()).await.unwrap();
    sqlx::query("insert into notes values ($1)").bind(note).execute(db.pool()).await.unwrap();
    db.pool().close().await;
}

async fn remembered(cluster: &PrivateCluster) -> Vec<String> {
    let db = connect(cluster).await;
    let notes = sqlx::query_scalar("select note from notes").fetch_all(db.pool()).await.unwrap();
    db.pool().close().await;
    notes
}

fn pid_file(data_dir: &TempDir) -> std::path::PathBuf {
    data_dir.path().join("postgres/data/postmaster.pid")
}

/// [`Owner`] also runs this test in a process of its own, which then stays until it is killed.
#[tokio::test]
async fn a_cluster_starts_is_closed_to_the_network_keeps_its_data_and_stops() {
    let owned = std::env::var_os(OWNED);
    let temporary = TempDir::new().unwrap();
    let directory = owned.as_ref().map_or(temporary.path(), Path::new);

    let cluster = PrivateCluster::start(directory).await.unwrap();
    remember(&cluster, "kept").await;
    if owned.is_some() {
        println!("\nowner is ready");
        std::future::pending::<()>().await;
    }

    let db = connect(&cluster).await;
    for (setting, value) in [("fsync", "on"), ("listen_addresses", ""), ("synchronous_commit", "on")] {
        let found: String = sqlx::query_scalar("select current_setting($1)")
            .bind(setting)
            .fetch_one(db.pool())
            .await
            .unwrap();
        assert_eq!(found, value, "{setting}");
    }
    let home = directory.join("postgres").metadata().unwrap();
    assert_eq!(home.permissions().mode() & 0o777, 0o700, "no password: the directory is the gate");

    cluster.stop().await.unwrap();
    assert!(!pid_file(&temporary).exists(), "the server is down");
    assert!(sqlx::query("select 1").execute(db.pool()).await.is_err());

    let cluster = PrivateCluster::start(directory).await.unwrap();
    assert_eq!(remembered(&cluster).await, ["kept"]);
    cluster.stop().await.unwrap();
}

/// A process that owns a cluster, as the service does.
struct Owner {
    process: Child,
    _output: BufReader<ChildStdout>,
}

impl Owner {
    fn start(data_dir: &TempDir) -> Self {
        let (_, module) = module_path!().split_once("::").unwrap();
        let test = format!("{module}::a_cluster_starts_is_closed_to_the_network_keeps_its_data_and_stops");
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["--nocapture", "--exact", &test])
            .env(OWNED, data_dir.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(process.stdout.take().unwrap());
        let mut line = String::new();
        while line.trim() != "owner is ready" {
            line.clear();
            assert_ne!(output.read_line(&mut line).unwrap(), 0, "the owner ended before it was ready");
        }
        Self { process, _output: output }
    }

    /// SIGKILL: no handler, no destructor.
    fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

#[tokio::test]
async fn a_server_does_not_outlive_an_owner_who_was_killed() {
    let data_dir = TempDir::new().unwrap();
    let owner = Owner::start(&data_dir);
    assert!(pid_file(&data_dir).exists());
    owner.kill();
    while pid_file(&data_dir).exists() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn after_its_owner_was_killed_the_next_one_starts_at_once_with_all_that_was_committed() {
    let data_dir = TempDir::new().unwrap();
    Owner::start(&data_dir).kill();
    let cluster = PrivateCluster::start(data_dir.path()).await.unwrap();
    assert_eq!(remembered(&cluster).await, ["kept"]);
    cluster.stop().await.unwrap();
}

/// A server whose shell was killed too: only the next owner stops it.
#[tokio::test]
async fn a_server_that_was_left_running_is_taken_over() {
    let data_dir = TempDir::new().unwrap();
    let cluster = PrivateCluster::start(data_dir.path()).await.unwrap();
    remember(&cluster, "kept").await;
    cluster.stop().await.unwrap();

    let dir = ClusterDir::at(data_dir.path()).unwrap();
    let binaries = Binaries::find(None).unwrap();
    let mut leftover = Command::new(binaries.postgres());
    leftover.arg("-D").arg(dir.data()).arg("-c").arg("listen_addresses=");
    leftover.arg("-c").arg(format!("unix_socket_directories={}", dir.home().display()));
    leftover.stderr(Stdio::null()).current_dir("/");
    dir.run_as_server(&mut leftover);
    let mut leftover = leftover.spawn().unwrap();
    while !answers(&dir).await {
        tokio::task::yield_now().await;
    }

    // This process must reap it, as init would.
    let reaper = tokio::task::spawn_blocking(move || leftover.wait().unwrap());
    let cluster = PrivateCluster::start(data_dir.path()).await.unwrap();
    assert!(reaper.await.unwrap().success(), "the leftover shut down in order");
    assert_eq!(remembered(&cluster).await, ["kept"]);
    cluster.stop().await.unwrap();
}

/// After a power cut the number in the pid file may be anybody's.
#[tokio::test]
async fn a_stale_pid_file_neither_prevents_the_start_nor_costs_a_stranger_their_life() {
    let data_dir = TempDir::new().unwrap();
    PrivateCluster::start(data_dir.path()).await.unwrap().stop().await.unwrap();

    let dir = ClusterDir::at(data_dir.path()).unwrap();
    let mut stranger = Command::new("/bin/cat");
    stranger.stdin(Stdio::piped()).current_dir("/");
    dir.run_as_server(&mut stranger);
    let mut stranger = stranger.spawn().unwrap();
    std::fs::write(pid_file(&data_dir), format!("{}\n", stranger.id())).unwrap();

    let cluster = PrivateCluster::start(data_dir.path()).await.unwrap();
    assert!(stranger.try_wait().unwrap().is_none(), "the stranger lives");
    cluster.stop().await.unwrap();
    drop(stranger.stdin.take());
    stranger.wait().unwrap();
}

#[tokio::test]
async fn the_second_to_start_joins_and_stands_in_when_the_first_ends() {
    let data_dir = TempDir::new().unwrap();
    let first = PrivateCluster::start(data_dir.path()).await.unwrap();
    let second = PrivateCluster::start(data_dir.path()).await.unwrap();
    remember(&second, "kept").await;

    PrivateCluster::start(data_dir.path()).await.unwrap().stop().await.unwrap();
    assert_eq!(remembered(&first).await, ["kept"], "a process that only uses the server does not stop it");

    first.stop().await.unwrap();
    while lock(&second.server).is_none() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(remembered(&second).await, ["kept"]);
    second.stop().await.unwrap();
    assert!(!pid_file(&data_dir).exists());
}

#[tokio::test]
async fn a_directory_too_deep_for_a_socket_is_none_too_deep_for_a_cluster() {
    let data_dir = TempDir::new().unwrap();
    std::fs::set_permissions(data_dir.path(), std::fs::Permissions::from_mode(0o711)).unwrap();
    let deep = data_dir.path().join("d".repeat(100));
    let cluster = PrivateCluster::start(&deep).await.unwrap();
    remember(&cluster, "kept").await;
    let short = cluster.dir.socket_dir().to_owned();
    assert_ne!(short, cluster.dir.home());
    let joined = PrivateCluster::start(&deep).await.unwrap();
    assert_eq!(remembered(&joined).await, ["kept"], "each process finds the same socket");
    joined.stop().await.unwrap();
    cluster.stop().await.unwrap();
    std::fs::remove_dir(short).unwrap();
}

#[tokio::test]
async fn a_cluster_of_which_only_half_was_made_is_made_anew() {
    let data_dir = TempDir::new().unwrap();
    let dir = ClusterDir::at(data_dir.path()).unwrap();
    let mut half = Command::new("/bin/sh");
    half.args(["-ec", "mkdir data.new; echo 15 >data.new/PG_VERSION"]).current_dir(dir.home());
    dir.run_as_server(&mut half);
    assert!(half.status().unwrap().success());
    let cluster = PrivateCluster::start(data_dir.path()).await.unwrap();
    cluster.stop().await.unwrap();
}

/// For root with a DATA_DIR under `/root`: the server's user cannot come there.
#[tokio::test]
async fn a_directory_that_is_closed_to_the_servers_user_links_to_one_that_is_not() {
    let closed = TempDir::new().unwrap();
    std::fs::set_permissions(closed.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
    let data_dir = closed.path().join("data");
    let cluster = PrivateCluster::start(&data_dir).await.unwrap();
    remember(&cluster, "kept").await;
    let home = cluster.dir.home().to_owned();
    cluster.stop().await.unwrap();
    let cluster = PrivateCluster::start(&data_dir).await.unwrap();
    assert_eq!(remembered(&cluster).await, ["kept"]);
    assert_eq!(cluster.dir.home(), home);
    cluster.stop().await.unwrap();
    std::fs::remove_dir_all(home).unwrap();
}

#[test]
fn without_postgresql_one_line_says_what_to_install() {
    let error = Binaries::find_in([TempDir::new().unwrap().path().to_owned()], None).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("DATABASE_URL") && text.contains("apt-get install postgresql"), "{text}");
    assert!(!text.contains('\n'));
}

#[test]
fn a_cluster_of_another_version_says_which_one_it_needs() {
    let empty = TempDir::new().unwrap();
    symlink("/bin/true", empty.path().join("postgres")).unwrap();
    let error = Binaries::find_in([empty.path().to_owned()], Some(16)).unwrap_err();
    assert!(error.to_string().contains("apt-get install postgresql-16"), "{error}");
}
