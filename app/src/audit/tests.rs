//! Who reads a history is recorded: once in a minute, by every process, and never in the way of the read.

use std::sync::Arc;
use std::time::Duration;

use domain::Event;
use domain::audit::AuditEvent;
use eventlog::Log;
use eventlog::log::{Filter, LogEvent};
use vault::DerivedKeys;

use super::*;
use crate::testing::Story;

fn app_of(story: &Story) -> App {
    App::new(&story.db, Arc::new(DerivedKeys::random()), story.clock.clone(), story.tiers.clone())
}

async fn reads(story: &Story) -> Vec<LogEvent> {
    story.settle().await;
    let filter = Filter { name: Some("AuditRead".to_owned()), ..Filter::default() };
    Log::new(&story.db).history(&filter, 0, 100).await.unwrap()
}

#[tokio::test]
async fn a_read_is_recorded_once_in_a_minute_for_each_reader_and_history() {
    let story = Story::begin().await;
    let app = app_of(&story);
    let (ilya, olga) = (story.person(1, "{}").await, story.person(2, "{}").await);
    let (anna, boris) = (story.person(3, "{}").await, story.person(4, "{}").await);
    let read =
        async |reader, account| note_read(&app, reader, Role::Admin, AuditTarget::Account(account)).await;
    read(anna, ilya).await;
    // Another process does not know of it.
    note_read(&app_of(&story), anna, Role::Admin, AuditTarget::Account(ilya)).await;
    read(anna, olga).await;
    read(boris, ilya).await;
    assert_eq!(reads(&story).await.len(), 3);

    story.manual_clock.advance(Duration::from_secs(60));
    read(anna, ilya).await;
    let reads = reads(&story).await;
    let who: Vec<_> = reads.iter().map(|it| (it.metadata.actor.clone(), it.metadata.account_id)).collect();
    let by = |reader: AccountId, account| (reader.to_string(), Some(account));
    assert_eq!(who, [by(anna, ilya), by(anna, olga), by(boris, ilya), by(anna, ilya)]);
    let (target, role, at) = (AuditTarget::Account(ilya), Some(Role::Admin), story.clock.now());
    assert_eq!(reads[3].event.as_ref().unwrap(), &Event::Audit(AuditEvent::AuditRead { target, role, at }));
}

#[tokio::test]
async fn two_processes_at_the_same_moment_record_one_read() {
    let story = Story::begin().await;
    let (ilya, anna) = (story.person(1, "{}").await, story.person(2, "{}").await);
    let apps: Vec<App> = (0..8).map(|_| app_of(&story)).collect();
    let notes = apps.iter().map(|app| note_read(app, anna, Role::Auditor, AuditTarget::Account(ilya)));
    futures::future::join_all(notes).await;
    assert_eq!(reads(&story).await.len(), 1);
}

#[tokio::test]
async fn ones_own_history_and_one_that_does_not_exist_are_no_audit_read() {
    let story = Story::begin().await;
    let app = app_of(&story);
    let anna = story.person(1, "{}").await;
    let invite = story.invite(1, None).await;
    let own = story.redeem(anna, invite).await;
    story.settle().await;
    let nobody = AccountId(Uuid::from_u128(7));
    for target in [
        AuditTarget::Account(anna),
        AuditTarget::Login(own),
        AuditTarget::Account(nobody),
        AuditTarget::Login("login-00000000000000000000000001".parse().unwrap()),
        AuditTarget::Invite(domain::InviteId(nobody.0)),
    ] {
        note_read(&app, anna, Role::Admin, target).await;
    }
    assert!(reads(&story).await.is_empty());
}

#[tokio::test]
async fn a_read_of_a_login_is_in_its_persons_history_and_one_of_an_invite_in_nobodys() {
    let story = Story::begin().await;
    let app = app_of(&story);
    let (ilya, anna) = (story.person(1, "{}").await, story.person(2, "{}").await);
    let invite = story.invite(1, None).await;
    let login = story.redeem(ilya, invite).await;
    story.settle().await;
    for target in [AuditTarget::Login(login.clone()), AuditTarget::Invite(invite), AuditTarget::Log] {
        note_read(&app, anna, Role::Admin, target).await;
    }
    let about: Vec<_> =
        reads(&story).await.into_iter().map(|it| (it.metadata.account_id, it.metadata.login_id)).collect();
    assert_eq!(about, [(Some(ilya), Some(login)), (None, None), (None, None)]);
}

#[tokio::test]
async fn a_read_by_replay_names_the_role_and_is_recorded_once_in_a_minute() {
    let story = Story::begin().await;
    let (ilya, olga) = (story.person(1, "{}").await, story.person(2, "{}").await);
    let invite = story.invite(1, None).await;
    let login = story.redeem(ilya, invite).await;
    story.settle().await;
    let targets = [AuditTarget::Account(ilya), AuditTarget::Login(login), AuditTarget::Invite(invite)];
    for target in &targets {
        note_read_by_replay(&story.db, target).await.unwrap();
    }
    let nobody = AuditTarget::Account(AccountId(Uuid::from_u128(7)));
    note_read_by_replay(&story.db, &nobody).await.unwrap();
    let found = reads(&story).await;
    let read: Vec<_> = found
        .iter()
        .map(|it| match it.event.as_ref().unwrap() {
            Event::Audit(AuditEvent::AuditRead { target, role: None, .. }) => target.clone(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(read, targets);
    assert!(found.iter().all(|it| it.metadata.actor == "tool:replay:qr_login"), "{found:?}");
    let people: Vec<_> = found.iter().map(|it| it.metadata.account_id).collect();
    assert_eq!(people, [Some(ilya), Some(ilya), None]);
    // In one transaction it is one moment.
    let mut transaction = story.db.begin("begin").await.unwrap();
    for is_new in [true, false] {
        let noted = sqlx::query_scalar("select note_replay_read($1, null, null)").bind(olga.0);
        let noted: bool = noted.fetch_one(&mut *transaction).await.unwrap();
        assert_eq!(noted, is_new);
    }
}

#[tokio::test]
async fn a_read_goes_on_where_it_cannot_be_recorded() {
    let story = Story::begin().await;
    let app = app_of(&story);
    let (ilya, anna) = (story.person(1, "{}").await, story.person(2, "{}").await);
    sqlx::raw_sql("alter table events add check (aggregate_type <> 'audit')")
        .execute(story.db.pool())
        .await
        .unwrap();
    note_read(&app, anna, Role::Admin, AuditTarget::Account(ilya)).await;
    assert!(reads(&story).await.is_empty());
}
