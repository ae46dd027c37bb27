//! One row of a view: as it is stored, and the events that make it.

use serde_json::Value;
use sqlx::types::Json;

use eventlog::database::{Connection, Database, DatabaseError};
use eventlog::log::{Log, LogEvent};
use projections::views::{AnyView, Lookups, MemoryTable, RowFailure, RowsBy};

/// The row of this key in a slot.
pub(crate) async fn stored_row(
    connection: &mut Connection,
    view: &'static dyn AnyView,
    slot: &str,
    key: &str,
) -> Result<Option<Value>, sqlx::Error> {
    let select = view.shape().select(slot, 1);
    let found: Option<(String, Json<Value>)> =
        sqlx::query_as(&select).bind(vec![key]).fetch_optional(connection).await?;
    Ok(found.map(|(_, Json(row))| row))
}

/// The events of one row, up to a position.
pub(crate) async fn events_of(
    db: &Database,
    view: &'static dyn AnyView,
    key: &str,
    end: i64,
) -> Result<Vec<LogEvent>, DatabaseError> {
    let (log, interest) = (Log::new(db), view.interest());
    let mut events = match interest.rows_by {
        RowsBy::Stream(_) => log.about(key, end).await?,
        RowsBy::Time => log.in_time(interest.events, key, end).await?,
    };
    events.retain(|event| view.key(&event.fact()).as_deref() == Some(key));
    Ok(events)
}

/// Folds all events of a row up to a position into a table that has no such row.
pub(crate) async fn fold_alone(
    db: &Database,
    view: &'static dyn AnyView,
    key: &str,
    position: i64,
    rows: &mut dyn MemoryTable,
) -> Result<Option<(String, RowFailure)>, DatabaseError> {
    let events = events_of(db, view, key, position).await?;
    let lookups = Lookups::for_events(db, &events).await?;
    Ok(events.iter().find_map(|event| rows.fold_in(&event.fact(), &lookups)))
}

/// How many events are looked at to find those of one row, counted up to about `most`.
pub(crate) async fn cost_of(
    db: &Database,
    view: &'static dyn AnyView,
    key: &str,
    end: i64,
    most: i64,
) -> Result<i64, DatabaseError> {
    match view.interest().rows_by {
        RowsBy::Stream(_) => Log::new(db).count_about(key, most).await,
        RowsBy::Time => Ok(end.min(most)),
    }
}
