//! The signed tree over the log.
//!
//! - From an order to a signed checkpoint that has its event, as a reader sees it: while nothing else happens, and at 200 orders a second.
//! - `qr-verify export`, beside `sha256sum` of the same file, which is as fast as anybody can hash it.
//! - A rebuild of the tree, beside reading the same pages and throwing them away, and beside an ordered binary COPY to nowhere.
//! - Appends with the keeper of the tree beside them, and without, in turns.

use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use dataset::Dataset;
use domain::AccountId;
use eventlog::testing;
use eventlog::{Clock, Database, Log, Store};
use tokio::process::Command;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use transparency::{History, Keeper, KeeperSettings, Kept, StoredTree, walk};

use crate::append::{self, median};
use crate::figure::{Figure, Goal, Report};
use crate::logins::{Leading, Ours, people};
use crate::rebuild::copy_to_nowhere;
use crate::takeover::ms;
use crate::visible::{at, waits};

const EVENTS_A_LOGIN: u32 = 5;
/// The size that the goals about exports and rebuilds are about.
const MILLION: u32 = 1_000_000;
/// Up to which position the last checkpoint goes.
const SIGNED: &str = "select coalesce(signed_size, 0) from log_tree";
const SIGNED_WITHIN_MS: f64 = 1_000.0;
const VERIFIED_WITHIN_MS: f64 = 5_000.0;
/// Orders in a row, far enough apart for everything to have come to rest; and at a steady rate.
const IDLE: (usize, Duration) = (80, Duration::from_millis(700));
const STEADY: (usize, Duration) = (6_000, Duration::from_millis(5));
const WRITERS: usize = 8;
const ROUNDS: usize = 5;
/// As the leader reads.
const PAGE: i64 = 2_048;

/// The figures, with logs of up to `largest` events.
pub async fn measure(report: &mut Report, largest: u32) -> Result<()> {
    live(report, largest).await?;
    stored(report, MILLION.min(largest)).await?;
    if largest > MILLION {
        stored(report, largest).await?;
    }
    Ok(())
}

/// A keeper of the tree over this database, with its folder.
struct Keeping {
    folder: tempfile::TempDir,
    db: Database,
}

impl Keeping {
    fn new(db: &Database) -> Result<Self> {
        Ok(Self { folder: tempfile::tempdir()?, db: db.clone() })
    }

    async fn keeper(&self) -> Result<Keeper> {
        let settings = KeeperSettings {
            host: "login.example.com".to_owned(),
            key_file: self.folder.path().join("checkpoint.key"),
            kept: Kept::of_data_dir(self.folder.path()),
            witnesses: None,
        };
        Ok(Keeper::take_over(&self.db, &Clock::system(), &settings).await?)
    }

    /// Keeps and signs in the background, until the handle is aborted.
    async fn start(&self) -> Result<JoinHandle<()>> {
        let keeper = self.keeper().await?;
        Ok(tokio::spawn(async move {
            let Err(error) = keeper.run().await;
            eprintln!("the keeper has ended: {error}");
        }))
    }
}

/// How soon an event is signed, and what that costs appends.
async fn live(report: &mut Report, largest: u32) -> Result<()> {
    let test = testing::database().await;
    let db = &test.db;
    let people = Arc::new(people(db, append::PEOPLE).await?);
    let ours = Ours(Store::new(db));
    let (leading, keeping) = (Leading::start(db), Keeping::new(db)?);
    append::run_in(db, &ours, &people, &leading).await?;
    let keeper = keeping.start().await?;
    // With few events for a quick look.
    let part = (f64::from(largest) / f64::from(MILLION)).clamp(0.05, 1.0);
    for (name, (count, apart)) in [("idle", IDLE), ("at 200 commands/s", STEADY)] {
        let count = ((count as f64 * part) as usize).max(16);
        let waits = waits(db, &ours, &people, (count, apart), SIGNED).await?;
        for (quantile, goal) in [(0.5, None), (0.99, Some(Goal::AtMost(1.0)))] {
            let name = format!("append to signed checkpoint, {name}, p{:.0}", quantile * 100.0);
            let wait = at(&waits, quantile);
            let figure = Figure::new(name, wait, "ms", "the goal", SIGNED_WITHIN_MS);
            report.add(goal.map_or(figure.clone(), |goal| figure.with_goal(goal)));
        }
    }
    keeper.abort();
    appends(report, &ours, &people, &leading, &keeping).await?;
    leading.stop().await;
    db.close().await;
    Ok(())
}

/// Appends with the keeper and without, in turns, each first in every other round.
async fn appends(
    report: &mut Report,
    ours: &Ours,
    people: &Arc<Vec<AccountId>>,
    leading: &Leading,
    keeping: &Keeping,
) -> Result<()> {
    let (mut with, mut without, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let mut rates = [0.0; 2];
        for keeps in if round % 2 == 0 { [true, false] } else { [false, true] } {
            let keeper = if keeps { Some(keeping.start().await?) } else { None };
            rates[usize::from(keeps)] = append::rate(ours, people, WRITERS).await?;
            if let Some(keeper) = keeper {
                keeper.abort();
            }
            leading.settle().await?;
        }
        without.push(rates[0]);
        with.push(rates[1]);
        ratios.push(rates[1] / rates[0]);
    }
    let name = format!("append with the keeper of the tree beside, {WRITERS} writers");
    let figure = Figure::new(name, median(with), "commands/s", "the same without it", median(without));
    report.add(Figure { ratio: median(ratios), ..figure }.with_goal(Goal::AtLeast(0.97)));
    Ok(())
}

/// What a large log takes to be verified by others, and to be hashed again.
async fn stored(report: &mut Report, size: u32) -> Result<()> {
    let test = testing::database().await;
    let db = &test.db;
    let dataset = Dataset::load(db, size / EVENTS_A_LOGIN).await?;
    let keeping = Keeping::new(db)?;
    let mut keeper = keeping.keeper().await?;
    let began = Instant::now();
    keeper.pass().await?;
    let built = dataset.events as f64 / began.elapsed().as_secs_f64();
    ensure!(keeper.fault().is_none(), "{:?}", keeper.fault());
    let at_goal = size >= MILLION;

    let (mut rebuilt, mut read) = (0.0_f64, 0.0_f64);
    for _ in 0..2 {
        let began = Instant::now();
        let done = walk::rebuild(db, |_, _| {}).await?;
        ensure!(done == (dataset.events, 0), "not what it was before: {done:?}");
        rebuilt = rebuilt.max(dataset.events as f64 / began.elapsed().as_secs_f64());
        read = read.max(dataset.events as f64 / reading(db).await?);
    }
    let name = format!("rebuild of the tree, {size} events");
    let figure = Figure::new(&name, rebuilt, "leaves/s", "reading the same pages", read);
    report.add(if at_goal { figure.with_goal(Goal::AtLeast(0.5)) } else { figure });
    let copied = dataset.events as f64 / copy_to_nowhere(db).await?;
    report.add(Figure::new(name, rebuilt, "leaves/s", "ordered binary COPY to nowhere", copied));
    let name = format!("first tree over {size} events");
    report.add(Figure::new(name, built, "leaves/s", "reading the same pages", read));
    if size <= MILLION {
        verify(report, db, keeping.folder.path(), size, at_goal).await?;
    }
    db.close().await;
    Ok(())
}

/// Seconds for all pages, without hashing anything.
async fn reading(db: &Database) -> Result<f64> {
    let (log, began, mut after) = (Log::new(db), Instant::now(), 0);
    while let Some(last) = log.stored(after, PAGE).await?.last() {
        after = last.position;
    }
    Ok(began.elapsed().as_secs_f64())
}

/// An export and its checkpoint as files, and both programs over them.
async fn verify(report: &mut Report, db: &Database, folder: &Path, size: u32, at_goal: bool) -> Result<()> {
    let (export, checkpoint) = (folder.join("export.jsonl"), folder.join("checkpoint"));
    let state = StoredTree::new(db).state().await?;
    std::fs::write(&checkpoint, state.checkpoint.as_deref().context("it was signed")?)?;
    let key = History::read(db, &state).await?.key.to_string();
    write_export(db, &export).await?;
    let program = std::env::current_exe()?.with_file_name("qr-verify");
    ensure!(program.exists(), "{} is not built: make bench builds it", program.display());
    let (mut verified, mut hashed) = (f64::INFINITY, f64::INFINITY);
    for _ in 0..3 {
        let arguments =
            [Path::new(&key), Path::new("export"), &export, Path::new("--checkpoint"), &checkpoint];
        verified = verified.min(ms(run(Command::new(&program).args(arguments))).await?);
        hashed = hashed.min(ms(run(Command::new("sha256sum").arg(&export))).await?);
    }
    let name = format!("qr-verify export, {size} events");
    let figure = Figure::new(&name, verified, "ms", "the goal for 1,000,000", VERIFIED_WITHIN_MS);
    report.add(if at_goal { figure.with_goal(Goal::AtMost(1.0)) } else { figure });
    report.add(Figure::new(name, verified, "ms", "sha256sum of the same file", hashed));
    Ok(())
}

/// As `replay export` prints the log.
async fn write_export(db: &Database, file: &Path) -> Result<()> {
    let mut out = BufWriter::new(std::fs::File::create(file)?);
    let (log, mut after, mut line) = (Log::new(db), 0, String::new());
    loop {
        let page = log.stored(after, PAGE).await?;
        let Some(last) = page.last() else { break };
        after = last.position;
        for event in &page {
            line.clear();
            event.write_line(&mut line);
            line.push('\n');
            out.write_all(line.as_bytes())?;
        }
    }
    Ok(out.flush()?)
}

async fn run(command: &mut Command) -> Result<()> {
    let output = command.output().await?;
    ensure!(output.status.success(), "{output:?}");
    Ok(())
}
