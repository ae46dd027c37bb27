//! The tree over the log as `replay verify` and `replay rebuild tree` look at it.

use std::fs;
use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use eventlog::Database;
use serde_json::{Value, json};
use terminal::harmless;
use transparency::walk::{self, Report};
use transparency::{Checkpoint, History, NoHistory, Note, StoredTree, base64_of};

use crate::progress;

/// The name of the tree among the views.
pub const TREE: &str = "tree";

/// Compares the whole log with the tree, and with what was signed: the last checkpoint, and the one in this file. Tells a line for each
/// fault and one for the tree; whether nothing is wrong.
pub async fn verify(db: &Database, checkpoint: Option<&Path>, out: &mut impl Write) -> Result<bool> {
    let state = StoredTree::new(db).state().await?;
    let history = match History::read(db, &state).await {
        Err(NoHistory::None) if checkpoint.is_none() => return Ok(true),
        history => history?,
    };
    let mut signed: Vec<Checkpoint> = state
        .checkpoint
        .as_deref()
        .and_then(Note::parse)
        .and_then(|note| note.checkpoint(&history.key))
        .into_iter()
        .collect();
    if let Some(file) = checkpoint {
        signed.push(read(file, &history)?);
    }
    let bar = progress::events()?;
    let report = walk::walk(db, &signed, 0, |position, end| progress::show(&bar, position, end)).await?;
    bar.finish_and_clear();
    tell(&report, out)?;
    for checkpoint in signed.iter().filter(|_| report.is_clean()) {
        writeln!(out, "{}: extends what was signed at position {}", checkpoint.origin, checkpoint.size)?;
    }
    Ok(report.is_clean())
}

fn read(file: &Path, history: &History) -> Result<Checkpoint> {
    let shown = file.display();
    let text = fs::read_to_string(file).with_context(|| shown.to_string())?;
    let note = Note::parse(&text).with_context(|| format!("{shown} is no signed note"))?;
    let checkpoint = Checkpoint::parse(&note.text).with_context(|| format!("{shown} holds no checkpoint"))?;
    ensure!(
        checkpoint.origin == history.origin,
        "{shown} is of the log {}, and this is {}: it branched, or is another one",
        checkpoint.origin,
        history.origin
    );
    // A key that was changed since has signed what it has signed: who kept the checkpoint has checked that.
    Ok(checkpoint)
}

/// What [`as_of`] tells.
pub const COLUMNS: &[&str] = &["position", "origin", "root"];

/// The tree as it was at a position: what a checkpoint of this size says.
pub async fn as_of(db: &Database, position: i64) -> Result<Value> {
    let tree = StoredTree::new(db);
    let history = History::read(db, &tree.state().await?).await?;
    let root = base64_of(&tree.root_at(position.unsigned_abs()).await?);
    Ok(json!({"position": position, "origin": history.origin, "root": root}))
}

/// Makes the tiles anew from the log; or, on a dry run, only says what would change.
pub async fn rebuild(db: &Database, dry_run: bool, out: &mut impl Write) -> Result<()> {
    let bar = progress::events()?;
    let show = |position, end| progress::show(&bar, position, end);
    if dry_run {
        let report = walk::walk(db, &[], 0, show).await?;
        bar.finish_and_clear();
        return tell(&report, out);
    }
    let (leaves, differed) = walk::rebuild(db, show).await?;
    bar.finish_and_clear();
    Ok(writeln!(out, "{TREE}: {leaves} leaves, {differed} tiles differed")?)
}

fn tell(report: &Report, out: &mut impl Write) -> Result<()> {
    for fault in &report.faults {
        writeln!(out, "{}", harmless(&fault.to_string()))?;
    }
    if report.more > 0 {
        writeln!(out, "and {} more like it", report.more)?;
    }
    Ok(writeln!(
        out,
        "{TREE}: {} leaves, {} faults",
        report.leaves,
        report.faults.len() as u64 + report.more
    )?)
}
