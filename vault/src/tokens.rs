//! Live QR tokens: what the page draws. A login has one, for about half a minute. Their table is unlogged: a token reaches
//! no WAL and no backup.

use domain::LoginId;
use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use secrecy::SecretSlice;

use crate::columns;
use crate::vault::{Vault, VaultError, fenced_unless};
use eventlog::database::DatabaseError;
use eventlog::store::Fence;

/// A token that can be scanned now.
#[derive(Clone, Debug)]
pub struct LiveToken {
    /// Of which attempt.
    pub attempt: u32,
    /// Telegram's bytes; `tg://login?token=` takes them in base64url.
    pub token: SecretSlice<u8>,
    /// Until when Telegram takes it.
    pub expires_at: Timestamp,
}

impl Vault {
    /// The login's token from now on.
    ///
    /// # Errors
    /// [`VaultError::Fenced`]; the database failed.
    pub async fn put_token(
        &self,
        fence: &Fence,
        token: &[u8],
        expires_at: Timestamp,
    ) -> Result<(), VaultError> {
        let done = sqlx::query!(
            "insert into vault.qr_tokens (login_id, attempt, token, expires_at)
             select login_id, attempt, $4, $5 from vault.attempts
              where login_id = $1 and attempt = $2 and epoch = $3 for share
             on conflict (login_id) do update
                set attempt = excluded.attempt, token = excluded.token, expires_at = excluded.expires_at
              where qr_tokens.attempt <= excluded.attempt",
            fence.login_id.as_str(),
            i64::from(fence.attempt),
            fence.epoch,
            token,
            expires_at.to_sqlx() as _
        )
        .execute(self.db.pool())
        .await?;
        fenced_unless(done.rows_affected())
    }

    /// The login's token, which may have expired a moment ago: ask `expires_at`.
    ///
    /// # Errors
    /// The database failed.
    pub async fn token(&self, login: &LoginId) -> Result<Option<LiveToken>, DatabaseError> {
        let row = sqlx::query!(
            r#"select attempt, token, expires_at as "expires_at: jiff_sqlx::Timestamp"
               from vault.qr_tokens where login_id = $1"#,
            login.as_str()
        )
        .fetch_optional(self.db.pool())
        .await?;
        let live = row.map(|row| {
            Ok::<_, sqlx::Error>(LiveToken {
                attempt: columns::attempt(row.attempt)?,
                token: row.token.into(),
                expires_at: row.expires_at.to_jiff(),
            })
        });
        Ok(live.transpose()?)
    }

    /// Deletes the token of this attempt, which cannot be scanned any more. The token of another worker that has taken the
    /// attempt over stays, and that of a newer attempt: their workers may be quicker.
    ///
    /// # Errors
    /// The database failed.
    pub async fn drop_token(&self, fence: &Fence) -> Result<(), DatabaseError> {
        sqlx::query!(
            "delete from vault.qr_tokens t
              where login_id = $1
                and (attempt < $2
                     or attempt = $2
                        and exists (select from vault.attempts a
                                     where a.login_id = $1 and a.attempt = $2 and a.epoch = $3 for share))",
            fence.login_id.as_str(),
            i64::from(fence.attempt),
            fence.epoch
        )
        .execute(self.db.pool())
        .await?;
        Ok(())
    }
}
