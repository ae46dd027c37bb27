//! A process is seen as long as it lives.

use super::Presence;
use eventlog::testing;

#[tokio::test]
async fn a_presence_whose_connection_is_cut_says_so() {
    let database = testing::database().await;
    let presence = Presence::announce(&database.db, "a").await.unwrap();

    sqlx::query(
        "select pg_terminate_backend(pid) from pg_locks
          where locktype = 'advisory' and classid = 1364348751
            and database = (select oid from pg_database where datname = current_database())",
    )
    .execute(database.db.pool())
    .await
    .unwrap();

    presence.lost().await;
}

#[tokio::test]
async fn two_parts_of_one_process_may_announce_the_same_holder() {
    let database = testing::database().await;
    let one = Presence::announce(&database.db, "a").await.unwrap();

    let other = Presence::announce(&database.db, "a").await.unwrap();

    drop((one, other));
}
