//! Compares every view with the log, beside a running service: looks for faults of the log itself, decodes every event,
//! folds every view in memory, and compares row by row with the live tables.
//!
//! The log's own faults are looked for first, in a snapshot of their own ([`eventlog::integrity`]). Most of the log, up to the current position of the views, is folded without a transaction. Then one snapshot fixes the
//! live rows and their positions. The few events in between are folded too, and the rows are compared in that snapshot.

use std::collections::HashMap;

use futures::TryStreamExt;
use futures::future::BoxFuture;
use serde_json::Value;
use sqlx::types::Json;

use crate::difference::{Difference, ParkedAt, explain_differences};
use crate::one_row::stored_row;
use crate::reading::{FoldedView, Reading};
use eventlog::database::{Connection, Database, DatabaseError};
use eventlog::integrity::{self, LogFault};
use projections::projector::{self, SlotRole};
use projections::views::{self, AnyView, Comparison, MemoryTable};

mod faults;

use faults::Checkpoints;
pub use faults::ViewFault;

/// Differences that are reported one by one, and explained; the others are only counted.
pub(crate) const EXAMPLES: usize = 100;

/// The result of a verification.
#[derive(Clone, Debug)]
pub struct Report {
    /// Events that were read.
    pub events: u64,
    /// Events that cannot be decoded: where, and why.
    pub undecodable: Vec<(i64, String)>,
    /// What is wrong with positions and streams. Only looked for by [`verify`].
    pub log_faults: Vec<LogFault>,
    /// What is wrong with what views read, besides rows.
    pub view_faults: Vec<ViewFault>,
    /// One report for each view.
    pub views: Vec<ViewReport>,
}

/// The result for one view.
#[derive(Clone, Debug)]
pub struct ViewReport {
    /// The view.
    pub view: &'static str,
    /// The position at which it was compared.
    pub position: i64,
    /// Rows that the log makes.
    pub rows: usize,
    /// Rows that differ, are missing, or should not be there.
    pub differ: usize,
    /// Those of them that are missing in the live table.
    pub missing: usize,
    /// Those of them that the log does not make.
    pub extra: usize,
    /// The first of those that differ.
    pub examples: Vec<Difference>,
    /// Parked keys of the live table; they are compared as they were parked.
    pub parked: usize,
}

impl Report {
    /// Whether the log is whole, and nothing differs from it.
    pub fn is_clean(&self) -> bool {
        self.undecodable.is_empty()
            && self.log_faults.is_empty()
            && self.view_faults.is_empty()
            && self.views.iter().all(|view| view.differ == 0)
    }
}

/// Compares everything. Calls `progress` with the position that was read, and the last one.
///
/// # Errors
/// The database's.
pub async fn verify(
    db: &Database,
    mut progress: impl FnMut(i64, i64) + Send,
) -> Result<Report, DatabaseError> {
    verify_all(db, &mut progress).await
}

/// It is boxed so that it is compiled in this crate alone, and not in each one that calls it.
fn verify_all<'a>(
    db: &'a Database,
    progress: &'a mut (dyn FnMut(i64, i64) + Send),
) -> BoxFuture<'a, Result<Report, DatabaseError>> {
    Box::pin(async move {
        let log_faults = integrity::check(db).await?;
        loop {
            if let Some(report) =
                compare_with_live(db, &views::all(), ParkedRows::StayParked, progress).await?
            {
                return Ok(Report { log_faults, ..report });
            }
        }
    })
}

/// What a comparison does with keys that are parked in the live table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ParkedRows {
    /// They are parked in the comparison too, so their rows do not differ.
    StayParked,
    /// They are folded to the end, as after a fix.
    Refolded,
}

/// None where a key was unparked meanwhile: the comparison has to begin again.
pub(crate) async fn compare_with_live(
    db: &Database,
    views: &[&'static dyn AnyView],
    parked_rows: ParkedRows,
    progress: &mut (dyn FnMut(i64, i64) + Send),
) -> Result<Option<Report>, DatabaseError> {
    let mut reading = match parked_rows {
        ParkedRows::StayParked => Reading::of_everything(db, views),
        ParkedRows::Refolded => Reading::begin(db, views),
    };
    let now = projector::projected(db).await?;
    let mut parked_before = Vec::new();
    if parked_rows == ParkedRows::StayParked {
        parked_before = parked(&mut db.pool().acquire().await?).await?;
        reading.park(&parked_before);
    }
    reading.read_to(now, progress).await?;

    let connection = db.direct().await?;
    let mut snapshot = connection.begin("begin isolation level repeatable read, read only").await?;
    let checkpoints: Checkpoints = sqlx::query!("select consumer, position, slot from checkpoints")
        .fetch_all(&mut *snapshot)
        .await?
        .into_iter()
        .map(|row| (row.consumer, (row.position, row.slot)))
        .collect();
    let parked_now = parked(&mut snapshot).await?;
    if parked_before.iter().any(|key| !parked_now.contains(key)) {
        return Ok(None);
    }
    if parked_rows == ParkedRows::StayParked {
        reading.park(&parked_now);
    }
    let view_faults = faults::check(&mut snapshot, views, &checkpoints).await?;
    let (mut reports, mut parked_of) = (Vec::new(), Vec::new());
    let last = checkpoints.values().map(|(position, _)| *position).max().unwrap_or(0);
    for folded in reading.views() {
        folded.limit = checkpoints.get(folded.view.shape().name).map(|(position, _)| *position);
    }
    reading.read_to(last, progress).await?;
    let folding = reading.end();
    for FoldedView { view, table, failures, .. } in folding.views {
        let name = view.shape().name;
        let Some((position, slot)) = checkpoints.get(name) else { continue };
        let mut parked: HashMap<String, ParkedAt> = parked_now
            .iter()
            .filter(|(view, ..)| view == name)
            .map(|(_, key, position)| (key.clone(), (*position, SlotRole::Live)))
            .collect();
        let mut report = ViewReport {
            view: name,
            position: *position,
            rows: table.row_count(),
            differ: 0,
            missing: 0,
            extra: 0,
            examples: Vec::new(),
            parked: parked.len(),
        };
        for (key, failure) in failures {
            let what = format!("is parked at position {}: {}", failure.position, failure.error);
            parked.insert(key.clone(), (failure.position, SlotRole::Building));
            let live = match report.examples.len() < EXAMPLES {
                true => stored_row(&mut snapshot, view, slot, &key).await?.map(|row| view.canonical(row)),
                false => None,
            };
            report.count(|| {
                let log = table.rows(Some(&key)).pop();
                Difference { key, what, live, log, parting: None }
            });
        }
        compare(&mut snapshot, view, slot, table, &mut report).await?;
        reports.push(report);
        parked_of.push((view, parked));
    }
    // Before the explanations, which may take a while: nothing waits for them.
    snapshot.rollback().await?;
    for (report, (view, parked)) in reports.iter_mut().zip(&parked_of) {
        explain_differences(db, *view, report.position, parked, &mut report.examples).await?;
    }
    Ok(Some(Report {
        events: folding.events,
        undecodable: folding.undecodable,
        log_faults: Vec::new(),
        view_faults,
        views: reports,
    }))
}

/// A view as it was at a position, or only the row with this key: rows as JSON, in the order of their keys. None where
/// there is no such view.
///
/// # Errors
/// The database's.
pub async fn as_of(
    db: &Database,
    position: i64,
    view: &str,
    key: Option<&str>,
) -> Result<Option<Vec<Value>>, DatabaseError> {
    let Some(view) = views::named(view) else { return Ok(None) };
    let mut reading = Reading::begin(db, &[view]);
    reading.read_to(position, &mut |_, _| {}).await?;
    Ok(reading.end().views.first().map(|folded| folded.table.rows(key)))
}

async fn parked(connection: &mut Connection) -> Result<Vec<(String, String, i64)>, DatabaseError> {
    let rows = sqlx::query!("select view, key, position from parked").fetch_all(connection).await?;
    Ok(rows.into_iter().map(|row| (row.view, row.key, row.position)).collect())
}

async fn compare(
    snapshot: &mut Connection,
    view: &dyn AnyView,
    slot: &str,
    mut table: Box<dyn MemoryTable>,
    report: &mut ViewReport,
) -> Result<(), DatabaseError> {
    let sql = view.shape().select_all(slot);
    let mut live = sqlx::query_as::<_, (String, Json<Value>)>(&sql).fetch(snapshot);
    while let Some((key, Json(row))) = live.try_next().await? {
        let (log, is_unreadable) = match table.compare(&key, &row) {
            Comparison::Same => continue,
            Comparison::Differs(log) => (Some(log), false),
            Comparison::Unreadable(log) => (Some(log), true),
            Comparison::Surplus => (None, false),
        };
        report.extra += usize::from(log.is_none());
        report.count(|| {
            let difference = Difference::between(key, Some(view.canonical(row)), log);
            match is_unreadable {
                true => Difference { what: "does not have the view's shape".to_owned(), ..difference },
                false => difference,
            }
        });
    }
    for key in table.not_compared() {
        report.missing += 1;
        report.count(|| {
            let log = table.rows(Some(&key)).pop();
            Difference::between(key, None, log)
        });
    }
    Ok(())
}

impl ViewReport {
    /// Counts a row that differs. It is only put into words where it is one of the first.
    fn count(&mut self, example: impl FnOnce() -> Difference) {
        self.differ += 1;
        if self.examples.len() < EXAMPLES {
            self.examples.push(example());
        }
    }
}
