//! What the mirror has written, read back by both generations of the official client: `eventstore`, which the mirror itself
//! uses, and `kurrentdb`, which followed it. Each speaks to the same server over a connection of its own.

use kurrent::Recorded;

use super::{STREAM, Scene, told};

/// An event as a client gives it.
#[derive(Debug, PartialEq, Eq)]
struct Read {
    revision: u64,
    event: Recorded,
    is_json: bool,
}

/// The fields have the same names in both generations, but the types are those of two crates.
macro_rules! whole_stream {
    ($generation:ident, $to:expr) => {{
        let client = $generation::Client::new($to.parse().expect("an address")).expect("a client");
        let mut stream = client.read_stream(STREAM, &Default::default()).await.expect("a stream");
        let mut events = Vec::new();
        while let Some(event) = stream.next().await.expect("an event") {
            let event = event.get_original_event();
            events.push(Read {
                revision: event.revision,
                event: Recorded {
                    id: event.id,
                    name: event.event_type.clone(),
                    data: event.data.to_vec(),
                    metadata: event.custom_metadata.to_vec(),
                },
                is_json: event.is_json,
            });
        }
        events
    }};
}

#[tokio::test(flavor = "multi_thread")]
async fn both_generations_of_the_client_read_the_same_copy() {
    let scene = Scene::make().await;
    // More than one append.
    scene.append(1_500).await;
    let done = scene.mirror(&[]).await;
    assert!(done.status.success(), "{}", told(&done));

    let older = whole_stream!(eventstore, scene.to());
    let newer = whole_stream!(kurrentdb, scene.to().replace("esdb://", "kurrentdb://"));
    assert_eq!((older.len(), newer.len()), (1_511, 1_511));
    let stored = scene.copied(STREAM).into_iter().zip(0..);
    let stored = stored.map(|(event, revision)| Read { revision, event, is_json: true });
    for ((stored, older), newer) in stored.zip(older).zip(newer) {
        assert_eq!(older, stored, "eventstore");
        assert_eq!(newer, stored, "kurrentdb");
    }
    scene.assert_complete().await;
}
