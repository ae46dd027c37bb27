//! What the import of another system must remember: whom and which invites it has taken over, and which blocks end by themselves.
//! Each step may be repeated. The sessions that it has linked are in [`sessions`].

use std::collections::HashMap;

use domain::{AccountId, InviteId};
use eventlog::database::DatabaseError;
use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use uuid::Uuid;

use crate::crypto::random;
use crate::subjects::Subject;
use crate::vault::Vault;

pub(crate) mod sessions;

/// A person, as [`DerivedKeys::person_hmac`](super::DerivedKeys::person_hmac) knows them.
pub type PersonMark = [u8; 32];

/// How far the import of a person came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PersonImport {
    /// They have an account, and may lack events.
    Begun,
    /// They are here.
    Taken,
    /// They were taken over, and erased since.
    Erased,
}

/// Whose a code is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodeOwner {
    /// An invite that was made here.
    Here(InviteId),
    /// An invite of the import, which may lack events.
    Begun(InviteId),
    /// An invite of the import.
    Taken(InviteId),
}

impl Vault {
    /// The people with these Telegram ids, as far as they are known.
    ///
    /// # Errors
    /// The database failed.
    pub async fn subjects_of(&self, telegram_ids: &[i64]) -> Result<HashMap<i64, Subject>, DatabaseError> {
        let rows = sqlx::query!(
            r#"select account_id, telegram_id, person_key as "person_key: [u8; 32]"
                 from vault.subjects where telegram_id = any($1)"#,
            telegram_ids
        )
        .fetch_all(self.db.pool())
        .await?;
        let subjects = rows.into_iter().map(|row| {
            (row.telegram_id, Subject::new(AccountId(row.account_id), row.telegram_id, row.person_key))
        });
        Ok(subjects.collect())
    }

    /// The people with these Telegram ids. Those who are unknown are added.
    ///
    /// # Errors
    /// The database failed.
    pub async fn subjects_for(&self, telegram_ids: &[i64]) -> Result<HashMap<i64, Subject>, DatabaseError> {
        let accounts: Vec<Uuid> = telegram_ids.iter().map(|_| Uuid::new_v4()).collect();
        let keys: Vec<Vec<u8>> = telegram_ids.iter().map(|_| random::<32>().to_vec()).collect();
        sqlx::query!(
            "insert into vault.subjects (account_id, telegram_id, person_key)
             select * from unnest($1::uuid[], $2::bigint[], $3::bytea[]) on conflict do nothing",
            &accounts,
            telegram_ids,
            &keys
        )
        .execute(self.db.pool())
        .await?;
        self.subjects_of(telegram_ids).await
    }

    /// How far the import of these people came. Those whom it has not begun with are missing.
    ///
    /// # Errors
    /// The database failed.
    pub async fn imported_people(
        &self,
        people: &[PersonMark],
    ) -> Result<HashMap<PersonMark, PersonImport>, DatabaseError> {
        let marks: Vec<Vec<u8>> = people.iter().map(|mark| mark.to_vec()).collect();
        let rows = sqlx::query!(
            r#"select person as "person: [u8; 32]", account_id is null as "is_erased!", taken_at is not null as "is_taken!"
                 from vault.imported_people where person = any($1)"#,
            &marks
        )
        .fetch_all(self.db.pool())
        .await?;
        let how = |is_erased, is_taken| match (is_erased, is_taken) {
            (true, _) => PersonImport::Erased,
            (false, true) => PersonImport::Taken,
            (false, false) => PersonImport::Begun,
        };
        Ok(rows.into_iter().map(|row| (row.person, how(row.is_erased, row.is_taken))).collect())
    }

    /// The import begins with these people. Of a block with an end, the end is kept.
    ///
    /// # Errors
    /// The database failed: none of them is kept.
    pub async fn begin_to_import_people(
        &self,
        people: &[(PersonMark, AccountId)],
        blocks: &[(AccountId, Timestamp)],
    ) -> Result<(), DatabaseError> {
        let marks: Vec<Vec<u8>> = people.iter().map(|(mark, _)| mark.to_vec()).collect();
        let accounts: Vec<Uuid> = people.iter().map(|(_, account)| account.0).collect();
        let blocked: Vec<Uuid> = blocks.iter().map(|(account, _)| account.0).collect();
        let ends: Vec<_> = blocks.iter().map(|(_, until)| until.to_sqlx()).collect();
        let mut transaction = self.db.begin("begin").await?;
        sqlx::query!(
            "insert into vault.imported_people (person, account_id)
             select * from unnest($1::bytea[], $2::uuid[]) on conflict do nothing",
            &marks,
            &accounts
        )
        .execute(&mut *transaction)
        .await?;
        sqlx::query!(
            "insert into vault.timed_blocks (account_id, until)
             select * from unnest($1::uuid[], $2::timestamptz[])
             on conflict (account_id) do update set until = excluded.until",
            &blocked,
            &ends as _
        )
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(())
    }

    /// All events of these people are appended.
    ///
    /// # Errors
    /// The database failed.
    pub async fn people_were_imported(&self, people: &[PersonMark]) -> Result<(), DatabaseError> {
        let marks: Vec<Vec<u8>> = people.iter().map(|mark| mark.to_vec()).collect();
        sqlx::query!(
            "update vault.imported_people set taken_at = clock_timestamp()
              where person = any($1) and taken_at is null",
            &marks
        )
        .execute(self.db.pool())
        .await?;
        Ok(())
    }

    /// Whose these codes are. Those that nobody has are missing.
    ///
    /// # Errors
    /// The database failed.
    pub async fn code_owners(&self, codes: &[String]) -> Result<HashMap<String, CodeOwner>, DatabaseError> {
        let rows = sqlx::query!(
            r#"select code, invite_id, begun_at is not null as "is_imported!", taken_at is not null as "is_taken!"
                 from vault.invite_codes left join vault.imported_invites using (invite_id)
                where code = any($1)"#,
            codes
        )
        .fetch_all(self.db.pool())
        .await?;
        let owner = |id, is_imported, is_taken| match (is_imported, is_taken) {
            (false, _) => CodeOwner::Here(id),
            (true, false) => CodeOwner::Begun(id),
            (true, true) => CodeOwner::Taken(id),
        };
        let owners = rows
            .into_iter()
            .map(|row| (row.code, owner(InviteId(row.invite_id), row.is_imported, row.is_taken)));
        Ok(owners.collect())
    }

    /// The import begins with these invites: their codes are kept. One whose code somebody else took a moment ago is left out,
    /// and [`Self::code_owners`] says so.
    ///
    /// # Errors
    /// The database failed.
    pub async fn begin_to_import_invites(&self, invites: &[(InviteId, String)]) -> Result<(), DatabaseError> {
        let ids: Vec<Uuid> = invites.iter().map(|(invite, _)| invite.0).collect();
        let codes: Vec<String> = invites.iter().map(|(_, code)| code.clone()).collect();
        let mut transaction = self.db.begin("begin").await?;
        let kept = sqlx::query_scalar!(
            "insert into vault.invite_codes (invite_id, code)
             select * from unnest($1::uuid[], $2::text[]) on conflict do nothing
             returning invite_id",
            &ids,
            &codes
        )
        .fetch_all(&mut *transaction)
        .await?;
        sqlx::query!("insert into vault.imported_invites (invite_id) select unnest($1::uuid[])", &kept)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(())
    }

    /// All events of these invites are appended.
    ///
    /// # Errors
    /// The database failed.
    pub async fn invites_were_imported(&self, invites: &[InviteId]) -> Result<(), DatabaseError> {
        let ids: Vec<Uuid> = invites.iter().map(|invite| invite.0).collect();
        sqlx::query!(
            "update vault.imported_invites set taken_at = clock_timestamp()
              where invite_id = any($1) and taken_at is null",
            &ids
        )
        .execute(self.db.pool())
        .await?;
        Ok(())
    }

    /// People whose block was to end by now, at most so many.
    ///
    /// # Errors
    /// The database failed.
    pub async fn due_block_ends(&self, now: Timestamp, limit: i64) -> Result<Vec<AccountId>, DatabaseError> {
        let ids = sqlx::query_scalar!(
            "select account_id from vault.timed_blocks where until <= $1 order by until limit $2",
            now.to_sqlx() as _,
            limit
        )
        .fetch_all(self.db.pool())
        .await?;
        Ok(ids.into_iter().map(AccountId).collect())
    }

    /// The block of this person has ended, or does not end by itself any more.
    ///
    /// # Errors
    /// The database failed.
    pub async fn block_end_is_done(&self, account: AccountId) -> Result<(), DatabaseError> {
        sqlx::query!("delete from vault.timed_blocks where account_id = $1", account.0)
            .execute(self.db.pool())
            .await?;
        Ok(())
    }
}
