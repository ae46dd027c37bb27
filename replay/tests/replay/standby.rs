//! A hot standby: an auditor reads there, and costs the primary nothing.

use eventlog::Database;
use eventlog::testing::TestDatabase;
use private_postgres::PrivateCluster;

use super::past::{ILYA, Past, command_at, text};

#[tokio::test(flavor = "multi_thread")]
async fn an_auditor_reads_and_verifies_on_a_hot_standby() {
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let primary = PrivateCluster::start(first.path()).await.unwrap();
    let db = Database::connect(&primary.url()).await.unwrap();
    db.migrate().await.unwrap();
    let past = Past::of(TestDatabase { db, url: primary.url() }).await;
    let standby = primary.standby(second.path()).await.unwrap();

    for arguments in
        [&["history", "--format", "jsonl"][..], &["as-of", "3", "users"], &["verify"], &["export"]]
    {
        let there = command_at(&standby.url(), arguments).output().unwrap();
        let said = String::from_utf8_lossy(&there.stderr);
        assert!(there.status.success(), "{arguments:?}: {said}");
        assert_eq!(text(&there), text(&past.replay(arguments)), "{arguments:?}: {said}");
    }
    let lag = command_at(&standby.url(), &["lag"]).output().unwrap();
    assert!(lag.status.success(), "{lag:?}");
    // Whose history is read by name is noted in the log, and a standby takes no note.
    for arguments in
        [&["history", "--user", &ILYA.to_string()][..], &["explain", "users", &past.ilya.to_string()]]
    {
        let there = command_at(&standby.url(), arguments).output().unwrap();
        let said = String::from_utf8_lossy(&there.stderr);
        assert!(
            there.status.success() && said.contains("this read is not recorded"),
            "{arguments:?}: {said}"
        );
        assert_eq!(text(&there), text(&past.replay(arguments)), "{arguments:?}");
    }
    past.test.db.close().await;
    standby.stop().await.unwrap();
    primary.stop().await.unwrap();
}
