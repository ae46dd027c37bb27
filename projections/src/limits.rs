//! Limits on tries, counted in the database: they survive restarts and hold for several processes together. People
//! stand in them as a keyed HMAC.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use jiff_sqlx::ToSqlx;

use crate::database::{Database, DatabaseError};

/// At most `tries` in any `window`.
#[derive(Clone, Copy, Debug)]
struct Limit {
    kind: &'static str,
    tries: i32,
    window: Duration,
}

const LOGIN: Limit = Limit { kind: "login", tries: 10, window: Duration::from_mins(10) };

/// How often people may try to log in.
#[derive(Clone, Debug)]
pub struct LoginLimits {
    db: Database,
}

/// Why a try is refused.
#[derive(Debug, thiserror::Error)]
pub enum LimitError {
    /// Too many tries.
    #[error("too many tries; the next one is at {0}")]
    RetryAt(Timestamp),
    /// The database failed.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

impl LoginLimits {
    /// The limits kept in this database.
    pub fn new(db: &Database) -> Self {
        Self { db: db.clone() }
    }

    /// One `/login`: 10 in 10 minutes a person, who stands here as [`MasterKey::person_hmac`](crate::vault::MasterKey::person_hmac). A refused try does not
    /// count.
    ///
    /// # Errors
    /// [`LimitError::RetryAt`] that moment.
    pub async fn try_login(&self, person: &[u8; 32], now: Timestamp) -> Result<(), LimitError> {
        self.count(LOGIN, person, now).await
    }

    async fn count(&self, limit: Limit, who: &[u8], now: Timestamp) -> Result<(), LimitError> {
        let window = SignedDuration::try_from(limit.window).expect("a window is minutes, not eons");
        // One statement: the row's lock makes people who race with themselves wait in line.
        let counted = sqlx::query(
            "insert into vault.tries as t (kind, who, at) values ($1, $2, array[$3])
             on conflict (kind, who) do update
                set at = array(select a from unnest(t.at) a where a > $4 order by a) || $3
              where (select count(*) from unnest(t.at) a where a > $4) < $5",
        )
        .bind(limit.kind)
        .bind(who)
        .bind(now.to_sqlx())
        .bind((now - window).to_sqlx())
        .bind(limit.tries)
        .execute(self.db.pool())
        .await
        .map_err(DatabaseError::from)?;
        if counted.rows_affected() == 1 {
            return Ok(());
        }
        let oldest: Option<jiff_sqlx::Timestamp> = sqlx::query_scalar(
            "select min(a) from vault.tries t, unnest(t.at) a where t.kind = $1 and t.who = $2 and a > $3",
        )
        .bind(limit.kind)
        .bind(who)
        .bind((now - window).to_sqlx())
        .fetch_one(self.db.pool())
        .await
        .map_err(DatabaseError::from)?;
        Err(LimitError::RetryAt(oldest.map_or(now, |oldest| oldest.to_jiff()) + window))
    }
}

#[cfg(test)]
mod tests;
