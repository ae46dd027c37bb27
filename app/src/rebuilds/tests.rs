//! Rebuilds that admins order: recorded, carried out once, taken over, stopped.

use std::sync::Arc;
use std::time::Duration;

use domain::{AccountId, RebuildId, Role};
use eventlog::Context;
use eventlog::log::{Filter, Log, LogEvent};
use eventlog::sequencer::Sequencer;
use eventlog::testing;
use rebuild::testing::{idle_tables, maintain_view};
use sqlx::PgConnection;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use uuid::Uuid;
use vault::DerivedKeys;

use super::report::PartingKind;
use super::*;
use crate::testing::Story;

const ILYA: &str = r#"{"first_name":"Ilya"}"#;
const LONG_ENOUGH: Duration = Duration::from_secs(60);

/// Gives positions to what was appended, and projects nothing.
async fn place(story: &Story) {
    let sequencer = Sequencer::take_over(&story.db).await.unwrap();
    while sequencer.pass().await.unwrap() > 0 {}
}

struct World {
    story: Story,
    app: App,
    admin: AccountId,
}

impl World {
    async fn begin() -> Self {
        let story = Story::begin().await;
        let admin = story.person(1, ILYA).await;
        let at = story.clock.now();
        story.account(admin, AccountCommand::ChangeRole { role: Role::Admin, at }).await;
        story.project().await;
        let keys = Arc::new(DerivedKeys::random());
        let app = App::new(&story.db, keys, story.clock.clone(), story.tiers.clone());
        Self { story, app, admin }
    }

    fn an_order(&self, dry_run: bool) -> RebuildOrder {
        let rebuild_id = RebuildId(Uuid::new_v4());
        RebuildOrder { rebuild_id, asked_by: self.admin, view: "users".to_owned(), dry_run }
    }

    async fn order(&self, it: &RebuildOrder) -> Ordered {
        order(&self.app, it.clone(), Context::by(it.asked_by)).await.unwrap()
    }

    /// A leader that carries orders out, until it is aborted.
    fn lead(&self) -> JoinHandle<()> {
        let (db, clock) = (self.story.db.clone(), self.story.clock.clone());
        tokio::spawn(async move { match runner::run(&db, &clock).await {} })
    }

    async fn run(&self, id: RebuildId) -> Run {
        run::by_id(&self.story.db, id).await.unwrap().unwrap()
    }

    async fn until(&self, id: RebuildId, holds: impl Fn(&Run) -> bool) -> Run {
        let waiting = async {
            loop {
                let run = self.run(id).await;
                if holds(&run) {
                    return run;
                }
                tokio::task::yield_now().await;
            }
        };
        timeout(LONG_ENOUGH, waiting).await.expect("it comes to that within a minute")
    }

    async fn until_true(&self, sql: &str) {
        let waiting = async {
            while self.story.count(&format!("select ({sql})::int::bigint")).await == 0 {
                tokio::task::yield_now().await;
            }
        };
        timeout(LONG_ENOUGH, waiting).await.expect(sql);
    }

    async fn events(&self, name: &str) -> Vec<LogEvent> {
        place(&self.story).await;
        let filter = Filter { name: Some(name.to_owned()), ..Filter::default() };
        Log::new(&self.story.db).history(&filter, 0, 100).await.unwrap()
    }

    /// A reader for which every rebuild waits with everything built.
    async fn old_reader(&self) -> PgConnection {
        let mut reader = testing::connection(&self.story.db).await;
        sqlx::raw_sql("begin isolation level repeatable read; select 1 from checkpoints")
            .execute(&mut reader)
            .await
            .unwrap();
        reader
    }

    async fn is_built(&self) {
        self.until_true("exists (select from rebuilds where view = 'users' and state = 'following')").await;
    }

    async fn names(&self) -> i64 {
        self.story.count("select count(*) from users where first_name = 'Ilya'").await
    }

    async fn forge(&self) {
        self.story.run("update slots.users_a set first_name = 'Eve'").await;
    }
}

#[tokio::test]
async fn an_ordered_rebuild_is_recorded_carried_out_and_reported_without_a_name() {
    let world = World::begin().await;
    world.forge().await;
    let order = world.an_order(false);
    assert!(matches!(world.order(&order).await, Ordered::Run(run) if run.status == RunStatus::Waiting));
    let ordered = world.events("RebuildOrdered").await;
    assert_eq!(ordered.len(), 1);
    assert_eq!(ordered[0].metadata.actor, world.admin.to_string());

    let leading = world.lead();
    let done = world.until(order.rebuild_id, |run| !run.status.is_live()).await;
    assert_eq!((done.status, done.error.as_deref()), (RunStatus::Done, None), "{done:?}");
    assert_eq!((done.position, done.end), (Some(2), Some(2)), "the order itself is not projected yet");
    assert!(done.events_per_second.is_some_and(|speed| speed > 0.0) && done.ended_at.is_some());
    assert_eq!(world.names().await, 1);

    let report = done.report.unwrap();
    assert_eq!((report.rows, report.differ, report.missing, report.extra), (1, 1, 0, 0));
    let [row] = &report.differences[..] else { panic!("{report:?}") };
    assert_eq!(
        (row.key.as_str(), row.explanation.kind),
        (&*world.admin.to_string(), PartingKind::NotOfTheLog)
    );
    let columns: Vec<_> = row.explanation.changes.iter().map(|it| it.column.as_str()).collect();
    assert_eq!(columns, ["first_name"]);
    assert_eq!(row.live.as_ref().unwrap()["role"], "admin");
    let stored: String = sqlx::query_scalar("select report::text from rebuild_runs")
        .fetch_one(world.story.db.pool())
        .await
        .unwrap();
    assert!(!stored.contains("Eve") && !stored.contains("Ilya"), "{stored}");

    // It is on record once, and not carried out again.
    assert!(matches!(world.order(&order).await, Ordered::Run(run) if run.status == RunStatus::Done));
    assert_eq!(world.events("RebuildOrdered").await.len(), 1);
    leading.abort();
}

#[tokio::test]
async fn a_dry_run_reports_and_changes_nothing() {
    let world = World::begin().await;
    world.forge().await;
    let order = world.an_order(true);
    world.order(&order).await;
    let leading = world.lead();
    let done = world.until(order.rebuild_id, |run| run.status == RunStatus::Done).await;
    assert_eq!(done.report.unwrap().differ, 1);
    assert_eq!(world.names().await, 0);
    leading.abort();
}

#[tokio::test]
async fn one_run_a_view_is_live_and_nobody_but_an_admin_orders_one() {
    let world = World::begin().await;
    let (first, second) = (world.an_order(false), world.an_order(true));
    world.order(&first).await;
    assert!(matches!(world.order(&second).await, Ordered::Busy(run) if run.rebuild_id == first.rebuild_id));
    let other_view = RebuildOrder { view: "invites".to_owned(), ..world.an_order(false) };
    assert!(matches!(world.order(&other_view).await, Ordered::Run(_)));
    let nonsense = RebuildOrder { view: "nonsense".to_owned(), ..world.an_order(false) };
    assert!(matches!(world.order(&nonsense).await, Ordered::NoView));

    let person = world.story.person(2, ILYA).await;
    let by_person =
        RebuildOrder { asked_by: person, view: "subscriptions".to_owned(), ..world.an_order(false) };
    assert!(matches!(world.order(&by_person).await, Ordered::NotAllowed));
    assert_eq!(world.run(by_person.rebuild_id).await.status, RunStatus::Cancelled);
    let cancelled = cancel(&world.app, first.rebuild_id, person, Context::by(person)).await.unwrap();
    assert!(matches!(cancelled, Cancelled::NotAllowed));
    assert_eq!(world.run(first.rebuild_id).await.status, RunStatus::Waiting);
    assert_eq!(world.events("RebuildOrdered").await.len(), 2);
    assert!(world.events("RebuildCancelled").await.is_empty());
}

#[tokio::test]
async fn a_run_whose_order_was_not_recorded_in_time_is_recorded_before_it_begins() {
    // 1. A process queues the run, and dies. 2. The leader finds it.
    let world = World::begin().await;
    let order = world.an_order(false);
    run::queue(&world.story.db, order.rebuild_id, world.admin, "users", false).await.unwrap();
    let by_nobody = RebuildId(Uuid::new_v4());
    let nobody = world.story.person(2, ILYA).await;
    run::queue(&world.story.db, by_nobody, nobody, "invites", false).await.unwrap();
    let leading = world.lead();
    world.until(order.rebuild_id, |run| run.status == RunStatus::Done).await;
    let refused = world.until(by_nobody, |run| !run.status.is_live()).await;
    assert_eq!(refused.status, RunStatus::Cancelled);
    let ordered = world.events("RebuildOrdered").await;
    assert_eq!(ordered.len(), 1);
    assert_eq!(ordered[0].metadata.actor, world.admin.to_string());
    leading.abort();
}

#[tokio::test]
async fn a_leader_that_ends_in_the_middle_leaves_the_run_to_the_next_one() {
    // 1. A rebuild waits for a reader, with everything built. 2. Its leader ends. 3. Another one takes the run over. 4. The
    // reader ends.
    let world = World::begin().await;
    world.forge().await;
    let reader = world.old_reader().await;
    let order = world.an_order(false);
    world.order(&order).await;
    let first = world.lead();
    world.is_built().await;
    first.abort();
    let _ = first.await;
    assert_eq!(world.run(order.rebuild_id).await.status, RunStatus::Running);
    assert_eq!(world.names().await, 0);

    let second = world.lead();
    world.until_true("(select tries from rebuild_runs) = 2").await;
    drop(reader);
    let done = world.until(order.rebuild_id, |run| !run.status.is_live()).await;
    assert_eq!(done.status, RunStatus::Done, "{done:?}");
    assert_eq!((done.report.unwrap().differ, world.names().await), (1, 1));
    second.abort();
}

#[tokio::test]
async fn a_leader_that_was_frozen_while_another_took_over_changes_nothing() {
    // 1. A rebuild waits for a reader. 2. Another leader takes the run over, and waits for the first one's claim. 3. The first
    // finds out that it is fenced, and drops what it has built. 4. The reader ends, and the second one carries it out.
    let world = World::begin().await;
    world.forge().await;
    let reader = world.old_reader().await;
    let order = world.an_order(false);
    world.order(&order).await;
    let first = world.lead();
    world.is_built().await;
    let second = world.lead();
    world
        .until_true(
            "(select epoch from rebuild_runs) > (select min(epoch) from rebuilds where view = 'users') - 1",
        )
        .await;
    drop(reader);
    let done = world.until(order.rebuild_id, |run| !run.status.is_live()).await;
    assert_eq!(done.status, RunStatus::Done, "{done:?}");
    assert_eq!(world.names().await, 1);
    first.abort();
    second.abort();
}

#[tokio::test]
async fn a_run_that_has_lost_its_process_three_times_is_given_up() {
    let world = World::begin().await;
    let order = world.an_order(false);
    world.order(&order).await;
    world.story.run("update rebuild_runs set status = 'running', tries = 3, epoch = 0").await;
    let leading = world.lead();
    let given_up = world.until(order.rebuild_id, |run| !run.status.is_live()).await;
    assert_eq!(given_up.status, RunStatus::Failed);
    assert_eq!(given_up.error.as_deref(), Some("the process that carried it out died, 3 times"));
    // The view is free for another order.
    let again = world.an_order(false);
    assert!(matches!(world.order(&again).await, Ordered::Run(_)));
    world.until(again.rebuild_id, |run| run.status == RunStatus::Done).await;
    leading.abort();
}

#[tokio::test]
async fn a_run_that_an_admin_stops_ends_and_people_read_what_they_read_before() {
    let world = World::begin().await;
    world.forge().await;
    let other = world.story.person(2, ILYA).await;
    let at = world.story.clock.now();
    world.story.account(other, AccountCommand::ChangeRole { role: Role::Admin, at }).await;
    let reader = world.old_reader().await;
    let order = world.an_order(false);
    world.order(&order).await;
    let leading = world.lead();
    world.is_built().await;
    for _ in 0..2 {
        let asked = cancel(&world.app, order.rebuild_id, other, Context::by(other)).await.unwrap();
        assert!(matches!(asked, Cancelled::Run(_)));
    }
    let stopped = world.until(order.rebuild_id, |run| !run.status.is_live()).await;
    assert_eq!((stopped.status, stopped.report), (RunStatus::Cancelled, None));
    assert_eq!(world.names().await, 0);
    let recorded = world.events("RebuildCancelled").await;
    assert_eq!(recorded.len(), 1);
    assert_eq!(recorded[0].metadata.actor, other.to_string());
    drop(reader);
    // The connection of the rebuild that was dropped may end a moment later.
    let emptied = async {
        while maintain_view(&world.story.db, "users").await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    timeout(LONG_ENOUGH, emptied).await.expect("its slot is emptied");
    for idle in idle_tables(&world.story.db).await {
        assert_eq!(world.story.count(&format!("select count(*) from {idle}")).await, 0, "{idle}");
    }
    leading.abort();

    let unknown = cancel(&world.app, RebuildId(Uuid::new_v4()), other, Context::by(other)).await.unwrap();
    assert!(matches!(unknown, Cancelled::Unknown));
}

#[tokio::test]
async fn a_run_that_waits_is_stopped_at_once_and_old_ones_are_deleted() {
    let world = World::begin().await;
    let order = world.an_order(false);
    world.order(&order).await;
    cancel(&world.app, order.rebuild_id, world.admin, Context::by(world.admin)).await.unwrap();
    assert_eq!(world.run(order.rebuild_id).await.status, RunStatus::Cancelled);
    let kept = Duration::from_secs(3600);
    assert_eq!(run::prune(&world.story.db, kept).await.unwrap(), 0);
    world.story.run("update rebuild_runs set ended_at = clock_timestamp() - interval '2 hours'").await;
    assert_eq!(run::prune(&world.story.db, kept).await.unwrap(), 1);
}

#[tokio::test]
async fn the_overview_tells_how_every_view_stands_with_its_latest_run() {
    let world = World::begin().await;
    world.story.person(2, ILYA).await;
    place(&world.story).await;
    world.story.run("insert into parked (view, key, position, error) values ('users', 'x', 1, 'bug')").await;
    let order = world.an_order(true);
    world.order(&order).await;
    let overview = overview(&world.app).await.unwrap();
    let users = &overview.views[0];
    assert_eq!((users.view, users.rows, users.parked), ("users", 1, 1));
    assert_eq!((users.position, users.behind), (2, overview.end - 2));
    assert!(users.waiting_since.is_some());
    assert_eq!(users.rebuild.as_ref().map(|run| run.rebuild_id), Some(order.rebuild_id));
    assert!(overview.views[1].rebuild.is_none());
}
