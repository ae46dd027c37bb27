//! Sessions that the import has linked, and that go back to the other system as long as nobody has used them here.

use std::collections::{HashMap, HashSet};

use domain::{AccountId, LoginId};
use eventlog::database::DatabaseError;
use jiff::Timestamp;
use uuid::Uuid;

use crate::columns;
use crate::sessions::{Borrowed, Linked};
use crate::vault::Vault;

/// A session that the import has linked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportedSession {
    /// Whose it is.
    pub account_id: AccountId,
    /// Their Telegram id.
    pub telegram_id: i64,
    /// Stands for the login that linked it.
    pub login_id: LoginId,
    /// What became of it.
    pub state: ImportedState,
}

/// What became of a session that the import has linked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImportedState {
    /// Nobody has used it here.
    Unused {
        /// The session, sealed.
        linked: Linked,
    },
    /// Somebody here has used it.
    Used {
        /// Since when.
        since: Timestamp,
    },
    /// It was ended here.
    Ended,
    /// It went back, and no event says so yet.
    Returned,
}

impl Vault {
    /// Which of these people have a session here, of whatever origin.
    ///
    /// # Errors
    /// The database failed.
    pub async fn with_sessions(&self, accounts: &[AccountId]) -> Result<HashSet<AccountId>, DatabaseError> {
        let ids: Vec<Uuid> = accounts.iter().map(|account| account.0).collect();
        let found = sqlx::query_scalar!(
            r#"select distinct account_id as "account_id!" from vault.sessions where account_id = any($1)"#,
            &ids
        )
        .fetch_all(self.db.pool())
        .await?;
        Ok(found.into_iter().map(AccountId).collect())
    }

    /// The sessions of these people that were not handed over.
    ///
    /// # Errors
    /// The database failed.
    pub async fn linked_sessions_of(&self, accounts: &[AccountId]) -> Result<Vec<Linked>, DatabaseError> {
        let ids: Vec<Uuid> = accounts.iter().map(|account| account.0).collect();
        let rows = sqlx::query!(
            "select account_id, login_id, sealed, key_id from vault.sessions
              where account_id = any($1) and in_use_until is distinct from 'infinity'",
            &ids
        )
        .fetch_all(self.db.pool())
        .await?;
        let sessions = rows.into_iter().map(|row| {
            let (account_id, login_id) = (AccountId(row.account_id), columns::login_id(&row.login_id)?);
            Ok(Linked { account_id, login_id, sealed: row.sealed, key_id: row.key_id })
        });
        Ok(sessions.collect::<Result<_, sqlx::Error>>()?)
    }

    /// Of these people, those whose session was imported and not returned, with the id that stands for its login, and whether an
    /// event says so.
    ///
    /// # Errors
    /// The database failed.
    pub async fn imported_sessions_of(
        &self,
        accounts: &[AccountId],
    ) -> Result<HashMap<AccountId, (LoginId, bool)>, DatabaseError> {
        let ids: Vec<Uuid> = accounts.iter().map(|account| account.0).collect();
        let rows = sqlx::query!(
            r#"select account_id, login_id, recorded_at is not null as "is_recorded!"
                 from vault.imported_sessions where account_id = any($1) and returned_at is null"#,
            &ids
        )
        .fetch_all(self.db.pool())
        .await?;
        let sessions = rows
            .into_iter()
            .map(|row| Ok((AccountId(row.account_id), (columns::login_id(&row.login_id)?, row.is_recorded))));
        Ok(sessions.collect::<Result<_, sqlx::Error>>()?)
    }

    /// Links these sessions, but not where an import has done so before.
    ///
    /// # Errors
    /// The database failed: none of them is linked.
    pub async fn link_imported(&self, sessions: &[Linked]) -> Result<(), DatabaseError> {
        let accounts: Vec<Uuid> = sessions.iter().map(|linked| linked.account_id.0).collect();
        let logins: Vec<String> = sessions.iter().map(|linked| linked.login_id.to_string()).collect();
        let sealed: Vec<Vec<u8>> = sessions.iter().map(|linked| linked.sealed.clone()).collect();
        let keys: Vec<String> = sessions.iter().map(|linked| linked.key_id.clone()).collect();
        sqlx::query!(
            "with new as (
             insert into vault.imported_sessions (account_id, login_id)
             select * from unnest($1::uuid[], $2::text[]) on conflict do nothing
             returning account_id, login_id)
             insert into vault.sessions (account_id, login_id, sealed, key_id)
             select account_id, login_id, sealed, key_id
               from unnest($1::uuid[], $2::text[], $3::bytea[], $4::text[]) as s (account_id, login_id, sealed, key_id)
               join new using (account_id, login_id)",
            &accounts,
            &logins,
            &sealed,
            &keys
        )
        .execute(self.db.pool())
        .await?;
        Ok(())
    }

    /// An event says how these sessions stand.
    ///
    /// # Errors
    /// The database failed.
    pub async fn imported_sessions_were_recorded(&self, logins: &[LoginId]) -> Result<(), DatabaseError> {
        let logins: Vec<String> = logins.iter().map(ToString::to_string).collect();
        sqlx::query!(
            "update vault.imported_sessions set recorded_at = clock_timestamp()
              where login_id = any($1) and recorded_at is null",
            &logins
        )
        .execute(self.db.pool())
        .await?;
        Ok(())
    }

    /// All that the import has linked, but for those that went back and are recorded so.
    ///
    /// # Errors
    /// The database failed.
    pub async fn imported_sessions(&self) -> Result<Vec<ImportedSession>, DatabaseError> {
        let rows = sqlx::query!(
            r#"select i.account_id, telegram_id, i.login_id,
                      used_at as "used_at: jiff_sqlx::Timestamp",
                      returned_at is not null as "is_returned!",
                      sealed as "sealed?", key_id as "key_id?"
                 from vault.imported_sessions i
                 join vault.subjects using (account_id)
                 left join vault.sessions s on s.account_id = i.account_id and s.login_id = i.login_id
                where returned_at is null or recorded_at is null
                order by telegram_id"#
        )
        .fetch_all(self.db.pool())
        .await?;
        let sessions = rows.into_iter().map(|row| {
            let (account_id, login_id) = (AccountId(row.account_id), columns::login_id(&row.login_id)?);
            let state = match (row.is_returned, row.used_at, row.sealed.zip(row.key_id)) {
                (true, ..) => ImportedState::Returned,
                (false, _, None) => ImportedState::Ended,
                (false, Some(since), Some(_)) => ImportedState::Used { since: since.to_jiff() },
                (false, None, Some((sealed, key_id))) => {
                    let login_id = login_id.clone();
                    ImportedState::Unused { linked: Linked { account_id, login_id, sealed, key_id } }
                }
            };
            Ok(ImportedSession { account_id, telegram_id: row.telegram_id, login_id, state })
        });
        Ok(sessions.collect::<Result<_, sqlx::Error>>()?)
    }

    /// Forgets an imported session that goes back. False: somebody has used it here, or ended it, and it stays as it is.
    ///
    /// # Errors
    /// The database failed.
    pub async fn give_back(&self, account: AccountId, login: &LoginId) -> Result<bool, DatabaseError> {
        let mut transaction = self.db.begin("begin").await?;
        // Who borrows it now waits for this, and who has borrowed it is seen by the next statement.
        sqlx::query!(
            "select from vault.sessions where account_id = $1 and login_id = $2 for update",
            account.0,
            login.as_str()
        )
        .fetch_optional(&mut *transaction)
        .await?;
        let gone = sqlx::query!(
            "delete from vault.sessions s using vault.imported_sessions i
              where s.account_id = $1 and s.login_id = $2 and i.login_id = $2
                and i.used_at is null and i.returned_at is null",
            account.0,
            login.as_str()
        )
        .execute(&mut *transaction)
        .await?;
        if gone.rows_affected() == 0 {
            return Ok(false);
        }
        sqlx::query!(
            "update vault.imported_sessions set returned_at = clock_timestamp(), recorded_at = null where login_id = $1",
            login.as_str()
        )
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// Puts what is known of a session since it was sealed in its place. False: somebody else has borrowed it since.
    ///
    /// # Errors
    /// The database failed.
    pub async fn seal_anew(&self, borrowed: &Borrowed, new: &Linked) -> Result<bool, DatabaseError> {
        let sealed = sqlx::query!(
            "update vault.sessions set sealed = $4, key_id = $5
              where account_id = $1 and login_id = $2 and in_use_until = $3",
            new.account_id.0,
            new.login_id.as_str(),
            borrowed.until_as_stored() as _,
            &new.sealed,
            &new.key_id
        )
        .execute(self.db.pool())
        .await?;
        Ok(sealed.rows_affected() == 1)
    }
}
