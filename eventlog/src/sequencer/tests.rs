//! Positions: dense, each event once, in an order that holds, given by one at a time.

use std::collections::{BTreeMap, HashSet};

use futures::future::join_all;
use sqlx::postgres::PgConnection;
use sqlx::{Connection, PgPool};
use tokio::task::JoinSet;

use super::{Sequencer, SequencerError};
use crate::database::{Database, is_fenced};
use crate::log::Log;
use crate::testing;

mod elsewhere;

async fn append(connection: &mut PgConnection, stream: &str, sequence: i64) {
    sqlx::query(
        "insert into events (aggregate_type, aggregate_id, sequence, event_type, event_version, payload, metadata)
         values ('login', $1, $2, 'QrIssued', '1', '{}', '{}')",
    )
    .bind(stream)
    .bind(sequence)
    .execute(connection)
    .await
    .unwrap();
}

/// The streams of the log, in position order.
async fn order(db: &Database) -> Vec<String> {
    let events = Log::new(db).read(0, 1_000_000).await.unwrap();
    let positions: Vec<_> = events.iter().map(|it| it.position).collect();
    assert_eq!(positions, (1..).take(positions.len()).collect::<Vec<i64>>(), "positions are dense from 1");
    events.into_iter().map(|it| it.stream_id).collect()
}

/// 1. `late` inserts its event (number 1) and does not commit.
/// 2. `early` inserts its event (number 2) and commits.
/// 3. Both readers look. The naive one sees number 2 and remembers it as its checkpoint.
/// 4. `late` commits.
/// 5. Both readers look again. To the naive one number 1 is in the past: it is lost for good.
#[tokio::test]
async fn an_event_that_commits_late_is_lost_to_an_insertion_order_reader_and_not_to_ours() {
    let db = testing::database().await.db;
    let sequencer = Sequencer::take_over(&db).await.unwrap();
    let (mut late, mut early) = (testing::connection(&db).await, testing::connection(&db).await);
    let mut naive = NaiveReader { pool: db.pool().without_deadlines(), checkpoint: 0 };

    let mut transaction = late.begin().await.unwrap();
    append(&mut transaction, "late", 1).await; // 1
    append(&mut early, "early", 1).await; // 2

    assert_eq!(naive.read().await, ["early"]); // 3
    assert_eq!(sequencer.pass().await.unwrap(), 1);
    assert_eq!(order(&db).await, ["early"]);

    transaction.commit().await.unwrap(); // 4

    assert_eq!(naive.read().await, [""; 0], "the naive reader has been fixed? then the sequencer can go"); // 5
    assert_eq!(sequencer.pass().await.unwrap(), 1);
    assert_eq!(order(&db).await, ["early", "late"]);
}

/// What one writes first, and what loses events.
struct NaiveReader {
    pool: PgPool,
    checkpoint: i64,
}

impl NaiveReader {
    async fn read(&mut self) -> Vec<String> {
        let rows: Vec<(i64, String)> =
            sqlx::query_as("select event_no, aggregate_id from events where event_no > $1 order by event_no")
                .bind(self.checkpoint)
                .fetch_all(&self.pool)
                .await
                .unwrap();
        self.checkpoint = rows.last().map_or(self.checkpoint, |(number, _)| *number);
        rows.into_iter().map(|(_, stream)| stream).collect()
    }
}

/// Sixteen writers, each with transactions of its own size, some rolled back; a sequencer that is taken over every now
/// and then; four readers that follow meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sixteen_writers_and_a_changing_sequencer_lose_double_and_reorder_nothing() {
    const WRITERS: usize = 16;
    const TRANSACTIONS: usize = 40;
    let db = testing::database().await.db;

    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let db = db.clone();
        writers.spawn(async move {
            let mut connection = testing::connection(&db).await;
            let mut sequence = 0;
            for number in 0..TRANSACTIONS {
                let mut transaction = connection.begin().await.unwrap();
                let events = 1 + (writer + number) as i64 % 3;
                for place in 1..=events {
                    // In a savepoint, whose own transaction id must not confuse anybody.
                    let mut savepoint = transaction.begin().await.unwrap();
                    append(&mut savepoint, &format!("writer-{writer}"), sequence + place).await;
                    savepoint.commit().await.unwrap();
                }
                if (writer + number) % 7 == 0 {
                    transaction.rollback().await.unwrap();
                } else {
                    transaction.commit().await.unwrap();
                    sequence += events;
                }
            }
            sequence
        });
    }
    let readers: Vec<_> = (0..4)
        .map(|_| {
            let mut follower = Log::new(&db).follow(0);
            tokio::spawn(async move {
                let mut seen = Vec::new();
                while seen.last() != Some(&("end".to_owned(), 1)) {
                    let events = follower.next().await.unwrap();
                    seen.extend(events.into_iter().map(|it| (it.stream_id, it.sequence)));
                }
                seen
            })
        })
        .collect();

    let sequencing = {
        let db = db.clone();
        tokio::spawn(async move {
            let mut sequencer = Sequencer::take_over(&db).await.unwrap();
            let mut passes = 0;
            loop {
                sequencer.pass().await.unwrap();
                passes += 1;
                if passes % 10 == 0 {
                    let former = sequencer;
                    sequencer = Sequencer::take_over(&db).await.unwrap();
                    assert!(matches!(former.pass().await, Err(SequencerError::Fenced)));
                }
                tokio::task::yield_now().await;
            }
        })
    };

    let mut written = 0;
    while let Some(count) = writers.join_next().await {
        written += count.unwrap();
    }
    append(&mut testing::connection(&db).await, "end", 1).await;

    let readings = tokio::select! {
        readings = join_all(readers) => readings,
        ended = sequencing => panic!("the sequencer ended: {ended:?}"),
    };
    for seen in readings {
        let seen = seen.unwrap();
        assert_eq!(seen.len() as i64, written + 1, "as many as were committed");
        assert_eq!(seen.iter().collect::<HashSet<_>>().len(), seen.len(), "none twice");
        let mut streams = BTreeMap::<_, Vec<i64>>::new();
        for (stream, sequence) in seen {
            streams.entry(stream).or_default().push(sequence);
        }
        for (stream, sequences) in streams {
            assert!(sequences.iter().copied().eq(1..=sequences.len() as i64), "{stream}: {sequences:?}");
        }
    }
    order(&db).await;
}

/// 1. One session has written and stays open.
/// 2. Another one commits, and gets its position all the same.
/// 3. The first rolls back, and leaves no gap behind.
#[tokio::test]
async fn an_open_transaction_holds_nobody_up_and_a_rolled_back_one_leaves_no_gap() {
    let db = testing::database().await.db;
    let sequencer = Sequencer::take_over(&db).await.unwrap();
    let (mut open, mut other) = (testing::connection(&db).await, testing::connection(&db).await);

    let mut transaction = open.begin().await.unwrap();
    append(&mut transaction, "open", 1).await;
    append(&mut other, "first", 1).await;
    assert_eq!(sequencer.pass().await.unwrap(), 1);

    transaction.rollback().await.unwrap();
    append(&mut other, "second", 1).await;
    assert_eq!(sequencer.pass().await.unwrap(), 1);
    assert_eq!(sequencer.pass().await.unwrap(), 0);
    assert_eq!(order(&db).await, ["first", "second"]);
}

#[tokio::test]
async fn a_sequencer_that_was_taken_over_gives_no_more_positions() {
    let db = testing::database().await.db;
    let former = Sequencer::take_over(&db).await.unwrap();
    let current = Sequencer::take_over(&db).await.unwrap();
    assert!(former.epoch() < current.epoch());
    append(&mut testing::connection(&db).await, "stream", 1).await;
    assert!(matches!(former.pass().await, Err(SequencerError::Fenced)));
    assert_eq!(order(&db).await, [""; 0]);
    assert_eq!(current.pass().await.unwrap(), 1);
}

/// 1. A sequencer is in the middle of a pass: positions are given, not committed.
/// 2. Another one takes over, and has to wait for that.
/// 3. The pass commits; the new one goes on after it.
#[tokio::test]
async fn a_takeover_waits_for_the_pass_that_is_under_way() {
    let db = testing::database().await.db;
    let former = Sequencer::take_over(&db).await.unwrap();
    let mut session = testing::connection(&db).await;
    append(&mut session, "first", 1).await;
    let mut pass = session.begin().await.unwrap();
    sqlx::query("select sequence_events($1)").bind(former.epoch()).execute(&mut *pass).await.unwrap();

    let takeover = async {
        let current = Sequencer::take_over(&db).await.unwrap();
        append(&mut testing::connection(&db).await, "second", 1).await;
        current.pass().await.unwrap()
    };
    let commit = async {
        let waits = "select exists (select from pg_stat_activity
                      where datname = current_database() and wait_event_type = 'Lock')";
        while !sqlx::query_scalar::<_, bool>(waits).fetch_one(db.pool()).await.unwrap() {
            tokio::task::yield_now().await;
        }
        pass.commit().await.unwrap();
    };
    assert_eq!(tokio::join!(takeover, commit).0, 1);
    assert_eq!(order(&db).await, ["first", "second"]);
}

/// As after `pg_restore` into a cluster whose transaction ids are younger than those in the dump: one event has its
/// position, one lost it (it was appended while the dump ran), and the ids of both mean nothing here.
#[tokio::test]
async fn after_a_move_to_another_cluster_each_event_still_gets_one_position() {
    let db = testing::database().await.db;
    let mut session = testing::connection(&db).await;
    append(&mut session, "placed", 1).await;
    assert_eq!(Sequencer::take_over(&db).await.unwrap().pass().await.unwrap(), 1);
    append(&mut session, "unplaced", 1).await;
    sqlx::raw_sql(
        "alter table events disable trigger events_append_only;
         update events set transaction_id = '4000000000' where aggregate_id = 'placed';
         update events set transaction_id = '3' where aggregate_id = 'unplaced';
         alter table events enable trigger events_append_only;
         update sequencer set cluster = 'elsewhere/00000001', taken = '3000000000:3000000000:'",
    )
    .execute(&mut session)
    .await
    .unwrap();

    let sequencer = Sequencer::take_over(&db).await.unwrap();
    append(&mut session, "new", 1).await;
    sequencer.pass().await.unwrap();
    assert_eq!(order(&db).await, ["placed", "unplaced", "new"]);
    assert_eq!(sequencer.pass().await.unwrap(), 0);
    let changed = sqlx::query("update events set payload = '{}'").execute(db.pool()).await;
    assert!(changed.is_err(), "the log is append-only again");
}

/// Connections that are led to a standby need not fail for it: the epoch there is the same, and the snapshot is of another
/// timeline.
#[tokio::test]
async fn a_sequencer_whose_database_became_another_one_gives_no_positions_until_it_takes_over() {
    let db = testing::database().await.db;
    let sequencer = Sequencer::take_over(&db).await.unwrap();
    let moved = "update sequencer set cluster = split_part(cluster, '/', 1) || '/00000000'";
    sqlx::query(moved).execute(db.pool()).await.unwrap();
    append(&mut testing::connection(&db).await, "stream", 1).await;
    assert!(matches!(sequencer.pass().await, Err(SequencerError::Fenced)));
    assert_eq!(order(&db).await, [""; 0]);
    Sequencer::take_over(&db).await.unwrap().pass().await.unwrap();
    assert_eq!(order(&db).await, ["stream"]);
}

#[tokio::test]
async fn the_log_refuses_update_delete_and_truncate() {
    let db = testing::database().await.db;
    append(&mut testing::connection(&db).await, "stream", 1).await;
    Sequencer::take_over(&db).await.unwrap().pass().await.unwrap();
    for attempt in [
        "update events set payload = '{}'",
        "delete from events",
        "truncate events",
        "update log_index set position = 2",
        "delete from log_index",
        "truncate log_index",
    ] {
        let error = sqlx::query(attempt).execute(db.pool()).await.unwrap_err();
        let code = error.as_database_error().and_then(|it| it.code()).map(|it| it.into_owned());
        assert_eq!(code.as_deref(), Some("QR002"), "{attempt}: {error}");
    }
}
