//! Linked sessions, sealed with the master key.
//!
//! A session is linked before its login is confirmed, so the one before it stays beside it until then: if the login is
//! refused after all, `unlink_attempt` deletes the new one, and the old one counts again. As long as the attempt is open, only
//! its worker may use the new one, which may still be logged out.

use std::time::Duration;

use domain::{AccountId, LoginId};
use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use uuid::Uuid;

use crate::columns;
use crate::vault::{Vault, VaultError, fenced_unless};
use eventlog::database::DatabaseError;
use eventlog::store::Fence;

pub(crate) mod alive;
mod unowned;

/// How long a borrowed session may be used at Telegram: longer than a call with the end of its connection takes.
const USE_TTL: Duration = Duration::from_secs(20);

/// A linked session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Linked {
    /// Whose it is.
    pub account_id: AccountId,
    /// The login that linked it.
    pub login_id: LoginId,
    /// The session, sealed.
    pub sealed: Vec<u8>,
    /// Which master key sealed it.
    pub key_id: String,
}

/// A linked session that the caller alone may use at Telegram, until [`Vault::release_linked`], or for twenty seconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Borrowed {
    /// The session.
    pub linked: Linked,
    /// The end of the twenty seconds, which also identifies the borrower: no two are the same.
    until: Timestamp,
}

impl Borrowed {
    /// The end of the loan, as the column has it.
    pub(crate) fn until_as_stored(&self) -> jiff_sqlx::Timestamp {
        self.until.to_sqlx()
    }
}

/// Whether a linked session could be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Taken {
    /// The caller may use it.
    Free(Borrowed),
    /// It is borrowed already, or the login that linked it is not closed yet.
    InUse,
    /// It was handed over: this service does not use it any more.
    HandedOver(Linked),
    /// There is none.
    None,
}

impl Vault {
    /// Stores the session of this attempt. The one before it stays until [`Vault::retire_replaced`]. It can be repeated.
    ///
    /// # Errors
    /// [`VaultError::Fenced`]; the database failed.
    pub async fn link_session(&self, fence: &Fence, new: &Linked) -> Result<(), VaultError> {
        // One statement: a person waits. No other worker can take the attempt over before it is committed.
        let linked = sqlx::query!(
            "with held as materialized (
               select from vault.attempts
                where login_id = $2::text and attempt = $5::bigint and epoch = $6 for no key update)
             insert into vault.sessions (account_id, login_id, sealed, key_id, attempt, in_use_until)
             select $1::uuid, $2::text, $3::bytea, $4::text, $5::bigint, clock_timestamp() + make_interval(secs => $7)
               from held
             on conflict (account_id, login_id) do update
                set sealed = excluded.sealed, key_id = excluded.key_id, attempt = excluded.attempt,
                    linked_at = clock_timestamp(), alive_at = null,
                    in_use_until = greatest(vault.sessions.in_use_until, excluded.in_use_until)",
            new.account_id.0,
            new.login_id.as_str(),
            &new.sealed,
            &new.key_id,
            i64::from(fence.attempt),
            fence.epoch,
            USE_TTL.as_secs_f64()
        )
        .execute(self.db.pool())
        .await?;
        fenced_unless(linked.rows_affected())
    }

    /// The session of this person, if it was not handed over.
    ///
    /// # Errors
    /// The database failed.
    pub async fn linked(&self, account: AccountId) -> Result<Option<Linked>, DatabaseError> {
        let row = sqlx::query_as!(
            LinkedRow,
            "select account_id, login_id, sealed, key_id from vault.sessions
              where account_id = $1 and in_use_until is distinct from 'infinity'
              order by linked_no desc limit 1",
            account.0
        )
        .fetch_optional(self.db.pool())
        .await?;
        Ok(row.map(Linked::try_from).transpose()?)
    }

    /// The session of this person, if this is their Telegram id and it was not handed over.
    ///
    /// # Errors
    /// The database failed.
    pub async fn linked_as(
        &self,
        account: AccountId,
        telegram_id: i64,
    ) -> Result<Option<Linked>, DatabaseError> {
        let row = sqlx::query_as!(
            LinkedRow,
            "select account_id, login_id, sealed, key_id
               from vault.sessions join vault.subjects using (account_id)
              where account_id = $1 and telegram_id = $2 and in_use_until is distinct from 'infinity'
              order by linked_no desc limit 1",
            account.0,
            telegram_id
        )
        .fetch_optional(self.db.pool())
        .await?;
        Ok(row.map(Linked::try_from).transpose()?)
    }

    /// The logins that have linked a session of this person which was not handed over, latest first: the first of them may
    /// not be confirmed yet, or ever.
    ///
    /// # Errors
    /// The database failed.
    pub async fn linked_by(&self, account: AccountId) -> Result<Vec<LoginId>, DatabaseError> {
        let rows = sqlx::query_scalar!(
            "select login_id from vault.sessions
                  where account_id = $1 and in_use_until is distinct from 'infinity' order by linked_no desc",
            account.0
        )
        .fetch_all(self.db.pool())
        .await?;
        Ok(rows.iter().map(|id| columns::login_id(id)).collect::<Result<_, _>>()?)
    }

    /// Every session that is here, also one that was handed over: whose it is, and the login that linked it.
    ///
    /// # Errors
    /// The database failed.
    pub async fn sessions(&self) -> Result<Vec<(AccountId, LoginId)>, DatabaseError> {
        let rows =
            sqlx::query!("select account_id, login_id from vault.sessions").fetch_all(self.db.pool()).await?;
        let sessions =
            rows.into_iter().map(|row| Ok((AccountId(row.account_id), columns::login_id(&row.login_id)?)));
        Ok(sessions.collect::<Result<_, sqlx::Error>>()?)
    }

    /// Borrows up to `limit` sessions that are due for a check, longest waiting first. Each is due once in `interval`, give or
    /// take a tenth of it, so that sessions which were linked together are not always checked together. The first check of a
    /// new one is somewhere in the first interval.
    ///
    /// # Errors
    /// The database failed.
    pub async fn claim_linked(
        &self,
        now: Timestamp,
        interval: Duration,
        limit: i64,
    ) -> Result<Vec<Borrowed>, DatabaseError> {
        sqlx::query!(
            "update vault.sessions set check_at = $1::timestamptz + make_interval(secs => $2 * random())
              where check_at is null",
            now.to_sqlx() as _,
            interval.as_secs_f64()
        )
        .execute(self.db.pool())
        .await?;
        let rows = sqlx::query_as!(
            BorrowedRow,
            r#"with due as (
               select account_id, login_id from vault.sessions s
                where check_at <= $1 and (in_use_until is null or in_use_until < clock_timestamp())
                and not exists (select from vault.attempts a
                                 where a.login_id = s.login_id and a.attempt = s.attempt)
                order by check_at
                limit $3
                  for update skip locked)
             update vault.sessions s
                set check_at = $1 + make_interval(secs => $2 * (0.9 + 0.2 * random())),
                    in_use_until = clock_timestamp() + make_interval(secs => $4)
               from due where s.account_id = due.account_id and s.login_id = due.login_id
             returning s.account_id, s.login_id, s.sealed, s.key_id,
                       s.in_use_until as "in_use_until!: jiff_sqlx::Timestamp""#,
            now.to_sqlx() as _,
            interval.as_secs_f64(),
            limit,
            USE_TTL.as_secs_f64()
        )
        .fetch_all(self.db.pool())
        .await?;
        Ok(rows.into_iter().map(Borrowed::try_from).collect::<Result<_, _>>()?)
    }

    /// Borrows the session of this person.
    ///
    /// # Errors
    /// The database failed.
    pub async fn take_linked(&self, account: AccountId) -> Result<Taken, DatabaseError> {
        let row = sqlx::query_as!(
            BorrowedRow,
            r#"update vault.sessions s set in_use_until = clock_timestamp() + make_interval(secs => $2)
              where account_id = $1
                and linked_no = (select max(linked_no) from vault.sessions where account_id = $1)
                and (in_use_until is null or in_use_until < clock_timestamp())
                and not exists (select from vault.attempts a
                                 where a.login_id = s.login_id and a.attempt = s.attempt)
             returning account_id, login_id, sealed, key_id,
                       in_use_until as "in_use_until!: jiff_sqlx::Timestamp""#,
            account.0,
            USE_TTL.as_secs_f64()
        )
        .fetch_optional(self.db.pool())
        .await?;
        if let Some(row) = row {
            return Ok(Taken::Free(row.try_into()?));
        }
        let row = sqlx::query!(
            r#"select account_id, login_id, sealed, key_id,
                      coalesce(in_use_until = 'infinity', false) as "is_handed_over!"
                 from vault.sessions where account_id = $1 order by linked_no desc limit 1"#,
            account.0
        )
        .fetch_optional(self.db.pool())
        .await?;
        let Some(row) = row else { return Ok(Taken::None) };
        if !row.is_handed_over {
            return Ok(Taken::InUse);
        }
        let linked = LinkedRow {
            account_id: row.account_id,
            login_id: row.login_id,
            sealed: row.sealed,
            key_id: row.key_id,
        };
        Ok(Taken::HandedOver(linked.try_into()?))
    }

    /// Borrows it for another twenty seconds; None where it was released, or another caller has borrowed it since.
    ///
    /// # Errors
    /// The database failed.
    pub async fn borrow_on(&self, borrowed: &Borrowed) -> Result<Option<Borrowed>, DatabaseError> {
        let row = sqlx::query_as!(
            BorrowedRow,
            r#"update vault.sessions set in_use_until = clock_timestamp() + make_interval(secs => $4)
              where account_id = $1 and login_id = $2 and in_use_until = $3
             returning account_id, login_id, sealed, key_id,
                       in_use_until as "in_use_until!: jiff_sqlx::Timestamp""#,
            borrowed.linked.account_id.0,
            borrowed.linked.login_id.as_str(),
            borrowed.until.to_sqlx() as _,
            USE_TTL.as_secs_f64()
        )
        .fetch_optional(self.db.pool())
        .await?;
        Ok(row.map(Borrowed::try_from).transpose()?)
    }

    /// Releases it. Where another caller has borrowed it since, that one keeps it.
    ///
    /// # Errors
    /// The database failed: it is free a little later.
    pub async fn release_linked(&self, borrowed: &Borrowed) -> Result<(), DatabaseError> {
        sqlx::query!(
            "update vault.sessions set in_use_until = null
              where account_id = $1 and login_id = $2 and in_use_until = $3",
            borrowed.linked.account_id.0,
            borrowed.linked.login_id.as_str(),
            borrowed.until.to_sqlx() as _
        )
        .execute(self.db.pool())
        .await?;
        Ok(())
    }

    /// Hands it over to another service: from now on this service neither uses it nor logs it out. False: it was logged out,
    /// or borrowed by another caller, meanwhile.
    ///
    /// # Errors
    /// The database failed.
    pub async fn hand_over(&self, borrowed: &Borrowed) -> Result<bool, DatabaseError> {
        let handed = sqlx::query!(
            "update vault.sessions set in_use_until = 'infinity'
              where account_id = $1 and login_id = $2 and in_use_until = $3",
            borrowed.linked.account_id.0,
            borrowed.linked.login_id.as_str(),
            borrowed.until.to_sqlx() as _
        )
        .execute(self.db.pool())
        .await?;
        Ok(handed.rows_affected() == 1)
    }

    /// Deletes the session that this login linked: it is logged out already, or was handed over.
    ///
    /// # Errors
    /// The database failed.
    pub async fn unlink(&self, account: AccountId, login: &LoginId) -> Result<(), DatabaseError> {
        sqlx::query!(
            "delete from vault.sessions where account_id = $1 and login_id = $2",
            account.0,
            login.as_str()
        )
        .execute(self.db.pool())
        .await?;
        Ok(())
    }

    /// Deletes the session that this attempt linked, if any: its login has ended, and its worker logs the key out.
    ///
    /// # Errors
    /// [`VaultError::Fenced`]; the database failed.
    pub async fn unlink_attempt(&self, fence: &Fence, account: AccountId) -> Result<(), VaultError> {
        let mut transaction = self.begin_as(fence).await?;
        sqlx::query!(
            "delete from vault.sessions where account_id = $1 and login_id = $2 and attempt = $3",
            account.0,
            fence.login_id.as_str(),
            i64::from(fence.attempt)
        )
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(())
    }
}

/// What is read of a row of `vault.sessions`.
struct LinkedRow {
    account_id: Uuid,
    login_id: String,
    sealed: Vec<u8>,
    key_id: String,
}

/// What is read of a session that is borrowed.
struct BorrowedRow {
    account_id: Uuid,
    login_id: String,
    sealed: Vec<u8>,
    key_id: String,
    in_use_until: jiff_sqlx::Timestamp,
}

impl TryFrom<LinkedRow> for Linked {
    type Error = sqlx::Error;

    fn try_from(row: LinkedRow) -> Result<Self, sqlx::Error> {
        let LinkedRow { account_id, login_id, sealed, key_id } = row;
        let (account_id, login_id) = (AccountId(account_id), columns::login_id(&login_id)?);
        Ok(Self { account_id, login_id, sealed, key_id })
    }
}

impl TryFrom<BorrowedRow> for Borrowed {
    type Error = sqlx::Error;

    fn try_from(row: BorrowedRow) -> Result<Self, sqlx::Error> {
        let BorrowedRow { account_id, login_id, sealed, key_id, in_use_until } = row;
        let linked = LinkedRow { account_id, login_id, sealed, key_id }.try_into()?;
        Ok(Self { linked, until: in_use_until.to_jiff() })
    }
}
