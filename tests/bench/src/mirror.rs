//! `replay mirror`: the real program, as a process of its own, into a stand-in KurrentDB over loopback.
//!
//! - A whole log: beside the same events appended by a bare client in pages of a thousand, made before the clock starts, with no database;
//!   and beside an ordered binary COPY of the log to nowhere. A copy is both, so neither can be reached.
//! - What follows live, with `--follow`: from an order to its event in the copy, at 100 orders a second, beside its row in a view.
//!
//! The stand-in keeps its streams in memory: what a real server needs for its disk is in no figure.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use dataset::Dataset;
use eventlog::testing::{self, TestDatabase};
use eventlog::{Database, Log, Store};
use eventstore::{AppendToStreamOptions, Client, EventData, ExpectedRevision};
use kurrent::{Node, Recorded, Settings, Streams};
use secrecy::{ExposeSecret, SecretString};
use serde_json::value::RawValue;
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use crate::figure::{Figure, Report};
use crate::logins::{Leading, Ours, people};
use crate::rebuild::copy_to_nowhere;
use crate::visible::{at, give, waits, waits_of};

const EVENTS_A_LOGIN: u32 = 5;
const STREAM: &str = "copy";
/// As many as the mirror appends at once.
const PAGE: usize = 1_000;
const ROUNDS: usize = 3;
/// Orders at 100 a second.
const STEADY: (usize, Duration) = (2_000, Duration::from_millis(10));
const PEOPLE: usize = 500;
/// Up to which position a reader sees a view.
const VIEW: &str = "select position from checkpoints where consumer = 'login_status'";
const PATIENCE: Duration = Duration::from_secs(600);

/// The figures, with a log of `size` events.
pub async fn measure(report: &mut Report, size: u32) -> Result<()> {
    whole(report, size).await?;
    live(report).await
}

/// A log of which nothing is in the target.
async fn whole(report: &mut Report, size: u32) -> Result<()> {
    let TestDatabase { db, url } = testing::database().await;
    let dataset = Dataset::load(&db, size / EVENTS_A_LOGIN).await?;
    let (mut mirrored, mut appended, mut bytes) = (0.0_f64, 0.0_f64, 0.0);
    for _ in 0..ROUNDS {
        let node = Node::start(Settings::default()).await;
        let began = Instant::now();
        let ended = mirror(&url, &node, &[])?.wait().await?;
        let seconds = began.elapsed().as_secs_f64();
        ensure!(ended.success(), "replay mirror: {ended}");
        let copy = copied(&node)?;
        ensure!(copy.len() as u64 == dataset.events, "{} events were copied", copy.len());
        bytes = copy.iter().map(|event| event.data.len() + event.metadata.len()).sum::<usize>() as f64;
        mirrored = mirrored.max(dataset.events as f64 / seconds);
        node.stop();
        appended = appended.max(dataset.events as f64 / bare_client(&copy).await?);
    }
    let read = dataset.events as f64 / copy_to_nowhere(&db).await?;
    let events = dataset.events;
    let name = format!("replay mirror, {events} events of {:.0} bytes", bytes / events as f64);
    report.add(Figure::new(&name, mirrored, "events/s", "a bare client with the same events", appended));
    report.add(Figure::new(name, mirrored, "events/s", "ordered binary COPY to nowhere", read));
    db.close().await;
    Ok(())
}

/// Seconds for the same events in pages, each after the answer to the one before.
async fn bare_client(events: &[Recorded]) -> Result<f64> {
    let pages: Vec<Vec<EventData>> =
        events.chunks(PAGE).map(|page| page.iter().map(proposed).collect()).collect::<Result<_>>()?;
    let node = Node::start(Settings::default()).await;
    let client = Client::new(address(&node).parse()?)?;
    let mut expected = ExpectedRevision::NoStream;
    let began = Instant::now();
    for page in pages {
        let options = AppendToStreamOptions::default().expected_revision(expected);
        let written = client.append_to_stream(STREAM, &options, page).await?;
        expected = ExpectedRevision::Exact(written.next_expected_version);
    }
    let seconds = began.elapsed().as_secs_f64();
    ensure!(copied(&node)? == events, "the bare client has written something else");
    node.stop();
    Ok(seconds)
}

fn proposed(event: &Recorded) -> Result<EventData> {
    let json = |bytes: &[u8]| serde_json::from_slice::<Box<RawValue>>(bytes);
    let proposed = EventData::json(&event.name, &json(&event.data)?)?.id(event.id);
    Ok(proposed.metadata_as_json(&json(&event.metadata)?)?)
}

/// What happens while the mirror follows.
async fn live(report: &mut Report) -> Result<()> {
    let TestDatabase { db, url } = testing::database().await;
    let people = people(&db, PEOPLE).await?;
    let ours = Ours(Store::new(&db));
    let leading = Leading::start(&db);
    leading.settle().await?;
    let shown = waits(&db, &ours, &people, STEADY, VIEW).await?;
    leading.settle().await?;

    let node = Node::start(Settings::default()).await;
    let mut following = mirror(&url, &node, &["--follow"])?;
    until_copied(&node, &db).await?;
    let (stop, stopped) = watch::channel(());
    let watching = tokio::spawn(follow(node.clone(), stopped));
    let given = give(&ours, &people, STEADY.0, STEADY.1).await?;
    leading.settle().await?;
    until_copied(&node, &db).await?;
    drop(stop);
    let arrived = waits_of(&db, &given, &watching.await?).await?;
    ensure!(following.try_wait()?.is_none(), "the mirror has ended");
    following.kill().await?;
    node.stop();
    for quantile in [0.5, 0.99] {
        let name = format!("append to its event in the copy, at 100 commands/s, p{:.0}", quantile * 100.0);
        let (wait, row) = (at(&arrived, quantile), at(&shown, quantile));
        report.add(Figure::new(name, wait, "ms", "append to its row in a view, the same load", row));
    }
    leading.stop().await;
    db.close().await;
    Ok(())
}

/// When the copy first reached which position, until told to stop.
async fn follow(node: Node, mut stopped: watch::Receiver<()>) -> Vec<(i64, Instant)> {
    let mut seen: Vec<(i64, Instant)> = Vec::new();
    loop {
        let last = seen.last().map_or(0, |(position, _)| *position);
        tokio::select! {
            () = node.until(|streams| end_of(streams) > last) => {}
            _ = stopped.changed() => return seen,
        }
        seen.push((end_of(&node.streams()), Instant::now()));
    }
}

/// Returns once the copy has what the log has.
async fn until_copied(node: &Node, db: &Database) -> Result<()> {
    let end = Log::new(db).end().await?;
    let copied = timeout(PATIENCE, node.until(|streams| end_of(streams) >= end)).await;
    copied.with_context(|| format!("the copy ends at {}", end_of(&node.streams())))
}

/// The position of the last event in the copy.
fn end_of(streams: &Streams) -> i64 {
    let ends = streams.ends();
    let end = ends.iter().find(|(name, _)| name == STREAM).map_or(0, |(_, events)| *events);
    i64::try_from(end).unwrap_or(i64::MAX)
}

fn copied(node: &Node) -> Result<Vec<Recorded>> {
    let streams = node.streams();
    let events = streams.read(STREAM).ok().flatten().context("nothing was copied")?;
    Ok(events.into_iter().map(|(_, event)| event.clone()).collect())
}

fn address(node: &Node) -> String {
    format!("esdb://{}?tls=false", node.address())
}

/// The program, begun.
fn mirror(database: &SecretString, node: &Node, arguments: &[&str]) -> Result<Child> {
    let program = std::env::current_exe()?.with_file_name("replay");
    ensure!(program.exists(), "{} is not built: make bench builds it", program.display());
    let mut command = Command::new(program);
    command.args(["mirror", "--stream", STREAM, "--to", &address(node)]).args(arguments);
    command.env("DATABASE_URL", database.expose_secret()).stdout(Stdio::null()).kill_on_drop(true);
    Ok(command.spawn()?)
}
