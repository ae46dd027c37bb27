//! Keys of other services: `qrl_<key id>_<secret>`.
//!
//! 1. The id carries a MAC: one that somebody made up is refused without a look into the database.
//! 2. The secret is 256 random bits. The database has its SHA-256 alone.
//! 3. Each request looks its key up by the id. A key that was revoked is refused by the next request, in every process.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::{ApiKeyId, Scope};
use eventlog::database::DatabaseError;
use jiff::{SignedDuration, Timestamp};
use jiff_sqlx::ToSqlx;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::crypto::{hex, random};
use crate::derived_keys::DerivedKeys;
use crate::vault::Vault;

const PREFIX: &str = "qrl_";
const SECRET_BYTES: usize = 32;
/// In base64url.
const SECRET_LENGTH: usize = 43;
/// How often the last use of a key is written at most.
pub const USE_IS_NOTED_EVERY: SignedDuration = SignedDuration::from_mins(1);

/// A key that was just made, or one that a request brought.
pub struct PresentedKey {
    /// Which one.
    pub key_id: ApiKeyId,
    secret: SecretString,
}

/// A key, without its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKey {
    /// The id in events.
    pub key_id: ApiKeyId,
    /// What people call it.
    pub name: String,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// The actor who made it.
    pub created_by: String,
    /// When.
    pub created_at: Timestamp,
    /// From when on it is refused; None: never.
    pub expires_at: Option<Timestamp>,
    /// Its last request, a minute late at most.
    pub last_used_at: Option<Timestamp>,
    /// Since when it is refused.
    pub revoked_at: Option<Timestamp>,
}

/// Why a key lets nobody in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyRefusal {
    /// There is no such key, or its secret is another one.
    Unknown,
    /// It was revoked.
    Revoked,
    /// Its time is over.
    Expired,
}

impl DerivedKeys {
    /// A new key.
    pub fn new_api_key(&self) -> PresentedKey {
        let number = random::<4>();
        let key_id = hex([number, self.api_key_mac(number)].as_flattened());
        let secret = Zeroizing::new(random::<SECRET_BYTES>());
        PresentedKey {
            key_id: key_id.parse().expect("16 hexadecimal digits"),
            secret: URL_SAFE_NO_PAD.encode(secret.as_slice()).into(),
        }
    }

    /// The key that a request brings; None: [`Self::new_api_key`] has not made its id, or it is no key.
    pub fn read_api_key(&self, text: &str) -> Option<PresentedKey> {
        let (key_id, secret) = text.strip_prefix(PREFIX)?.split_once('_')?;
        let key_id: ApiKeyId = key_id.parse().ok()?;
        let is_base64url = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        let is_secret = secret.len() == SECRET_LENGTH && secret.bytes().all(is_base64url);
        (is_secret && self.made_api_key(&key_id)).then(|| PresentedKey { key_id, secret: secret.into() })
    }
}

impl PresentedKey {
    /// The whole key, as its owner writes it into `Authorization: Bearer …`.
    pub fn whole(&self) -> SecretString {
        format!("{PREFIX}{}_{}", self.key_id, self.secret.expose_secret()).into()
    }

    fn secret_sha256(&self) -> [u8; 32] {
        Sha256::digest(self.secret.expose_secret().as_bytes()).into()
    }
}

impl ApiKey {
    /// Whether it may do this.
    pub fn may(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope)
    }

    /// Why it lets nobody in at this moment; None: it does.
    pub fn refusal(&self, now: Timestamp) -> Option<KeyRefusal> {
        if self.revoked_at.is_some() {
            return Some(KeyRefusal::Revoked);
        }
        self.expires_at.is_some_and(|end| now >= end).then_some(KeyRefusal::Expired)
    }
}

impl Vault {
    /// Keeps a new key. False: another key has its id.
    ///
    /// # Errors
    /// The database failed.
    pub async fn add_api_key(&self, presented: &PresentedKey, key: &ApiKey) -> Result<bool, DatabaseError> {
        let scopes: Vec<String> = key.scopes.iter().map(ToString::to_string).collect();
        let added = sqlx::query!(
            "insert into vault.api_keys (key_id, secret_sha256, name, scopes, created_by, created_at, expires_at)
             values ($1, $2, $3, $4, $5, $6, $7)
             on conflict (key_id) do nothing",
            presented.key_id.as_str(),
            &presented.secret_sha256()[..],
            key.name,
            &scopes,
            key.created_by,
            key.created_at.to_sqlx() as _,
            key.expires_at.map(ToSqlx::to_sqlx) as _,
        )
        .execute(self.db.pool())
        .await?;
        Ok(added.rows_affected() == 1)
    }

    /// The key that a request brought, where it lets somebody in.
    ///
    /// # Errors
    /// The database failed. The inner error: why it lets nobody in.
    pub async fn check_api_key(
        &self,
        presented: &PresentedKey,
        now: Timestamp,
    ) -> Result<Result<ApiKey, KeyRefusal>, DatabaseError> {
        let row = sqlx::query_as!(
            Row,
            r#"select key_id, secret_sha256, name, scopes, created_by,
                      created_at as "created_at: jiff_sqlx::Timestamp",
                      expires_at as "expires_at: jiff_sqlx::Timestamp",
                      last_used_at as "last_used_at: jiff_sqlx::Timestamp",
                      revoked_at as "revoked_at: jiff_sqlx::Timestamp"
                 from vault.api_keys where key_id = $1"#,
            presented.key_id.as_str(),
        )
        .fetch_optional(self.db.pool())
        .await?;
        let is_this = |row: &Row| bool::from(row.secret_sha256.ct_eq(&presented.secret_sha256()));
        let Some(row) = row.filter(is_this) else { return Ok(Err(KeyRefusal::Unknown)) };
        let key = ApiKey::try_from(row)?;
        Ok(match key.refusal(now) {
            None => Ok(key),
            Some(refusal) => Err(refusal),
        })
    }

    /// All keys, the newest first.
    ///
    /// # Errors
    /// The database failed.
    pub async fn api_keys(&self) -> Result<Vec<ApiKey>, DatabaseError> {
        let rows = sqlx::query_as!(
            Row,
            r#"select key_id, secret_sha256, name, scopes, created_by,
                      created_at as "created_at: jiff_sqlx::Timestamp",
                      expires_at as "expires_at: jiff_sqlx::Timestamp",
                      last_used_at as "last_used_at: jiff_sqlx::Timestamp",
                      revoked_at as "revoked_at: jiff_sqlx::Timestamp"
                 from vault.api_keys order by created_at desc, key_id"#
        )
        .fetch_all(self.db.pool())
        .await?;
        Ok(rows.into_iter().map(ApiKey::try_from).collect::<Result<_, _>>()?)
    }

    /// Refuses a key from now on, in every process. False: there is no such key.
    ///
    /// # Errors
    /// The database failed.
    pub async fn revoke_api_key(&self, key_id: &ApiKeyId, now: Timestamp) -> Result<bool, DatabaseError> {
        let revoked = sqlx::query!(
            "update vault.api_keys set revoked_at = coalesce(revoked_at, $2) where key_id = $1",
            key_id.as_str(),
            now.to_sqlx() as _,
        )
        .execute(self.db.pool())
        .await?;
        Ok(revoked.rows_affected() == 1)
    }

    /// Notes that a key was used, once a minute at most.
    ///
    /// # Errors
    /// The database failed.
    pub async fn note_api_key_use(&self, key_id: &ApiKeyId, now: Timestamp) -> Result<(), DatabaseError> {
        sqlx::query!(
            "update vault.api_keys set last_used_at = $2
              where key_id = $1 and (last_used_at is null or last_used_at <= $3)",
            key_id.as_str(),
            now.to_sqlx() as _,
            (now - USE_IS_NOTED_EVERY).to_sqlx() as _,
        )
        .execute(self.db.pool())
        .await?;
        Ok(())
    }
}

/// A row of `vault.api_keys`.
struct Row {
    key_id: String,
    secret_sha256: Vec<u8>,
    name: String,
    scopes: Vec<String>,
    created_by: String,
    created_at: jiff_sqlx::Timestamp,
    expires_at: Option<jiff_sqlx::Timestamp>,
    last_used_at: Option<jiff_sqlx::Timestamp>,
    revoked_at: Option<jiff_sqlx::Timestamp>,
}

impl TryFrom<Row> for ApiKey {
    type Error = sqlx::Error;

    fn try_from(row: Row) -> Result<Self, sqlx::Error> {
        let jiff = jiff_sqlx::Timestamp::to_jiff;
        Ok(Self {
            key_id: row.key_id.parse().map_err(|error| sqlx::Error::Decode(Box::new(error)))?,
            name: row.name,
            // A scope of a newer version than this program opens nothing here.
            scopes: row.scopes.iter().filter_map(|scope| scope.parse().ok()).collect(),
            created_by: row.created_by,
            created_at: row.created_at.to_jiff(),
            expires_at: row.expires_at.map(jiff),
            last_used_at: row.last_used_at.map(jiff),
            revoked_at: row.revoked_at.map(jiff),
        })
    }
}

impl fmt::Debug for PresentedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PresentedKey").field("key_id", &self.key_id).finish_non_exhaustive()
    }
}
