//! `--follow`: the mirror copies new events, through outages, beside another mirror, and until it is interrupted.

use super::{STREAM, Scene, assert_stopped, ended, line_with, terminate, told};
use crate::past::text;

#[tokio::test(flavor = "multi_thread")]
async fn new_events_are_copied_as_they_happen_until_the_mirror_is_stopped() {
    let scene = Scene::make().await;
    let following = scene.start(&["--follow"]);
    scene.until_copied(11).await;
    for events in [12, 13, 213] {
        scene.append(events - usize::try_from(scene.events().await).unwrap()).await;
        scene.until_copied(events).await;
    }
    terminate(&following);
    let stopped = ended(following).await;
    assert!(stopped.status.success(), "{}", told(&stopped));
    // The mirror may have been stopped before the last answer.
    assert!(text(&stopped).contains(" events copied, up to position "), "{}", text(&stopped));
    scene.assert_complete().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_waits_for_its_target_and_its_database_without_limit() {
    let scene = Scene::make().await;
    let mut following = scene.start(&["--follow", "--patience", "0"]);
    scene.until_copied(11).await;
    // Each outage is reported. Events after an outage are appended after those during it.
    for outage in 1..=2 {
        scene.node.stop();
        scene.append(5).await;
        line_with(&mut following, "trying again").await;
        scene.node.start_again().await;
        scene.until_copied(6 * outage + 10).await;
        scene.append(1).await;
        scene.until_copied(6 * outage + 11).await;
    }

    scene.past.run("select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()").await;
    scene.append(5).await;
    scene.until_copied(28).await;
    assert!(following.try_wait().unwrap().is_none(), "it still follows");
    scene.assert_complete().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_mirrors_at_once_make_one_copy() {
    let scene = Scene::make().await;
    let mirrors = [scene.start(&["--follow"]), scene.start(&["--follow"])];
    // Pages of many sizes, so that the two cut the log into appends differently.
    for events in [1, 700, 3, 1_900, 40, 1, 1, 350] {
        scene.append(events).await;
    }
    scene.until_copied(usize::try_from(scene.events().await).unwrap()).await;
    for mirror in mirrors {
        terminate(&mirror);
        let stopped = ended(mirror).await;
        assert!(stopped.status.success(), "{}", told(&stopped));
    }
    scene.assert_complete().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_loses_its_last_events_under_a_follower_is_not_copied_further() {
    let scene = Scene::make().await;
    let following = scene.start(&["--follow"]);
    scene.until_copied(11).await;
    // A follower of a promoted standby sees the same.
    scene.restore_to(9, 40).await;
    let stopped = ended(following).await;
    assert_stopped(&stopped, "position 11 is another event in the log than in the stream");
    assert_eq!(scene.copied(STREAM).len(), 11);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_waits_for_the_first_event_of_a_log() {
    let scene = Scene::make().await;
    scene.restore_to(0, 0).await;
    let following = scene.start(&["--follow"]);
    scene.append(3).await;
    scene.until_copied(3).await;
    terminate(&following);
    assert!(ended(following).await.status.success());
    scene.assert_complete().await;
}
