//! Sessions that Telegram knows and nobody here holds: when Telegram may be asked for them, and of which of them the person was
//! told. Whose a session is, and what is said, is decided elsewhere (`login_worker::unowned`).

use std::time::Duration;

use domain::AccountId;
use jiff::Timestamp;
use jiff_sqlx::ToSqlx;

use super::{Borrowed, BorrowedRow, USE_TTL};
use crate::vault::Vault;
use eventlog::database::DatabaseError;

/// An attempt that is open for longer than this may have been confirmed by the account of somebody else, long ago.
const LONGEST_ATTEMPT: Duration = Duration::from_secs(30 * 60);
/// The same of a retired key, whose logout Telegram has not confirmed.
const LONGEST_LOGOUT: Duration = Duration::from_secs(10 * 60);
/// A key that could not be logged out for so long keeps nobody from asking any more.
const STUCK_AFTER: Duration = Duration::from_secs(24 * 60 * 60);

impl Vault {
    /// Borrows the session for another twenty seconds, to ask Telegram for all sessions of its account. None: it was asked less
    /// than `every` ago, or another caller has borrowed the session since, or it would show sessions that the vault still holds:
    /// of a login in flight, or of a retired key that waits for its logout. It counts as asked from here on, whatever becomes
    /// of the question.
    ///
    /// # Errors
    /// The database failed.
    pub async fn borrow_to_list(
        &self,
        borrowed: &Borrowed,
        now: Timestamp,
        every: Duration,
    ) -> Result<Option<Borrowed>, DatabaseError> {
        let (account, login) = (borrowed.linked.account_id.0, borrowed.linked.login_id.as_str());
        let row = sqlx::query_as!(
            BorrowedRow,
            r#"update vault.sessions s
                set in_use_until = clock_timestamp() + make_interval(secs => $4), listed_at = $5
              where account_id = $1 and login_id = $2 and in_use_until = $3
                and (listed_at is null or listed_at <= $5::timestamptz - make_interval(secs => $6))
                and not exists (select from vault.sessions o
                                 where o.account_id = $1 and o.login_id <> $2
                                   and o.in_use_until is distinct from 'infinity')
                and not exists (select from vault.attempts
                                 where account_id = $1
                                    or opened_at < clock_timestamp() - make_interval(secs => $7))
                and not exists (select from vault.retired_keys
                                 where account_id = $1
                                    or reason in ('login_ended', 'holder_frozen')
                                       and retired_at < clock_timestamp() - make_interval(secs => $8)
                                       and retired_at > clock_timestamp() - make_interval(secs => $9))
             returning account_id, login_id, sealed, key_id,
                       in_use_until as "in_use_until!: jiff_sqlx::Timestamp""#,
            account,
            login,
            borrowed.until.to_sqlx() as _,
            USE_TTL.as_secs_f64(),
            now.to_sqlx() as _,
            every.as_secs_f64(),
            LONGEST_ATTEMPT.as_secs_f64(),
            LONGEST_LOGOUT.as_secs_f64(),
            STUCK_AFTER.as_secs_f64()
        )
        .fetch_optional(self.db.pool())
        .await?;
        Ok(row.map(Borrowed::try_from).transpose()?)
    }

    /// The marks of the unowned sessions that this person was told of.
    ///
    /// # Errors
    /// The database failed.
    pub async fn told_unowned(&self, account: AccountId) -> Result<Vec<Vec<u8>>, DatabaseError> {
        Ok(sqlx::query_scalar!("select mark from vault.unowned_sessions where account_id = $1", account.0)
            .fetch_all(self.db.pool())
            .await?)
    }

    /// The person was told of this unowned session. Of somebody who was erased meanwhile nothing is kept.
    ///
    /// # Errors
    /// The database failed.
    pub async fn unowned_was_told(&self, account: AccountId, mark: &[u8; 32]) -> Result<(), DatabaseError> {
        sqlx::query!(
            "insert into vault.unowned_sessions (account_id, mark)
             select account_id, $2 from vault.subjects where account_id = $1 for key share
             on conflict do nothing",
            account.0,
            &mark[..]
        )
        .execute(self.db.pool())
        .await?;
        Ok(())
    }
}
