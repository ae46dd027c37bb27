//! Is every view what the log says? Decodes every event, folds every view aside, and compares row by row with the live
//! tables, beside a running service.
//!
//! The long part, the log up to where the views stand now, is folded without a transaction. Then one snapshot fixes the
//! live rows and their positions; the few events in between are folded too; and the rows are compared inside it.

use std::collections::HashMap;

use futures::TryStreamExt;
use serde_json::Value;
use sqlx::types::Json;

use crate::projector;
use crate::reading::{FoldedView, Reading};
use crate::views::{self, AnyView, Comparison, MemoryTable, RowFailure};
use eventlog::database::{Connection, Database, DatabaseError};

/// Differences that are told one by one; the others are counted.
const EXAMPLES: usize = 20;

/// What came out.
#[derive(Clone, Debug)]
pub struct Report {
    /// Events that were read.
    pub events: u64,
    /// Events that cannot be decoded: where, and why.
    pub undecodable: Vec<(i64, String)>,
    /// A report a view.
    pub views: Vec<ViewReport>,
}

/// What came out for one view.
#[derive(Clone, Debug)]
pub struct ViewReport {
    /// Which.
    pub view: &'static str,
    /// Up to which position it was compared.
    pub position: i64,
    /// Rows that the log makes.
    pub rows: usize,
    /// Rows that differ, are missing, or should not be there.
    pub differ: usize,
    /// The first of them.
    pub examples: Vec<Difference>,
    /// Keys that stand still in the live table; they are compared as they stood.
    pub parked: usize,
}

/// A row that is not what the log says. Names columns, never what is in them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Its key.
    pub key: String,
    /// What is wrong with it.
    pub what: String,
}

impl Report {
    /// Whether everything is as the log says.
    pub fn is_clean(&self) -> bool {
        self.undecodable.is_empty() && self.views.iter().all(|view| view.differ == 0)
    }
}

/// Compares everything; `progress` hears how far the log has been read, and how far that is in all.
///
/// # Errors
/// The database's.
pub async fn verify(db: &Database, mut progress: impl FnMut(i64, i64)) -> Result<Report, DatabaseError> {
    loop {
        if let Some(report) = compare_with_live(db, &views::all(), Parked::Held, &mut progress).await? {
            return Ok(report);
        }
    }
}

/// Whether keys that stand still in the live table stand still in the comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Parked {
    /// They do: their rows are as they should be.
    Held,
    /// They do not: what would come out if they were let go is what counts.
    LetGo,
}

/// None: a key was let go meanwhile that had been held, and the comparison has to begin again.
pub(crate) async fn compare_with_live(
    db: &Database,
    views: &[&'static dyn AnyView],
    parking: Parked,
    progress: &mut impl FnMut(i64, i64),
) -> Result<Option<Report>, DatabaseError> {
    let mut reading = match parking {
        Parked::Held => Reading::of_everything(db, views),
        Parked::LetGo => Reading::begin(db, views),
    };
    let now = projector::projected(db).await?;
    let mut early = Vec::new();
    if parking == Parked::Held {
        early = parked(&mut db.pool().acquire().await?).await?;
        reading.park(&early);
    }
    reading.read_to(now, progress).await?;

    let connection = db.direct().await?;
    let mut snapshot = connection.begin("begin isolation level repeatable read, read only").await?;
    let stands: HashMap<String, (i64, String)> =
        sqlx::query_as::<_, (String, i64, String)>("select consumer, position, slot from checkpoints")
            .fetch_all(&mut *snapshot)
            .await?
            .into_iter()
            .map(|(view, position, slot)| (view, (position, slot)))
            .collect();
    let held = parked(&mut snapshot).await?;
    if early.iter().any(|key| !held.contains(key)) {
        return Ok(None);
    }
    if parking == Parked::Held {
        reading.park(&held);
    }
    let mut reports = Vec::new();
    let furthest = stands.values().map(|(position, _)| *position).max().unwrap_or(0);
    for folded in reading.views() {
        folded.limit = stands.get(folded.view.shape().name).map(|(position, _)| *position);
    }
    reading.read_to(furthest, progress).await?;
    let folding = reading.end();
    for FoldedView { view, aside, failure, .. } in folding.views {
        let name = view.shape().name;
        let Some((position, slot)) = stands.get(name) else { continue };
        let examples: Vec<Difference> = failure.into_iter().map(Difference::stands_still).collect();
        let mut report = ViewReport {
            view: name,
            position: *position,
            rows: aside.len(),
            differ: examples.len(),
            examples,
            parked: held.iter().filter(|(view, ..)| view == name).count(),
        };
        compare(&mut snapshot, view, slot, aside, &mut report).await?;
        reports.push(report);
    }
    snapshot.rollback().await?;
    Ok(Some(Report { events: folding.events, undecodable: folding.undecodable, views: reports }))
}

/// A view as it stood after a position, or the one row of it with this key: rows as JSON, in the order of their keys.
/// None: there is no such view.
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
    Ok(reading.end().views.first().map(|folded| folded.aside.rows(key)))
}

async fn parked(connection: &mut Connection) -> Result<Vec<(String, String, i64)>, DatabaseError> {
    Ok(sqlx::query_as("select view, key, position from parked").fetch_all(connection).await?)
}

async fn compare(
    snapshot: &mut Connection,
    view: &dyn AnyView,
    slot: &str,
    mut aside: Box<dyn MemoryTable>,
    report: &mut ViewReport,
) -> Result<(), DatabaseError> {
    let sql = view.shape().select_all(slot);
    let mut live = sqlx::query_as::<_, (String, Json<Value>)>(&sql).fetch(snapshot);
    while let Some((key, Json(row))) = live.try_next().await? {
        let what = match aside.compare(&key, row) {
            Comparison::Same => continue,
            Comparison::Differs(columns) => format!("differs in {}", columns.join(", ")),
            Comparison::Surplus => "is no row of the log's".to_owned(),
            Comparison::Unreadable => "does not have the view's shape".to_owned(),
        };
        report.count(Difference { key, what });
    }
    for key in aside.left() {
        report.count(Difference { key, what: "is missing".to_owned() });
    }
    Ok(())
}

impl Difference {
    /// Between what is read and what the log makes.
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

    fn stands_still((key, failure): (String, RowFailure)) -> Self {
        Self { key, what: format!("stands still at position {}: {}", failure.position, failure.error) }
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
