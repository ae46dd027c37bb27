//! Attempts: one row for each attempt of a login that has, or may have, a key at Telegram. The lease of its worker
//! is in the row that it protects.
//!
//! ```text
//!            open_attempt        claim (epoch = the next)                close_attempt
//!   (none) ──────────────▶ open ──────────────────────▶ open, held ──▶ (none): nothing is left at Telegram
//!                            │          renew, or lost to the next claim   ▲
//!                            └── end_attempt ──▶ ended: its key is to be logged out, then closed
//! ```
//! A claim takes what is free: attempts that were never claimed, and those whose lease is over. A holder that has lost its
//! [`Presence`](crate::presence::Presence) keeps its attempts: its connection may have been cut, and it uses the keys until
//! it has noticed. The presence shows the next holder whether the one before may still wake up.
//!
//! The epoch of the lease is in every write to the vault and in the metadata of every event. The database refuses an old
//! one (SQLSTATE QR001).

use std::collections::HashMap;
use std::time::Duration;

use domain::{AccountId, LoginId};

use crate::columns;
use crate::master::key_id_of;
use crate::vault::{Vault, VaultError, fenced_unless};
use eventlog::database::DatabaseError;
use eventlog::store::Fence;
use eventlog::wake::Topic;

/// An attempt that a worker has just taken up.
#[derive(Clone, Debug)]
pub struct Claimed {
    /// Goes with every write for it.
    pub fence: Fence,
    /// Whose login it is.
    pub account_id: AccountId,
    /// Its MTProto session as last saved, sealed; None before the first save.
    pub sealed_session: Option<Vec<u8>>,
    /// The login is over: only its key is left to be logged out.
    pub ended: bool,
    /// A worker held it before.
    pub taken_over: bool,
    /// The worker before lost the lease, but its process, another one, is alive: it may wake up and use the key. So a new key
    /// is needed, and the old one is to be retired.
    pub holder_frozen: bool,
}

impl Vault {
    /// Offers an attempt to the workers, but for one of a login that was confirmed. Repeating it changes nothing. It does not wait for the disk: a row that is lost with
    /// PostgreSQL is written again, because the reactor's checkpoint was lost with it.
    ///
    /// # Errors
    /// The database failed.
    pub async fn open_attempt(
        &self,
        login: &LoginId,
        attempt: u32,
        account: AccountId,
    ) -> Result<(), DatabaseError> {
        sqlx::query!(
            "with swift as materialized (select set_config('synchronous_commit', 'off', true))
             insert into vault.attempts (login_id, attempt, account_id)
             select $1::text, $2::bigint, $3::uuid from swift
              where not exists (select from events
                                 where aggregate_type = 'login' and aggregate_id = $1::text
                                   and event_type = 'AuthorizationConfirmed')
             on conflict do nothing",
            login.as_str(),
            i64::from(attempt),
            account.0
        )
        .execute(self.db.pool())
        .await?;
        self.db.wake().notify(Topic::Attempts);
        Ok(())
    }

    /// Takes up to `limit` free attempts, oldest first, for `ttl`. Those that `holder` holds itself are not free. Those that it
    /// has lost, and that no other worker has claimed since, it gets back with their keys. Where the holder before is
    /// frozen, the row keeps that its key is in use until [`Vault::retire`], also for later claims.
    ///
    /// # Errors
    /// The database failed.
    pub async fn claim_attempts(
        &self,
        holder: &str,
        ttl: Duration,
        limit: i64,
    ) -> Result<Vec<Claimed>, DatabaseError> {
        let rows = sqlx::query!(
            r#"with present as materialized (select vault.present() as id),
             free as (
               select login_id, attempt, holder is not null as taken_over,
                      announced_as in (select id from present where id <> vault.presence_id($1)) as frozen
                 from vault.attempts
                where holder is null or expires_at < clock_timestamp()
                order by opened_at
                limit $3
                  for update skip locked)
             update vault.attempts a
                set holder = $1,
                    announced_as = case when f.frozen then a.announced_as
                                        else (select id from present where id = vault.presence_id($1)) end,
                    epoch = nextval('vault.epoch'),
                    expires_at = clock_timestamp() + make_interval(secs => $2)
               from free f
              where a.login_id = f.login_id and a.attempt = f.attempt
             returning a.login_id, a.attempt, a.epoch, a.account_id, a.sealed_session, a.state,
                       f.taken_over as "taken_over!", coalesce(f.frozen, false) as "frozen!""#,
            holder,
            ttl.as_secs_f64(),
            limit
        )
        .fetch_all(self.db.pool())
        .await?;
        let claimed = rows.into_iter().map(|row| {
            let (login_id, attempt) = (columns::login_id(&row.login_id)?, columns::attempt(row.attempt)?);
            Ok::<_, sqlx::Error>(Claimed {
                fence: Fence { login_id, attempt, epoch: row.epoch },
                account_id: AccountId(row.account_id),
                sealed_session: row.sealed_session,
                ended: row.state == "ended",
                taken_over: row.taken_over,
                holder_frozen: row.frozen,
            })
        });
        Ok(claimed.collect::<Result<_, _>>()?)
    }

    /// How many attempts have, or may have, a key at Telegram.
    ///
    /// # Errors
    /// The database failed.
    pub async fn attempts(&self) -> Result<i64, DatabaseError> {
        Ok(sqlx::query_scalar!(r#"select count(*) as "count!" from vault.attempts"#)
            .fetch_one(self.db.pool())
            .await?)
    }

    /// Renews the leases of these epochs for `ttl` from now. Returns the epochs that are still held, and whether each was
    /// renewed. An attempt that is missing belongs to another worker, or is closed. A row that another transaction has
    /// locked is skipped, so that the others need not wait for it.
    ///
    /// # Errors
    /// The database failed: the leases run on meanwhile.
    pub async fn renew(&self, epochs: &[i64], ttl: Duration) -> Result<HashMap<i64, bool>, DatabaseError> {
        let leases = sqlx::query!(
            r#"with mine as (
               select login_id, attempt from vault.attempts
                where epoch = any($1)
                  for no key update skip locked),
             renewed as (
               update vault.attempts a set expires_at = clock_timestamp() + make_interval(secs => $2)
                 from mine m
                where a.login_id = m.login_id and a.attempt = m.attempt
               returning a.epoch)
             select epoch, epoch in (select epoch from renewed) as "is_renewed!"
               from vault.attempts where epoch = any($1)"#,
            epochs,
            ttl.as_secs_f64()
        )
        .fetch_all(self.db.pool())
        .await?;
        Ok(leases.into_iter().map(|lease| (lease.epoch, lease.is_renewed)).collect())
    }

    /// Leaves an attempt to other workers, who go on with its key at once. To be called once the key is not in use any more.
    ///
    /// # Errors
    /// [`VaultError::Fenced`]; the database failed. Then others take the attempt when its lease is over.
    pub async fn release_attempt(&self, fence: &Fence) -> Result<(), VaultError> {
        // The number of an earlier holder, who is frozen, stays: that one may use the key.
        let done = sqlx::query!(
            "update vault.attempts
                set expires_at = clock_timestamp(),
                    announced_as = nullif(announced_as, vault.presence_id(holder))
              where login_id = $1 and attempt = $2 and epoch = $3",
            fence.login_id.as_str(),
            i64::from(fence.attempt),
            fence.epoch
        )
        .execute(self.db.pool())
        .await?;
        fenced_unless(done.rows_affected())?;
        self.db.wake().notify(Topic::Attempts);
        Ok(())
    }

    /// Saves the session with which the attempt can be resumed with the same key.
    ///
    /// # Errors
    /// [`VaultError::Fenced`]; the database failed.
    pub async fn save_attempt_session(&self, fence: &Fence, sealed: &[u8]) -> Result<(), VaultError> {
        let done = sqlx::query!(
            "update vault.attempts set sealed_session = $4, key_id = $5
              where login_id = $1 and attempt = $2 and epoch = $3",
            fence.login_id.as_str(),
            i64::from(fence.attempt),
            fence.epoch,
            sealed,
            key_id_of(sealed)
        )
        .execute(self.db.pool())
        .await?;
        fenced_unless(done.rows_affected())
    }

    /// Deletes the attempt, its live token and its pending input. To be called once none of its keys has to be logged out at
    /// Telegram, or they are kept elsewhere.
    ///
    /// # Errors
    /// [`VaultError::Fenced`]; the database failed.
    pub async fn close_attempt(&self, fence: &Fence) -> Result<(), VaultError> {
        let done = sqlx::query!(
            "delete from vault.attempts where login_id = $1 and attempt = $2 and epoch = $3",
            fence.login_id.as_str(),
            i64::from(fence.attempt),
            fence.epoch
        )
        .execute(self.db.pool())
        .await?;
        fenced_unless(done.rows_affected())
    }

    /// The login is over: the worker that holds or claims the attempt logs its key out. Repeating it changes nothing.
    ///
    /// # Errors
    /// The database failed.
    pub async fn end_attempt(&self, login: &LoginId, attempt: u32) -> Result<(), DatabaseError> {
        sqlx::query!(
            "update vault.attempts set state = 'ended' where login_id = $1 and attempt = $2",
            login.as_str(),
            i64::from(attempt)
        )
        .execute(self.db.pool())
        .await?;
        self.db.wake().notify(Topic::Attempts);
        Ok(())
    }
}
