//! Every answer of the bot measures the lag, so it must cost no more in a long log.

use sqlx::Executor;

use super::*;
use eventlog::sequencer::Sequencer;
use eventlog::testing;

const EVENTS: &str = "
insert into events (aggregate_type, aggregate_id, sequence, event_type, event_version, payload, metadata)
select 'login', md5(n::text), 1, 'LoginStarted', '1', json_build_object('filling', repeat('x', 200)), '{}'
  from generate_series(1, 50000) n";

/// How many rows and index entries this transaction has read.
const READ: &str = "
select sum(pg_stat_get_xact_tuples_returned(oid) + pg_stat_get_xact_tuples_fetched(oid))::bigint
  from pg_class
 where oid in ('events'::regclass, 'log_index'::regclass)
    or oid in (select indexrelid from pg_index where indrelid in ('events'::regclass, 'log_index'::regclass))";

#[tokio::test]
async fn events_without_a_position_are_found_without_reading_those_with_one() {
    let db = testing::database().await.db;
    db.pool().execute(EVENTS).await.unwrap();
    while Sequencer::take_over(&db).await.unwrap().pass().await.unwrap() > 0 {}
    db.pool().execute("analyze events, log_index, sequencer").await.unwrap();
    assert_eq!(Log::new(&db).due().await.unwrap(), 50_000);
    let mut connection = testing::connection(&db).await;
    connection.execute("begin").await.unwrap();
    connection.execute("select unplaced, since, last_position from events_without_position()").await.unwrap();
    let read: i64 = sqlx::query_scalar(READ).fetch_one(&mut connection).await.unwrap();
    assert!(read < 50, "{read} rows and index entries");
}
