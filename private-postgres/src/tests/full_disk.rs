//! The disk is full: PostgreSQL goes down, and is started again once there is room. Nobody has to do that by hand.

use eventlog::testing::SmallDisk;
use tokio::time::{Duration, sleep, timeout};

use super::*;

/// More than the longest pause between two starts.
const SOON: Duration = Duration::from_secs(90);

#[tokio::test]
async fn a_server_that_went_down_over_a_full_disk_is_started_again_once_there_is_room() {
    let data_dir = TempDir::new().unwrap();
    std::fs::set_permissions(data_dir.path(), std::fs::Permissions::from_mode(0o711)).unwrap();
    let Some(disk) = SmallDisk::mount(&data_dir.path().join("disk"), 200 * 1024) else { return };
    let cluster = PrivateCluster::start(&data_dir.path().join("disk/data")).await.unwrap();
    remember(&cluster, "kept").await;

    disk.fill();
    // A new segment of the WAL has no room, and PostgreSQL goes down. Whether it comes up by itself before there is room, is its own.
    let db = connect(&cluster).await;
    let down = async {
        let write = "insert into notes select repeat('x', 1000) from generate_series(1, 5000)";
        while answers(&cluster.dir).await {
            for statement in [write, "select pg_switch_wal()"] {
                let _ = sqlx::query(statement).execute(db.pool()).await;
            }
        }
    };
    timeout(SOON, down).await.expect("it goes down");

    disk.empty();
    let again = async {
        while !answers(&cluster.dir).await {
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(SOON, again).await.expect("it is started again");
    remember(&cluster, "later").await;
    let notes = remembered(&cluster).await;
    assert!(notes.contains(&"kept".to_owned()) && notes.contains(&"later".to_owned()));
    db.pool().close().await;
    cluster.stop().await.unwrap();
}

/// A full disk or a power cut leaves the pid file empty. PostgreSQL refuses to start beside such a file.
#[tokio::test]
async fn an_empty_pid_file_does_not_keep_the_server_down() {
    let data_dir = TempDir::new().unwrap();
    let cluster = PrivateCluster::start(data_dir.path()).await.unwrap();
    remember(&cluster, "kept").await;
    cluster.stop().await.unwrap();
    std::fs::write(pid_file(&data_dir), "").unwrap();
    let cluster = PrivateCluster::start(data_dir.path()).await.unwrap();
    assert_eq!(remembered(&cluster).await, ["kept"]);
    cluster.stop().await.unwrap();
}
