//! COPY … FROM STDIN in PostgreSQL's binary format, as far as the dataset needs it.

use anyhow::Result;
use jiff::Timestamp;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgCopyIn, PgPoolCopyExt};
use sqlx::{PgPool, Postgres};
use uuid::Uuid;

/// The signature, no flags, no extension.
const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// The end of all rows.
const TRAILER: [u8; 2] = (-1_i16).to_be_bytes();
/// 2000-01-01 00:00 UTC, from which PostgreSQL counts microseconds.
const EPOCH_SECONDS: i64 = 946_684_800;
const FULL: usize = 256 * 1024;

/// Rows on their way into a table.
pub struct CopyIn {
    copy: PgCopyIn<PoolConnection<Postgres>>,
    buffer: Vec<u8>,
}

impl CopyIn {
    /// Into `table (column, …)`.
    pub async fn begin(pool: &PgPool, into: &str) -> Result<Self> {
        let copy = pool.copy_in_raw(&format!("copy {into} from stdin (format binary)")).await?;
        Ok(Self { copy, buffer: HEADER.to_vec() })
    }

    /// A row of so many columns begins.
    pub fn row(&mut self, columns: i16) -> &mut Self {
        self.buffer.extend(columns.to_be_bytes());
        self
    }

    pub fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        let length = i32::try_from(bytes.len()).expect("no value of the dataset is large");
        self.buffer.extend(length.to_be_bytes());
        self.buffer.extend(bytes);
        self
    }

    pub fn text(&mut self, text: &str) -> &mut Self {
        self.bytes(text.as_bytes())
    }

    pub fn bigint(&mut self, number: i64) -> &mut Self {
        self.bytes(&number.to_be_bytes())
    }

    pub fn uuid(&mut self, id: Uuid) -> &mut Self {
        self.bytes(id.as_bytes())
    }

    pub fn timestamp(&mut self, at: Timestamp) -> &mut Self {
        self.bigint(at.as_microsecond() - EPOCH_SECONDS * 1_000_000)
    }

    /// Hands over what has come together.
    pub async fn flush_if_full(&mut self) -> Result<()> {
        if self.buffer.len() >= FULL {
            self.copy.send(&self.buffer[..]).await?;
            self.buffer.clear();
        }
        Ok(())
    }

    /// Everything is there.
    pub async fn end(mut self) -> Result<()> {
        self.buffer.extend(TRAILER);
        self.copy.send(&self.buffer[..]).await?;
        self.copy.finish().await?;
        Ok(())
    }
}
