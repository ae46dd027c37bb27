//! The statements that are assembled from a view's shape are accepted by a migrated database, for every view.

use sqlx::Executor;

use crate::views;
use eventlog::testing;

#[tokio::test]
async fn a_migrated_database_accepts_every_statement_of_every_view() {
    let mut connection = testing::connection(&testing::database().await.db).await;
    for view in views::all() {
        let shape = view.shape();
        for (slot, other) in [("a", "b"), ("b", "a")] {
            let statements = [
                shape.select(slot, 1),
                shape.select_all(slot),
                shape.upsert(slot, 1),
                shape.delete(slot),
                shape.differences(slot, other),
                shape.count_differences(slot, other),
                format!("select count(*) from {}", shape.table(slot)),
            ];
            for statement in statements {
                connection.prepare(&statement).await.unwrap_or_else(|error| panic!("{statement}: {error}"));
            }
            for statement in ["analyze", "truncate"] {
                let statement = format!("{statement} {}", shape.table(slot));
                connection.execute(&*statement).await.unwrap_or_else(|error| panic!("{statement}: {error}"));
            }
        }
    }
}
