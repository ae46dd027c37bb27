//! Outages: a transaction that stays open, a lost connection, PostgreSQL restarted, a backup restored elsewhere. Each costs time
//! at most, never an event.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use domain::{AccountCommand, AccountId};
use secrecy::{ExposeSecret, SecretString};
use sqlx::Executor;
use sqlx::postgres::PgPoolCopyExt;
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::{Leader, run};
use crate::testing::Story;
use eventlog::database::Database;
use eventlog::log::Log;
use eventlog::store::Context;
use eventlog::testing;
use eventlog::wake::Topic;
use private_postgres::PrivateCluster;
use projections::views::users;
use rebuild::verify::verify;

pub(super) const ILYA: &str = r#"{"first_name":"Ilya"}"#;
pub(super) const LONG_ENOUGH: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

pub(super) fn lead(story: &Story, holder: &str) -> JoinHandle<()> {
    let (db, clock) = (story.db.clone(), story.clock.clone());
    tokio::spawn(run(Leader { db, clock, tiers: story.tiers.clone(), holder: holder.to_owned() }))
}

/// Waits until the person is in the view; fails after a minute.
pub(super) async fn visible(story: &Story, telegram_id: i64) -> users::User {
    let mut projected = story.db.wake().subscribe(Topic::Projected);
    let waiting = async {
        loop {
            if let Ok(Some(user)) = users::by_telegram_id(&story.db, telegram_id).await {
                return user;
            }
            projected.wait(Duration::from_millis(50)).await;
        }
    };
    timeout(LONG_ENOUGH, waiting).await.expect("the person is visible within a minute")
}

pub(super) async fn assert_whole(story: &Story) {
    story.settle().await;
    let events = story.count("select count(*) from events").await;
    assert_eq!(Log::new(&story.db).end().await.unwrap(), events, "each event has one position");
    let report = verify(&story.db, |_, _| {}).await.unwrap();
    assert!(report.is_clean(), "{report:?}");
}

#[tokio::test]
async fn a_writer_that_stays_idle_in_its_transaction_blocks_nobody_else() {
    // 1. A writer inserts an event, and stays idle. 2. People register, and are visible. 3. The writer commits.
    let story = Story::begin().await;
    let leading = lead(&story, "one");
    let late = AccountId(uuid::Uuid::new_v4());
    let mut writer = testing::connection(&story.db).await;
    let write = format!(
        "begin; insert into events (aggregate_type, aggregate_id, sequence, event_type, event_version, payload, metadata) \
         values ('account', '{late}', 1, 'AccountBlocked', '1', \
                 '{{\"AccountBlocked\": {{\"at\": \"2026-11-22T10:00:00Z\"}}}}', '{{}}')"
    );
    writer.execute(write.as_str()).await.unwrap();
    for number in 1..=3 {
        story.person(number, ILYA).await;
        visible(&story, number).await;
    }
    writer.execute("commit").await.unwrap();
    let end = async {
        while Log::new(&story.db).end().await.unwrap() < 4 {
            tokio::task::yield_now().await;
        }
    };
    timeout(LONG_ENOUGH, end).await.expect("it gets its position, too");
    leading.abort();
    let _ = leading.await;
    assert_whole(&story).await;
}

#[tokio::test]
async fn a_copy_that_stops_in_the_middle_blocks_nobody_else() {
    // 1. A writer copies events in, and stops. 2. People register, and are visible. 3. The copy goes on to its end.
    let story = Story::begin().await;
    let leading = lead(&story, "one");
    let account = AccountId(uuid::Uuid::new_v4());
    let mut copy = story
        .db
        .pool()
        .without_deadlines()
        .copy_in_raw(
            "copy events (aggregate_type, aggregate_id, sequence, event_type, event_version, payload, metadata) from stdin",
        )
        .await
        .unwrap();
    let line = |sequence: u32| {
        format!(
            "account\t{account}\t{sequence}\tAccountBlocked\t1\t{{\"AccountBlocked\": {{\"at\": \"2026-11-22T10:00:00Z\"}}}}\t{{}}\n"
        )
    };
    // More than stays in a buffer, so that rows are written and the transaction has an id.
    let (first, second): (String, String) = ((1..=5_000).map(line).collect(), line(5_001));
    copy.send(first.as_bytes()).await.unwrap();
    let written = "select count(*) from pg_stat_activity where datname = current_database() and query like 'copy %' \
                   and backend_xid is not null";
    while story.count(written).await == 0 {
        tokio::task::yield_now().await;
    }
    for number in 1..=3 {
        story.person(number, ILYA).await;
        visible(&story, number).await;
    }
    copy.send(second.as_bytes()).await.unwrap();
    copy.finish().await.unwrap();
    let end = async {
        while Log::new(&story.db).end().await.unwrap() < 5_004 {
            tokio::task::yield_now().await;
        }
    };
    timeout(LONG_ENOUGH, end).await.expect("they get their positions, too");
    leading.abort();
    let _ = leading.await;
    assert_whole(&story).await;
}

#[tokio::test]
async fn a_lost_listen_connection_is_made_again_after_a_moment() {
    // 1. One process leads and listens; another one writes. 2. The listening connection is cut. 3. The other process writes,
    // and the events are seen. 4. Signals arrive again.
    let story = Story::begin().await;
    let other = Story::of(Database::connect(&story.url).await.unwrap(), story.url.clone());
    let mut attempts = story.db.wake().subscribe(Topic::Attempts);
    let wake = story.db.wake().clone();
    let listening = tokio::spawn(async move { wake.listen().await });
    timeout(LONG_ENOUGH, attempts.wait(HOUR)).await.expect("it listens");
    let leading = lead(&story, "one");
    other.person(1, ILYA).await;
    visible(&story, 1).await;

    let cut = "select count(pg_terminate_backend(pid)) from pg_stat_activity \
                where datname = current_database() and query ilike 'listen %' and pid <> pg_backend_pid()";
    assert_eq!(story.count(cut).await, 1);
    other.person(2, ILYA).await;
    visible(&story, 2).await;
    let heard = async {
        // The new connection says once that it listens; that is not yet the other's signal.
        attempts.wait(HOUR).await;
        other.db.wake().notify(Topic::Attempts);
        attempts.wait(HOUR).await;
    };
    timeout(LONG_ENOUGH * 2, heard).await.expect("signals arrive again");
    listening.abort();
    leading.abort();
    let _ = leading.await;
    assert_whole(&story).await;
}

#[tokio::test]
async fn a_leader_goes_on_after_postgres_was_restarted() {
    let directory = TempDir::new().unwrap();
    let cluster = PrivateCluster::start(directory.path()).await.unwrap();
    let db = Database::connect(&cluster.url()).await.unwrap();
    db.migrate().await.unwrap();
    let story = Story::of(db, cluster.url());
    let leading = lead(&story, "one");
    let ilya = story.person(1, ILYA).await;
    visible(&story, 1).await;

    cluster.stop().await.unwrap();
    let at = story.clock.now();
    let refused = story.store.account(ilya, AccountCommand::Block { at }, Context::by(ilya)).await;
    refused.expect_err("PostgreSQL is down");
    let cluster = PrivateCluster::start(directory.path()).await.unwrap();
    story.account(ilya, AccountCommand::Block { at }).await;
    story.person(2, ILYA).await;
    visible(&story, 2).await;
    assert!(!leading.is_finished(), "the same leader goes on");
    leading.abort();
    let _ = leading.await;
    assert_whole(&story).await;
    assert!(visible(&story, 1).await.is_blocked);
    story.db.pool().close().await;
    cluster.stop().await.unwrap();
}

/// A tool of PostgreSQL, from the installation of the server.
fn tool(name: &str) -> Command {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut places: Vec<PathBuf> = versions.map(|it| it.path().join("bin").join(name)).collect();
    places.sort();
    places.pop().map_or_else(|| Command::new(name), Command::new)
}

/// Dumps one database with `pg_dump` and restores it into another with `psql`.
fn dump_and_restore(from: &SecretString, to: &SecretString) {
    let mut dump = tool("pg_dump")
        .arg(from.expose_secret())
        .stdout(Stdio::piped())
        .spawn()
        .expect("pg_dump is installed with PostgreSQL");
    let restored = tool("psql")
        .args(["--quiet", "--no-psqlrc", "--set", "ON_ERROR_STOP=1"])
        .arg(to.expose_secret())
        .stdin(dump.stdout.take().expect("a pipe"))
        .stdout(Stdio::null())
        .status()
        .expect("psql is installed with PostgreSQL");
    assert!(dump.wait().unwrap().success() && restored.success());
}

#[tokio::test]
async fn a_dump_restored_into_a_new_cluster_goes_on_where_it_was() {
    // The transaction ids in the dump are far ahead of those of a new cluster. A sequencer that trusted them would take the
    // first events there for old ones.
    let old = Story::begin().await;
    old.run("do $$ begin for n in 1..3000 loop perform pg_current_xact_id(); commit; end loop; end $$").await;
    for number in 1..=5 {
        old.person(number, ILYA).await;
    }
    old.settle().await;
    // Appended, and dumped before it got its position.
    old.person(6, ILYA).await;

    let directory = TempDir::new().unwrap();
    let cluster = PrivateCluster::start(directory.path()).await.unwrap();
    let young = Database::connect(&cluster.url()).await.unwrap();
    young.pool().execute("create role qr_auditor nologin; create role qr_login_service login").await.unwrap();
    dump_and_restore(&old.url, &cluster.url());
    young.migrate().await.unwrap();
    let story = Story::of(young, cluster.url());
    let ages = "select (max(transaction_id::text::bigint) > pg_current_xact_id()::text::bigint)::int::bigint from events";
    assert_eq!(story.count(ages).await, 1, "the dump is older than the cluster");

    let leading = lead(&story, "one");
    visible(&story, 6).await;
    for number in 7..=9 {
        story.person(number, ILYA).await;
        visible(&story, number).await;
    }
    leading.abort();
    let _ = leading.await;
    assert_whole(&story).await;
    story.db.pool().close().await;
    cluster.stop().await.unwrap();
}
