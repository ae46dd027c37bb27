//! Faults of the target: the copy still has each event once.

use kurrent::Fault;

use super::{STREAM, Scene, assert_stopped, ended, line_with, told, within};
use crate::past::text;

const FAULTS: [Fault; 5] =
    [Fault::CutBefore, Fault::CutAfter, Fault::NeverAnswer, Fault::TakeLate, Fault::Refuse];

#[tokio::test(flavor = "multi_thread")]
async fn an_append_that_fails_in_any_way_is_tried_again_and_nothing_is_doubled() {
    for fault in FAULTS {
        let scene = Scene::make().await;
        scene.append(1_500).await;
        // The first append, and the one after its repetition.
        scene.node.fail_next([Some(fault), None, Some(fault)]);
        let done = scene.mirror(&[]).await;
        assert!(done.status.success(), "{fault:?}: {}", told(&done));
        assert!(text(&done).ends_with("up to position 1511\n"), "{fault:?}: {}", text(&done));
        scene.assert_complete().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mirror_that_is_killed_in_the_middle_of_an_append_goes_on_where_the_stream_ends() {
    // 1. The first append arrives. 2. The second one meets the fault, and gets no answer. 3. The mirror is killed there.
    // 4. Another one finishes. With TakeLate, the events of the killed one arrive just before its own.
    for (fault, taken) in [(Fault::NeverAnswer, 2_000), (Fault::TakeLate, 1_000)] {
        let scene = Scene::make().await;
        scene.append(2_500).await;
        scene.node.fail_next([None, Some(fault)]);
        let mut killed = scene.start(&[]);
        within(scene.node.arrived(2)).await;
        killed.kill().await.unwrap();
        scene.until_copied(taken).await;
        assert_eq!(scene.copied(STREAM).len(), taken, "{fault:?}");

        let done = scene.mirror(&[]).await;
        assert!(done.status.success(), "{fault:?}: {}", told(&done));
        scene.assert_complete().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_mirror_waits_for_a_target_that_goes_away_and_reports_one_that_stays_away() {
    let scene = Scene::make().await;
    scene.node.stop();
    let gone = scene.mirror(&["--patience", "0"]).await;
    assert_stopped(&gone, "run it again, and it goes on from there");
    assert!(told(&gone).contains(&scene.node.address().to_string()), "{}", told(&gone));

    let mut waiting = scene.start(&[]);
    line_with(&mut waiting, "trying again").await;
    scene.node.start_again().await;
    let done = ended(waiting).await;
    assert!(done.status.success(), "{}", told(&done));
    scene.assert_complete().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_has_lost_the_end_of_the_copy_gets_it_again() {
    let scene = Scene::make().await;
    assert!(scene.mirror(&[]).await.status.success());
    scene.node.streams().lose_from(STREAM, 4);
    assert!(text(&scene.mirror(&[]).await).contains(": 7 events copied"));
    scene.assert_complete().await;
}
