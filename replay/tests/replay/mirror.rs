//! The copy of the log in an EventStoreDB, with the real program, a database, and a stand-in server over real connections.

use std::process::{Output, Stdio};
use std::time::Duration;

use eventlog::Sequencer;
use kurrent::{Node, Recorded, Settings, Streams};
use secrecy::ExposeSecret;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::past::{ILYA, Past, text};

mod clients;
mod doors;
mod faults;
mod following;
mod refusals;
mod streams;

/// A history, and a server to copy it to.
struct Scene {
    past: Past,
    node: Node,
}

const STREAM: &str = "copy";

impl Scene {
    async fn make() -> Self {
        Self::with(Settings::default()).await
    }

    async fn with(settings: Settings) -> Self {
        Self { past: Past::make().await, node: Node::start(settings).await }
    }

    /// Appends so many events, each in a stream of its own.
    async fn append(&self, events: usize) {
        self.past.run(&append(events)).await;
        self.give_positions().await;
    }

    async fn give_positions(&self) {
        while Sequencer::take_over(&self.past.test.db).await.unwrap().pass().await.unwrap() > 0 {}
    }

    /// Restores the database to a backup with this last position, and appends so many other events at the same moment.
    async fn restore_to(&self, position: i64, and_then: usize) {
        let append = append(and_then);
        self.past
            .run(&format!(
                "begin;
                 alter table events disable trigger all;
                 alter table log_index disable trigger all;
                 delete from events where event_no in (select event_no from log_index where position > {position});
                 delete from log_index where position > {position};
                 {append};
                 insert into log_index
                 select {position} + row_number() over (order by event_no), event_no
                   from events where event_no not in (select event_no from log_index);
                 update sequencer
                    set taken = pg_current_snapshot(), next_position = (select count(*) + 1 from log_index);
                 update events set transaction_id = '0';
                 alter table events enable trigger all;
                 alter table log_index enable trigger all;
                 commit"
            ))
            .await;
    }

    fn to(&self) -> String {
        format!("esdb://{}?tls=false&defaultDeadline=1000", self.node.address())
    }

    /// `replay mirror`, into the stream of the tests.
    fn command(&self, arguments: &[&str]) -> Command {
        let to = self.to();
        let all = [&["mirror", "--stream", STREAM, "--to", &to], arguments].concat();
        Command::from(self.past.command(&all))
    }

    async fn mirror(&self, arguments: &[&str]) -> Output {
        ended(self.start(arguments)).await
    }

    fn start(&self, arguments: &[&str]) -> Child {
        let mut command = self.command(arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        command.spawn().expect("replay can be run")
    }

    fn copied(&self, stream: &str) -> Vec<Recorded> {
        let streams = self.node.streams();
        let events = streams.read(stream).expect("a stream that can be read").unwrap_or_default();
        events.into_iter().map(|(_, event)| event.clone()).collect()
    }

    async fn events(&self) -> i64 {
        self.past.count("select count(*) from log_index").await
    }

    /// Each event of the log is in the stream, once, at its place.
    async fn assert_complete(&self) {
        let log: Vec<(i64, String, String)> = sqlx::query_as(
            "select i.position, e.event_type, e.aggregate_id
               from log_index i join events e on e.event_no = i.event_no order by i.position",
        )
        .fetch_all(self.past.test.db.pool())
        .await
        .unwrap();
        let copy: Vec<_> = self.copied(STREAM).iter().map(place).collect();
        assert_eq!(copy.len(), log.len());
        assert_eq!(copy, log);
    }

    async fn until_copied(&self, events: usize) {
        let count = |streams: &Streams| streams.read(STREAM).ok().flatten().map_or(0, |it| it.len());
        within(self.node.until(|streams| count(streams) >= events)).await;
    }
}

/// So many events, each in a stream of its own.
fn append(events: usize) -> String {
    format!(
        r#"insert into events (aggregate_type, aggregate_id, sequence, event_type, event_version, payload, metadata)
           select 'login', gen_random_uuid()::text, 1, 'LoginExpired', '1.0',
                  json_build_object('LoginExpired', json_build_object('attempt', n)), '{{"actor": "system"}}'
             from generate_series(1, {events}) n"#
    )
}

/// Its position, name and stream, as the copy says them.
fn place(event: &Recorded) -> (i64, String, String) {
    let metadata: Value = serde_json::from_slice(&event.metadata).unwrap();
    let stream_id = metadata["stream_id"].as_str().unwrap().to_owned();
    (metadata["position"].as_i64().unwrap(), event.name.clone(), stream_id)
}

fn told(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("text")
}

/// Ended with 1 and this one line.
fn assert_stopped(output: &Output, line: &str) {
    let told = told(output);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains(line) && told.lines().count() == 1, "{told}");
    assert!(output.stdout.is_empty(), "{}", text(output));
}

/// What never comes fails a test, and does not hold it up for ever.
#[track_caller]
fn within<T>(future: impl Future<Output = T>) -> impl Future<Output = T> {
    let asked = std::panic::Location::caller();
    async move {
        let came = tokio::time::timeout(Duration::from_secs(60), future).await;
        came.unwrap_or_else(|_| panic!("what is waited for at {asked} never comes"))
    }
}

/// Waits for the end.
async fn ended(child: Child) -> Output {
    within(child.wait_with_output()).await.expect("what it says can be read")
}

/// As `kill` does it.
fn terminate(child: &Child) {
    let id = child.id().expect("a child that runs").to_string();
    assert!(std::process::Command::new("kill").arg(id).status().expect("kill").success());
}

/// The first line on stderr that has this in it.
async fn line_with(child: &mut Child, wanted: &str) -> String {
    let mut lines = BufReader::new(child.stderr.as_mut().expect("a pipe")).lines();
    while let Some(line) = within(lines.next_line()).await.expect("text") {
        if line.contains(wanted) {
            return line;
        }
    }
    panic!("it ended without {wanted}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_whole_log_is_in_the_copy_in_its_order_each_event_once() {
    let scene = Scene::make().await;
    scene.append(2_500).await;
    let done = scene.mirror(&[]).await;
    assert_eq!(told(&done), "");
    assert_eq!(
        text(&done),
        format!("{STREAM} at {}: 2511 events copied, up to position 2511\n", scene.node.address())
    );
    scene.assert_complete().await;
    assert_eq!(scene.node.appends(), 3, "a thousand at a time");

    let again = scene.mirror(&[]).await;
    assert!(text(&again).contains(": 0 events copied, up to position 2511\n"), "{}", told(&again));
    scene.append(1).await;
    assert!(text(&scene.mirror(&[]).await).contains(": 1 events copied, up to position 2512\n"));
    scene.assert_complete().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_in_the_copy_is_that_of_the_log_and_names_stay_sealed() {
    let scene = Scene::make().await;
    let log = scene.past.lines(&["history", "--format", "jsonl"]);
    assert!(scene.mirror(&[]).await.status.success());
    let copy = scene.copied(STREAM);
    for (line, event) in log.iter().zip(&copy) {
        let metadata: Value = serde_json::from_slice(&event.metadata).unwrap();
        assert_eq!(event.name, line["event"]);
        assert_eq!(serde_json::from_slice::<Value>(&event.data).unwrap(), line["payload"]);
        for (ours, theirs) in [
            ("position", "position"),
            ("recorded_at", "at"),
            ("stream", "stream"),
            ("stream_id", "stream_id"),
            ("sequence", "version"),
            ("actor", "actor"),
            ("$correlationId", "login_id"),
            ("causation_id", "causation_id"),
        ] {
            assert_eq!(metadata[ours], line[theirs], "{ours} of {metadata}");
        }
    }
    let envelope: String =
        sqlx::query_scalar("select metadata::text from events where event_type = 'LoginStarted'")
            .fetch_one(scene.past.test.db.pool())
            .await
            .unwrap();
    let started = copy.iter().find(|event| event.name == "LoginStarted").unwrap();
    let metadata: Value = serde_json::from_slice(&started.metadata).unwrap();
    for (name, value) in serde_json::from_str::<Value>(&envelope).unwrap().as_object().unwrap() {
        assert_eq!(&metadata[name], value, "{name} as stored");
    }
    let all = format!("{copy:?}");
    assert!(!all.contains("Ilya") && !all.contains(&ILYA.to_string()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_only_reads_is_enough_and_the_stream_is_named_after_the_log() {
    let scene = Scene::make().await;
    scene.past.run("alter role qr_auditor login").await;
    let url = scene.past.test.url.expose_secret().replace("user=qr_login", "user=qr_auditor");
    let mirror = || async {
        let mut command = Command::from(scene.past.command(&["mirror"]));
        command.env("DATABASE_URL", &url).env("MIRROR_TO", scene.to()).output().await.unwrap()
    };
    let done = mirror().await;
    assert!(done.status.success(), "{}", told(&done));
    let stream = text(&done).split(' ').next().unwrap().to_owned();
    assert!(stream.starts_with("qr_login-"), "{stream}");
    assert_eq!(scene.copied(&stream).len(), 11);
    let metadata: Value = serde_json::from_slice(&scene.copied(&stream)[0].metadata).unwrap();
    assert_eq!(format!("qr_login-{}", metadata["log"].as_str().unwrap()), stream);
    assert!(text(&mirror().await).starts_with(&format!("{stream} at ")));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_log_is_no_failure() {
    let scene = Scene::make().await;
    scene.restore_to(0, 0).await;
    let done = scene.mirror(&[]).await;
    assert_eq!(text(&done), "nothing to copy: the log is empty\n");
    assert!(done.status.success() && scene.copied(STREAM).is_empty());
}
