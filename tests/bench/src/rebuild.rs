//! Rebuilding views from the log: beside an ordered binary COPY of the same events to nowhere, which is as fast as anybody can
//! read them, and beside cqrs-es's own `GenericQuery`. And how that grows with the log.
//!
//! A rebuild runs in a process of its own, so that its peak of memory is its own too. Before that the views hold what the
//! projector made of the log or, of a large one, what an earlier rebuild made: one that does not come out the same counts as
//! failed, and so does one with other numbers of rows than the log was made with.

use std::process::Stdio;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use eventlog::Database;
use eventlog::testing::{self, TestDatabase};
use futures::TryStreamExt;
use projections::Projector;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use sqlx::postgres::PgPoolCopyExt;

use crate::figure::{Figure, Goal, Report};
use dataset::Dataset;

mod generic_query;

const EVENTS_A_LOGIN: u32 = 5;
/// The size that the goals are about.
const MILLION: u32 = 1_000_000;
/// Up to here the projector fills the views: that is a second opinion, and takes a minute for half a million.
const PROJECTED: u32 = 100_000;
/// How many events `GenericQuery` is given.
const GENERIC: u32 = 50_000;
/// Reads everything and changes nothing.
const VERIFICATION: &str = "verification";
const MIB: f64 = 1024.0 * 1024.0;
/// What a rebuild may take, however long the log is.
const MEMORY_MIB: f64 = 256.0;

/// What a rebuild in its own process tells.
#[derive(Debug, Serialize, Deserialize)]
pub struct Outcome {
    seconds: f64,
    peak_bytes: u64,
    rows: Vec<u64>,
    differ: u64,
    parked: u64,
}

/// Logs of ten thousand events, ten times as many, and so on up to `largest`.
pub async fn measure(report: &mut Report, largest: u32) -> Result<()> {
    let generic = generic_query::events_a_second(GENERIC / EVENTS_A_LOGIN).await?;
    let sizes = std::iter::successors(Some(10_000), |size: &u32| size.checked_mul(10));
    for size in sizes.take_while(|size| *size <= largest) {
        one_size(report, size, generic).await?;
    }
    Ok(())
}

async fn one_size(report: &mut Report, size: u32, generic: f64) -> Result<()> {
    let TestDatabase { db, url } = testing::database().await;
    let dataset = Dataset::load(&db, size / EVENTS_A_LOGIN).await?;
    fill_views(&db, &url, &dataset, size <= PROJECTED).await?;
    let limit = a_second(&dataset, copy_to_nowhere(&db).await?);
    for (work, goal) in
        [("rebuild of users", Some(0.5)), ("rebuild of all views", Some(0.25)), (VERIFICATION, None)]
    {
        let outcome = in_a_process(&url, work, &dataset).await?;
        ensure!(outcome.differ + outcome.parked == 0, "not what it was before: {outcome:?}");
        let speed = a_second(&dataset, outcome.seconds);
        let name = format!("{work}, {size} events");
        let figure = Figure::new(&name, speed, "events/s", "ordered binary COPY to nowhere", limit);
        report.add(match goal {
            Some(goal) if size == MILLION => figure.with_goal(Goal::AtLeast(goal)),
            _ => figure,
        });
        let memory = Figure::new(
            format!("{name}: peak of memory"),
            outcome.peak_bytes as f64 / MIB,
            "MiB",
            "the goal",
            MEMORY_MIB,
        );
        report.add(memory.with_goal(Goal::AtMost(1.0)));
        if size == MILLION && goal == Some(0.5) {
            let reference = "cqrs-es GenericQuery over postgres-es, measured on 50,000 events";
            let figure = Figure::new(name, speed, "events/s", reference, generic);
            report.add(figure.with_goal(Goal::AtLeast(100.0)));
        }
    }
    db.close().await;
    Ok(())
}

/// As if the service had followed the log up to its end.
async fn fill_views(db: &Database, url: &SecretString, dataset: &Dataset, project: bool) -> Result<()> {
    if project {
        Projector::take_over(db).await?.catch_up().await?;
    } else {
        sqlx::query("update checkpoints set position = $1")
            .bind(i64::try_from(dataset.events)?)
            .execute(&db.pool().without_deadlines())
            .await?;
        in_a_process(url, "rebuild of all views", dataset).await?;
    }
    sqlx::query("checkpoint").execute(&db.pool().without_deadlines()).await?;
    Ok(())
}

/// Seconds for every event with what a reader of the log has to know of it, in the order of positions; the better of two.
pub async fn copy_to_nowhere(db: &Database) -> Result<f64> {
    let copy = "copy (select i.position, e.aggregate_type, e.aggregate_id, e.event_type, e.event_version, e.payload, \
                e.metadata from log_index i join events e using (event_no) order by i.position) \
                to stdout (format binary)";
    let mut best = f64::INFINITY;
    for _ in 0..2 {
        let began = Instant::now();
        let mut rows = db.pool().without_deadlines().copy_out_raw(copy).await?;
        while rows.try_next().await?.is_some() {}
        best = best.min(began.elapsed().as_secs_f64());
    }
    Ok(best)
}

fn a_second(dataset: &Dataset, seconds: f64) -> f64 {
    dataset.events as f64 / seconds
}

/// A rebuild or a verification in a process of its own, which is this program once more.
async fn in_a_process(url: &SecretString, work: &str, dataset: &Dataset) -> Result<Outcome> {
    let output = tokio::process::Command::new(std::env::current_exe()?)
        .args(["--only-rebuild", work])
        .env("DATABASE_URL", url.expose_secret())
        .stderr(Stdio::inherit())
        .output()
        .await?;
    ensure!(output.status.success(), "the {work} failed");
    let outcome: Outcome = serde_json::from_slice(&output.stdout)?;
    let Dataset { logins, invites, subscriptions, .. } = *dataset;
    // Hours and days come last; how many, depends on the hour in which the log was made.
    let (rows, times): (&[u64], usize) = match work {
        "rebuild of users" => (&[logins], 0),
        _ => (&[logins, logins, invites, subscriptions], 2),
    };
    ensure!(
        outcome.rows.starts_with(rows) && outcome.rows.len() == rows.len() + times,
        "{outcome:?} of {dataset:?}"
    );
    Ok(outcome)
}

/// What that process does; its answer goes to stdout.
pub async fn only(url: SecretString, work: &str) -> Result<()> {
    let names = if work == "rebuild of users" { vec!["users".to_owned()] } else { Vec::new() };
    let db = Database::connect(&url).await?;
    let began = Instant::now();
    let views = match work {
        VERIFICATION => rebuild::verify::verify(&db, |_, _| {}).await?.views,
        _ => rebuild::rebuild(&db, &names, |_| {}).await?,
    };
    let outcome = Outcome {
        seconds: began.elapsed().as_secs_f64(),
        peak_bytes: peak_bytes()?,
        rows: views.iter().map(|view| view.rows as u64).collect(),
        differ: views.iter().map(|view| view.differ as u64).sum(),
        parked: views.iter().map(|view| view.parked as u64).sum(),
    };
    println!("{}", serde_json::to_string(&outcome)?);
    db.close().await;
    Ok(())
}

/// The most memory that this process has had resident.
fn peak_bytes() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("VmHWM")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? * 1024)
}
