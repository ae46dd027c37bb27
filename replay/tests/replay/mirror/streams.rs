//! The projection that makes the log's own streams out of the copy (`deploy/kurrentdb/streams.js`). The real file runs in Node, over
//! the events that the real program has written, in a stand-in for the server's side of it (`projection.mjs`).

use std::collections::BTreeMap;
use std::process::Stdio;

use domain::AccountCommand;
use eventlog::{Context, Store};
use kurrent::{Expected, Recorded};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;
use uuid::Uuid;
use vault::Vault;

use super::{STREAM, Scene, told, within};
use crate::past::text;

const PROJECTION: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/kurrentdb/streams.js");
const SERVER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/replay/mirror/projection.mjs");

/// The positions of the events that each stream has, in the order of the stream.
type Positions = BTreeMap<String, Vec<i64>>;

/// The projection, with its two settings.
fn projection(prefix: &str) -> String {
    let file = std::fs::read_to_string(PROJECTION).expect("the projection");
    let set = file.replace("'qr_login-LOG'", &format!("'{STREAM}'"));
    let set = set.replace("const PREFIX = '';", &format!("const PREFIX = '{prefix}';"));
    assert!(set.contains(&format!("COPY = '{STREAM}'")) && set.contains(&format!("PREFIX = '{prefix}'")));
    set
}

/// An event of a stream, as the server shows it to a projection.
fn shown(stream: &str, revision: usize, event: &Recorded) -> Value {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("JSON");
    json!({
        "streamId": stream, "sequenceNumber": revision, "eventType": event.name, "isJson": true,
        "bodyRaw": text(&event.data), "metadataRaw": text(&event.metadata),
    })
}

/// The streams that a projection makes of these events; each link as the position of its event in the log.
async fn links(projection: &str, events: &[Value]) -> Positions {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("streams.js");
    std::fs::write(&file, projection).unwrap();
    let mut node = Command::new("node");
    node.arg(SERVER).arg(&file).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut node = node.kill_on_drop(true).spawn().expect("node, which the tests of the pages need as well");
    let lines: String = events.iter().map(|event| format!("{event}\n")).collect();
    let mut stdin = node.stdin.take().unwrap();
    let fed = async move { stdin.write_all(lines.as_bytes()).await };
    let (fed, done) = within(async { tokio::join!(fed, node.wait_with_output()) }).await;
    let done = done.unwrap();
    assert!(done.status.success(), "{}", told(&done));
    fed.unwrap();
    let mut streams = Positions::new();
    for line in text(&done).lines() {
        let link: Value = serde_json::from_str(line).unwrap();
        let (revision, of) = link["data"].as_str().unwrap().split_once('@').unwrap();
        assert_eq!(of, STREAM);
        let stream = link["stream"].as_str().unwrap().to_owned();
        streams.entry(stream).or_default().push(revision.parse::<i64>().unwrap() + 1);
    }
    streams
}

impl Scene {
    /// What the stream has now, as the server shows it.
    fn shown(&self) -> Vec<Value> {
        self.copied(STREAM)
            .iter()
            .enumerate()
            .map(|(revision, event)| shown(STREAM, revision, event))
            .collect()
    }

    /// What the log itself has in each stream.
    async fn streams_of_the_log(&self) -> Positions {
        let rows: Vec<(String, i64)> = sqlx::query_as(
            "select e.aggregate_type || '-' || e.aggregate_id, i.position
               from events e join log_index i using (event_no)
              order by e.aggregate_type, e.aggregate_id, e.sequence",
        )
        .fetch_all(self.past.test.db.pool())
        .await
        .unwrap();
        let mut streams = Positions::new();
        rows.into_iter().for_each(|(stream, position)| streams.entry(stream).or_default().push(position));
        streams
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_streams_of_the_projection_are_those_of_the_log() {
    let scene = Scene::make().await;
    scene.append(40).await;
    assert!(scene.mirror(&[]).await.status.success());
    let streams = links(&projection(""), &scene.shown()).await;
    assert_eq!(streams, scene.streams_of_the_log().await);
    let [confirmed, _] = &scene.past.logins;
    assert_eq!(streams[&format!("login-{confirmed}")].len(), 2, "started, confirmed");
    for kind in ["login-", "account-", "invite-"] {
        assert!(streams.keys().any(|stream| stream.starts_with(kind)), "{kind}");
    }
    let prefixed = links(&projection("second_"), &scene.shown()).await;
    assert_eq!(prefixed, streams.into_iter().map(|(name, it)| (format!("second_{name}"), it)).collect());
}

/// The server restarts a projection at its last checkpoint, and leaves out the links that are there already: by their place, so what
/// becomes of an event must not depend on what came before.
#[tokio::test(flavor = "multi_thread")]
async fn a_projection_that_begins_in_the_middle_makes_the_same_links() {
    let scene = Scene::make().await;
    scene.append(5).await;
    assert!(scene.mirror(&[]).await.status.success());
    let (shown, whole) = (scene.shown(), links(&projection(""), &scene.shown()).await);
    for middle in [1, 7, shown.len() - 1] {
        let after = i64::try_from(middle).unwrap();
        let later = |(stream, positions): (&String, &Vec<i64>)| {
            let later: Vec<_> = positions.iter().copied().filter(|position| *position > after).collect();
            (!later.is_empty()).then(|| (stream.clone(), later))
        };
        let expected: Positions = whole.iter().filter_map(later).collect();
        assert_eq!(links(&projection(""), &shown[middle..]).await, expected, "from {middle}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erasure_is_one_more_event_and_no_link_changes() {
    let scene = Scene::make().await;
    assert!(scene.mirror(&[]).await.status.success());
    let before = links(&projection(""), &scene.shown()).await;

    let (db, ilya) = (&scene.past.test.db, scene.past.ilya);
    let erase = AccountCommand::Erase { at: scene.past.now };
    Store::new(db).account(ilya, erase, Context::tool("test")).await.unwrap();
    Vault::new(db).erase_subject(ilya).await.unwrap();
    scene.give_positions().await;
    assert!(scene.mirror(&[]).await.status.success());

    let mut expected = before;
    expected.get_mut(&format!("account-{ilya}")).unwrap().push(scene.events().await);
    assert_eq!(links(&projection(""), &scene.shown()).await, expected);
    assert_eq!(scene.streams_of_the_log().await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn events_of_other_writers_and_of_other_streams_get_no_link() {
    let scene = Scene::make().await;
    assert!(scene.mirror(&[]).await.status.success());
    let ours = links(&projection(""), &scene.shown()).await;
    let foreign = |metadata: &[u8]| Recorded {
        id: Uuid::new_v4(),
        name: "LoginStarted".to_owned(),
        data: b"{}".to_vec(),
        metadata: metadata.to_vec(),
    };
    let others =
        [&b""[..], b"{}", b"null", br#"{"stream": "login"}"#, br#"{"stream": "login", "stream_id": "x"}"#];
    scene.node.streams().append(STREAM, Expected::Any, others.map(foreign).to_vec());
    let mut shown_all = scene.shown();
    assert_eq!(shown_all.len(), 11 + others.len());
    shown_all.push(shown("elsewhere", 0, &scene.copied(STREAM)[0]));
    assert_eq!(links(&projection(""), &shown_all).await, ours);
}
