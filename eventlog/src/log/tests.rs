//! Reading the log.

use domain::{AccountId, DecodeError, InviteId, LoginId, StreamKind};
use serde_json::json;
use uuid::Uuid;

use super::{Filter, Log};
use crate::database::Database;
use crate::sequencer::Sequencer;
use crate::testing;

const AT: &str = "2026-05-20T10:00:00Z";

fn login() -> LoginId {
    "0123456789abcdefghijklmnopqrstuv".parse().unwrap()
}

fn account() -> AccountId {
    AccountId(Uuid::from_u128(1))
}

fn invite() -> InviteId {
    InviteId(Uuid::from_u128(7))
}

/// Five events of one person's login by one invite, and one that has nothing to do with it.
async fn a_log(db: &Database) -> Log {
    let (account, invite, login) = (account().to_string(), invite().to_string(), login().to_string());
    let about = json!({"actor": "system", "account_id": account, "correlation_id": login, "update_id": "5"});
    let redeemed = json!({"InviteRedeemed": {"account_id": account, "login_id": login, "attempt": 1, "at": AT,
        "grant": {"invite_id": invite, "tier": "premium", "subscription_days": 0}}});
    let qr = json!({"QrIssued": {"attempt": 1, "token_sha256": "00", "expires_at": AT, "at": AT}});
    for (stream, id, sequence, name, payload, metadata) in [
        (
            "invite",
            invite.as_str(),
            1,
            "InviteRevoked",
            json!({"InviteRevoked": {"at": AT}}),
            json!({"actor": "tool:cli"}),
        ),
        ("invite", &invite, 2, "InviteRedeemed", redeemed, about.clone()),
        ("login", &login, 1, "QrIssued", qr.clone(), about.clone()),
        ("login", &login, 2, "QrIssued", json!({"QrIssued": {"attempt": "many"}}), about.clone()),
        (
            "login",
            &login,
            3,
            "QrIssued",
            qr,
            json!({"actor": "system", "account_id": "nobody", "update_id": ""}),
        ),
        (
            "account",
            &account,
            1,
            "AccountBlocked",
            json!({"AccountBlocked": {"at": AT}}),
            json!({"actor": account, "account_id": account, "causation_id": "login/x/1"}),
        ),
    ] {
        sqlx::query(
            "insert into events
                 (aggregate_type, aggregate_id, sequence, event_type, event_version, payload, metadata)
             values ($1, $2, $3, $4, '1', $5, $6)",
        )
        .bind(stream)
        .bind(id)
        .bind(sequence)
        .bind(name)
        .bind(payload)
        .bind(metadata)
        .execute(db.pool())
        .await
        .unwrap();
    }
    Sequencer::take_over(db).await.unwrap().pass().await.unwrap();
    Log::new(db)
}

async fn positions(log: &Log, filter: Filter) -> Vec<i64> {
    log.history(&filter, 0, 100).await.unwrap().iter().map(|it| it.position).collect()
}

#[tokio::test]
async fn reading_goes_on_after_a_position_and_stops_at_the_limit() {
    let db = testing::database().await.db;
    let log = a_log(&db).await;
    let part: Vec<_> = log.read(1, 3).await.unwrap().iter().map(|it| it.position).collect();
    assert_eq!(part, [2, 3, 4]);
    assert_eq!(log.end().await.unwrap(), 6);
}

#[tokio::test]
async fn an_empty_log_ends_at_0() {
    let db = testing::database().await.db;
    assert_eq!(Log::new(&db).end().await.unwrap(), 0);
}

#[tokio::test]
async fn an_event_without_a_position_is_not_seen_yet() {
    let db = testing::database().await.db;
    let log = a_log(&db).await;
    sqlx::query(
        "insert into events (aggregate_type, aggregate_id, sequence, event_type, event_version, payload, metadata)
         values ('login', $1, 4, 'QrIssued', '1', '{}', '{}')",
    )
    .bind(login().as_str())
    .execute(db.pool())
    .await
    .unwrap();
    assert_eq!(log.end().await.unwrap(), 6);
    assert_eq!(log.read(6, 10).await.unwrap().len(), 0);
    assert_eq!(log.stream(StreamKind::Login, login().as_str()).await.unwrap().len(), 3);
}

#[tokio::test]
async fn an_event_that_cannot_be_decoded_still_says_whose_it_is() {
    let db = testing::database().await.db;
    let events = a_log(&db).await.stream(StreamKind::Login, login().as_str()).await.unwrap();
    let [fine, broken, stray] = &events[..] else { panic!("{events:?}") };
    assert!(fine.event.is_ok());
    assert!(matches!(broken.event.as_ref().map_err(AsRef::as_ref), Err(DecodeError::Payload { .. })));
    assert_eq!(broken.metadata.account_id, Some(account()));
    assert_eq!(broken.metadata.login_id, Some(login()));
    assert_eq!(broken.metadata.update_id, Some(5));
    assert_eq!(stray.metadata.account_id, None, "a malformed envelope stops nobody");
}

#[tokio::test]
async fn the_history_filters_by_each_of_its_questions() {
    let db = testing::database().await.db;
    let log = a_log(&db).await;
    let all = Filter::default();
    assert_eq!(positions(&log, all.clone()).await, [1, 2, 3, 4, 5, 6]);
    assert_eq!(positions(&log, Filter { account: Some(account()), ..all.clone() }).await, [2, 3, 4, 6]);
    assert_eq!(positions(&log, Filter { login: Some(login()), ..all.clone() }).await, [2, 3, 4]);
    assert_eq!(positions(&log, Filter { invite: Some(invite()), ..all.clone() }).await, [1, 2, 3, 4]);
    assert_eq!(positions(&log, Filter { name: Some("QrIssued".into()), ..all.clone() }).await, [3, 4, 5]);

    let third = log.read(2, 1).await.unwrap()[0].recorded_at;
    assert_eq!(positions(&log, Filter { since: Some(third), ..all.clone() }).await, [3, 4, 5, 6]);
    assert_eq!(positions(&log, Filter { until: Some(third), ..all.clone() }).await, [1, 2]);
    let not = Filter { not_names: vec!["QrIssued".into(), "InviteRevoked".into()], ..all.clone() };
    assert_eq!(positions(&log, not).await, [2, 6]);
    let by = |actor: &str| Filter { actor: Some(actor.to_owned()), ..Filter::default() };
    assert_eq!(positions(&log, by("tool:cli")).await, [1]);
    assert_eq!(positions(&log, by("tool")).await, [1]);
    assert_eq!(positions(&log, by("too")).await, [0_i64; 0]);
    assert_eq!(positions(&log, by(&account().to_string())).await, [6]);
    let qr = Filter { name: Some("QrIssued".into()), ..all.clone() };
    assert_eq!(log.nth_last(&qr, 1).await.unwrap(), Some(5));
    assert_eq!(log.nth_last(&qr, 3).await.unwrap(), Some(3));
    assert_eq!(log.nth_last(&qr, 4).await.unwrap(), None);
    let back: Vec<i64> = log.before(&qr, 5, 10).await.unwrap().iter().map(|event| event.position).collect();
    assert_eq!(back, [4, 3]);
    assert!(log.holds("QrIssued").await.unwrap() && !log.holds("QrEaten").await.unwrap());
    let both = Filter { account: Some(account()), name: Some("QrIssued".into()), ..all };
    assert_eq!(positions(&log, both).await, [3, 4]);
}

#[tokio::test]
async fn a_follower_gets_what_is_there_and_then_what_comes() {
    let db = testing::database().await.db;
    let mut follower = a_log(&db).await.follow(4);
    let events = follower.next().await.unwrap();
    assert_eq!(events.iter().map(|it| it.position).collect::<Vec<_>>(), [5, 6]);

    let sequencer = Sequencer::take_over(&db).await.unwrap();
    let come = async {
        sqlx::query(
            "insert into events
                 (aggregate_type, aggregate_id, sequence, event_type, event_version, payload, metadata)
             values ('login', $1, 4, 'QrIssued', '1', '{}', '{}')",
        )
        .bind(login().as_str())
        .execute(db.pool())
        .await
        .unwrap();
        assert_eq!(sequencer.pass().await.unwrap(), 1);
    };
    let (events, ()) = tokio::join!(follower.next(), come);
    assert_eq!(events.unwrap()[0].position, 7);
    assert_eq!(follower.position(), 7);
}
