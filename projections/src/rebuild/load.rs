//! The rows of a view on their way into its idle slot: by binary COPY into a table of this transaction alone, which takes
//! whatever has the columns' types, and from there into the slot.
//!
//! Nobody's name may get into PostgreSQL's log, and it prints the row or the key that a constraint refuses (and, of a COPY in text,
//! the line). So a constraint only ever refuses inside of a block that catches it, which is not logged: a block that
//! tries all rows at once and, where one is refused, each by itself. A binary COPY that stumbles over a value names its column.

use sqlx::Executor;

use super::slot::{Building, events_of};
use super::{Progress, RebuildError};
use crate::projector::{self, Side, is_row_failure, reason};
use crate::views::{FoldError, Lookups, RowFailure, Tuple};
use eventlog::database::Connection;

/// Rows a transaction.
const CHUNK: usize = 20_000;
/// Bytes a message.
const MESSAGE: usize = 256 * 1024;

/// The signature, no flags, no extension; and the end.
const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
const TRAILER: [u8; 2] = (-1_i16).to_be_bytes();

/// What is about a row, and not about the way to the database: see [`is_row_failure`].
const REFUSED: &str = "integrity_constraint_violation or data_exception or program_limit_exceeded";

impl Building<'_> {
    /// Writes all rows. One that PostgreSQL refuses stands still as it was before the event because of which it does.
    pub async fn write_all(
        &self,
        mut tuples: impl Iterator<Item = Tuple>,
        progress: &mut impl FnMut(Progress),
    ) -> Result<(), RebuildError> {
        let (mut rows, mut refused) = (0, Vec::new());
        loop {
            let chunk: Vec<Tuple> = tuples.by_ref().take(CHUNK).collect();
            if chunk.is_empty() {
                break;
            }
            self.write(&chunk, &mut refused).await?;
            rows += chunk.len();
            progress(Progress::Load { view: self.view.shape().name, rows });
        }
        for key in refused {
            self.write_until_refused(&key).await?;
        }
        Ok(())
    }

    /// Event by event, up to the one that makes a row which is refused.
    async fn write_until_refused(&self, key: &str) -> Result<(), RebuildError> {
        let shape = self.view.shape();
        let events = events_of(self.db, self.view, key, self.position).await?;
        let lookups = Lookups::for_events(self.db, &events).await?;
        let mut aside = self.view.memory_table();
        for event in &events {
            let mut failure = aside.take(&event.fact(), &lookups).map(|(_, failure)| failure);
            let mut transaction = self.ours().await?;
            if failure.is_none() {
                let delete = shape.delete(self.slot);
                sqlx::query(&delete).bind(vec![key]).execute(&mut *transaction).await?;
                let tuple = aside.tuple(key);
                let refused = match self.take_in_tuples(&mut transaction, tuple.as_slice()).await {
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
                transaction = self.ours().await?;
            }
            if let Some(failure) = failure {
                projector::park(&mut transaction, Side::Building, shape.name, key, &failure).await?;
                transaction.commit().await?;
            }
            return Ok(());
        }
        Ok(())
    }

    /// In one go, or, where a value has no place in its column, in halves until it stands alone.
    async fn write(&self, chunk: &[Tuple], refused: &mut Vec<String>) -> Result<(), RebuildError> {
        let mut left = vec![chunk];
        while let Some(part) = left.pop() {
            let mut transaction = self.ours().await?;
            match self.take_in_tuples(&mut transaction, part).await {
                Ok(keys) => {
                    transaction.commit().await?;
                    refused.extend(keys.into_iter().map(|(key, _)| key));
                }
                Err(error) if is_row_failure(&error) => {
                    transaction.rollback().await?;
                    match part {
                        [] => {}
                        [tuple] => refused.push(tuple.key.clone()),
                        _ => {
                            let (first, second) = part.split_at(part.len() / 2);
                            left.extend([second, first]);
                        }
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// The keys of the rows that a constraint refuses, and why; the others are in the slot.
    async fn take_in_tuples(
        &self,
        connection: &mut Connection,
        tuples: &[Tuple],
    ) -> Result<Vec<(String, String)>, sqlx::Error> {
        let shape = self.view.shape();
        let (table, columns, key) = (shape.table(self.slot), shape.column_list(), shape.key);
        // No idle timeout sees a process that is stopped in the middle of a COPY.
        let prepare = format!(
            "set local statement_timeout = '60s'; \
             create temp table incoming on commit drop as select {columns} from {table} with no data; \
             create temp table refused (key text, reason text) on commit drop"
        );
        connection.execute(&*prepare).await?;
        connection.copy_in("copy incoming from stdin (format binary)", messages(tuples)).await?;
        let values: Vec<String> = shape.columns.iter().map(|column| format!("one.{column}")).collect();
        let values = values.join(", ");
        let take_in = format!(
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
        );
        connection.execute(&*take_in).await?;
        // The table is another one with each transaction.
        sqlx::query_as("select key, reason from refused").persistent(false).fetch_all(connection).await
    }
}

/// A whole binary COPY, in messages of some size.
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
