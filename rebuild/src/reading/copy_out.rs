//! A binary COPY … TO STDOUT: a task reads it and sends some hundred rows at a time to a thread.
//!
//! The selects of one stream run in short transactions, so no snapshot is kept for as long as the log is read. If a process is
//! stopped in the middle of one, its `statement_timeout` ends it; the idle timeout does not end a COPY.

use bytes::Bytes;
use futures::TryStreamExt;
use sqlx::Executor;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use eventlog::database::{Connection, Database, DatabaseError};

/// Rows in one chunk, and how many chunks the task may be ahead of the thread.
const CHUNK_ROWS: usize = 512;
const CHUNKS_AHEAD: usize = 8;

/// Bytes of the header: the signature, flags, and the length of an unused extension.
const HEADER: usize = 19;
const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0";
/// The end: it stands in place of a number of columns.
const TRAILER: [u8; 2] = (-1_i16).to_be_bytes();

/// The rows, for a thread that may block.
pub(super) struct CopyOut {
    receiver: mpsc::Receiver<Result<Vec<Bytes>, sqlx::Error>>,
    chunk: std::vec::IntoIter<Bytes>,
}

/// A row.
pub(super) struct Tuple(Bytes);

/// The values of a row, each with its length.
#[derive(Clone, Copy)]
pub(super) struct Values<'a>(pub &'a [u8]);

impl CopyOut {
    /// Copies the rows of these selects, one after the other. The task ends with `tasks`, or when the rows are no longer
    /// received.
    ///
    /// # Errors
    /// The server refuses another connection.
    pub async fn begin(
        db: &Database,
        selects: Vec<String>,
        tasks: &mut JoinSet<()>,
    ) -> Result<Self, DatabaseError> {
        let connection = db.direct().await?;
        let (sender, receiver) = mpsc::channel(CHUNKS_AHEAD);
        tasks.spawn(async move {
            if let Err(error) = read(connection, &selects, &sender).await {
                // A send fails only when the receiver is gone, and then nobody waits for the rows.
                let _ = sender.send(Err(error)).await;
            }
        });
        Ok(Self { receiver, chunk: Vec::new().into_iter() })
    }

    /// The next row; waits for it.
    ///
    /// # Errors
    /// The database's.
    pub fn next(&mut self) -> Result<Option<Tuple>, DatabaseError> {
        loop {
            if let Some(row) = self.chunk.next() {
                return Ok(Some(Tuple(row)));
            }
            let Some(rows) = self.receiver.blocking_recv() else { return Ok(None) };
            self.chunk = rows?.into_iter();
        }
    }
}

async fn read(
    mut connection: Connection,
    selects: &[String],
    sender: &mpsc::Sender<Result<Vec<Bytes>, sqlx::Error>>,
) -> Result<(), sqlx::Error> {
    for select in selects {
        connection.execute("begin read only; set local statement_timeout = '60s'").await?;
        let copy = format!("copy ({select}) to stdout (format binary)");
        let mut rows = connection.copy_out(&copy).await?;
        let mut chunk = Vec::with_capacity(CHUNK_ROWS);
        while let Some(mut row) = rows.try_next().await? {
            if row.starts_with(SIGNATURE) {
                let _ = row.split_to(HEADER.min(row.len()));
            }
            if row.is_empty() || row.starts_with(&TRAILER) {
                continue;
            }
            chunk.push(row);
            if chunk.len() == CHUNK_ROWS {
                let full = std::mem::replace(&mut chunk, Vec::with_capacity(CHUNK_ROWS));
                if sender.send(Ok(full)).await.is_err() {
                    return Ok(());
                }
            }
        }
        drop(rows);
        if sender.send(Ok(chunk)).await.is_err() {
            return Ok(());
        }
        connection.execute("commit").await?;
    }
    connection.close().await;
    Ok(())
}

impl Tuple {
    /// Its values.
    pub fn values(&self) -> Values<'_> {
        Values(&self.0)
    }
}

impl<'a> Values<'a> {
    /// # Errors
    /// There is no such column, or none that is a bigint.
    pub fn bigint(&self, column: usize) -> Result<i64, sqlx::Error> {
        self.bytes(column).map(i64::from_be_bytes)
    }

    /// # Errors
    /// There is no such column, or none of so many bytes.
    pub fn bytes<const N: usize>(&self, column: usize) -> Result<[u8; N], sqlx::Error> {
        let value = self.each().nth(column).flatten().and_then(|value| value.try_into().ok());
        value.ok_or_else(|| malformed(column))
    }

    /// The texts of the columns from one on, none of them null.
    ///
    /// # Errors
    /// One is none.
    pub fn texts<const N: usize>(&self, from: usize) -> Result<[&'a str; N], sqlx::Error> {
        let (mut texts, mut values) = ([""; N], self.each().skip(from));
        for (number, text) in texts.iter_mut().enumerate() {
            let value = values.next().flatten().and_then(|value| std::str::from_utf8(value).ok());
            *text = value.ok_or_else(|| malformed(from + number))?;
        }
        Ok(texts)
    }

    /// # Errors
    /// It is no text.
    pub fn text_or_null(&self, column: usize) -> Result<Option<&'a str>, sqlx::Error> {
        let value = self.each().nth(column).ok_or_else(|| malformed(column))?;
        value.map(|value| std::str::from_utf8(value).map_err(|_| malformed(column))).transpose()
    }

    /// # Errors
    /// It is there, and not of so many bytes.
    pub fn bytes_or_null<const N: usize>(&self, column: usize) -> Result<Option<[u8; N]>, sqlx::Error> {
        let value = self.each().nth(column).ok_or_else(|| malformed(column))?;
        value.map(|value| value.try_into().map_err(|_| malformed(column))).transpose()
    }

    /// The values, up to the first one that is not in PostgreSQL's format.
    fn each(self) -> impl Iterator<Item = Option<&'a [u8]>> {
        // The number of columns comes first. The caller knows it.
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
