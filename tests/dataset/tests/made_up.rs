//! The program `made-up`, as the sandbox runs it.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use std::process::Command;

use eventlog::{Database, Log};
use private_postgres::PrivateCluster;

#[tokio::test]
async fn a_new_database_has_the_people_and_their_history() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let mut made_up = Command::new(env!("CARGO_BIN_EXE_made-up"));
    let made = made_up.args(["--people", "50"]).env("DATA_DIR", &data).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    assert_eq!(String::from_utf8_lossy(&made.stdout), "50 people, 250 events\n");

    let cluster = PrivateCluster::start(&data).await.unwrap();
    let db = Database::connect(&cluster.url()).await.unwrap();
    assert_eq!(Log::new(&db).end().await.unwrap(), 250);
    db.close().await;
    cluster.stop().await.unwrap();
}
