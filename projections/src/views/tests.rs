//! What the migration promises about the public names.

use std::error::Error;

use secrecy::ExposeSecret;

use eventlog::database::Database;
use eventlog::testing;

#[tokio::test]
async fn a_table_of_that_name_that_is_not_ours_is_told_in_one_line_and_left_alone() {
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
    let mut told = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        told = format!("{told}: {error}");
        cause = error.source();
    }
    assert!(told.contains("foreign table called public.users"), "{told}");
    assert!(told.contains("not ours"), "{told}");
    assert_eq!(told.lines().count(), 1, "{told}");
    let kept: String = sqlx::query_scalar("select relkind::text from pg_class where relname = 'users'")
        .fetch_one(db.pool())
        .await
        .unwrap();
    assert_eq!(kept, "f");
}
