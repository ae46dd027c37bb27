//! What the migrations do about the public names of the views.

use std::error::Error;

use secrecy::ExposeSecret;

use crate::views;
use eventlog::database::Database;
use eventlog::testing;

#[tokio::test]
async fn migrating_reports_a_foreign_table_of_that_name_in_one_line_and_leaves_it_alone() {
    let test = testing::database().await;
    let name: String =
        sqlx::query_scalar("select current_database()").fetch_one(test.db.pool()).await.unwrap();
    sqlx::raw_sql(&format!("create database {name}_empty template template0"))
        .execute(test.db.pool())
        .await
        .unwrap();
    let url = test.url.expose_secret().replace(&name, &format!("{name}_empty"));
    let db = Database::connect(&url.into()).await.unwrap();
    sqlx::raw_sql(
        "create foreign data wrapper nowhere; \
         create server elsewhere foreign data wrapper nowhere; \
         create foreign table users (id int) server elsewhere",
    )
    .execute(db.pool())
    .await
    .unwrap();

    let error = db.migrate().await.expect_err("the name is taken");
    let mut message = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        message = format!("{message}: {error}");
        cause = error.source();
    }
    assert!(message.contains("foreign table called public.users"), "{message}");
    assert!(message.contains("not ours"), "{message}");
    assert_eq!(message.lines().count(), 1, "{message}");
    let kept: String = sqlx::query_scalar("select relkind::text from pg_class where relname = 'users'")
        .fetch_one(db.pool())
        .await
        .unwrap();
    assert_eq!(kept, "f");
}

/// The same columns have no statistics in PostgreSQL, which would keep samples of their values.
#[tokio::test]
async fn the_personal_columns_of_each_view_are_those_that_nothing_else_keeps() {
    let db = testing::database().await.db;
    for view in views::all() {
        let shape = view.shape();
        let without_statistics: Vec<String> = sqlx::query_scalar(
            "select attname::text from pg_attribute \
              where attrelid = to_regclass($1) and attname = any($2) and attstattarget = 0 order by attname",
        )
        .bind(shape.table("a"))
        .bind(shape.columns)
        .fetch_all(db.pool())
        .await
        .unwrap();
        let mut personal = views::personal_columns(shape.name).to_vec();
        personal.sort_unstable();
        assert_eq!(personal, without_statistics, "{}", shape.name);
    }
}
