//! The service's role: it adds events and reads them, and can change nothing of the log. What an auditor's role may not hold up.

use sqlx::{ConnectOptions, PgConnection};

use super::*;
use crate::testing::{self, TestDatabase};

async fn as_service(test: &TestDatabase) -> Database {
    Database::connect(&testing::service_url(&test.url)).await.unwrap()
}

async fn append(db: &Database) -> Result<(), sqlx::Error> {
    let append = "insert into events (aggregate_type, aggregate_id, sequence, event_type, event_version, payload, metadata)
                  values ('invite', gen_random_uuid()::text, 1, 'InviteCreated', '1', '{}', '{}')";
    db.pool().execute(append).await.map(drop)
}

#[tokio::test]
async fn the_service_adds_events_and_can_change_none() {
    let test = testing::database().await;
    let service = as_service(&test).await;
    append(&service).await.unwrap();
    let placed = crate::sequencer::Sequencer::take_over(&service).await.unwrap().pass().await.unwrap();
    assert_eq!(placed, 1, "and gives them their positions");

    for refused in [
        "update events set event_type = 'Other'",
        "update events set event_no = default",
        "delete from events",
        "truncate events",
        "select 1 from events for update",
        "begin; lock table events in share mode",
        "drop table events",
        "alter table events disable trigger all",
        "alter table events add column more text",
        "drop trigger events_append_only on events",
        "create or replace function refuse_change() returns trigger language plpgsql as 'begin return new; end'",
        "set session_replication_role = replica",
        "insert into log_index values (99, 99)",
        "delete from log_index",
        "truncate log_index",
        "update sequencer set next_position = 1",
        "update sequencer set taken = '1:1:'",
        "select setval('cluster_no', 7)",
        "alter view users owner to qr_login_service",
        "create or replace view users as select 1 as account_id",
        "create table mine (a int)",
        "create table vault.mine (a int)",
        "create function mine() returns int language sql as 'select 1'",
        "select grant_to_service('qr_login_service')",
        "delete from _sqlx_migrations",
        "set role qr_login",
    ] {
        let mut connection = testing::connection(&service).await;
        let error = connection.execute(refused).await.expect_err(refused);
        let code = error.as_database_error().and_then(|it| it.code()).unwrap_or_default().into_owned();
        assert_eq!(code, "42501", "{refused}: {error}");
    }
    assert!(!service.owns_log().await.unwrap());
    assert!(test.db.owns_log().await.unwrap());
    service.migrate().await.expect("there is nothing to do");
}

#[tokio::test]
async fn a_role_that_may_not_change_the_tables_says_who_has_to() {
    let test = testing::database().await;
    test.db.pool().execute("delete from _sqlx_migrations where version = 21").await.unwrap();
    let refused = as_service(&test).await.migrate().await.unwrap_err();
    assert!(refused.to_string().contains("DATABASE_OWNER_URL"), "{refused}");
}

#[tokio::test]
async fn a_start_with_nothing_to_migrate_changes_nothing_and_waits_for_nobody() {
    let test = testing::database().await;
    // Another process migrates, and takes its time.
    let mut lock = testing::connection(&test.db).await;
    lock.execute("begin; select pg_advisory_xact_lock(hashtextextended('migrate', 0))").await.unwrap();
    test.db.migrate().await.unwrap();
}

/// A role that may connect and do what `grants` says.
async fn connect_as(test: &TestDatabase, grant: &str) -> PgConnection {
    let role = format!("reader_{}", uuid::Uuid::new_v4().simple());
    test.db.pool().execute(&*format!("create role {role} login {grant}")).await.unwrap();
    let options = test.db.pool().without_deadlines().connect_options();
    (*options).clone().username(&role).connect().await.unwrap()
}

#[tokio::test]
async fn an_auditor_can_read_and_hold_none_of_our_locks() {
    let test = testing::database().await;
    append(&test.db).await.unwrap();
    let mut auditor = connect_as(&test, "in role qr_auditor").await;
    auditor.execute("select * from events").await.unwrap();
    for refused in [
        "select pg_advisory_lock(hashtextextended('migrate', 0))",
        "select pg_advisory_xact_lock(hashtextextended('rebuild users', 0))",
        "select pg_try_advisory_lock(1, 2)",
        "select pg_try_advisory_xact_lock_shared(1)",
        "select vault.announce('a leader')",
        "select sequence_events(1)",
        "select begin_cluster()",
        "select point_view('users', 'b')",
        "select analyze_slot('users', 'b')",
        "select * from sequencer for update",
        "begin; lock table events in share mode",
        "create table mine (a int)",
    ] {
        let error = auditor.execute(refused).await.expect_err(refused);
        auditor.execute("rollback").await.unwrap();
        let code = error.as_database_error().and_then(|it| it.code()).unwrap_or_default().into_owned();
        assert_eq!(code, "42501", "{refused}: {error}");
    }
}

#[tokio::test]
async fn nobody_else_may_make_a_table_that_would_be_taken_for_ours() {
    let test = testing::database().await;
    let mut stranger = connect_as(&test, "").await;
    let refused = stranger.execute("create table public.inbox (a int)").await.unwrap_err();
    assert_eq!(refused.as_database_error().unwrap().code().unwrap(), "42501");
    // As PostgreSQL 14 makes it.
    let acl: String = sqlx::query_scalar(
        "select coalesce(array_to_string(array(select privilege_type from aclexplode(nspacl) where grantee = 0 order by 1), ','), '')
           from pg_namespace where nspname = 'public'",
    )
    .fetch_one(test.db.pool())
    .await
    .unwrap();
    assert_eq!(acl, "USAGE");
}
