//! `replay rebuild [VIEW…] [--dry-run] [--user ID]` and `replay unpark [VIEW KEY] [--cause CAUSE]`: make rows again from the log.

use std::io::Write;
use std::process::ExitCode;

use anyhow::{Result, bail};
use app::parked::{self, MOST_ROWS, OrderedBy, Replayed, Which};
use eventlog::{Clock, Context, Database};
use projections::views;
use rebuild::verify::ViewReport;
use rebuild::{Difference, Parting, RowEvent};
use rebuild::{KeyReport, Progress};
use terminal::columns::to_the_second;
use terminal::harmless;

use crate::paint::Paint;
use crate::tree::{self, TREE};
use crate::{people, progress, view};

const ONLY_AN_EVENT: &str =
    "what the reactor has parked is an event, no row; nothing can be made anew for it";

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// `users`, `login_status`, `invites`, `subscriptions`; all of them where none is named. `tree`: the tree over the log.
    #[arg(value_name = "VIEW")]
    views: Vec<String>,
    /// Only say what would change.
    #[arg(long)]
    dry_run: bool,
    /// Only the rows of this person: a Telegram id or an account id.
    #[arg(long, value_name = "ID")]
    user: Option<String>,
}

#[derive(Debug, clap::Args)]
pub struct Parked {
    /// Of which view; without it, everything that is parked.
    #[arg(requires = "key")]
    view: Option<String>,
    /// Which row of it. (A login's id may begin with a hyphen.)
    #[arg(allow_hyphen_values = true)]
    key: Option<String>,
    /// Everything that is parked for this cause, as `replay lag` tells it.
    #[arg(long, value_name = "CAUSE", conflicts_with = "view")]
    cause: Option<String>,
}

pub async fn run(db: &Database, arguments: Arguments, out: &mut impl Write) -> Result<()> {
    let Arguments { mut views, dry_run, user } = arguments;
    if let Some(place) = views.iter().position(|name| name == TREE) {
        views.remove(place);
        tree::rebuild(db, dry_run, out).await?;
        if views.is_empty() {
            return Ok(());
        }
    }
    for name in &views {
        view::columns(name)?;
    }
    if let Some(id) = user {
        let account = people::account(db, &id).await?;
        for row in rebuild::rebuild_account(db, account, &views, !dry_run).await? {
            tell_row(&row, out)?;
        }
        return Ok(());
    }
    let bar = progress::events()?;
    let shown = |step| match step {
        Progress::Read { position, end } => progress::show(&bar, position, end),
        Progress::Swapped { view } => bar.set_message(format!("{view}: swapped")),
        Progress::Load { view, rows } => bar.set_message(format!("{view}: {rows} rows written")),
        Progress::Wait { view, pid } => {
            bar.set_message(format!("{view}: waiting for the transaction of process {pid}"));
        }
    };
    let reports = match dry_run {
        true => rebuild::dry_run(db, &views, shown).await,
        false => rebuild::rebuild(db, &views, shown).await,
    };
    bar.finish_and_clear();
    for report in reports? {
        tell_view(&report, out)?;
    }
    Ok(())
}

/// Exit code 1 if a row is still parked.
pub async fn unpark(db: &Database, which: Parked, out: &mut impl Write) -> Result<ExitCode> {
    let rows = match (which.view, which.key) {
        (Some(view), Some(key)) => vec![unpark_one(db, &view, key).await?],
        _ => unpark_all(db, which.cause.as_deref()).await?,
    };
    for row in &rows {
        tell_row(row, out)?;
    }
    let all_unparked = rows.iter().all(|row| row.parked.is_none());
    Ok(if all_unparked { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn unpark_one(db: &Database, view: &str, key: String) -> Result<KeyReport> {
    if view == "reactor" {
        bail!(ONLY_AN_EVENT);
    }
    view::columns(view)?;
    match replay(db, view, &Which::Key(key.clone())).await?.pop() {
        Some(row) => Ok(row),
        // It is not parked: its row is made anew all the same.
        None => Ok(rebuild::unpark(db, view, &key).await?),
    }
}

/// All rows, or those with one cause.
async fn unpark_all(db: &Database, cause: Option<&str>) -> Result<Vec<KeyReport>> {
    let mut reports = Vec::new();
    let causes = parked::by_cause(db).await?;
    let wanted: Vec<_> = causes.iter().filter(|it| cause.is_none_or(|cause| cause == it.cause)).collect();
    if let (Some(cause), []) = (cause, &wanted[..]) {
        bail!("nothing is parked for the cause {cause:?}; `replay lag` tells what is");
    }
    if cause.is_some() && wanted.iter().all(|of| of.views.iter().all(|view| view == "reactor")) {
        bail!(ONLY_AN_EVENT);
    }
    for of in wanted {
        for view in of.views.iter().filter(|view| views::names().contains(&view.as_str())) {
            loop {
                let rows = replay(db, view, &Which::Cause(of.cause.clone())).await?;
                // What is parked again comes last.
                let more = rows.len() as i64 == MOST_ROWS && rows.iter().any(|row| row.parked.is_none());
                reports.extend(rows);
                if !more {
                    break;
                }
            }
        }
    }
    Ok(reports)
}

async fn replay(db: &Database, view: &str, which: &Which) -> Result<Vec<KeyReport>> {
    let (now, context) = (Clock::system().now(), Context::tool("replay"));
    match parked::replay(db, view, which, &OrderedBy::Terminal, now, context).await? {
        Replayed::Done(rows) => Ok(rows),
        Replayed::NothingParked | Replayed::NoView | Replayed::NotAllowed => Ok(Vec::new()),
    }
}

/// `users: N rows, 0 differ`, and in what, with the event at which each row parts from the log.
pub fn tell_view(view: &ViewReport, out: &mut impl Write) -> Result<()> {
    let paint = Paint::for_stdout();
    let (differ, parked) = (paint.none_of(view.differ), paint.odd());
    write!(out, "{}: {} rows, {differ}{} differ{differ:#}", view.view, view.rows, view.differ)?;
    if view.parked > 0 {
        write!(out, ", {parked}{} parked{parked:#}", view.parked)?;
    }
    writeln!(out)?;
    for difference in &view.examples {
        write!(out, "  {} {}", harmless(&difference.key), harmless(&difference.what))?;
        writeln!(out, "{}", told_parting(difference))?;
    }
    if view.differ > view.examples.len() {
        writeln!(out, "  and {} more", view.differ - view.examples.len())?;
    }
    Ok(())
}

fn tell_row(row: &KeyReport, out: &mut impl Write) -> Result<()> {
    let what = row.difference.as_ref().map_or("does not differ", |difference| &difference.what);
    write!(out, "{} {}: {}", harmless(row.view), harmless(&row.key), harmless(what))?;
    write!(out, "{}", row.difference.as_ref().map(told_parting).unwrap_or_default())?;
    if let Some((position, why)) = &row.parked {
        write!(out, "; parked at position {position}: {}", harmless(why))?;
    }
    Ok(writeln!(out)?)
}

/// Where a row parts from the log; nothing where it was not looked at.
fn told_parting(difference: &Difference) -> String {
    let event = |it: &RowEvent| {
        format!("position {} ({}, {})", it.position, harmless(&it.name), to_the_second(it.recorded_at))
    };
    match &difference.parting {
        None => String::new(),
        Some(Parting::At(at)) => format!("; it parts from the log at {}", event(at)),
        Some(Parting::Parked(at)) => format!("; it is parked at {}", event(at)),
        Some(Parting::NotOfTheLog) => "; no part of the log makes it".to_owned(),
    }
}
