//! How a row came about: the events that belong to it, each with what it changed; and whether the live row is what they make.
//!
//! A live row that differs is compared with the row after each event. Where it is one of those, it parts from the log at the event
//! after that. Where it is none of them, something else than the log has made it.

use eventlog::database::{Database, DatabaseError};
use eventlog::log::LogEvent;
use serde_json::Value;

use crate::one_row::{events_of, stored_row};
use projections::projector;
use projections::views::{self, AnyView, Folded, Lookups};

/// How a row came about.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// Its events in the order of the log.
    pub steps: Vec<Step>,
    /// The live row, as the events compare with it.
    pub live: LiveRow,
    /// The row that the log makes; None: it makes none.
    pub made: Option<Value>,
}

/// An event of a row.
#[derive(Clone, Debug)]
pub struct Step {
    /// The event.
    pub event: LogEvent,
    /// What it changed in the row.
    pub changes: Vec<Change>,
    /// Why it cannot be folded in; the row is parked here, and no later event changes it.
    pub failed: Option<String>,
}

/// A column that an event changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Its name.
    pub column: String,
    /// Its value before; None: there was no row.
    pub before: Option<Value>,
    /// Its value after; None: there is no row any more.
    pub after: Option<Value>,
}

/// How the live row compares with the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LiveRow {
    /// It is what the log makes.
    Same,
    /// It is what the log made up to the event at this position; 0: no event is in it.
    AsOf(i64),
    /// No part of the log makes it.
    NotOfTheLog,
}

/// A row in one snapshot, with its events up to the position of its view.
pub(crate) struct Snapshot {
    /// The live row, in the view's own spelling.
    pub live: Option<Value>,
    /// The position at which it is parked.
    pub parked: Option<i64>,
    pub events: Vec<LogEvent>,
    pub lookups: Lookups,
}

impl Snapshot {
    /// Changes nothing, so a role that only reads may take it.
    pub async fn take(db: &Database, view: &'static dyn AnyView, key: &str) -> Result<Self, DatabaseError> {
        let name = view.shape().name;
        let mut snapshot = db.begin("begin isolation level repeatable read, read only").await?;
        let position = sqlx::query_scalar!("select position from checkpoints where consumer = $1", name)
            .fetch_one(&mut *snapshot)
            .await?;
        let slot = projector::live_slot(&mut *snapshot, name).await?;
        let live = stored_row(&mut snapshot, view, &slot, key).await?.map(|row| view.canonical(row));
        let parked =
            sqlx::query_scalar!("select position from parked where view = $1 and key = $2", name, key)
                .fetch_optional(&mut *snapshot)
                .await?;
        snapshot.rollback().await?;
        let events = events_of(db, view, key, position).await?;
        let lookups = Lookups::for_events(db, &events).await?;
        Ok(Self { live, parked, events, lookups })
    }
}

/// Explains the row of this key, up to the position of its view. Changes nothing, so a role that only reads may call it. None: there
/// is no such view.
///
/// # Errors
/// The database's.
pub async fn explain(db: &Database, view: &str, key: &str) -> Result<Option<Explanation>, DatabaseError> {
    let Some(view) = views::named(view) else { return Ok(None) };
    let Snapshot { live, events, lookups, .. } = Snapshot::take(db, view, key).await?;
    let mut as_of = live.is_none().then_some(0);
    let mut steps = Vec::new();
    let made = fold_each(view, &events, &lookups, |event, before, after| {
        let failed = after.failure.as_ref().map(|failure| failure.error.to_string());
        if after.row == live && failed.is_none() {
            as_of = Some(event.position);
        }
        steps.push(Step { event: event.clone(), changes: changes(before, after.row.as_ref()), failed });
    });
    let live = match as_of {
        _ if made == live => LiveRow::Same,
        Some(position) => LiveRow::AsOf(position),
        None => LiveRow::NotOfTheLog,
    };
    Ok(Some(Explanation { steps, live, made }))
}

/// Folds the events of one row one by one, up to the first that cannot be folded in. Calls `each` with the event, the row before it,
/// and what it makes. Returns the row.
pub(crate) fn fold_each(
    view: &dyn AnyView,
    events: &[LogEvent],
    lookups: &Lookups,
    mut each: impl FnMut(&LogEvent, Option<&Value>, &Folded),
) -> Option<Value> {
    let mut row = None;
    for event in events {
        let folded = view.fold(row.clone(), &[event], lookups);
        each(event, row.as_ref(), &folded);
        row = folded.row;
        if folded.failure.is_some() {
            break;
        }
    }
    row
}

/// The columns that are not the same in two rows.
pub(crate) fn changes(before: Option<&Value>, after: Option<&Value>) -> Vec<Change> {
    let columns = |row: Option<&Value>| row.and_then(Value::as_object).cloned().unwrap_or_default();
    let (old, new) = (columns(before), columns(after));
    let gone = old.keys().filter(|column| !new.contains_key(*column));
    new.keys()
        .chain(gone)
        .filter(|column| old.get(*column) != new.get(*column))
        .map(|column| Change {
            column: column.clone(),
            before: old.get(column).cloned(),
            after: new.get(column).cloned(),
        })
        .collect()
}
