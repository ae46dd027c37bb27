//! Retired keys: those that must still be logged out at Telegram.

use std::time::Duration;

use domain::{AccountId, LoginId};

use crate::columns;
use crate::vault::{Vault, VaultError};
use eventlog::database::DatabaseError;
use eventlog::store::Fence;
use eventlog::wake::Topic;

/// Why a key is to be logged out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetireReason {
    /// Its login ended without authorisation, or lost it.
    LoginEnded,
    /// Its worker froze, and another one took a new key.
    HolderFrozen,
    /// A newer login linked another session.
    Replaced,
    /// The person logged out or was erased.
    LoggedOut,
}

impl RetireReason {
    /// How long the key may not be used, not even to log it out. A worker that wakes up may send once more with it before it
    /// notices that it lost the attempt, and Telegram ends a session whose key is used in two places at once.
    const fn pause(self) -> Duration {
        match self {
            Self::HolderFrozen => Duration::from_secs(60),
            Self::LoginEnded | Self::Replaced | Self::LoggedOut => Duration::ZERO,
        }
    }

    /// The stored spelling.
    pub const fn name(self) -> &'static str {
        match self {
            Self::LoginEnded => "login_ended",
            Self::HolderFrozen => "holder_frozen",
            Self::Replaced => "replaced",
            Self::LoggedOut => "logged_out",
        }
    }
}

/// A key that must still be logged out at Telegram.
#[derive(Clone, Debug)]
pub struct RetiredKey {
    /// For [`Vault::confirm_retired`].
    pub id: i64,
    /// Whose login it was.
    pub account_id: AccountId,
    /// Which login made it.
    pub login_id: LoginId,
    /// The session, sealed.
    pub sealed: Vec<u8>,
    /// How often it was claimed, this time included.
    pub tries: i32,
}

impl Vault {
    /// The login of this attempt is confirmed: every session that the person linked before is to be logged out. One that
    /// was linked since replaces this one in its turn.
    ///
    /// # Errors
    /// [`VaultError::Fenced`]; the database failed.
    pub async fn retire_replaced(&self, fence: &Fence, account: AccountId) -> Result<(), VaultError> {
        let mut transaction = self.begin_as(fence).await?;
        sqlx::query!(
            "with replaced as (
               delete from vault.sessions
                where account_id = $1
                  and linked_no < (select linked_no from vault.sessions
                                    where account_id = $1 and login_id = $2)
               returning account_id, login_id, sealed, key_id, in_use_until)
             insert into vault.retired_keys (account_id, login_id, sealed, key_id, reason, not_before)
             select account_id, login_id, sealed, key_id, $3, greatest(clock_timestamp(), in_use_until)
               from replaced where in_use_until is distinct from 'infinity'",
            account.0,
            fence.login_id.as_str(),
            RetireReason::Replaced.name()
        )
        .execute(&mut *transaction)
        .await?;
        // The worker has closed its connection to Telegram.
        sqlx::query!(
            "update vault.sessions set in_use_until = null
              where account_id = $1 and login_id = $2 and in_use_until is distinct from 'infinity'",
            account.0,
            fence.login_id.as_str()
        )
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Deletes the session that this confirmed login linked. Its key is kept until it is logged out at Telegram, which waits
    /// while the session is borrowed. The sessions that it replaces are deleted too: its worker may not have done so yet, and
    /// could not find them later.
    ///
    /// # Errors
    /// The database failed.
    pub async fn retire_linked(
        &self,
        account: AccountId,
        login: &LoginId,
        reason: RetireReason,
    ) -> Result<(), DatabaseError> {
        self.retire_where(account, Some(login), reason).await
    }

    /// Deletes every session of this person. The keys are kept until they are logged out at Telegram, but for those that were
    /// handed over: another service uses them.
    ///
    /// # Errors
    /// The database failed.
    pub async fn retire_all_linked(
        &self,
        account: AccountId,
        reason: RetireReason,
    ) -> Result<(), DatabaseError> {
        self.retire_where(account, None, reason).await
    }

    async fn retire_where(
        &self,
        account: AccountId,
        login: Option<&LoginId>,
        reason: RetireReason,
    ) -> Result<(), DatabaseError> {
        sqlx::query!(
            "with gone as (
               delete from vault.sessions
                where account_id = $1
                  and ($2::text is null
                       or linked_no <= (select linked_no from vault.sessions
                                         where account_id = $1 and login_id = $2))
               returning account_id, login_id, sealed, key_id, in_use_until)
             insert into vault.retired_keys (account_id, login_id, sealed, key_id, reason, not_before)
             select account_id, login_id, sealed, key_id, $3, greatest(clock_timestamp(), in_use_until)
               from gone where in_use_until is distinct from 'infinity'",
            account.0,
            login.map(LoginId::as_str),
            reason.name()
        )
        .execute(self.db.pool())
        .await?;
        self.db.wake().notify(Topic::Retired);
        Ok(())
    }

    /// Takes the saved key from the attempt, to be logged out later. The attempt stays, without a key. Where it has saved none,
    /// nothing changes.
    ///
    /// # Errors
    /// [`VaultError::Fenced`]; the database failed.
    pub async fn retire(&self, fence: &Fence, reason: RetireReason) -> Result<(), VaultError> {
        let mut transaction = self.begin_as(fence).await?;
        sqlx::query!(
            "insert into vault.retired_keys (account_id, login_id, sealed, key_id, reason, not_before)
             select account_id, login_id, sealed_session, key_id, $3,
                    clock_timestamp() + make_interval(secs => $4)
               from vault.attempts
              where login_id = $1 and attempt = $2 and sealed_session is not null",
            fence.login_id.as_str(),
            i64::from(fence.attempt),
            reason.name(),
            reason.pause().as_secs_f64()
        )
        .execute(&mut *transaction)
        .await?;
        sqlx::query!(
            "update vault.attempts
                set sealed_session = null, key_id = null,
                    announced_as = (select id from vault.present() as id where id = vault.presence_id(holder))
              where login_id = $1 and attempt = $2",
            fence.login_id.as_str(),
            i64::from(fence.attempt)
        )
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Up to `limit` keys to log out now. A key that is not confirmed within `again_after` is returned again.
    ///
    /// # Errors
    /// The database failed.
    pub async fn claim_retired(
        &self,
        again_after: Duration,
        limit: i64,
    ) -> Result<Vec<RetiredKey>, DatabaseError> {
        let rows = sqlx::query!(
            "with due as (
               select id from vault.retired_keys
                where not_before <= clock_timestamp()
                order by not_before
                limit $2
                  for update skip locked)
             update vault.retired_keys k
                set tries = tries + 1, not_before = clock_timestamp() + make_interval(secs => $1)
               from due where k.id = due.id
             returning k.id, k.account_id, k.login_id, k.sealed, k.tries",
            again_after.as_secs_f64(),
            limit
        )
        .fetch_all(self.db.pool())
        .await?;
        let keys = rows.into_iter().map(|row| {
            Ok::<_, sqlx::Error>(RetiredKey {
                id: row.id,
                account_id: AccountId(row.account_id),
                login_id: columns::login_id(&row.login_id)?,
                sealed: row.sealed,
                tries: row.tries,
            })
        });
        Ok(keys.collect::<Result<_, _>>()?)
    }

    /// Telegram has confirmed that the key is logged out.
    ///
    /// # Errors
    /// The database failed.
    pub async fn confirm_retired(&self, id: i64) -> Result<(), DatabaseError> {
        sqlx::query!("delete from vault.retired_keys where id = $1", id).execute(self.db.pool()).await?;
        Ok(())
    }
}
