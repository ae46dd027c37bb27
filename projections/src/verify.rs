//! Compares every view with the log, beside a running service: looks for faults of the log itself, decodes every event,
//! folds every view in memory, and compares row by row with the live tables.
//!
//! The log's own faults are looked for first, in a snapshot of their own ([`eventlog::integrity`]). Most of the log, up to the current position of the views, is folded without a transaction. Then one snapshot fixes the
//! live rows and their positions. The few events in between are folded too, and the rows are compared in that snapshot.

use futures::TryStreamExt;
use serde_json::Value;
use sqlx::types::Json;

use crate::projector;
use crate::reading::{FoldedView, Reading};
use crate::views::{self, AnyView, Comparison, MemoryTable, RowFailure};
use eventlog::database::{Connection, Database, DatabaseError};
use eventlog::integrity::{self, LogFault};

mod faults;

use faults::Checkpoints;
pub use faults::ViewFault;

/// Differences that are reported one by one; the others are only counted.
const EXAMPLES: usize = 20;

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
    /// The first of them.
    pub examples: Vec<Difference>,
    /// Parked keys of the live table; they are compared as they were parked.
    pub parked: usize,
}

/// A row that differs from the log. It names columns, never their values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Its key.
    pub key: String,
    /// What is wrong with it.
    pub what: String,
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
pub async fn verify(db: &Database, mut progress: impl FnMut(i64, i64)) -> Result<Report, DatabaseError> {
    let log_faults = integrity::check(db).await?;
    loop {
        if let Some(report) =
            compare_with_live(db, &views::all(), ParkedRows::StayParked, &mut progress).await?
        {
            return Ok(Report { log_faults, ..report });
        }
    }
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
    progress: &mut impl FnMut(i64, i64),
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
    let mut reports = Vec::new();
    let last = checkpoints.values().map(|(position, _)| *position).max().unwrap_or(0);
    for folded in reading.views() {
        folded.limit = checkpoints.get(folded.view.shape().name).map(|(position, _)| *position);
    }
    reading.read_to(last, progress).await?;
    let folding = reading.end();
    for FoldedView { view, table, failures, .. } in folding.views {
        let name = view.shape().name;
        let Some((position, slot)) = checkpoints.get(name) else { continue };
        let examples: Vec<Difference> = failures.into_iter().map(Difference::parked).collect();
        let mut report = ViewReport {
            view: name,
            position: *position,
            rows: table.len(),
            differ: examples.len(),
            examples,
            parked: parked_now.iter().filter(|(view, ..)| view == name).count(),
        };
        compare(&mut snapshot, view, slot, table, &mut report).await?;
        reports.push(report);
    }
    snapshot.rollback().await?;
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
        let what = match table.compare(&key, row) {
            Comparison::Same => continue,
            Comparison::Differs(columns) => format!("differs in {}", columns.join(", ")),
            Comparison::Surplus => "is no row of the log's".to_owned(),
            Comparison::Unreadable => "does not have the view's shape".to_owned(),
        };
        report.count(Difference { key, what });
    }
    for key in table.not_compared() {
        report.count(Difference { key, what: "is missing".to_owned() });
    }
    Ok(())
}

impl Difference {
    /// Between a live row and the row that the log makes.
    pub(crate) fn between(key: String, live: Option<Value>, made: Option<Value>) -> Self {
        let what = match (live, made) {
            (Some(Value::Object(live)), Some(Value::Object(made))) => {
                let differing = made.iter().filter(|(column, value)| live.get(*column) != Some(value));
                let columns: Vec<&str> = differing.map(|(column, _)| column.as_str()).collect();
                format!("differs in {}", columns.join(", "))
            }
            (_, None) => "is no row of the log's".to_owned(),
            _ => "is missing".to_owned(),
        };
        Self { key, what }
    }

    fn parked((key, failure): (String, RowFailure)) -> Self {
        Self { key, what: format!("is parked at position {}: {}", failure.position, failure.error) }
    }
}

impl ViewReport {
    pub(crate) fn count(&mut self, difference: Difference) {
        self.differ += 1;
        if self.examples.len() < EXAMPLES {
            self.examples.push(difference);
        }
    }
}
