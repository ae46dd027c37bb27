//! Attempts: one row for each attempt of a login that has, or may have, a key at Telegram. The lease of its worker
//! lives in the row that it protects.
//!
//! ```text
//!            open_attempt        claim (epoch = the next)                close_attempt
//!   (none) ──────────────▶ open ──────────────────────▶ open, held ──▶ (none): nothing is left at Telegram
//!                            │          renew, or lost to the next claim   ▲
//!                            └── end_attempt ──▶ ended: its key is to be logged out, then closed
//! ```
//! A claim takes what nobody holds: never claimed, or a lease that is over. That a holder has lost its
//! [`Presence`](crate::presence::Presence) frees nothing: its connection may have been cut, and it speaks on with the
//! keys until it has noticed. The presence tells whoever takes over whether the holder may still wake up.

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
    /// What every write for it has to carry.
    pub fence: Fence,
    /// Whose login it is.
    pub account_id: AccountId,
    /// What was saved of its MTProto session, sealed; None before the first save.
    pub sealed_session: Option<Vec<u8>>,
    /// The login is over: all that is left to do is to log the key out.
    pub ended: bool,
    /// Somebody held it before.
    pub taken_over: bool,
    /// Whoever held it lost the lease, but its process, another one, lives: it may wake up and use the key. Take a new one,
    /// and retire the old.
    pub holder_frozen: bool,
}

impl Vault {
    /// Offer an attempt to the workers. Repeating it changes nothing. Without waiting for the disk: what is lost with
    /// PostgreSQL is offered anew, because the reactor's checkpoint was lost with it.
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
             select $1::text, $2::bigint, $3::uuid from swift on conflict do nothing",
            login.as_str(),
            i64::from(attempt),
            account.0
        )
        .execute(self.db.pool())
        .await?;
        self.db.wake().notify(Topic::Attempts);
        Ok(())
    }

    /// Take up to `limit` attempts that nobody holds, oldest first, for `ttl`. What `holder` holds itself is held; what it has lost
    /// to nobody is its own again, with its key. Where the one before is frozen, its key stays known as its own until
    /// [`Vault::retire`]: also to whoever comes after a claimer that died.
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
            let (login_id, attempt) = (columns::login_id(&row.login_id)?, columns::number(row.attempt)?);
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

    /// Hold on to the leases of these epochs for `ttl` from now. Gives those that are held still; one that is not among them
    /// is another worker's, or closed. True: renewed. A row that somebody is just writing for is left as it is rather than
    /// waited for, so that it keeps no other waiting.
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

    /// Keep what the attempt needs to be resumed with the same key.
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

    /// Forget the attempt, its live token and its requests. Only once nothing of it is left at Telegram to log out, or
    /// what is left is kept elsewhere.
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

    /// The login is over: whoever holds the attempt, or takes it up, logs its key out. Repeating it changes nothing.
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
