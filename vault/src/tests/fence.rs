//! The log refuses the events of a worker that lost its attempt.

use domain::login::LoginError;
use domain::{LoginCommand, LoginId};
use jiff::Timestamp;
use serde_json::json;
use sqlx::{Executor, Postgres};

use super::{LONG, OVER, claim, claimed, eventually, vault};
use eventlog::store::{Context, Fence, Store, StoreError};

fn issue_qr(token: &str) -> LoginCommand {
    let at = Timestamp::UNIX_EPOCH;
    LoginCommand::IssueQr { attempt: 1, token_sha256: token.to_owned(), expires_at: at, at }
}

async fn as_worker(
    store: &Store,
    fence: &Fence,
    command: LoginCommand,
) -> Result<(), StoreError<LoginError>> {
    store.login(&fence.login_id, command, Context::system().with_fence(fence)).await
}

/// A row as a worker's command writes it.
async fn append(
    connection: impl Executor<'_, Database = Postgres>,
    login: &LoginId,
    epoch: i64,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "insert into events (aggregate_type, aggregate_id, sequence, event_type, event_version, payload, metadata)
         values ('login', $1, 1, 'QrIssued', '1', '{}', $2)",
    )
    .bind(login.as_str())
    .bind(json!({ "correlation_id": login.as_str(), "attempt": "1", "epoch": epoch.to_string() }))
    .execute(connection)
    .await
    .map(drop)
}

#[tokio::test]
async fn the_holders_events_are_appended() {
    let (database, vault) = vault().await;
    let store = Store::new(&database.db);
    let (login, a) = claimed(&vault, "a", LONG).await;
    let start =
        LoginCommand::Start { account_id: a.account_id, invite: None, attempt: 1, at: Timestamp::UNIX_EPOCH };
    store.login(&login, start, Context::system()).await.unwrap();

    as_worker(&store, &a.fence, issue_qr("one")).await.unwrap();

    let events: i64 = sqlx::query_scalar("select count(*) from events where aggregate_id = $1")
        .bind(login.as_str())
        .fetch_one(database.db.pool())
        .await
        .unwrap();
    assert_eq!(events, 2);
}

/// 1. A claims, and freezes.  2. Its lease ends; B claims and issues a QR code.  3. A wakes and issues one, too.
#[tokio::test]
async fn a_frozen_workers_events_are_refused() {
    let (database, vault) = vault().await;
    let store = Store::new(&database.db);
    let (login, a) = claimed(&vault, "a", OVER).await;
    let start =
        LoginCommand::Start { account_id: a.account_id, invite: None, attempt: 1, at: Timestamp::UNIX_EPOCH };
    store.login(&login, start, Context::system()).await.unwrap();
    let b = claim(&vault, "b", LONG).await;
    as_worker(&store, &b.fence, issue_qr("of b")).await.unwrap();

    let refused = as_worker(&store, &a.fence, issue_qr("of a")).await;

    assert!(matches!(refused, Err(StoreError::Fenced)), "{refused:?}");
    as_worker(&store, &b.fence, issue_qr("of b again")).await.unwrap();
}

#[tokio::test]
async fn an_old_epoch_is_sqlstate_qr001() {
    let (database, vault) = vault().await;
    let (login, a) = claimed(&vault, "a", OVER).await;
    claim(&vault, "b", LONG).await;

    let error = append(database.db.pool(), &login, a.fence.epoch).await.unwrap_err();

    assert_eq!(error.as_database_error().unwrap().code().as_deref(), Some("QR001"));
}

#[tokio::test]
async fn a_closed_attempt_appends_nothing_more() {
    let (database, vault) = vault().await;
    let (login, a) = claimed(&vault, "a", LONG).await;
    vault.close_attempt(&a.fence).await.unwrap();

    let error = append(database.db.pool(), &login, a.fence.epoch).await.unwrap_err();

    assert_eq!(error.as_database_error().unwrap().code().as_deref(), Some("QR001"));
}

/// 1. A's lease is over, but nobody has claimed; A appends, not committed yet.  2. B tries to claim.  3. A commits.
/// 4. B claims: it will read what A appended.
#[tokio::test]
async fn nobody_takes_over_between_a_workers_append_and_its_commit() {
    let (database, vault) = vault().await;
    let (login, a) = claimed(&vault, "a", OVER).await;
    let mut of_a = database.db.begin("begin").await.unwrap();
    append(&mut *of_a, &login, a.fence.epoch).await.unwrap();

    assert!(vault.claim_attempts("b", LONG, 10).await.unwrap().is_empty());

    of_a.commit().await.unwrap();
    assert!(claim(&vault, "b", LONG).await.taken_over);
}

/// 1. A appends, and freezes before its commit.  2. B claims as soon as the database has given A up.  3. A wakes.
#[tokio::test]
async fn a_worker_that_freezes_before_its_commit_does_not_hold_the_attempt_for_good() {
    let (database, vault) = vault().await;
    let (login, a) = claimed(&vault, "a", OVER).await;
    let mut of_a = database.db.begin("begin").await.unwrap();
    append(&mut *of_a, &login, a.fence.epoch).await.unwrap();

    let b = eventually(|| async { vault.claim_attempts("b", LONG, 10).await.unwrap().pop() }).await;

    assert!(b.taken_over);
    assert!(of_a.commit().await.is_err(), "nothing of it was kept");
}
