//! What the store adds to cqrs-es and postgres-es.

use domain::login::Refusal;
use domain::{
    AccountId, Event, InviteCommand, InviteError, InviteId, LoginCommand, LoginEvent, LoginId, StreamKind,
    Tier,
};
use futures::future::join_all;
use jiff::Timestamp;
use sqlx::{Connection, Row};
use uuid::Uuid;

use super::{Context, Fence, Store, StoreError};
use crate::database::{Database, DatabaseError};
use crate::log::Log;
use crate::sequencer::Sequencer;
use crate::stream_locks::{LockRequest, StreamLocks};
use crate::testing::{self, TestDatabase};

const NOW: Timestamp = Timestamp::constant(1_750_000_000, 0);

fn create(invite_id: InviteId, max_uses: u32) -> InviteCommand {
    InviteCommand::Create {
        invite_id,
        tier: Tier::Premium,
        max_uses,
        valid_until: Timestamp::MAX,
        subscription_days: 0,
        created_by: None,
        at: NOW,
    }
}

fn redeem(number: u128) -> InviteCommand {
    InviteCommand::Redeem {
        account_id: AccountId(Uuid::from_u128(number)),
        login_id: login(number),
        attempt: 1,
        at: NOW,
    }
}

fn login(number: u128) -> LoginId {
    format!("{number:032}").parse().unwrap()
}

fn start(number: u128) -> LoginCommand {
    LoginCommand::Start { account_id: AccountId(Uuid::from_u128(number)), invite: None, attempt: 1, at: NOW }
}

async fn an_invite(test: &TestDatabase, max_uses: u32) -> (Store, InviteId) {
    let store = Store::new(&test.db);
    let invite = InviteId(Uuid::from_u128(7));
    store.invite(invite, create(invite, max_uses), Context::system()).await.unwrap();
    (store, invite)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_two_people_who_race_for_the_last_use_one_gets_it_200_times_of_200() {
    let test = testing::database().await;
    let store = Store::new(&test.db);
    for round in 0..200 {
        let invite = InviteId(Uuid::from_u128(round));
        store.invite(invite, create(invite, 1), Context::system()).await.unwrap();
        let (one, other) = tokio::join!(
            store.invite(invite, redeem(1), Context::system()),
            store.invite(invite, redeem(2), Context::system()),
        );
        let refused = [one, other].into_iter().filter_map(Result::err).collect::<Vec<_>>();
        assert!(matches!(refused[..], [StoreError::Refused(InviteError::UsedUp)]), "{round}: {refused:?}");
        assert_eq!(store.load_invite(invite).await.unwrap().uses(), 1, "{round}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_2000_people_who_race_for_1500_uses_1500_get_one_and_500_hear_that_it_is_used_up() {
    race(&[&testing::database().await.db]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_race_for_an_invite_across_two_processes_refuses_nobody_for_its_length() {
    let test = testing::database().await;
    let other = Database::connect(&test.url).await.unwrap();
    race(&[&test.db, &other]).await;
}

/// 2,000 people at once, shared out among these processes.
async fn race(processes: &[&Database]) {
    let stores: Vec<_> = processes.iter().map(|db| Store::new(db)).collect();
    let invite = InviteId(Uuid::from_u128(7));
    stores[0].invite(invite, create(invite, 1_500), Context::system()).await.unwrap();
    let commands = stores
        .iter()
        .cycle()
        .zip(0..2_000)
        .map(|(store, number)| store.invite(invite, redeem(number), Context::system()));
    let (mut redeemed, mut used_up) = (0, 0);
    for outcome in join_all(commands).await {
        match outcome {
            Ok(()) => redeemed += 1,
            Err(StoreError::Refused(InviteError::UsedUp)) => used_up += 1,
            Err(error) => panic!("{error:?}"),
        }
    }
    assert_eq!((redeemed, used_up), (1_500, 500));
    assert_eq!(stores[0].load_invite(invite).await.unwrap().uses(), 1_500);
}

#[tokio::test]
async fn commands_to_one_stream_are_decided_in_the_order_in_which_they_come() {
    let test = testing::database().await;
    let (store, invite) = an_invite(&test, 100).await;
    join_all((0..20).map(|number| store.invite(invite, redeem(number), Context::system()))).await;
    let redeemed: Vec<String> = sqlx::query_scalar(
        "select payload -> 'InviteRedeemed' ->> 'login_id' from events where event_type = 'InviteRedeemed' order by sequence",
    )
    .fetch_all(test.db.pool())
    .await
    .unwrap();
    assert_eq!(redeemed, (0..20).map(|number| login(number).to_string()).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_stream_lock_passes_over_requests_that_were_dropped() {
    let locks = StreamLocks::default();
    let first = locks.request("invite", "7").acquired().await;
    let gone: Vec<_> = (0..3).map(|_| locks.request("invite", "7")).collect();
    let last = locks.request("invite", "7");
    drop(gone);
    drop(first);
    drop(last.acquired().await);
    assert!(matches!(locks.request("invite", "7"), LockRequest::Granted(_)));
}

/// 1. A command has the lock of its stream and has read it.
/// 2. A standby takes over without the stream's last event, and another process appends in its place.
/// 3. What the next command reads is the stream of the standby.
#[tokio::test]
async fn a_stream_whose_end_is_gone_is_read_anew() {
    let test = testing::database().await;
    let (store, invite) = an_invite(&test, 100).await;
    for number in 0..2 {
        store.invite(invite, redeem(number), Context::system()).await.unwrap();
    }
    let mut known = store.invites.read(&invite.to_string()).await.unwrap();
    lose_event(&test, 3).await;
    store.invites.read_on(&invite.to_string(), &mut known).await.unwrap();
    assert_eq!(known.aggregate, store.load_invite(invite).await.unwrap());

    store.invite(invite, redeem(3), Context::system()).await.unwrap();
    let mut known = store.invites.read(&invite.to_string()).await.unwrap();
    lose_event(&test, 3).await;
    store.invite(invite, redeem(4), Context::system()).await.unwrap();
    store.invite(invite, redeem(5), Context::system()).await.unwrap();
    store.invites.read_on(&invite.to_string(), &mut known).await.unwrap();
    assert_eq!(known.aggregate, store.load_invite(invite).await.unwrap());
}

/// As a standby that did not have it.
async fn lose_event(test: &TestDatabase, sequence: u32) {
    let sql = format!(
        "alter table events disable trigger user;
         delete from events where sequence = {sequence};
         alter table events enable trigger user;"
    );
    sqlx::raw_sql(&sql).execute(test.db.pool()).await.unwrap();
}

/// 1. Somebody else writes the stream's next event and does not commit yet.
/// 2. The store decides on what it sees and waits at the primary key.
/// 3. The other one commits: the store's append is refused.
/// 4. It reads again, decides again, and its event comes after the other one's.
#[tokio::test]
async fn a_command_that_lost_the_race_is_decided_anew_on_what_won() {
    let test = testing::database().await;
    let (store, invite) = an_invite(&test, 2).await;

    let mut other = testing::connection(&test.db).await;
    let mut transaction = other.begin().await.unwrap();
    sqlx::query(
        "insert into events (aggregate_type, aggregate_id, sequence, event_type, event_version, payload, metadata)
         values ('invite', $1, 2, 'InviteRevoked', '1', $2, '{}')",
    )
    .bind(invite.to_string())
    .bind(serde_json::json!({"InviteRevoked": {"at": NOW}}))
    .execute(&mut *transaction)
    .await
    .unwrap();

    let command = store.invite(invite, redeem(1), Context::system());
    let commit = async {
        blocked_writer(&test).await;
        transaction.commit().await.unwrap();
    };
    let (outcome, ()) = tokio::join!(command, commit);
    assert!(matches!(outcome, Err(StoreError::Refused(InviteError::Revoked))), "{outcome:?}");
}

/// 1. A writer holds the stream's next place and does not commit.
/// 2. A command waits for that, inside its append.
/// 3. Its caller is dropped.
/// 4. The writer rolls back: the command goes through all the same.
#[tokio::test]
async fn a_command_survives_its_caller() {
    let test = testing::database().await;
    let (store, invite) = an_invite(&test, 2).await;
    let mut sequencing = Log::new(&test.db).follow(1);
    let sequencer = Sequencer::take_over(&test.db).await.unwrap();

    let mut other = testing::connection(&test.db).await;
    let mut transaction = other.begin().await.unwrap();
    sqlx::query(
        "insert into events (aggregate_type, aggregate_id, sequence, event_type, event_version, payload, metadata)
         values ('invite', $1, 2, 'InviteRevoked', '1', '{}', '{}')",
    )
    .bind(invite.to_string())
    .execute(&mut *transaction)
    .await
    .unwrap();

    tokio::select! {
        _ = store.invite(invite, redeem(1), Context::system()) => panic!("it cannot be done yet"),
        () = blocked_writer(&test) => {}
    }
    let mut appended = test.db.wake().subscribe(crate::wake::Topic::Appended);
    transaction.rollback().await.unwrap();

    appended.wait(std::time::Duration::from_secs(30)).await;
    assert_eq!(sequencer.pass().await.unwrap(), 2);
    let events = sequencing.next().await.unwrap();
    assert_eq!(events.iter().map(|it| it.name.as_str()).collect::<Vec<_>>(), ["InviteRedeemed"]);
}

/// Returns once some session waits for another one's transaction.
async fn blocked_writer(test: &TestDatabase) {
    let waits = "select exists (select from pg_stat_activity
                  where datname = current_database() and wait_event_type = 'Lock')";
    while !sqlx::query_scalar::<_, bool>(waits).fetch_one(test.db.pool()).await.unwrap() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn what_another_constraint_refuses_is_told_and_not_tried_again() {
    let test = testing::database().await;
    let (store, invite) = an_invite(&test, 2).await;
    sqlx::raw_sql(
        "create sequence tries;
         create function refuse() returns trigger language plpgsql as $$ begin
             perform nextval('tries');
             raise exception 'no' using errcode = 'unique_violation', constraint = 'events_event_no';
         end $$;
         create trigger refuse before insert on events for each row execute function refuse();",
    )
    .execute(test.db.pool())
    .await
    .unwrap();
    let outcome = store.invite(invite, redeem(1), Context::system()).await;
    assert!(matches!(outcome, Err(StoreError::Database(DatabaseError::Sql(_)))), "{outcome:?}");
    let tries: i64 =
        sqlx::query_scalar("select last_value from tries").fetch_one(test.db.pool()).await.unwrap();
    assert_eq!(tries, 1);
}

#[tokio::test]
async fn a_fenced_command_is_refused_at_once_and_not_tried_again() {
    let test = testing::database().await;
    let store = Store::new(&test.db);
    sqlx::raw_sql(
        "create sequence tries;
         create function newer_holder() returns trigger language plpgsql as $$ begin
             perform nextval('tries');
             raise exception 'fenced' using errcode = 'QR001';
         end $$;
         create trigger a_newer_holder before insert on events
             for each row when (new.metadata ->> 'epoch' = '3') execute function newer_holder();",
    )
    .execute(test.db.pool())
    .await
    .unwrap();
    let fence = Fence { login_id: login(1), attempt: 1, epoch: 3 };
    let outcome = store.login(&login(1), start(1), Context::system().with_fence(&fence)).await;
    assert!(matches!(outcome, Err(StoreError::Fenced)), "{outcome:?}");
    let tries: i64 =
        sqlx::query_scalar("select last_value from tries").fetch_one(test.db.pool()).await.unwrap();
    assert_eq!(tries, 1);
}

#[tokio::test]
async fn the_envelope_says_who_about_whom_and_why() {
    let test = testing::database().await;
    let store = Store::new(&test.db);
    let person = AccountId(Uuid::from_u128(1));
    let fence = Fence { login_id: login(1), attempt: 1, epoch: 0 };
    let context = Context::by(person).with_cause("invite/7/2").with_update(99);
    store.login(&login(1), start(1), context.clone()).await.unwrap();
    assert_eq!(
        serde_json::to_value(context.with_fence(&fence).metadata()).unwrap(),
        serde_json::json!({
            "actor": person.to_string(),
            "account_id": person.to_string(),
            "correlation_id": login(1).as_str(),
            "causation_id": "invite/7/2",
            "update_id": "99",
            "attempt": "1",
            "epoch": "0",
        })
    );
    let stored = sqlx::query("select metadata ->> 'correlation_id' from events")
        .fetch_one(test.db.pool())
        .await
        .unwrap();
    assert_eq!(stored.get::<String, _>(0), login(1).as_str());
}

#[tokio::test]
async fn an_event_that_cannot_be_read_is_named_without_its_contents() {
    let test = testing::database().await;
    let store = Store::new(&test.db);
    sqlx::query(
        "insert into events (aggregate_type, aggregate_id, sequence, event_type, event_version, payload, metadata)
         values ('login', $1, 1, 'LoginStarted', '1', '{\"LoginStarted\": \"hush\"}', '{}')",
    )
    .bind(login(1).as_str())
    .execute(test.db.pool())
    .await
    .unwrap();
    let error = store.load_login(&login(1)).await.unwrap_err();
    assert_eq!(error.to_string(), format!("an event of login/{} cannot be read", login(1)));
    assert!(!format!("{error:?}").contains("hush"));
}

#[tokio::test]
async fn a_stream_with_events_of_an_older_version_goes_on_in_the_newest() {
    let test = testing::database().await;
    let (store, log) = (Store::new(&test.db), Log::new(&test.db));
    let (account_id, login, at) = (AccountId(Uuid::new_v4()), login(1), NOW);
    let context = || Context::by(account_id);
    let start = LoginCommand::Start { account_id, invite: None, attempt: 1, at };
    store.login(&login, start, context()).await.unwrap();
    store.login(&login, LoginCommand::RequestPassword { attempt: 1, at }, context()).await.unwrap();
    // As it was written before a reason was always given.
    sqlx::query(
        "insert into events (aggregate_type, aggregate_id, sequence, event_type, event_version, payload, metadata)
         values ('login', $1, 3, 'PasswordRejected', '1',
                 '{\"PasswordRejected\": {\"attempt\": 1, \"at\": \"2026-11-22T10:00:00Z\"}}', '{}')",
    )
    .bind(login.as_str())
    .execute(test.db.pool())
    .await
    .unwrap();

    let again = LoginCommand::RejectPassword { attempt: 1, reason: Refusal::Stale, at };
    store.login(&login, again, context()).await.unwrap();
    Sequencer::take_over(&test.db).await.unwrap().pass().await.unwrap();
    let events = log.stream(StreamKind::Login, login.as_str()).await.unwrap();
    let refusals: Vec<_> = events[2..]
        .iter()
        .map(|stored| match stored.event.as_ref().unwrap() {
            Event::Login(LoginEvent::PasswordRejected { reason, .. }) => (stored.version.as_str(), *reason),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(refusals, [("1", Refusal::Wrong), ("2", Refusal::Stale)]);
}
