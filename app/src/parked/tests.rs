//! What is parked: by its cause, folded again after a fix, and on record.

use std::collections::BTreeSet;

use domain::{AccountCommand, AccountId, Role};
use eventlog::Context;
use eventlog::log::{Filter, Log};
use eventlog::sequencer::Sequencer;
use projections::views::users;

use super::*;
use crate::testing::Story;

const ILYA: &str = r#"{"first_name":"Ilya"}"#;

/// An admin, three people whose rows a bug has parked, and one whose payload nobody can read.
struct World {
    story: Story,
    admin: AccountId,
    parked: Vec<AccountId>,
}

const REFUSED: &str = "the database refuses the row: SQLSTATE 23514, bug";
const UNREADABLE: &str =
    "the event cannot be decoded: the payload of \"AccountBlocked\" does not have its shape";

impl World {
    async fn begin() -> Self {
        let story = Story::begin().await;
        let at = story.clock.now();
        let admin = story.person(1, ILYA).await;
        story.account(admin, AccountCommand::ChangeRole { role: Role::Admin, at }).await;
        let mut parked = Vec::new();
        for number in 2..=4 {
            parked.push(story.person(number, ILYA).await);
        }
        let unreadable = [story.person(5, ILYA).await, story.person(6, ILYA).await];
        story.project().await;
        story.run("alter table slots.users_a add constraint bug check (role <> 'auditor')").await;
        for person in &parked {
            story.account(*person, AccountCommand::ChangeRole { role: Role::Auditor, at }).await;
        }
        // Half a character, in two places of the payload: PostgreSQL takes it, and nobody else.
        let payloads = [r#"{"AccountBlocked":"\ud800"}"#, r#"{    "AccountBlocked":"\ud800"}"#];
        for (person, payload) in unreadable.iter().zip(payloads) {
            story
                .run(&format!(
                    "insert into events (aggregate_type, aggregate_id, sequence, event_type, event_version, payload, metadata) \
                     values ('account', '{person}', 2, 'AccountBlocked', '1', '{payload}', '{{}}')"
                ))
                .await;
        }
        story.project().await;
        Self { story, admin, parked }
    }

    fn fix(&self) -> impl Future<Output = ()> {
        self.story.run("alter table slots.users_a drop constraint bug")
    }

    async fn replay(&self, which: Which, by: &OrderedBy) -> Result<Replayed, ReplayError> {
        let context = Context::by(self.admin);
        replay(&self.story.db, "users", &which, by, self.story.clock.now(), context).await
    }

    async fn is_auditor(&self, person: AccountId) -> bool {
        users::by_account(&self.story.db, person).await.unwrap().unwrap().role == Role::Auditor
    }

    async fn orders(&self) -> Vec<serde_json::Value> {
        let sequencer = Sequencer::take_over(&self.story.db).await.unwrap();
        while sequencer.pass().await.unwrap() > 0 {}
        let filter = Filter { name: Some("ParkedReplayOrdered".to_owned()), ..Filter::default() };
        let events = Log::new(&self.story.db).history(&filter, 0, 100).await.unwrap();
        assert!(events.iter().all(|event| event.metadata.actor == self.admin.to_string()));
        events.into_iter().map(|event| event.payload["ParkedReplayOrdered"].clone()).collect()
    }
}

#[tokio::test]
async fn rows_with_one_fault_have_one_cause_wherever_it_is_in_their_payloads() {
    let world = World::begin().await;
    let causes = by_cause(&world.story.db).await.unwrap();
    let seen: Vec<_> = causes.iter().map(|it| (it.cause.as_str(), it.count, it.keys.len())).collect();
    let mut expected = vec![(REFUSED, 3, 3), (UNREADABLE, 4, 4)];
    expected.sort_by_key(|(cause, ..)| seen.iter().position(|it| it.0 == *cause));
    assert_eq!(seen, expected);
    let unreadable = causes.iter().find(|it| it.cause == UNREADABLE).unwrap();
    assert_eq!(unreadable.views, ["subscriptions", "users"]);
    let errors: BTreeSet<_> = unreadable.keys.iter().map(|it| &it.error).collect();
    assert_eq!(errors.len(), 2, "the errors say where");
    assert!(unreadable.keys.iter().all(|it| it.event.as_deref() == Some("AccountBlocked")));
}

#[tokio::test]
async fn one_row_or_all_with_a_cause_are_folded_again_after_a_fix_and_it_is_on_record() {
    let world = World::begin().await;
    let [first, second, third] = world.parked[..] else { panic!("three") };
    let admin = OrderedBy::Admin(world.admin);
    // Too early.
    let one = Which::Key(first.to_string());
    let Replayed::Done(reports) = world.replay(one.clone(), &admin).await.unwrap() else {
        panic!("it is parked")
    };
    assert!(reports[0].parked.is_some() && !world.is_auditor(first).await);

    world.fix().await;
    let Replayed::Done(reports) = world.replay(one.clone(), &admin).await.unwrap() else {
        panic!("it is parked")
    };
    assert!(reports[0].parked.is_none() && world.is_auditor(first).await);
    assert!(!world.is_auditor(second).await);
    let all = Which::Cause(REFUSED.to_owned());
    let by_tool = OrderedBy::Terminal;
    let Replayed::Done(reports) = world.replay(all.clone(), &by_tool).await.unwrap() else {
        panic!("two are")
    };
    assert_eq!(reports.len(), 2);
    assert!(world.is_auditor(second).await && world.is_auditor(third).await);
    for nothing in [one, all] {
        assert!(matches!(world.replay(nothing, &admin).await.unwrap(), Replayed::NothingParked));
    }

    let past = history(&world.story.db, None, 10).await.unwrap();
    let told: Vec<_> =
        past.iter().map(|it| (it.by.as_str(), it.key.is_some(), it.replayed, it.still_parked)).collect();
    let of_admin = world.admin.to_string();
    let mut expected =
        vec![("tool:replay:qr_login", false, 2, 0), (&of_admin, true, 1, 0), (&of_admin, true, 0, 1)];
    expected.sort_by_key(|it| told.iter().position(|other| other == it));
    assert_eq!(told, expected);
    assert!(past.iter().all(|it| it.cause == REFUSED && it.view == "users"));
    let rest = history(&world.story.db, Some(past[0].replay_id), 10).await.unwrap();
    assert_eq!(rest, past[1..]);

    let orders = world.orders().await;
    assert_eq!(orders.len(), 2, "what the terminal did has no account");
    assert_eq!(orders[0]["row"], first.to_string());
    assert_eq!(orders[0]["cause"], REFUSED);
}

#[tokio::test]
async fn nobody_but_an_admin_has_rows_folded_again_and_events_are_no_rows() {
    let world = World::begin().await;
    world.fix().await;
    let person = OrderedBy::Admin(world.parked[0]);
    let all = || Which::Cause(REFUSED.to_owned());
    assert!(matches!(world.replay(all(), &person).await.unwrap(), Replayed::NotAllowed));
    assert!(!world.is_auditor(world.parked[0]).await);
    assert!(world.orders().await.is_empty() && history(&world.story.db, None, 10).await.unwrap().is_empty());
    let zero = world.replay(Which::Cause("a\0".to_owned()), &OrderedBy::Admin(world.admin)).await.unwrap();
    assert!(matches!(zero, Replayed::NothingParked));
    let (db, now) = (&world.story.db, world.story.clock.now());
    let by = OrderedBy::Admin(world.admin);
    for view in ["reactor", "nonsense"] {
        let done = replay(db, view, &all(), &by, now, Context::by(world.admin)).await.unwrap();
        assert!(matches!(done, Replayed::NoView), "{view}");
    }
}
