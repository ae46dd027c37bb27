//! The statements that are assembled from a view's shape are right for every view.

use sqlx::Executor;

use super::*;
use eventlog::testing;
use projections::views;

#[tokio::test]
async fn every_view_lists_a_row_that_a_constraint_refuses() {
    let db = testing::database().await.db;
    for (view, slot) in views::all().into_iter().flat_map(|view| [(view, "a"), (view, "b")]) {
        let (shape, mut transaction) = (view.shape(), projector::begin(&db).await.unwrap());
        transaction.execute(&*create_incoming(shape, slot)).await.unwrap();
        transaction.execute("insert into incoming default values").await.unwrap();
        transaction.execute(&*insert_incoming(shape, slot)).await.unwrap();
        let reasons: Vec<String> = sqlx::query_scalar("select reason from refused")
            .persistent(false)
            .fetch_all(&mut *transaction)
            .await
            .unwrap();
        assert_eq!(reasons, ["SQLSTATE 23502"], "{} has columns that may not be null", shape.table(slot));
        transaction.rollback().await.unwrap();
    }
}
