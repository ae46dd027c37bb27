//! Who a person is: the link between the Telegram id and the account id, and the key that opens their personal data in the
//! events. Where this one row is deleted, the person is erased from the whole history.

use std::collections::HashMap;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::{AccountId, Sealed};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::crypto::{decrypt, encrypt, mac, random};
use crate::vault::Vault;
use eventlog::database::DatabaseError;

const NONCE: usize = 24;

/// A person's own key. The master key does not wrap it: the views hold names in clear text anyway, and `replay` works
/// without a master key.
#[derive(Clone)]
pub struct PersonKey(Zeroizing<[u8; 32]>);

/// A person.
#[derive(Clone, Debug)]
pub struct Subject {
    /// In the events.
    pub account_id: AccountId,
    /// At Telegram.
    pub telegram_id: i64,
    /// Seals and opens their personal data.
    pub key: PersonKey,
}

impl Subject {
    pub(crate) fn new(account_id: AccountId, telegram_id: i64, key: [u8; 32]) -> Self {
        Self { account_id, telegram_id, key: PersonKey::new(key) }
    }

    /// The same text is sealed the same way each time: a profile that did not change is no new event. The nonce is
    /// HMAC-SHA256(key, text), cut to 24 bytes; the result is base64url of nonce and ciphertext.
    pub fn seal(&self, text: &str) -> Sealed {
        let nonce: [u8; NONCE] =
            mac(&*self.key.0, &[text.as_bytes()])[..NONCE].try_into().expect("24 of 32 bytes");
        let ciphertext = encrypt(&self.key.0, nonce, self.account_id.0.as_bytes(), text.as_bytes());
        Sealed(URL_SAFE_NO_PAD.encode([&nonce[..], &ciphertext].concat()))
    }

    /// Opens it; None where this person's key did not seal it.
    pub fn open(&self, sealed: &Sealed) -> Option<String> {
        self.key.open(self.account_id, sealed)
    }
}

impl PersonKey {
    /// From its bytes.
    pub fn new(key: [u8; 32]) -> Self {
        Self(Zeroizing::new(key))
    }

    /// Opens it; None where this key did not seal it for this account.
    pub fn open(&self, account: AccountId, sealed: &Sealed) -> Option<String> {
        let bytes = URL_SAFE_NO_PAD.decode(&sealed.0).ok()?;
        let (nonce, ciphertext) = bytes.split_at_checked(NONCE)?;
        let plain = decrypt(&self.0, nonce.try_into().ok()?, account.0.as_bytes(), ciphertext)?;
        String::from_utf8(plain.to_vec()).ok()
    }
}

impl std::fmt::Debug for PersonKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PersonKey(…)")
    }
}

impl Vault {
    /// The person with this Telegram id, who is added where they are unknown.
    ///
    /// # Errors
    /// The database failed.
    pub async fn subject_for(&self, telegram_id: i64) -> Result<Subject, DatabaseError> {
        if let Some(subject) = self.subject_of(telegram_id).await? {
            return Ok(subject);
        }
        sqlx::query!(
            "insert into vault.subjects (account_id, telegram_id, person_key)
             values ($1, $2, $3) on conflict do nothing",
            Uuid::new_v4(),
            telegram_id,
            &random::<32>()
        )
        .execute(self.db.pool())
        .await?;
        // Not `returning`: of two first messages at once, both take the row that won.
        let row = sqlx::query_as!(
            Row,
            r#"select account_id, telegram_id, person_key as "person_key: [u8; 32]"
                 from vault.subjects where telegram_id = $1"#,
            telegram_id
        )
        .fetch_one(self.db.pool())
        .await?;
        Ok(row.into())
    }

    /// The person with this Telegram id, where known and not erased.
    ///
    /// # Errors
    /// The database failed.
    pub async fn subject_of(&self, telegram_id: i64) -> Result<Option<Subject>, DatabaseError> {
        let row = sqlx::query_as!(
            Row,
            r#"select account_id, telegram_id, person_key as "person_key: [u8; 32]"
                 from vault.subjects where telegram_id = $1"#,
            telegram_id
        )
        .fetch_optional(self.db.pool())
        .await?;
        Ok(row.map(Subject::from))
    }

    /// The person behind an account, where not erased.
    ///
    /// # Errors
    /// The database failed.
    pub async fn subject(&self, account: AccountId) -> Result<Option<Subject>, DatabaseError> {
        Ok(self.subjects(&[account]).await?.remove(&account))
    }

    /// The people behind accounts, without those who were erased.
    ///
    /// # Errors
    /// The database failed.
    pub async fn subjects(
        &self,
        accounts: &[AccountId],
    ) -> Result<HashMap<AccountId, Subject>, DatabaseError> {
        let ids: Vec<Uuid> = accounts.iter().map(|account| account.0).collect();
        let rows = sqlx::query_as!(
            Row,
            r#"select account_id, telegram_id, person_key as "person_key: [u8; 32]"
                 from vault.subjects where account_id = any($1)"#,
            &ids
        )
        .fetch_all(self.db.pool())
        .await?;
        Ok(rows.into_iter().map(|row| (AccountId(row.account_id), row.into())).collect())
    }

    /// The last step of an erasure: deletes the key and the link. Every view has deleted the person before.
    ///
    /// # Errors
    /// The database failed.
    pub async fn erase_subject(&self, account: AccountId) -> Result<(), DatabaseError> {
        let mut transaction = self.db.begin("begin").await?;
        sqlx::query!(
            "delete from vault.refused_updates r using vault.subjects s
              where s.account_id = $1 and position(convert_to(s.telegram_id::text, 'UTF8') in r.bytes) > 0",
            account.0
        )
        .execute(&mut *transaction)
        .await?;
        sqlx::query!(
            "delete from vault.orders o using vault.subjects s
              where s.account_id = $1 and o.chat = s.telegram_id",
            account.0
        )
        .execute(&mut *transaction)
        .await?;
        sqlx::query!("delete from vault.admin_sessions where account_id = $1", account.0)
            .execute(&mut *transaction)
            .await?;
        // The lock first: an answer that is about to be kept sees that the person is gone.
        sqlx::query!("select from vault.subjects where account_id = $1 for update", account.0)
            .execute(&mut *transaction)
            .await?;
        sqlx::query!("delete from vault.api_requests where account_id = $1", account.0)
            .execute(&mut *transaction)
            .await?;
        sqlx::query!("delete from vault.subjects where account_id = $1", account.0)
            .execute(&mut *transaction)
            .await?;
        // A slot that is not live may still hold the row of before the last rebuild.
        sqlx::query!("delete from slots.users_a where account_id = $1", account.0)
            .execute(&mut *transaction)
            .await?;
        sqlx::query!("delete from slots.users_b where account_id = $1", account.0)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(())
    }
}

/// A row of `vault.subjects`.
struct Row {
    account_id: Uuid,
    telegram_id: i64,
    person_key: [u8; 32],
}

impl From<Row> for Subject {
    fn from(row: Row) -> Self {
        Self::new(AccountId(row.account_id), row.telegram_id, row.person_key)
    }
}
