//! The log in another cluster or timeline: each event keeps or gets one position, and no event is rewritten or read for it.
//!
//! The move itself is played by what it leaves behind: another name of the cluster, and transaction ids that mean nothing here. A
//! real standby takes over in `leader/failover.rs`, a real dump in `leader/outages.rs`.

use super::*;
use domain::{AccountCommand, AccountId, Sealed};
use uuid::Uuid;

use crate::clock::Clock;
use crate::log::{Log, Parting};
use crate::store::{Context, Store};

/// Appends by the store: somebody's first message.
async fn register(store: &Store) {
    let account_id = AccountId(Uuid::new_v4());
    let register = AccountCommand::Register {
        account_id,
        telegram_id: Sealed("sealed".to_owned()),
        profile: Sealed("sealed".to_owned()),
        at: Clock::system().now(),
    };
    store.account(account_id, register, Context::by(account_id)).await.unwrap();
}

/// What the version before did in a takeover, word for word.
const FORMER_TAKEOVER: &str = "
    begin;
    update sequencer set epoch = epoch + 1;
    lock table events in share row exclusive mode;
    with placed as (
        insert into log_index
        select s.next_position - 1 + row_number() over (order by e.event_no), e.event_no
          from sequencer s, events e
         where not exists (select from log_index i where i.event_no = e.event_no)
        returning 1
    )
    update sequencer set next_position = next_position + (select count(*) from placed);
    alter table events disable trigger events_append_only;
    update events set transaction_id = '0' where transaction_id <> '0';
    alter table events enable trigger events_append_only;
    update sequencer set taken = pg_current_snapshot();
    update sequencer set cluster = this_cluster();
    commit";

/// A log of which everything has its position.
async fn placed(streams: &[&str]) -> Database {
    let db = testing::database().await.db;
    let sequencer = Sequencer::take_over(&db).await.unwrap();
    let mut session = testing::connection(&db).await;
    for stream in streams {
        append(&mut session, stream, 1).await;
    }
    sequencer.pass().await.unwrap();
    db
}

/// As if the log had come from a cluster whose transaction ids are so far ahead.
async fn move_here(db: &Database, ahead: i64) {
    sqlx::raw_sql(&format!(
        "begin;
         alter table events disable trigger events_append_only;
         update events set transaction_id = (transaction_id::text::bigint + {ahead})::text::xid8;
         alter table events enable trigger events_append_only;
         update sequencer
            set cluster = 'elsewhere/00000001',
                taken = format('%s:%s:%s',
                               pg_snapshot_xmin(taken)::text::bigint + {ahead},
                               pg_snapshot_xmax(taken)::text::bigint + {ahead},
                               array_to_string(array(select pg_snapshot_xip(taken)::text::bigint + {ahead}), ',')
                        )::pg_snapshot;
         commit"
    ))
    .execute(db.pool())
    .await
    .unwrap();
}

async fn run(db: &Database, sql: &str) {
    sqlx::raw_sql(sql).execute(db.pool()).await.unwrap();
}

/// Takes over, and gives positions until nothing is left.
async fn take_over_and_place(db: &Database) -> Sequencer {
    let sequencer = Sequencer::take_over(db).await.unwrap();
    while sequencer.pass().await.unwrap() > 0 {}
    sequencer
}

#[tokio::test]
async fn a_takeover_in_another_cluster_writes_no_row_of_the_log() {
    let db = placed(&["a", "b", "c"]).await;
    move_here(&db, 1_000_000).await;
    let rows = "select array_agg(ctid::text || ' ' || xmin::text order by event_no) from events";
    let before: Vec<String> = sqlx::query_scalar(rows).fetch_one(db.pool()).await.unwrap();
    take_over_and_place(&db).await;
    let after: Vec<String> = sqlx::query_scalar(rows).fetch_one(db.pool()).await.unwrap();
    assert_eq!(after, before);
}

/// Five thousand events have their position, and their transaction ids are ahead of this cluster's. One event has none.
#[tokio::test]
async fn a_takeover_and_the_pass_after_it_read_only_what_has_no_position() {
    let db = placed(&[]).await;
    run(
        &db,
        "insert into events (aggregate_type, aggregate_id, sequence, event_type, event_version, payload, metadata)
         select 'login', n, 1, 'QrIssued', '1', '{}', '{}' from generate_series(1, 5000) n",
    )
    .await;
    take_over_and_place(&db).await;
    let mut session = testing::connection(&db).await;
    append(&mut session, "unplaced", 1).await;
    move_here(&db, 1_000_000).await;
    run(&db, "analyze events; analyze log_index").await;

    // Rows of the tables by scans of them and by indexes, and entries of the indexes.
    let reads =
        "select sum(pg_stat_get_xact_tuples_returned(oid) + pg_stat_get_xact_tuples_fetched(oid))::bigint
                   from pg_class
                  where oid in ('events'::regclass, 'log_index'::regclass)
                     or oid in (select indexrelid from pg_index
                                 where indrelid in ('events'::regclass, 'log_index'::regclass))";
    let mut transaction = session.begin().await.unwrap();
    for step in ["select begin_cluster()", "select sequence_events(epoch) from sequencer"] {
        sqlx::query(step).execute(&mut *transaction).await.unwrap();
        let read: i64 = sqlx::query_scalar(reads).fetch_one(&mut *transaction).await.unwrap();
        assert!((1..50).contains(&read), "{step}: read {read}");
    }
    transaction.commit().await.unwrap();
    assert_eq!(order(&db).await.last().map(String::as_str), Some("unplaced"));
}

/// 1. `late` inserts its event and does not commit. 2. `early` commits, and gets its position. 3. `late` commits. 4. The log is
/// copied before the next pass: the event without a position stands before one that has it.
#[tokio::test]
async fn what_committed_late_in_the_former_cluster_gets_its_position_here() {
    for ahead in [0, 1_000_000] {
        let db = placed(&["first"]).await;
        let sequencer = Sequencer::take_over(&db).await.unwrap();
        let (mut late, mut early) = (testing::connection(&db).await, testing::connection(&db).await);
        let mut transaction = late.begin().await.unwrap();
        append(&mut transaction, "late", 1).await; // 1
        append(&mut early, "early", 1).await; // 2
        assert_eq!(sequencer.pass().await.unwrap(), 1);
        transaction.commit().await.unwrap(); // 3
        append(&mut early, "last", 1).await;
        move_here(&db, ahead).await; // 4
        take_over_and_place(&db).await;
        assert_eq!(order(&db).await, ["first", "early", "late", "last"]);
    }
}

#[tokio::test]
async fn what_was_appended_here_before_the_takeover_gets_its_position_whatever_its_transaction_id() {
    for ahead in [0, 1_000_000] {
        let db = placed(&["placed"]).await;
        append(&mut testing::connection(&db).await, "unplaced", 1).await;
        move_here(&db, ahead).await;
        append(&mut testing::connection(&db).await, "here", 1).await;
        take_over_and_place(&db).await;
        append(&mut testing::connection(&db).await, "after", 1).await;
        take_over_and_place(&db).await;
        assert_eq!(order(&db).await, ["placed", "unplaced", "here", "after"]);
    }
}

/// As a base backup without the tail has it: the positions that were given last are not there, and neither are their events.
#[tokio::test]
async fn a_copy_without_the_tail_goes_on_from_what_it_has() {
    let db = placed(&["kept"]).await;
    let taken: String =
        sqlx::query_scalar("select taken::text from sequencer").fetch_one(db.pool()).await.unwrap();
    append(&mut testing::connection(&db).await, "lost", 1).await;
    take_over_and_place(&db).await;
    run(
        &db,
        &format!(
            "begin;
             alter table events disable trigger events_append_only;
             alter table log_index disable trigger log_index_append_only;
             delete from log_index where position = 2;
             delete from events where aggregate_id = 'lost';
             alter table log_index enable trigger log_index_append_only;
             alter table events enable trigger events_append_only;
             update sequencer set next_position = 2, taken = '{taken}', cluster = 'elsewhere/00000001';
             commit"
        ),
    )
    .await;
    append(&mut testing::connection(&db).await, "new", 1).await;
    take_over_and_place(&db).await;
    assert_eq!(order(&db).await, ["kept", "new"]);
}

/// The number that events are written with does not go back where the takeover does.
#[tokio::test]
async fn a_takeover_that_dies_half_way_loses_nothing() {
    let db = placed(&["placed"]).await;
    let mut session = testing::connection(&db).await;
    append(&mut session, "unplaced", 1).await;
    move_here(&db, 1_000_000).await;
    for stream in ["once", "twice"] {
        let mut dying = session.begin().await.unwrap();
        sqlx::query("update sequencer set epoch = epoch + 1").execute(&mut *dying).await.unwrap();
        sqlx::query("select begin_cluster()").execute(&mut *dying).await.unwrap();
        dying.rollback().await.unwrap();
        append(&mut session, stream, 1).await;
    }
    take_over_and_place(&db).await;
    append(&mut session, "after", 1).await;
    take_over_and_place(&db).await;
    assert_eq!(order(&db).await, ["placed", "unplaced", "once", "twice", "after"]);
}

#[tokio::test]
async fn of_takeovers_at_once_one_begins_the_number_and_the_last_gives_positions() {
    let db = placed(&["placed"]).await;
    append(&mut testing::connection(&db).await, "unplaced", 1).await;
    let before: i32 = sqlx::query_scalar("select current_cluster_no()").fetch_one(db.pool()).await.unwrap();
    move_here(&db, 1_000_000).await;
    let racing = join_all((0..8).map(|_| Sequencer::take_over(&db))).await;
    append(&mut testing::connection(&db).await, "after", 1).await;
    let mut given = Vec::new();
    for sequencer in racing {
        given.extend(sequencer.unwrap().pass().await.ok());
    }
    assert_eq!(given, [1]);
    assert_eq!(order(&db).await, ["placed", "unplaced", "after"]);
    let after: i32 = sqlx::query_scalar("select current_cluster_no()").fetch_one(db.pool()).await.unwrap();
    assert_eq!(after, before + 1);
}

/// 1. Somebody has written and stays open. 2. A takeover has to wait for that. 3. Others want to write, the store among them, and
/// wait for the takeover. 4. The first commits; the takeover goes on; what the others write has the new number.
#[tokio::test]
async fn a_takeover_waits_for_those_who_write_and_those_who_come_wait_for_it() {
    let test = testing::database().await;
    let (db, store) = (&test.db, Store::new(&test.db));
    // So often that PostgreSQL keeps a plan of the store's statement.
    for _ in 1..=8 {
        register(&store).await;
    }
    take_over_and_place(db).await;
    move_here(db, 1_000_000).await;
    let (mut open, mut other) = (testing::connection(db).await, testing::connection(db).await);
    let mut transaction = open.begin().await.unwrap();
    append(&mut transaction, "open", 1).await; // 1
    let waiting = async |number: i64| {
        let waits = "select count(*) = $1 from pg_stat_activity
                      where datname = current_database() and wait_event_type = 'Lock'";
        while !sqlx::query_scalar::<_, bool>(waits).bind(number).fetch_one(db.pool()).await.unwrap() {
            tokio::task::yield_now().await;
        }
    };
    let takeover = Sequencer::take_over(db); // 2
    let append_meanwhile = async {
        waiting(1).await;
        tokio::join!(append(&mut other, "other", 1), register(&store)); // 3
    };
    let commit = async {
        waiting(3).await;
        transaction.commit().await.unwrap(); // 4
    };
    let (sequencer, (), ()) = tokio::join!(takeover, append_meanwhile, commit);
    assert_eq!(sequencer.unwrap().pass().await.unwrap(), 2);
    let order = order(db).await;
    assert_eq!((order.len(), &*order[8]), (11, "open"));
}

/// Each cluster's transaction ids begin where they like.
#[tokio::test]
async fn a_log_that_moves_again_and_again_keeps_each_event_at_one_position() {
    let db = placed(&["start"]).await;
    let mut expected = vec!["start".to_owned()];
    for (number, ahead) in [5_000_000, 0, 70, -60, 1_000_000].into_iter().enumerate() {
        for when in ["placed", "unplaced"] {
            let stream = format!("{when} {number}");
            append(&mut testing::connection(&db).await, &stream, 1).await;
            expected.push(stream);
            if when == "placed" {
                take_over_and_place(&db).await;
            }
        }
        move_here(&db, ahead).await;
        take_over_and_place(&db).await;
    }
    assert_eq!(order(&db).await, expected);
}

#[tokio::test]
async fn a_log_that_the_version_before_brought_here_goes_on() {
    let db = placed(&["placed"]).await;
    append(&mut testing::connection(&db).await, "unplaced", 1).await;
    run(&db, "update sequencer set cluster = 'elsewhere/00000001'").await;
    // Its transaction ids are 0 from here on.
    run(&db, FORMER_TAKEOVER).await;
    append(&mut testing::connection(&db).await, "after", 1).await;
    take_over_and_place(&db).await;
    move_here(&db, 0).await;
    append(&mut testing::connection(&db).await, "here", 1).await;
    take_over_and_place(&db).await;
    assert_eq!(order(&db).await, ["placed", "unplaced", "after", "here"]);
}

/// A process of the version before, beside these tables, takes over where one of this version died half-way: what is appended
/// with the newer number waits for the next takeover of this version, and is not passed over.
#[tokio::test]
async fn a_takeover_of_the_version_before_after_one_that_died_half_way_loses_nothing() {
    let db = placed(&["placed"]).await;
    move_here(&db, 1_000_000).await;
    let mut session = testing::connection(&db).await;
    let mut dying = session.begin().await.unwrap();
    sqlx::query("select begin_cluster()").execute(&mut *dying).await.unwrap();
    dying.rollback().await.unwrap();
    append(&mut session, "between", 1).await;
    run(&db, FORMER_TAKEOVER).await;
    append(&mut session, "after", 1).await;
    let pass = sqlx::query("select sequence_events(epoch) from sequencer").execute(db.pool()).await;
    assert!(pass.is_err_and(|error| is_fenced(&error)));
    take_over_and_place(&db).await;
    append(&mut session, "later", 1).await;
    take_over_and_place(&db).await;
    assert_eq!(order(&db).await, ["placed", "between", "after", "later"]);
}

/// 1. A reader knows `first`, `lost` and their branch. 2. The log goes on elsewhere without `lost`. 3. It moves once more, whole.
#[tokio::test]
async fn a_reader_is_told_where_its_branch_parted_from_the_one_of_now() {
    let db = placed(&["first", "lost"]).await;
    let log = Log::new(&db);
    let (before, end) = log.branch().await.unwrap(); // 1
    let same_until = async |branch| log.parting(branch).await.unwrap().same_until;
    assert_eq!((end, same_until(before).await), (2, i64::MAX));
    run(
        &db,
        "begin;
         alter table events disable trigger events_append_only;
         alter table log_index disable trigger log_index_append_only;
         delete from log_index where position = 2;
         delete from events where aggregate_id = 'lost';
         alter table log_index enable trigger log_index_append_only;
         alter table events enable trigger events_append_only;
         update sequencer set next_position = 2;
         commit",
    )
    .await;
    move_here(&db, 0).await; // 2
    append(&mut testing::connection(&db).await, "new", 1).await;
    take_over_and_place(&db).await;
    let (after, end) = log.branch().await.unwrap();
    assert_eq!(log.parting(before).await.unwrap(), Parting { now: after, end, same_until: 1 });
    assert_eq!(end, 2);
    assert_ne!(before, after);
    assert_eq!(same_until(Uuid::new_v4()).await, 0, "nobody knows it here");

    append(&mut testing::connection(&db).await, "last", 1).await;
    move_here(&db, 0).await; // 3
    take_over_and_place(&db).await;
    let (now, _) = log.branch().await.unwrap();
    let same = [same_until(before).await, same_until(after).await, same_until(now).await];
    // `last` had no position yet. `move_here` itself plays the other cluster, which counts.
    assert_eq!(same, [1, 2, i64::MAX]);
}
