//! Live logins: while the log is lost, and how long they are kept.

use std::time::Duration;

use domain::login::CancelReason;
use domain::{AccountId, LoginCommand, LoginStatus};
use eventlog::Sequencer;
use eventlog::database::PoolSettings;
use eventlog::store::{Context, Store};
use eventlog::testing::proxy::Proxy;
use eventlog::testing::{self, TestDatabase};
use projections::Projector;
use tokio::time::timeout;

use super::*;

const LONG_ENOUGH: Duration = Duration::from_secs(30);

/// Everything that was committed, into the views.
async fn project(db: &Database) {
    Sequencer::take_over(db).await.unwrap().pass().await.unwrap();
    Projector::take_over(db).await.unwrap().catch_up().await.unwrap();
}

/// 1. A login is live, and shown as such.
/// 2. The live logins lose the log. The login is cancelled, and the views show it: they have not lost the log.
/// 3. The live logins follow again, and the login is shown as cancelled.
#[tokio::test]
async fn what_ended_while_the_log_was_lost_is_not_shown_as_waiting() {
    let TestDatabase { db, url } = testing::database().await;
    let proxy = Proxy::before(&url).await;
    let settings = PoolSettings { answer_within: Duration::from_millis(300), ..PoolSettings::default() };
    let behind = Database::connect_with(&proxy.url, settings).await.unwrap();
    let (live_logins, store) = (Arc::new(LiveLogins::default()), Store::new(&db));
    let (account_id, at) = (AccountId(uuid::Uuid::new_v4()), Timestamp::UNIX_EPOCH);
    let login_id: LoginId = "AAAAAAAAAAAAAAAAAAAAAA".parse().unwrap();
    let start = LoginCommand::Start { account_id, invite: None, attempt: 1, at };
    store.login(&login_id, start, Context::by(account_id)).await.unwrap();
    project(&db).await;
    let following = live_logins.clone();
    let (clock, _) = Clock::manual(at);
    tokio::spawn(async move { following.follow(&behind, &Vault::new(&behind), &clock).await });
    let shown = async |wanted: LoginStatus| {
        let shows = async {
            while live_logins.get(login_id.as_str()).is_none_or(|login| login.borrow().row.status != wanted) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(LONG_ENOUGH, shows).await.expect("the live logins show it");
    };
    shown(LoginStatus::Waiting).await; // 1
    proxy.goes_away();
    while live_logins.follows() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let cancel = LoginCommand::Cancel { attempt: 1, reason: CancelReason::Person, at };
    store.login(&login_id, cancel, Context::by(account_id)).await.unwrap();
    project(&db).await; // 2
    proxy.comes_back();
    shown(LoginStatus::Cancelled).await; // 3
}

/// 1. A login has ended, and is the last that anybody began.
/// 2. The time goes by, and nothing happens. The login is forgotten.
#[tokio::test]
async fn in_a_quiet_service_too_what_has_ended_is_forgotten_by_the_clock() {
    let TestDatabase { db, .. } = testing::database().await;
    let (live_logins, store) = (Arc::new(LiveLogins::default()), Store::new(&db));
    let (account_id, at) = (AccountId(uuid::Uuid::new_v4()), Timestamp::UNIX_EPOCH);
    let (clock, time) = Clock::manual(at);
    let login_id: LoginId = "AAAAAAAAAAAAAAAAAAAAAA".parse().unwrap();
    let start = LoginCommand::Start { account_id, invite: None, attempt: 1, at };
    store.login(&login_id, start, Context::by(account_id)).await.unwrap();
    project(&db).await;
    let (following, db_) = (live_logins.clone(), db.clone());
    tokio::spawn(async move { following.follow(&db_, &Vault::new(&db_), &clock).await });
    let until = async |done: &dyn Fn() -> bool| {
        let poll = async {
            while !done() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(LONG_ENOUGH, poll).await.expect("it happens");
    };
    let ended = || live_logins.get(login_id.as_str()).is_some_and(|it| it.borrow().row.ended_at.is_some());
    until(&|| live_logins.len() == 1).await;
    let cancel = LoginCommand::Cancel { attempt: 1, reason: CancelReason::Person, at };
    store.login(&login_id, cancel, Context::by(account_id)).await.unwrap();
    project(&db).await;
    until(&ended).await; // 1
    time.advance(Duration::from_secs(601));
    until(&|| live_logins.is_empty()).await; // 2
}
