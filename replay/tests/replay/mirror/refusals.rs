//! Streams that are not the beginning of this log, and events that the target refuses: one clear line, and no change.

use kurrent::{Expected, Recorded, Settings};
use tokio::process::Command;
use uuid::Uuid;

use super::{STREAM, Scene, assert_stopped, ended, told};
use crate::past::text;

fn foreign() -> Recorded {
    Recorded {
        id: Uuid::new_v4(),
        name: "OrderPlaced".to_owned(),
        data: b"{}".to_vec(),
        metadata: br#"{"actor": "somebody"}"#.to_vec(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_added_after_a_foreign_event() {
    let scene = Scene::make().await;
    scene.node.streams().append(STREAM, Expected::Any, vec![foreign()]);
    let stopped = scene.mirror(&[]).await;
    assert_stopped(&stopped, "not of this log, OrderPlaced at revision 0");
    assert!(told(&stopped).contains("--stream"), "{}", told(&stopped));
    assert_eq!(scene.copied(STREAM).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_event_after_the_copy_stops_a_follower() {
    let scene = Scene::make().await;
    let following = scene.start(&["--follow"]);
    scene.until_copied(11).await;
    scene.node.streams().append(STREAM, Expected::Any, vec![foreign()]);
    scene.append(3).await;
    let stopped = ended(following).await;
    assert_stopped(&stopped, "not of this log, OrderPlaced at revision 11");
    assert!(told(&stopped).contains("11 events copied, up to position 11"), "{}", told(&stopped));
    assert_eq!(scene.copied(STREAM).len(), 12);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_copy_of_another_log_is_not_continued() {
    let (scene, other) = (Scene::make().await, Scene::make().await);
    assert!(scene.mirror(&[]).await.status.success());
    let mut command = Command::from(other.past.command(&["mirror", "--stream", STREAM]));
    let stopped = command.env("MIRROR_TO", scene.to()).output().await.unwrap();
    assert_stopped(&stopped, "holds another log");
    scene.assert_complete().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_restored_without_its_last_events_is_not_copied_over_its_copy() {
    let scene = Scene::make().await;
    scene.append(20).await;
    assert!(scene.mirror(&[]).await.status.success());
    let before = scene.copied(STREAM);
    scene.restore_to(25, 0).await;
    assert_stopped(
        &scene.mirror(&[]).await,
        "the stream is ahead of the log, which does not reach position 31",
    );
    // The restored log gives the same positions to other events.
    scene.append(40).await;
    assert_stopped(&scene.mirror(&[]).await, "position 31 is another event in the log than in the stream");
    assert_eq!(scene.copied(STREAM), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_stream_is_not_begun_again_under_its_name() {
    let scene = Scene::make().await;
    assert!(scene.mirror(&[]).await.status.success());
    scene.node.streams().delete(STREAM);
    assert_stopped(&scene.mirror(&[]).await, "events were deleted from the stream");
    scene.node.streams().tombstone(STREAM);
    assert_stopped(&scene.mirror(&[]).await, "was deleted there for ever");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_with_a_lower_limit_gets_smaller_appends_and_an_event_above_it_is_named() {
    let small = Settings { most_append_bytes: Some(20_000), ..Settings::default() };
    let scene = Scene::with(small).await;
    scene.append(500).await;
    let done = scene.mirror(&[]).await;
    assert!(done.status.success(), "{}", told(&done));
    scene.assert_complete().await;

    scene
        .past
        .run(
            r#"insert into events (aggregate_type, aggregate_id, sequence, event_type, event_version, payload, metadata)
               values ('login', 'big', 1, 'LoginFailed', '1.0',
                       json_build_object('LoginFailed', json_build_object('reason', repeat('x', 30000))), '{}')"#,
        )
        .await;
    scene.give_positions().await;
    scene.append(5).await;
    let stopped = scene.mirror(&[]).await;
    assert_stopped(&stopped, "does not take the event at position 512");
    assert!(told(&stopped).contains("Maximum Append Size of 20000 Exceeded"), "{}", told(&stopped));
    assert_eq!(scene.copied(STREAM).len(), 511);
    assert!(text(&scene.mirror(&[]).await).is_empty());
}
