//! How a row came about: the events that belong to it, each with what it changed; and whether the live row is what they make.
//!
//! A live row that differs is compared with the row after each event. Where it is one of those, it parts from the log at the event
//! after that. Where it is none of them, something else than the log has made it.

use eventlog::database::Database;
use eventlog::log::LogEvent;
use serde_json::Value;

use crate::projector;
use crate::rebuild::{RebuildError, events_of, live_row};
use crate::views::{self, Lookups};

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

/// Explains the row of this key, up to the position of its view. Changes nothing, so a role that only reads may call it.
///
/// # Errors
/// [`RebuildError::Unknown`]: there is no such view; the database's.
pub async fn explain(db: &Database, view: &str, key: &str) -> Result<Explanation, RebuildError> {
    let view = views::named(view).ok_or_else(|| RebuildError::Unknown { view: view.to_owned() })?;
    let name = view.shape().name;
    let mut snapshot = db.begin("begin isolation level repeatable read, read only").await?;
    let position = sqlx::query_scalar!("select position from checkpoints where consumer = $1", name)
        .fetch_one(&mut *snapshot)
        .await?;
    let slot = projector::live_slot(&mut *snapshot, name).await?;
    let live = live_row(&mut snapshot, view, &slot, key).await?.map(|row| view.canonical(row));
    let events = events_of(db, view, key, position).await?;
    snapshot.rollback().await?;
    let lookups = Lookups::for_events(db, &events).await?;

    let (mut row, mut as_of) = (None, None);
    if live.is_none() {
        as_of = Some(0);
    }
    let mut steps = Vec::new();
    for event in events {
        let folded = view.fold(row.clone(), &[&event], &lookups);
        let changes = changes(row.as_ref(), folded.row.as_ref());
        let failed = folded.failure.map(|failure| failure.error.to_string());
        row = folded.row;
        if row == live && failed.is_none() {
            as_of = Some(event.position);
        }
        let is_parked = failed.is_some();
        steps.push(Step { event, changes, failed });
        if is_parked {
            break;
        }
    }
    let live = match as_of {
        _ if row == live => LiveRow::Same,
        Some(position) => LiveRow::AsOf(position),
        None => LiveRow::NotOfTheLog,
    };
    Ok(Explanation { steps, live, made: row })
}

fn changes(before: Option<&Value>, after: Option<&Value>) -> Vec<Change> {
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
