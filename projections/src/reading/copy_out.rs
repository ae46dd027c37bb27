//! A binary COPY … TO STDOUT, read by a task and handed to a thread, some hundred rows at a time.
//!
//! The statements of one stream follow each other in short transactions: a process that is stopped in the middle of one is cut off
//! by its `statement_timeout` (no idle timeout sees a stopped COPY), and no snapshot is held for as long as the log is read.

use bytes::Bytes;
use futures::TryStreamExt;
use sqlx::Executor;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use eventlog::database::{Connection, Database, DatabaseError};

/// Rows that are handed over at once, and how often that may be before the reader waits.
const ROWS: usize = 512;
const AHEAD: usize = 8;

/// The signature, flags, and the length of an extension that nobody uses.
const HEADER: usize = 19;
const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0";
/// In place of a number of columns: no more rows.
const TRAILER: [u8; 2] = (-1_i16).to_be_bytes();

/// The rows, in a thread that may block.
pub(super) struct CopyOut {
    coming: mpsc::Receiver<Result<Vec<Bytes>, sqlx::Error>>,
    here: std::vec::IntoIter<Bytes>,
}

/// A row: its values with their lengths.
pub(super) struct Tuple(Bytes);

impl CopyOut {
    /// Of these statements in turn. The task ends with `tasks`, or once nobody takes rows any more.
    ///
    /// # Errors
    /// The server refuses another connection.
    pub async fn begin(
        db: &Database,
        statements: Vec<String>,
        tasks: &mut JoinSet<()>,
    ) -> Result<Self, DatabaseError> {
        let connection = db.direct().await?;
        let (give, coming) = mpsc::channel(AHEAD);
        tasks.spawn(async move {
            if let Err(error) = read(connection, &statements, &give).await {
                // Nobody takes it: nobody waits for the rows either.
                let _ = give.send(Err(error)).await;
            }
        });
        Ok(Self { coming, here: Vec::new().into_iter() })
    }

    /// The next row; waits for it.
    ///
    /// # Errors
    /// The database's.
    pub fn next(&mut self) -> Result<Option<Tuple>, DatabaseError> {
        loop {
            if let Some(row) = self.here.next() {
                return Ok(Some(Tuple(row)));
            }
            let Some(rows) = self.coming.blocking_recv() else { return Ok(None) };
            self.here = rows?.into_iter();
        }
    }
}

async fn read(
    mut connection: Connection,
    statements: &[String],
    give: &mpsc::Sender<Result<Vec<Bytes>, sqlx::Error>>,
) -> Result<(), sqlx::Error> {
    for statement in statements {
        connection.execute("begin read only; set local statement_timeout = '60s'").await?;
        let mut rows = connection.copy_out(statement).await?;
        let mut chunk = Vec::with_capacity(ROWS);
        while let Some(mut row) = rows.try_next().await? {
            if row.starts_with(SIGNATURE) {
                let _ = row.split_to(HEADER.min(row.len()));
            }
            if row.is_empty() || row.starts_with(&TRAILER) {
                continue;
            }
            chunk.push(row);
            if chunk.len() == ROWS {
                let full = std::mem::replace(&mut chunk, Vec::with_capacity(ROWS));
                if give.send(Ok(full)).await.is_err() {
                    return Ok(());
                }
            }
        }
        drop(rows);
        if give.send(Ok(chunk)).await.is_err() {
            return Ok(());
        }
        connection.execute("commit").await?;
    }
    connection.close().await;
    Ok(())
}

impl Tuple {
    /// # Errors
    /// There is no such column, or none that is a bigint.
    pub fn bigint(&self, column: usize) -> Result<i64, sqlx::Error> {
        self.bytes(column).map(i64::from_be_bytes)
    }

    /// # Errors
    /// There is no such column, or none of so many bytes.
    pub fn bytes<const N: usize>(&self, column: usize) -> Result<[u8; N], sqlx::Error> {
        let value = self.values().nth(column).flatten().and_then(|value| value.try_into().ok());
        value.ok_or_else(|| malformed(column))
    }

    /// The texts of the columns from one on, none of them null.
    ///
    /// # Errors
    /// One is none.
    pub fn texts<const N: usize>(&self, from: usize) -> Result<[&str; N], sqlx::Error> {
        let (mut texts, mut values) = ([""; N], self.values().skip(from));
        for (number, text) in texts.iter_mut().enumerate() {
            let value = values.next().flatten().and_then(|value| std::str::from_utf8(value).ok());
            *text = value.ok_or_else(|| malformed(from + number))?;
        }
        Ok(texts)
    }

    /// # Errors
    /// It is no text.
    pub fn text_or_null(&self, column: usize) -> Result<Option<&str>, sqlx::Error> {
        let value = self.values().nth(column).ok_or_else(|| malformed(column))?;
        value.map(|value| std::str::from_utf8(value).map_err(|_| malformed(column))).transpose()
    }

    /// Up to where the tuple is as PostgreSQL makes them.
    fn values(&self) -> impl Iterator<Item = Option<&[u8]>> {
        // The number of columns is known to whoever asked for them.
        let mut left = self.0.get(2..).unwrap_or_default();
        std::iter::from_fn(move || {
            let (length, rest) = left.split_first_chunk()?;
            let Ok(length) = usize::try_from(i32::from_be_bytes(*length)) else {
                left = rest;
                return Some(None);
            };
            let (value, rest) = rest.split_at_checked(length)?;
            left = rest;
            Some(Some(value))
        })
    }
}

/// Names the column, never what is in it.
fn malformed(column: usize) -> sqlx::Error {
    sqlx::Error::Protocol(format!("column {column} of a COPY is not what was asked for"))
}
