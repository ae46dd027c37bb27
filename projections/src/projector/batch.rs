//! One batch and the views: which rows it touches, what they become, and how they are written. One statement reads the rows of all
//! views, and one writes them.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::Value;
use sqlx::Executor;
use sqlx::types::Json;
use tracing::Instrument as _;

use crate::views::{AnyView, FoldError, Lookups, RowFailure};
use eventlog::database::{Connection, Transaction};
use eventlog::log::LogEvent;

/// A part of a transaction that can be rolled back alone.
const SAVEPOINT: &str = "savepoint part";
const KEEP: &str = "release savepoint part";
const TAKE_BACK: &str = "rollback to savepoint part; release savepoint part";

/// Events in order, and what their folds need.
pub struct Batch<'a> {
    /// The events.
    pub events: &'a [LogEvent],
    /// What they refer to.
    pub lookups: &'a Lookups,
    /// How their rows are written.
    pub mode: WriteMode,
}

/// The table of a view that the batch is written to.
pub struct Table<'a> {
    /// The view.
    pub view: &'static dyn AnyView,
    /// `a` or `b`.
    pub slot: &'a str,
    /// The last position that is folded in.
    pub position: i64,
    /// The parked keys, which are not written.
    pub parked: HashSet<String>,
    /// Whether people read it.
    pub role: SlotRole,
}

/// What a slot of a view is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SlotRole {
    /// People read it.
    Live,
    /// A rebuild fills it.
    Building,
}

/// How a view's rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteMode {
    /// All rows in one statement. PostgreSQL refuses all of them if it refuses one.
    Whole,
    /// In halves, and halves of halves, until the row that PostgreSQL refuses is alone.
    RowByRow,
}

/// The events of each row, by its key.
type Touched<'a> = BTreeMap<String, Vec<&'a LogEvent>>;

/// One row of a view and its events of this batch.
struct Change<'a> {
    key: String,
    before: Option<Value>,
    events: Vec<&'a LogEvent>,
}

/// Whether the error is about a row, and not about the connection: a value that its column cannot store, a constraint, or
/// a value too large for an index.
pub fn is_row_failure(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code());
    code.is_some_and(|code| ["22", "23", "54"].iter().any(|class| code.starts_with(class)))
}

impl Batch<'_> {
    /// Brings these tables up to the end of the batch, except for parked keys.
    pub async fn write(
        &self,
        transaction: &mut Transaction,
        tables: &[Table<'_>],
    ) -> Result<(), sqlx::Error> {
        let touched = tables.iter().map(|table| (table, self.touched(table)));
        let touched: Vec<_> = touched.filter(|(_, touched)| !touched.is_empty()).collect();
        let changes = changes(transaction, touched).await?;
        match self.mode {
            WriteMode::Whole => self.write_changes(transaction, &changes).await,
            WriteMode::RowByRow => {
                for (table, changes) in &changes {
                    self.write_in_halves(transaction, table, changes).await?;
                }
                Ok(())
            }
        }
    }

    /// The events of each row that is not parked.
    fn touched(&self, table: &Table<'_>) -> Touched<'_> {
        let mut touched = Touched::new();
        for event in self.events.iter().filter(|event| event.position > table.position) {
            if let Some(key) = table.view.key(&event.fact())
                && !table.parked.contains(&*key)
            {
                touched.entry(key.into_owned()).or_default().push(event);
            }
        }
        touched
    }

    async fn write_changes<'c>(
        &self,
        connection: &mut Connection,
        changed: &[(&Table<'_>, impl AsRef<[Change<'c>]> + Sync)],
    ) -> Result<(), sqlx::Error> {
        let (mut upserts, mut failures) = (Vec::new(), Vec::new());
        for (table, changes) in changed {
            let (mut rows, mut deletes) = (Vec::new(), Vec::new());
            for change in changes.as_ref() {
                let folded = table.view.fold(change.before.clone(), &change.events, self.lookups);
                match folded.row {
                    Some(row) => rows.push(row),
                    None if change.before.is_some() => deletes.push(change.key.as_str()),
                    None => {}
                }
                failures.extend(folded.failure.map(|failure| (*table, change.key.as_str(), failure)));
            }
            // Before the upserts: a person who was erased and registers again has the same Telegram id under another key.
            if !deletes.is_empty() {
                let sql = table.view.shape().delete(table.slot);
                sqlx::query(&sql).bind(&deletes).execute(&mut *connection).await?;
            }
            if !rows.is_empty() {
                upserts.push((*table, rows));
            }
        }
        upsert(connection, &upserts).await?;
        for (table, key, failure) in failures {
            table.park(&mut *connection, key, &failure).await?;
        }
        Ok(())
    }

    async fn write_in_halves(
        &self,
        transaction: &mut Transaction,
        table: &Table<'_>,
        changes: &[Change<'_>],
    ) -> Result<(), sqlx::Error> {
        let mut pending = vec![changes];
        while let Some(part) = pending.pop() {
            transaction.execute(SAVEPOINT).await?;
            match self.write_changes(transaction, &[(table, part)]).await {
                Ok(()) => transaction.execute(KEEP).await.map(drop)?,
                Err(error) if is_row_failure(&error) => {
                    transaction.execute(TAKE_BACK).await?;
                    match part {
                        [] => {}
                        [change] => self.write_until_refused(transaction, table, change).await?,
                        _ => {
                            let (first, second) = part.split_at(part.len() / 2);
                            pending.extend([second, first]);
                        }
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Writes the row as it was before the event that PostgreSQL refuses, and parks it at that event.
    async fn write_until_refused(
        &self,
        transaction: &mut Transaction,
        table: &Table<'_>,
        change: &Change<'_>,
    ) -> Result<(), sqlx::Error> {
        for count in 1..=change.events.len() {
            let events = change.events[..count].to_vec();
            let last = events[count - 1].position;
            let part = Change { key: change.key.clone(), before: change.before.clone(), events };
            transaction.execute(SAVEPOINT).await?;
            match self.write_changes(transaction, &[(table, [part])]).await {
                Ok(()) => transaction.execute(KEEP).await.map(drop)?,
                Err(error) if is_row_failure(&error) => {
                    transaction.execute(TAKE_BACK).await?;
                    let failure = RowFailure { position: last, error: FoldError::Refused(reason(&error)) };
                    return table.park(transaction, &change.key, &failure).await;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

impl Table<'_> {
    async fn park(
        &self,
        connection: &mut Connection,
        key: &str,
        failure: &RowFailure,
    ) -> Result<(), sqlx::Error> {
        let view = self.view.shape().name;
        let span = tracing::error_span!("write", view);
        park(connection, self.role, view, key, failure).instrument(span).await
    }
}

/// What each row of these tables was before its events.
async fn changes<'t, 'e>(
    connection: &mut Connection,
    touched: Vec<(&'t Table<'t>, Touched<'e>)>,
) -> Result<Vec<(&'t Table<'t>, Vec<Change<'e>>)>, sqlx::Error> {
    let selects = touched.iter().enumerate().map(|(place, (table, _))| {
        format!("select {place}, row.* from ({}) row", table.view.shape().select(table.slot, place + 1))
    });
    let select = selects.collect::<Vec<_>>().join(" union all ");
    let mut before: Vec<HashMap<String, Value>> = vec![HashMap::new(); touched.len()];
    if !touched.is_empty() {
        let bound = touched.iter().fold(sqlx::query_as(&select), |query, (_, touched)| {
            query.bind(touched.keys().cloned().collect::<Vec<_>>())
        });
        let rows: Vec<(i32, String, Json<Value>)> = bound.fetch_all(connection).await?;
        for (place, key, Json(row)) in rows {
            before[place as usize].insert(key, row);
        }
    }
    let changes = touched.into_iter().zip(before).map(|((table, touched), mut before)| {
        let change = |(key, events)| Change { before: before.remove(&key), key, events };
        (table, touched.into_iter().map(change).collect())
    });
    Ok(changes.collect())
}

/// Writes the rows of these tables, each of which has some.
async fn upsert(connection: &mut Connection, rows: &[(&Table<'_>, Vec<Value>)]) -> Result<(), sqlx::Error> {
    let upsert =
        |(place, (table, _)): (usize, &(&Table<'_>, _))| table.view.shape().upsert(table.slot, place + 1);
    let mut upserts: Vec<String> = rows.iter().enumerate().map(upsert).collect();
    let Some(last) = upserts.pop() else { return Ok(()) };
    let others = upserts.iter().enumerate().map(|(place, upsert)| format!("others_{place} as ({upsert})"));
    let others = others.collect::<Vec<_>>().join(", ");
    let sql = if others.is_empty() { last } else { format!("with {others} {last}") };
    rows.iter()
        .fold(sqlx::query(&sql), |query, (_, rows)| query.bind(Json(rows)))
        .execute(connection)
        .await?;
    Ok(())
}

/// The kind of error, without the values that PostgreSQL quotes.
pub fn reason(error: &sqlx::Error) -> String {
    let Some(error) = error.as_database_error() else { return "no answer".to_owned() };
    let code = error.code().unwrap_or_default();
    match error.constraint() {
        Some(constraint) => format!("SQLSTATE {code}, {constraint}"),
        None => format!("SQLSTATE {code}"),
    }
}

/// Parks this key of this view from this event on. The caller's span names the view.
pub async fn park(
    connection: &mut Connection,
    role: SlotRole,
    view: &str,
    key: &str,
    failure: &RowFailure,
) -> Result<(), sqlx::Error> {
    tracing::error!(
        key,
        event.position = failure.position,
        error = &failure.error as &dyn std::error::Error,
        "an event could not be folded into a view: its row is parked from here on, all others go on"
    );
    metrics::counter!("qrlogin_rows_parked_total", "view" => view.to_owned()).increment(1);
    let (position, error) = (failure.position, failure.error.to_string());
    match role {
        SlotRole::Live => {
            sqlx::query!(
                "insert into parked (view, key, position, error) values ($1, $2, $3, $4) on conflict do nothing",
                view,
                key,
                position,
                error,
            )
            .execute(connection)
            .await?
        }
        SlotRole::Building => {
            sqlx::query!(
                "insert into rebuild_parked (view, key, position, error) values ($1, $2, $3, $4) on conflict do nothing",
                view,
                key,
                position,
                error,
            )
            .execute(connection)
            .await?
        }
    };
    Ok(())
}
