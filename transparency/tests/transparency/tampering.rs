//! The owner of the database changes the log, with every trigger off: the walk finds it, names the position, and nothing is signed.
//! `TAMPER_ROUNDS=1000` for a longer run.

use eventlog::testing;
use transparency::walk::{Fault, Report, walk, walk_if_due};

use crate::world::World;

const EVENTS: u32 = 700;

/// What is changed, and where it must be found.
fn drills(place: i64) -> [(String, Vec<i64>); 10] {
    let number = format!("(select event_no from log_index where position = {place})");
    let swap = place % i64::from(EVENTS) + 1;
    let mut both = vec![place, swap];
    both.sort_unstable();
    let from = |first: i64| (first..=i64::from(EVENTS)).take(20).collect();
    [
        (
            format!(
                "insert into events (aggregate_type, aggregate_id, sequence, event_type, event_version, payload, metadata) \
                 values ('login', 'inserted', 1, 'Made', '1', '{{}}', '{{}}'); \
                 delete from log_index where position = {EVENTS}; \
                 update log_index set position = position + 1000000 where position >= {place}; \
                 update log_index set position = position - 999999 where position > 1000000; \
                 insert into log_index (position, event_no) select {place}, max(event_no) from events"
            ),
            from(place),
        ),
        (format!("delete from log_index where position >= {place}"), from(place)),
        (
            format!(
                "update events set payload = '{{\"Made\":{{\"n\":0}}}}' \
                  where event_no in (select event_no from log_index where position >= {place})"
            ),
            from(place),
        ),
        (
            format!("update events set payload = '{{\"Made\":{{\"n\":0}}}}' where event_no = {number}"),
            vec![place],
        ),
        (
            format!("update events set metadata = '{{\"actor\": \"system\"}}' where event_no = {number}"),
            vec![place],
        ),
        (
            format!(
                "update events set recorded_at = recorded_at - interval '1 microsecond' where event_no = {number}"
            ),
            vec![place],
        ),
        (format!("update events set event_version = '2' where event_no = {number}"), vec![place]),
        (format!("delete from events where event_no = {number}"), vec![place]),
        (
            format!(
                "update log_index a set event_no = -b.event_no from log_index b \
                  where (a.position, b.position) in (({place}, {swap}), ({swap}, {place})); \
                 update log_index set event_no = -event_no where event_no < 0"
            ),
            both,
        ),
        (
            format!(
                "delete from events where event_no = {number}; \
                 insert into events (aggregate_type, aggregate_id, sequence, event_type, event_version, payload, metadata) \
                 values ('login', 'forged', 1, 'Made', '1', '{{}}', '{{}}'); \
                 update log_index set event_no = (select max(event_no) from events) where position = {place}"
            ),
            vec![place],
        ),
    ]
}

fn positions(report: &Report) -> Vec<i64> {
    let of = |fault: &Fault| match fault {
        Fault::Changed(position) | Fault::NoEvent(position) => *position,
        other => panic!("{other}"),
    };
    report.faults.iter().map(of).collect()
}

#[tokio::test]
async fn every_change_of_the_log_is_found_at_its_position_and_signed_by_nobody() {
    let rounds = std::env::var("TAMPER_ROUNDS").map_or(1, |rounds| rounds.parse().expect("a number"));
    let mut world = World::new().await;
    world.append(EVENTS).await;
    let mut keeper = world.kept_once().await;
    let signed = [world.checkpoint().await];
    let undo = "drop table if exists before_events, before_index; \
                create table before_events as select * from events; create table before_index as select * from log_index";
    world.run(undo).await;
    let restore = "delete from events; delete from log_index; \
                   insert into events overriding system value select * from before_events; \
                   insert into log_index select * from before_index";
    for round in 0..rounds {
        for (kind, place) in
            (0..10).map(|kind| (kind, 1 + (round * 7919 + kind * 104_729 + 257) % i64::from(EVENTS)))
        {
            let (sql, expected) = drills(place)[kind as usize].clone();
            world.tamper(&sql).await;
            let report = walk(&world.test.db, &signed, 0, |_, _| {}).await.unwrap();
            assert_eq!(positions(&report), expected, "{sql}");
            *keeper.walked().lock().unwrap() = report.summary();
            world.pass(&mut keeper).await.unwrap();
            assert!(world.state().await.fault.unwrap().contains(&format!("position {}", expected[0])));
            world.tamper(restore).await;
            assert!(
                walk(&world.test.db, &signed, 0, |_, _| {}).await.unwrap().is_clean(),
                "none is raised falsely"
            );
            *keeper.walked().lock().unwrap() = None;
        }
    }
    assert_eq!(world.state().await.signed_size, u64::from(EVENTS));
}

#[tokio::test]
async fn what_a_walk_has_found_is_a_fault_for_the_next_keeper_until_a_walk_finds_nothing() {
    let mut world = World::new().await;
    world.append(300).await;
    let keeper = world.kept_once().await;
    world.run("create table before_events as select * from events where aggregate_id = 'login-17'").await;
    world.tamper("update events set payload = '{\"Made\":{\"n\":0}}' where aggregate_id = 'login-17'").await;
    walk_if_due(&world.test.db, &world.settings.kept, &keeper.walked()).await.unwrap();
    let told = "position 17: the event is not the one that is in the tree";
    assert_eq!(world.state().await.walk_fault.as_deref(), Some(told));

    world.append(1).await;
    let mut next = world.kept_once().await;
    assert_eq!(next.fault(), Some(told));
    assert_eq!((world.state().await.signed_size, world.state().await.edge.size()), (300, 301));

    world
        .tamper("update events e set payload = b.payload from before_events b where b.event_no = e.event_no")
        .await;
    walk_if_due(&world.test.db, &world.settings.kept, &next.walked()).await.unwrap();
    world.pass(&mut next).await.unwrap();
    let state = world.state().await;
    assert_eq!((state.signed_size, state.fault, state.walk_fault), (301, None, None));
}

/// They change the tree as well: what was signed and left the database shows it.
#[tokio::test]
async fn a_tree_that_was_changed_along_with_the_log_is_not_the_one_that_was_signed() {
    let mut world = World::new().await;
    world.append(EVENTS).await;
    drop(world.kept_once().await);
    let signed = world.checkpoint().await;
    world.tamper("update events set payload = '{\"Made\":{}}' where aggregate_id = 'login-17'").await;
    transparency::walk::rebuild(&world.test.db, |_, _| {}).await.unwrap();
    world.run("update log_tree set checkpoint = null").await;
    let report = walk(&world.test.db, std::slice::from_ref(&signed), 0, |_, _| {}).await.unwrap();
    assert_eq!(report.faults, [Fault::NotSigned(signed.clone())]);
    let keeper = world.kept_once().await;
    assert_eq!(keeper.fault(), Some("the log up to position 700 is not the one that was signed"));

    // The end of the log is cut off.
    let mut world = World::new().await;
    world.append(10).await;
    drop(world.kept_once().await);
    let signed = world.checkpoint().await;
    world.tamper("delete from log_index where position > 7; update log_tree set size = 7, edge = substr(edge, 1, 224)").await;
    let report = walk(&world.test.db, std::slice::from_ref(&signed), 0, |_, _| {}).await.unwrap();
    assert_eq!(report.faults, [Fault::Shorter { size: 7, signed }]);
    let keeper = world.kept_once().await;
    assert_eq!(keeper.fault(), Some("the log ends at position 7, but was signed up to position 10"));
    drop(testing::database().await);
}
