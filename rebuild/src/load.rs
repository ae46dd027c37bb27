//! Loads the rows of a view into its idle slot: by binary COPY into a temporary table without constraints, and from there
//! into the slot.
//!
//! No name may get into PostgreSQL's log, but it prints the row or the key that a constraint refuses (and, of a COPY in text, the
//! line). So rows are inserted in a block that catches the error, which is then not logged. The block inserts all rows at
//! once, or each alone if one is refused. A binary COPY that fails at a value prints only its column.

use std::collections::HashMap;

use sqlx::Executor;

use super::error::RebuildError;
use super::progress::Progress;
use super::slot::{BATCH, Building};
use crate::bounded::Part;
use crate::one_row::events_of;
use crate::reading::FoldedView;
use eventlog::database::Connection;
use eventlog::log::Log;
use projections::projector::{self, SlotRole, is_row_failure, reason};
use projections::views::{FoldError, Lookups, RowFailure, Shape, Tuple};

/// Rows in one transaction.
const CHUNK: usize = 20_000;
/// Bytes in one message.
const MESSAGE: usize = 256 * 1024;

/// The header of a binary COPY (signature, no flags, no extension), and its end.
const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
const TRAILER: [u8; 2] = (-1_i16).to_be_bytes();

/// Errors about a row, and not about the connection: see [`is_row_failure`].
const REFUSED: &str = "integrity_constraint_violation or data_exception or program_limit_exceeded";

/// What was written so far.
#[derive(Default)]
struct Loaded {
    rows: usize,
    /// Keys of rows that have to be folded alone: PostgreSQL refuses them, or their events are out of order.
    refused: Vec<String>,
}

impl Building<'_> {
    /// Step 3.
    pub async fn load(
        mut self,
        folded: FoldedView,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<Self, RebuildError> {
        let mut parts = folded.table.into_parts();
        // Indexes and counts of the slot are faster made for all rows at once.
        let mut transaction = self.begin_fenced().await?;
        sqlx::query!("select begin_load($1, $2)", self.name(), self.slot).execute(&mut *transaction).await?;
        transaction.commit().await?;
        let (mut chunk, mut loaded) = (Vec::new(), Loaded::default());
        while let Some(Part { mut rows, failures, out_of_order, .. }) = parts.next()? {
            self.park(&failures).await?;
            loaded.refused.extend(out_of_order);
            for tuple in rows.tuples() {
                chunk.push(tuple);
                if chunk.len() == CHUNK {
                    self.write(&chunk, &mut loaded, progress).await?;
                    chunk.clear();
                }
            }
        }
        self.write(&chunk, &mut loaded, progress).await?;
        for key in loaded.refused {
            self.write_until_refused(&key).await?;
        }
        let mut transaction = self.begin_fenced().await?;
        sqlx::query!("select end_load($1, $2)", self.name(), self.slot).execute(&mut *transaction).await?;
        transaction.commit().await?;
        sqlx::query!("select analyze_slot($1, $2)", self.view.shape().name, self.slot)
            .execute(&mut self.db.pool().acquire().await?.patient())
            .await?;
        let log = Log::new(self.db);
        while self.behind().await? > BATCH {
            let events = log.read(self.position, BATCH).await?;
            let mut transaction = self.begin_fenced().await?;
            self.fold_in(&mut transaction, &events).await?;
            transaction.commit().await?;
        }
        Ok(self)
    }

    async fn park(&self, failures: &HashMap<String, RowFailure>) -> Result<(), RebuildError> {
        for (key, failure) in failures {
            let mut transaction = self.begin_fenced().await?;
            projector::park(&mut transaction, SlotRole::Building, self.name(), key, failure).await?;
            transaction.commit().await?;
        }
        Ok(())
    }

    /// Folds event by event, up to the one after which the row is refused: it is parked as it was before.
    async fn write_until_refused(&self, key: &str) -> Result<(), RebuildError> {
        let shape = self.view.shape();
        let events = events_of(self.db, self.view, key, self.position).await?;
        let lookups = Lookups::for_events(self.db, &events).await?;
        let mut table = self.view.memory_table();
        for event in &events {
            let mut failure = table.fold_in(&event.fact(), &lookups).map(|(_, failure)| failure);
            let mut transaction = self.begin_fenced().await?;
            if failure.is_none() {
                let delete = shape.delete(self.slot);
                sqlx::query(&delete).bind(vec![key]).execute(&mut *transaction).await?;
                let tuple = table.tuple(key);
                let refused = match self.insert_tuples(&mut transaction, tuple.as_slice()).await {
                    Ok(refused) => refused.into_iter().next().map(|(_, reason)| reason),
                    Err(error) if is_row_failure(&error) => Some(reason(&error)),
                    Err(error) => return Err(error.into()),
                };
                let Some(reason) = refused else {
                    transaction.commit().await?;
                    continue;
                };
                failure = Some(RowFailure { position: event.position, error: FoldError::Refused(reason) });
                transaction.rollback().await?;
                transaction = self.begin_fenced().await?;
            }
            if let Some(failure) = failure {
                projector::park(&mut transaction, SlotRole::Building, shape.name, key, &failure).await?;
                transaction.commit().await?;
            }
            return Ok(());
        }
        Ok(())
    }

    /// Writes all rows at once. If a column cannot store a value, it tries in halves until that row is alone.
    async fn write(
        &self,
        chunk: &[Tuple],
        loaded: &mut Loaded,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<(), RebuildError> {
        if chunk.is_empty() {
            return Ok(());
        }
        let mut pending = vec![chunk];
        while let Some(part) = pending.pop() {
            let mut transaction = self.begin_fenced().await?;
            match self.insert_tuples(&mut transaction, part).await {
                Ok(keys) => {
                    transaction.commit().await?;
                    loaded.refused.extend(keys.into_iter().map(|(key, _)| key));
                }
                Err(error) if is_row_failure(&error) => {
                    transaction.rollback().await?;
                    match part {
                        [] => {}
                        [tuple] => loaded.refused.push(tuple.key.clone()),
                        _ => {
                            let (first, second) = part.split_at(part.len() / 2);
                            pending.extend([second, first]);
                        }
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
        loaded.rows += chunk.len();
        progress(Progress::Load { view: self.name(), rows: loaded.rows });
        Ok(())
    }

    /// Inserts rows. Returns the keys of those that a constraint refuses, and why.
    async fn insert_tuples(
        &self,
        connection: &mut Connection,
        tuples: &[Tuple],
    ) -> Result<Vec<(String, String)>, sqlx::Error> {
        let shape = self.view.shape();
        connection.execute(&*create_incoming(shape, self.slot)).await?;
        connection.copy_in("copy incoming from stdin (format binary)", messages(tuples)).await?;
        connection.execute(&*insert_incoming(shape, self.slot)).await?;
        // Each transaction has another table, so the statement must not be cached.
        sqlx::query_as("select key, reason from refused").persistent(false).fetch_all(connection).await
    }
}

/// Creates a table `incoming` for the rows of a COPY, and one for those that a constraint refuses. The idle timeout does not end
/// the COPY of a process that is stopped; the statement timeout does.
fn create_incoming(shape: &Shape, slot: &str) -> String {
    let (table, columns) = (shape.table(slot), shape.column_list());
    format!(
        "set local statement_timeout = '60s'; \
         create temp table incoming on commit drop as select {columns} from {table} with no data; \
         create temp table refused (key text, reason text) on commit drop"
    )
}

/// Inserts the rows of `incoming` into the slot. Those that a constraint refuses are listed in `refused`.
fn insert_incoming(shape: &Shape, slot: &str) -> String {
    let (table, columns, key) = (shape.table(slot), shape.column_list(), shape.key);
    let values: Vec<String> = shape.columns.iter().map(|column| format!("one.{column}")).collect();
    let values = values.join(", ");
    format!(
        "do $$ \
         declare one record; violated text; \
         begin \
           insert into {table} ({columns}) select {columns} from incoming; \
         exception when {REFUSED} then \
           for one in select * from incoming loop \
             begin \
               insert into {table} ({columns}) values ({values}); \
             exception when {REFUSED} then \
               get stacked diagnostics violated = constraint_name; \
               insert into refused values \
                 (one.{key}::text, 'SQLSTATE ' || sqlstate || coalesce(', ' || nullif(violated, ''), '')); \
             end; \
           end loop; \
         end $$"
    )
}

/// A whole binary COPY, cut into messages.
fn messages(tuples: &[Tuple]) -> impl Iterator<Item = Vec<u8>> {
    let mut left = tuples.iter();
    let mut message = HEADER.to_vec();
    let mut ended = false;
    std::iter::from_fn(move || {
        if ended {
            return None;
        }
        for tuple in left.by_ref() {
            message.extend(&tuple.bytes);
            if message.len() >= MESSAGE {
                return Some(std::mem::take(&mut message));
            }
        }
        message.extend(TRAILER);
        ended = true;
        Some(std::mem::take(&mut message))
    })
}

#[cfg(test)]
mod tests;
