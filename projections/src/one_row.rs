//! One row of a view: as it is stored, and the events that make it.

use serde_json::Value;
use sqlx::types::Json;

use crate::views::AnyView;
use eventlog::database::{Connection, Database, DatabaseError};
use eventlog::log::{Log, LogEvent};

/// The row of this key in a slot.
pub(crate) async fn stored_row(
    connection: &mut Connection,
    view: &'static dyn AnyView,
    slot: &str,
    key: &str,
) -> Result<Option<Value>, sqlx::Error> {
    let found: Option<(String, Json<Value>)> =
        sqlx::query_as(&view.shape().select(slot)).bind(vec![key]).fetch_optional(connection).await?;
    Ok(found.map(|(_, Json(row))| row))
}

/// The events of one row, up to a position.
pub(crate) async fn events_of(
    db: &Database,
    view: &'static dyn AnyView,
    key: &str,
    end: i64,
) -> Result<Vec<LogEvent>, DatabaseError> {
    Ok(only_of(view, key, Log::new(db).about(key, end).await?))
}

/// The same where there are fewer than about `most` of them; None: there are more.
pub(crate) async fn events_if_few(
    db: &Database,
    view: &'static dyn AnyView,
    key: &str,
    end: i64,
    most: i64,
) -> Result<Option<Vec<LogEvent>>, DatabaseError> {
    let events = Log::new(db).about_if_few(key, end, most).await?;
    Ok(events.map(|events| only_of(view, key, events)))
}

fn only_of(view: &'static dyn AnyView, key: &str, mut events: Vec<LogEvent>) -> Vec<LogEvent> {
    events.retain(|event| view.key(event).as_deref() == Some(key));
    events
}
