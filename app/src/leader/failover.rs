//! A primary dies, and a standby takes over that had not received everything: the last events are lost. The processes
//! go on; their connections lead to the standby, as with a virtual address.

use std::os::unix::fs::symlink;
use std::path::PathBuf;

use secrecy::{ExposeSecret, SecretString};
use sqlx::{Connection, Executor, PgConnection};
use tempfile::TempDir;
use tokio::time::timeout;

use super::outages::{ILYA, LONG_ENOUGH, assert_whole, lead, visible};
use crate::testing::Story;
use eventlog::database::{Database, DatabaseError};
use eventlog::log::Log;
use eventlog::sequencer::Sequencer;
use private_postgres::PrivateCluster;
use projections::views::users;

/// The address of the database. It leads to one cluster or the other.
struct Address(PathBuf);

impl Address {
    fn lead_to(&self, cluster: &PrivateCluster) {
        let next = self.0.with_extension("next");
        symlink(socket_dir(cluster), &next).unwrap();
        std::fs::rename(next, &self.0).unwrap();
    }

    fn url(&self) -> SecretString {
        format!("postgresql:///qr_login?host={}&user=qr_login", self.0.display()).into()
    }
}

fn socket_dir(cluster: &PrivateCluster) -> PathBuf {
    let url = cluster.url();
    let host = url.expose_secret().split(['?', '&']).find_map(|part| part.strip_prefix("host="));
    host.expect("a socket").into()
}

async fn connected(cluster: &PrivateCluster) -> PgConnection {
    PgConnection::connect(cluster.url().expose_secret()).await.unwrap()
}

/// Waits until the query says true.
async fn until(connection: &mut PgConnection, sql: &str) {
    let waiting = async {
        while !sqlx::query_scalar::<_, bool>(sql).fetch_one(&mut *connection).await.unwrap() {
            tokio::task::yield_now().await;
        }
    };
    timeout(LONG_ENOUGH, waiting).await.expect(sql);
}

#[tokio::test]
async fn a_standby_without_the_last_events_goes_on_from_those_it_has() {
    // 1. A standby follows the primary, and is cut off. 2. People register; a follower of the log sees them. 3. The primary
    // dies, the standby takes over. 4. Others register there, at positions that were given before.
    let (first, second, around) = (TempDir::new().unwrap(), TempDir::new().unwrap(), TempDir::new().unwrap());
    let primary = PrivateCluster::start(first.path()).await.unwrap();
    let address = Address(around.path().join("here"));
    address.lead_to(&primary);
    let db = Database::connect(&address.url()).await.unwrap();
    db.migrate().await.unwrap();
    let story = Story::of(db, address.url());
    let leading = lead(&story, "one");
    story.person(1, ILYA).await;
    visible(&story, 1).await;

    let standby = primary.standby(second.path()).await.unwrap();
    story.person(2, ILYA).await;
    visible(&story, 2).await;
    let mut follower = Log::new(&story.db).follow(0);
    follower.next().await.unwrap();
    let mut there = connected(&standby).await;
    until(&mut there, "select exists (select from users where telegram_id = 2)").await;
    there.execute("alter system set primary_conninfo = ''").await.unwrap();
    there.execute("select pg_reload_conf()").await.unwrap();
    until(&mut there, "select not exists (select from pg_stat_wal_receiver)").await;

    for number in [3, 4] {
        story.person(number, ILYA).await;
        visible(&story, number).await;
    }
    while follower.position() < 4 {
        follower.next().await.unwrap();
    }
    let (branch, _) = Log::new(&story.db).branch().await.unwrap();
    address.lead_to(&standby);
    primary.stop().await.unwrap();
    there.execute("select pg_promote()").await.unwrap();
    until(&mut there, "select not pg_is_in_recovery()").await;

    for number in 5..=9 {
        // The first call may fail on a lost connection.
        while story.vault.subject_for(number).await.is_err() {}
        story.person(number, ILYA).await;
        visible(&story, number).await;
    }
    for number in [3, 4] {
        assert!(users::by_telegram_id(&story.db, number).await.unwrap().is_none(), "{number} is lost");
    }
    assert_eq!(Log::new(&story.db).end().await.unwrap(), 7, "1, 2, and 5 to 9");
    let parting = Log::new(&story.db).parting(branch).await.unwrap();
    assert_eq!(parting.same_until, 2, "the log branched after 2");
    let error = follower.next().await.unwrap_err();
    assert!(matches!(error, DatabaseError::SetBack), "{error:?}");
    let anew = Log::new(&story.db).follow(0).next().await.unwrap();
    assert_eq!(anew.iter().map(|event| event.position).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6, 7]);
    let timeline: String = sqlx::query_scalar("select split_part(cluster, '/', 2) from sequencer")
        .fetch_one(story.db.pool())
        .await
        .unwrap();
    assert_eq!(timeline, "00000002", "the sequencer has noticed the new timeline");
    assert!(!leading.is_finished());
    leading.abort();
    let _ = leading.await;
    assert_whole(&story).await;
    there.close().await.unwrap();
    story.db.close().await;
    standby.stop().await.unwrap();
}

/// 1. A standby takes over from a primary that does not know it and still answers. 2. The log goes on there. 3. A process that has
/// begun to read at the former primary reads on at the new one.
#[tokio::test]
async fn who_follows_a_branch_is_told_of_no_event_of_the_next_one() {
    let (first, second, around) = (TempDir::new().unwrap(), TempDir::new().unwrap(), TempDir::new().unwrap());
    let primary = PrivateCluster::start(first.path()).await.unwrap();
    let address = Address(around.path().join("here"));
    address.lead_to(&primary);
    let db = Database::connect(&address.url()).await.unwrap();
    db.migrate().await.unwrap();
    let story = Story::of(db.clone(), address.url());
    story.person(1, ILYA).await;
    let sequencer = Sequencer::take_over(&db).await.unwrap();
    sequencer.pass().await.unwrap();
    let standby = primary.standby(second.path()).await.unwrap();
    let mut there = connected(&standby).await;
    until(&mut there, "select exists (select from log_index)").await;
    there.execute("select pg_promote()").await.unwrap(); // 1
    until(&mut there, "select not pg_is_in_recovery()").await;
    address.lead_to(&standby);
    let elsewhere = Story::of(Database::connect(&address.url()).await.unwrap(), address.url());
    elsewhere.person(2, ILYA).await;
    Sequencer::take_over(&elsewhere.db).await.unwrap().pass().await.unwrap(); // 2

    let (branch, mut follower) = Log::new(&db).follow_branch().await.unwrap();
    assert_eq!(follower.position(), 1, "by a connection from before");
    let mut here = connected(&primary).await;
    let cut = "select pg_terminate_backend(pid) from pg_stat_activity where usename = current_user and pid <> pg_backend_pid()";
    here.execute(cut).await.unwrap(); // 3

    let told = loop {
        match follower.look().await {
            // By a connection that was cut.
            Err(DatabaseError::Sql(_)) => {}
            told => break told,
        }
    };
    assert!(matches!(told, Err(DatabaseError::SetBack)), "{told:?}");
    let log = Log::new(&elsewhere.db);
    let parting = log.parting(branch).await.unwrap();
    assert_eq!((parting.same_until, parting.end), (1, 2));
    assert_eq!(log.read_in_branch(1, 10).await.unwrap().1, parting.now);
    here.close().await.unwrap();
    there.close().await.unwrap();
    db.close().await;
    elsewhere.db.close().await;
    standby.stop().await.unwrap();
    primary.stop().await.unwrap();
}
