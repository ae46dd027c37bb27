//! What a run found, as it is stored. A name must not outlive its person here: personal columns are left out, and an erasure need
//! not look into old reports.

use jiff::Timestamp;
use projections::views;
use rebuild::verify::ViewReport;
use rebuild::{Difference, Parting, RowEvent};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// In the place of a personal value.
const HIDDEN: &str = "•••";
/// A value whose JSON is longer is cut.
const LONGEST_VALUE: usize = 500;

/// How the rows of a view differed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RunReport {
    /// Rows that the log makes.
    pub rows: usize,
    /// Rows that differed.
    pub differ: usize,
    /// Those of them that were missing.
    pub missing: usize,
    /// Those of them that the log does not make.
    pub extra: usize,
    /// Rows that are parked now.
    #[serde(default)]
    pub parked: usize,
    /// The first of the rows that differed.
    pub differences: Vec<RowDifference>,
}

/// A row that differed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RowDifference {
    /// Its key.
    pub key: String,
    /// The live row; None: there was none.
    pub live: Option<Map<String, Value>>,
    /// The row that the log makes; None: it makes none.
    pub log: Option<Map<String, Value>>,
    /// Where it parted from the log.
    pub explanation: RowExplanation,
}

/// Where a row parted from the log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RowExplanation {
    /// How.
    pub kind: PartingKind,
    /// The event's position.
    pub position: Option<i64>,
    /// Its name.
    pub event: Option<String>,
    /// When it was recorded.
    pub at: Option<Timestamp>,
    /// The columns that differed: before as they were live, after as the log makes them.
    pub changes: Vec<ColumnChange>,
}

/// How a row parted from the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PartingKind {
    /// It was what the log made before the event.
    AsOf,
    /// No part of the log makes it.
    NotOfTheLog,
    /// It is parked at the event.
    Parked,
    /// It has too many events to look at.
    Unexplained,
}

/// A column that differed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColumnChange {
    /// Its name.
    pub column: String,
    /// Its live value; None: there was no row.
    pub before: Option<Value>,
    /// Its value by the log; None: it makes no row.
    pub after: Option<Value>,
}

impl From<&ViewReport> for RunReport {
    fn from(report: &ViewReport) -> Self {
        let personal = views::personal_columns(report.view);
        Self {
            rows: report.rows,
            differ: report.differ,
            missing: report.missing,
            extra: report.extra,
            parked: report.parked,
            differences: report.examples.iter().map(|it| RowDifference::of(it, personal)).collect(),
        }
    }
}

impl RowDifference {
    fn of(difference: &Difference, personal: &[&str]) -> Self {
        let row = |row: &Option<Value>| {
            let columns = row.as_ref().and_then(Value::as_object)?.iter();
            let shown = columns.map(|(column, value)| (column.clone(), shown(column, value, personal)));
            Some(shown.collect())
        };
        let changes = difference.changes().into_iter().map(|change| {
            let value = |value: Option<Value>| value.map(|value| shown(&change.column, &value, personal));
            let (before, after) = (value(change.before), value(change.after));
            ColumnChange { column: change.column, before, after }
        });
        let (kind, event) = match &difference.parting {
            None => (PartingKind::Unexplained, None),
            Some(Parting::NotOfTheLog) => (PartingKind::NotOfTheLog, None),
            Some(Parting::At(event)) => (PartingKind::AsOf, Some(event)),
            Some(Parting::Parked(event)) => (PartingKind::Parked, Some(event)),
        };
        Self {
            key: difference.key.clone(),
            live: row(&difference.live),
            log: row(&difference.log),
            explanation: RowExplanation {
                kind,
                position: event.map(|it: &RowEvent| it.position),
                event: event.map(|it| it.name.clone()),
                at: event.map(|it| it.recorded_at),
                changes: changes.collect(),
            },
        }
    }
}

fn shown(column: &str, value: &Value, personal: &[&str]) -> Value {
    if value.is_null() {
        return Value::Null;
    }
    if personal.contains(&column) {
        return HIDDEN.into();
    }
    let text = value.to_string();
    if text.len() <= LONGEST_VALUE {
        return value.clone();
    }
    let cut: String = text.chars().take(LONGEST_VALUE).collect();
    format!("{cut}…").into()
}
