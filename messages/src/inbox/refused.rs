//! Updates that cannot be read or stored. They are kept as bytes, so that the program can be fixed.
//!
//! The newest 100 are kept for a week, up to 1 MiB of each, in `vault.refused_updates`. Each is a line in the log and counts in
//! the metric `qrlogin_bot_updates_refused_total`; admins are told once in ten minutes. When a person is erased, those that hold their
//! Telegram id are deleted (`Vault::erase_subject`). A U+0000, which `jsonb` refuses, becomes U+FFFD; such an update is
//! answered, not refused.

use std::time::Duration;

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use eventlog::database::{Database, DatabaseError};
use eventlog::wake::Topic;

/// How much of each is kept.
const KEPT_BYTES: usize = 1 << 20;
/// How many are kept.
const KEPT_UPDATES: i64 = 100;

/// The refused updates of one database. A cheap clone.
#[derive(Clone, Debug)]
pub struct RefusedUpdates {
    db: Database,
}

/// How an update came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Telegram was asked for it.
    Polling,
    /// Telegram posted it.
    Webhook,
    /// It was stored in the inbox, and no handler can read it.
    Inbox,
}

/// An update that cannot be read or stored.
#[derive(Clone, Copy, Debug)]
pub struct RefusedUpdate<'a> {
    /// The update, or its beginning.
    pub bytes: &'a [u8],
    /// The size of the whole update.
    pub size_bytes: usize,
    /// Telegram's number, where it can be found.
    pub update_id: Option<i64>,
    /// How it came.
    pub source: Source,
    /// Why it is refused, without anything of its content.
    pub why: &'a str,
}

/// A summary of the refused updates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    /// How many.
    pub count: i64,
    /// When the newest came.
    pub newest: Timestamp,
}

impl Source {
    const fn name(self) -> &'static str {
        match self {
            Self::Polling => "polling",
            Self::Webhook => "webhook",
            Self::Inbox => "inbox",
        }
    }
}

impl RefusedUpdates {
    /// The refused updates of this database.
    pub fn new(db: &Database) -> Self {
        Self { db: db.clone() }
    }

    /// Keeps one, counts it and logs it. The same one again changes nothing.
    ///
    /// # Errors
    /// The database failed: do not confirm it to Telegram.
    pub async fn keep(&self, update: &RefusedUpdate<'_>) -> Result<(), DatabaseError> {
        let RefusedUpdate { bytes, size_bytes, update_id, source, why } = *update;
        let kept = &bytes[..bytes.len().min(KEPT_BYTES)];
        let digest = Sha256::new().chain_update(bytes).chain_update(size_bytes.to_be_bytes()).finalize();
        let inserted = sqlx::query!(
            "insert into vault.refused_updates (digest, bytes, size_bytes, update_id, source, why)
             values ($1, $2, $3, $4, $5, $6) on conflict do nothing",
            &digest[..],
            kept,
            i64::try_from(size_bytes).unwrap_or(i64::MAX),
            update_id,
            source.name(),
            why,
        )
        .execute(self.db.pool())
        .await?;
        if inserted.rows_affected() == 0 {
            return Ok(());
        }
        metrics::counter!("qrlogin_bot_updates_refused_total", "source" => source.name()).increment(1);
        tracing::error!(
            update.id = update_id,
            source = source.name(),
            size_bytes,
            reason = why,
            "an update cannot be read or stored and is kept in vault.refused_updates"
        );
        sqlx::query!(
            "delete from vault.refused_updates where digest in
               (select digest from vault.refused_updates order by refused_at desc offset $1)",
            KEPT_UPDATES,
        )
        .execute(self.db.pool())
        .await?;
        self.db.wake().notify(Topic::Inbox);
        Ok(())
    }

    /// How many are kept; None where there are none.
    ///
    /// # Errors
    /// The database failed.
    pub async fn summary(&self) -> Result<Option<Summary>, DatabaseError> {
        let row = sqlx::query!(
            r#"select count(*) as "count!", max(refused_at) as "newest: jiff_sqlx::Timestamp"
                 from vault.refused_updates"#
        )
        .fetch_one(self.db.pool())
        .await?;
        Ok(row.newest.map(|newest| Summary { count: row.count, newest: newest.to_jiff() }))
    }

    /// Deletes those that came longer ago than this.
    ///
    /// # Errors
    /// The database failed.
    pub async fn prune(&self, older_than: Duration) -> Result<(), DatabaseError> {
        sqlx::query!(
            "delete from vault.refused_updates
              where refused_at < clock_timestamp() - make_interval(secs => $1)",
            older_than.as_secs_f64(),
        )
        .execute(self.db.pool())
        .await?;
        Ok(())
    }
}
