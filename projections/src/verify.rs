//! Is every view what the log says? Decodes every event, folds every view aside, and compares row by row with the live
//! tables, beside a running service.
//!
//! The long part, the log up to where the views stand now, is folded without a transaction. Then one snapshot fixes the
//! live rows and their positions; the few events in between are folded too; and the rows are compared inside it.

use std::collections::HashMap;

use futures::TryStreamExt;
use serde_json::Value;
use sqlx::types::Json;
use sqlx::{Connection, PgConnection};

use crate::database::{Database, DatabaseError};
use crate::log::Log;
use crate::projector;
use crate::views::{self, AnyView, Aside, Comparison, Known};

const BATCH: i64 = 2_000;
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
    let mut reading = Reading::begin(db);
    let now = projector::projected(db).await?;
    reading.hold(parked(&mut *db.pool().acquire().await?).await?);
    reading.read_to(now, &mut progress).await?;

    let mut connection = db.direct().await?;
    let mut snapshot = connection.begin_with("begin isolation level repeatable read, read only").await?;
    let stands: HashMap<String, (i64, String)> =
        sqlx::query_as::<_, (String, i64, String)>("select consumer, position, slot from checkpoints")
            .fetch_all(&mut *snapshot)
            .await?
            .into_iter()
            .map(|(view, position, slot)| (view, (position, slot)))
            .collect();
    reading.hold(parked(&mut snapshot).await?);
    let mut reports = Vec::new();
    let furthest = stands.values().map(|(position, _)| *position).max().unwrap_or(0);
    reading.limits = stands.iter().map(|(view, (position, _))| (view.clone(), *position)).collect();
    reading.read_to(furthest, &mut progress).await?;
    for (view, aside) in reading.asides {
        let name = view.shape().name;
        let Some((position, slot)) = stands.get(name) else { continue };
        let poison = reading.poison.get(name).cloned().unwrap_or_default();
        let parked = reading.held.iter().filter(|(view, ..)| view == name).count();
        let mut report = ViewReport {
            view: name,
            position: *position,
            rows: aside.len(),
            differ: 0,
            examples: poison,
            parked,
        };
        report.differ = report.examples.len();
        compare(&mut snapshot, view, slot, aside, &mut report).await?;
        reports.push(report);
    }
    snapshot.rollback().await?;
    Ok(Report { events: reading.events, undecodable: reading.undecodable, views: reports })
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
    let mut reading = Reading::begin(db);
    reading.asides.retain(|(own, _)| own.shape().name == view);
    reading.read_to(position, &mut |_, _| {}).await?;
    Ok(reading.asides.first().map(|(_, aside)| aside.rows(key)))
}

/// The log, read once into every view.
struct Reading<'a> {
    db: &'a Database,
    log: Log,
    asides: Vec<(&'static dyn AnyView, Box<dyn Aside>)>,
    at: i64,
    events: u64,
    undecodable: Vec<(i64, String)>,
    /// Parked in the live tables.
    held: Vec<(String, String, i64)>,
    /// Poison that the live tables do not know of.
    poison: HashMap<&'static str, Vec<Difference>>,
    /// How far to fold a view, where not as far as the others.
    limits: HashMap<String, i64>,
}

impl<'a> Reading<'a> {
    fn begin(db: &'a Database) -> Self {
        Self {
            db,
            log: Log::new(db),
            asides: views::all().into_iter().map(|view| (view, view.aside())).collect(),
            at: 0,
            events: 0,
            undecodable: Vec::new(),
            held: Vec::new(),
            poison: HashMap::new(),
            limits: HashMap::new(),
        }
    }

    fn hold(&mut self, parked: Vec<(String, String, i64)>) {
        for (view, aside) in &mut self.asides {
            for (_, key, position) in parked.iter().filter(|(name, ..)| name == view.shape().name) {
                aside.hold(key.clone(), *position);
            }
        }
        self.held = parked;
    }

    async fn read_to(&mut self, end: i64, progress: &mut impl FnMut(i64, i64)) -> Result<(), DatabaseError> {
        while self.at < end {
            let events = self.log.read(self.at, BATCH.min(end - self.at)).await?;
            let Some(last) = events.last() else { return Ok(()) };
            self.at = last.position;
            let known = Known::for_events(self.db, &events).await?;
            for event in &events {
                self.events += 1;
                if let Err(error) = &event.event {
                    self.undecodable.push((event.position, error.to_string()));
                }
                for (view, aside) in &mut self.asides {
                    let name = view.shape().name;
                    if self.limits.get(name).is_some_and(|limit| event.position > *limit) {
                        continue;
                    }
                    if let Some((key, poison)) = aside.take(event, &known) {
                        let what = format!("stands still at position {}: {}", poison.position, poison.error);
                        self.poison.entry(name).or_default().push(Difference { key, what });
                    }
                }
            }
            progress(self.at, end);
        }
        Ok(())
    }
}

async fn parked(connection: &mut PgConnection) -> Result<Vec<(String, String, i64)>, DatabaseError> {
    Ok(sqlx::query_as("select view, key, position from parked").fetch_all(connection).await?)
}

async fn compare(
    snapshot: &mut PgConnection,
    view: &dyn AnyView,
    slot: &str,
    mut aside: Box<dyn Aside>,
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

impl ViewReport {
    fn count(&mut self, difference: Difference) {
        self.differ += 1;
        if self.examples.len() < EXAMPLES {
            self.examples.push(difference);
        }
    }
}

#[cfg(test)]
mod tests;
