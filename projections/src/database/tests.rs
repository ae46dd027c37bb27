//! The pool, the tables, and the private PostgreSQL.

use crate::testing;

#[tokio::test]
async fn closing_waits_for_connections_that_are_in_use() {
    let db = testing::database().await.db;
    let mut busy = db.pool().acquire().await.unwrap();
    let idle = [db.pool().acquire().await.unwrap(), db.pool().acquire().await.unwrap()];
    for mut connection in idle {
        connection.return_to_pool().await;
    }
    assert_eq!(db.pool().num_idle(), 2);
    let work = async {
        sqlx::query("select pg_sleep(0.1)").execute(&mut *busy).await.unwrap();
        drop(busy);
    };
    tokio::join!(db.close(), work);
    assert_eq!(db.pool().size(), 0, "somebody still speaks with a server that may stop now");
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
