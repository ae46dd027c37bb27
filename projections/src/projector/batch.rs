//! One batch and one view: which rows it touches, what they become, and how they are written.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::Value;
use sqlx::Executor;
use sqlx::types::Json;

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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
    /// Brings one view up to the end of the batch, except for parked keys.
    #[tracing::instrument(name = "write", level = "error", skip_all, fields(view = table.view.shape().name))]
    pub async fn write(&self, transaction: &mut Transaction, table: &Table<'_>) -> Result<(), sqlx::Error> {
        let view = table.view;
        let mut touched: BTreeMap<String, Vec<&LogEvent>> = BTreeMap::new();
        for event in self.events.iter().filter(|event| event.position > table.position) {
            if let Some(key) = view.key(event)
                && !table.parked.contains(&key)
            {
                touched.entry(key).or_default().push(event);
            }
        }
        if touched.is_empty() {
            return Ok(());
        }
        let keys: Vec<&String> = touched.keys().collect();
        let mut before: HashMap<String, Value> =
            sqlx::query_as::<_, (String, Json<Value>)>(&view.shape().select(table.slot))
                .bind(keys)
                .fetch_all(&mut **transaction)
                .await?
                .into_iter()
                .map(|(key, Json(row))| (key, row))
                .collect();
        let changes: Vec<Change<'_>> = touched
            .into_iter()
            .map(|(key, events)| Change { before: before.remove(&key), key, events })
            .collect();
        match self.mode {
            WriteMode::Whole => self.write_changes(transaction, table, &changes).await,
            WriteMode::RowByRow => self.write_in_halves(transaction, table, &changes).await,
        }
    }

    async fn write_changes(
        &self,
        connection: &mut Connection,
        table: &Table<'_>,
        changes: &[Change<'_>],
    ) -> Result<(), sqlx::Error> {
        let (mut upserts, mut deletes, mut failures) = (Vec::new(), Vec::new(), Vec::new());
        for change in changes {
            let folded = table.view.fold(change.before.clone(), &change.events, self.lookups);
            match folded.row {
                Some(row) => upserts.push(row),
                None if change.before.is_some() => deletes.push(change.key.as_str()),
                None => {}
            }
            failures.extend(folded.failure.map(|failure| (change.key.as_str(), failure)));
        }
        // Before the upserts: a person who was erased and registers again has the same Telegram id under another key.
        if !deletes.is_empty() {
            let sql = table.view.shape().delete(table.slot);
            sqlx::query(&sql).bind(&deletes).execute(&mut *connection).await?;
        }
        if !upserts.is_empty() {
            let sql = table.view.shape().upsert(table.slot);
            sqlx::query(&sql).bind(Json(&upserts)).execute(&mut *connection).await?;
        }
        for (key, failure) in failures {
            park(&mut *connection, table.role, table.view.shape().name, key, &failure).await?;
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
            match self.write_changes(transaction, table, part).await {
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
            match self.write_changes(transaction, table, &[part]).await {
                Ok(()) => transaction.execute(KEEP).await.map(drop)?,
                Err(error) if is_row_failure(&error) => {
                    transaction.execute(TAKE_BACK).await?;
                    let failure = RowFailure { position: last, error: FoldError::Refused(reason(&error)) };
                    let name = table.view.shape().name;
                    return park(transaction, table.role, name, &change.key, &failure).await;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
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
