//! The pool, the tables, and the private PostgreSQL.

use std::time::Duration;

use futures::FutureExt;

use crate::testing;

#[tokio::test]
async fn closing_waits_for_connections_that_are_in_use() {
    let db = testing::database().await.db;
    let mut busy = db.pool().acquire().await.unwrap();
    let idle = [db.pool().acquire().await.unwrap(), db.pool().acquire().await.unwrap()];
    for mut connection in idle {
        connection.return_to_pool().await;
    }
    assert!(db.pool().num_idle() >= 2);
    let work = async {
        sqlx::query("select pg_sleep(0.1)").execute(&mut *busy).await.unwrap();
        drop(busy);
    };
    tokio::join!(db.close(), work);
    assert_eq!(db.pool().size(), 0, "somebody still speaks with a server that may stop now");
}

/// Sooner or later, whoever asks for a transaction is dropped in the middle of it: a page is closed, a lease is lost.
#[tokio::test]
async fn a_transaction_that_nobody_waits_for_any_more_is_ended() {
    let db = testing::database().await.db;
    let mut witness = db.direct().await.unwrap();
    let open = "select count(*) from pg_stat_activity
                 where datname = current_database() and state like 'idle in transaction%'";
    for polls in 1..=8 {
        let mut begun = Box::pin(db.begin("begin"));
        for _ in 0..polls {
            if (&mut begun).now_or_never().is_some() {
                break;
            }
            tokio::task::yield_now().await;
        }
        drop(begun);
        let ended = async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            while sqlx::query_scalar::<_, i64>(open).fetch_one(&mut witness).await.unwrap() > 0 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let ended = tokio::time::timeout(Duration::from_secs(10), ended).await;
        ended.unwrap_or_else(|_| {
            panic!("asked {polls} times, then dropped: a transaction is left that nobody ends")
        });
    }
}

#[tokio::test]
async fn every_column_of_the_log_and_the_vault_is_commented() {
    let test = testing::database().await;
    let bare: Vec<String> = sqlx::query_scalar(
        "select format('%s.%s', c.relname, a.attname)
           from pg_class c join pg_attribute a on a.attrelid = c.oid
           join pg_namespace n on n.oid = c.relnamespace
          where c.relkind = 'r' and a.attnum > 0 and not a.attisdropped
            and (n.nspname = 'vault' or c.relname in ('events', 'log_index', 'sequencer'))
            and col_description(c.oid, a.attnum) is null",
    )
    .fetch_all(test.db.pool())
    .await
    .unwrap();
    assert!(bare.is_empty(), "columns without a comment: {bare:?}");
}
