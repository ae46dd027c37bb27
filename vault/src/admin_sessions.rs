//! Sessions of admins and auditors on the admins' app. The token is 256 random bits and a MAC, by which one that somebody made up
//! is refused without a look into the database. The database has its SHA-256 alone.
//!
//! Whether the person still has the role is not asked here: the log says so, at each request.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::{AccountId, Role};
use eventlog::database::DatabaseError;
use jiff::{SignedDuration, Timestamp};
use jiff_sqlx::ToSqlx;
use secrecy::SecretString;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::crypto::random;
use crate::derived_keys::DerivedKeys;
use crate::vault::Vault;

/// How long one lasts.
const LASTS: SignedDuration = SignedDuration::from_hours(1);
/// How long the row of one that is over stays, so that its launch is not exchanged once more.
const KEEP: SignedDuration = SignedDuration::from_hours(1);
const TOKEN: usize = 32;

/// SHA-256 of a token.
pub type TokenHash = [u8; 32];

/// A token that was made.
#[derive(Debug)]
pub struct AdminToken {
    /// What the page sends along: 51 characters of base64url.
    pub token: SecretString,
    hash: TokenHash,
}

/// A session that is to begin.
#[derive(Clone, Copy, Debug)]
pub struct NewAdminSession<'a> {
    /// The person.
    pub account_id: AccountId,
    /// Their role now.
    pub role: Role,
    /// The language of their Telegram.
    pub language: &'a str,
    /// SHA-256 of the signed launch data.
    pub launch: [u8; 32],
}

/// A session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdminSession {
    /// The person.
    pub account_id: AccountId,
    /// Their role when it began.
    pub role: Role,
    /// The language of their Telegram.
    pub language: String,
    /// When it is over.
    pub expires_at: Timestamp,
    /// It was ended before.
    pub is_revoked: bool,
}

impl DerivedKeys {
    /// A new token.
    pub fn admin_token(&self) -> AdminToken {
        let secret = Zeroizing::new(random::<TOKEN>());
        let token = Zeroizing::new([&secret[..], &self.admin_token_mac(&secret)].concat());
        AdminToken { token: URL_SAFE_NO_PAD.encode(&*token).into(), hash: Sha256::digest(&*token).into() }
    }

    /// The hash of a token; None: [`Self::admin_token`] has not made it.
    pub fn admin_token_hash(&self, token: &str) -> Option<TokenHash> {
        let mut bytes = Zeroizing::new([0; 64]);
        let length = URL_SAFE_NO_PAD.decode_slice(token, &mut *bytes).ok()?;
        let token = &bytes[..length];
        let (secret, tag) = token.split_first_chunk::<TOKEN>()?;
        self.made_admin_token(secret, tag).then(|| Sha256::digest(token).into())
    }
}

impl Vault {
    /// Begins a session, which lasts an hour, and returns its end; None: this launch has been exchanged before.
    ///
    /// # Errors
    /// The database failed.
    pub async fn begin_admin_session(
        &self,
        token: &AdminToken,
        new: NewAdminSession<'_>,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, DatabaseError> {
        let expires_at = now + LASTS;
        let begun = sqlx::query!(
            "insert into vault.admin_sessions
               (token_sha256, account_id, role, language, launch_sha256, created_at, expires_at)
             values ($1, $2, $3, $4, $5, $6, $7)
             on conflict (launch_sha256) do nothing",
            &token.hash[..],
            new.account_id.0,
            new.role.name(),
            new.language,
            &new.launch[..],
            now.to_sqlx() as _,
            expires_at.to_sqlx() as _,
        )
        .execute(self.db.pool())
        .await?;
        Ok((begun.rows_affected() == 1).then_some(expires_at))
    }

    /// The session of this token, also one that is over.
    ///
    /// # Errors
    /// The database failed.
    pub async fn admin_session(&self, token: &TokenHash) -> Result<Option<AdminSession>, DatabaseError> {
        let row = sqlx::query!(
            r#"select account_id, role, language, expires_at as "expires_at: jiff_sqlx::Timestamp",
                      revoked_at is not null as "is_revoked!"
                 from vault.admin_sessions where token_sha256 = $1"#,
            &token[..],
        )
        .fetch_optional(self.db.pool())
        .await?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some(AdminSession {
            account_id: AccountId(row.account_id),
            role: row.role.parse().map_err(|error| sqlx::Error::Decode(Box::new(error)))?,
            language: row.language,
            expires_at: row.expires_at.to_jiff(),
            is_revoked: row.is_revoked,
        }))
    }

    /// Ends one session.
    ///
    /// # Errors
    /// The database failed.
    pub async fn end_admin_session(&self, token: &TokenHash, now: Timestamp) -> Result<(), DatabaseError> {
        sqlx::query!(
            "update vault.admin_sessions set revoked_at = $2 where token_sha256 = $1 and revoked_at is null",
            &token[..],
            now.to_sqlx() as _,
        )
        .execute(self.db.pool())
        .await?;
        Ok(())
    }

    /// Ends all sessions of a person.
    ///
    /// # Errors
    /// The database failed.
    pub async fn end_admin_sessions_of(
        &self,
        account: AccountId,
        now: Timestamp,
    ) -> Result<(), DatabaseError> {
        sqlx::query!(
            "update vault.admin_sessions set revoked_at = $2 where account_id = $1 and revoked_at is null",
            account.0,
            now.to_sqlx() as _,
        )
        .execute(self.db.pool())
        .await?;
        Ok(())
    }

    /// Deletes sessions that have been over for so long that their launch data is too old, too.
    ///
    /// # Errors
    /// The database failed.
    pub async fn prune_admin_sessions(&self, now: Timestamp) -> Result<u64, DatabaseError> {
        let dropped = sqlx::query!(
            "delete from vault.admin_sessions where expires_at < $1",
            (now - KEEP).to_sqlx() as _,
        )
        .execute(self.db.pool())
        .await?;
        Ok(dropped.rows_affected())
    }
}
