//! Since when a session is linked, and when it was last seen alive: what its person is told.

use domain::{AccountId, LoginId};
use eventlog::database::DatabaseError;
use jiff::Timestamp;
use jiff_sqlx::ToSqlx;

use super::Linked;
use crate::vault::Vault;

/// Since when a session is linked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// When it was linked, by the database's clock.
    pub linked_at: Timestamp,
    /// When Telegram last knew it; None: it was not asked since.
    pub alive_at: Option<Timestamp>,
}

impl Vault {
    /// When the session that this login linked was linked, and when Telegram last knew it; None: it is not linked.
    ///
    /// # Errors
    /// The database failed.
    pub async fn seen(&self, account: AccountId, login: &LoginId) -> Result<Option<Seen>, DatabaseError> {
        let row = sqlx::query!(
            r#"select linked_at as "linked_at: jiff_sqlx::Timestamp", alive_at as "alive_at: jiff_sqlx::Timestamp"
                 from vault.sessions where account_id = $1 and login_id = $2"#,
            account.0,
            login.as_str()
        )
        .fetch_optional(self.db.pool())
        .await?;
        Ok(row.map(|row| Seen {
            linked_at: row.linked_at.to_jiff(),
            alive_at: row.alive_at.map(jiff_sqlx::Timestamp::to_jiff),
        }))
    }

    /// Notes that Telegram knows this session.
    ///
    /// # Errors
    /// The database failed.
    pub async fn saw_alive(&self, linked: &Linked, at: Timestamp) -> Result<(), DatabaseError> {
        sqlx::query!(
            "update vault.sessions set alive_at = $3 where account_id = $1 and login_id = $2",
            linked.account_id.0,
            linked.login_id.as_str(),
            at.to_sqlx() as _
        )
        .execute(self.db.pool())
        .await?;
        Ok(())
    }

    /// Since when this person has a linked session that was not handed over, and when Telegram last listed it; None: there is
    /// none.
    ///
    /// # Errors
    /// The database failed.
    pub async fn linked_since(
        &self,
        account: AccountId,
    ) -> Result<Option<(Timestamp, Option<Timestamp>)>, DatabaseError> {
        let row = sqlx::query!(
            r#"select linked_at as "linked_at: jiff_sqlx::Timestamp",
                      alive_at as "alive_at: jiff_sqlx::Timestamp"
                 from vault.sessions
                where account_id = $1 and in_use_until is distinct from 'infinity'
                order by linked_no desc limit 1"#,
            account.0
        )
        .fetch_optional(self.db.pool())
        .await?;
        Ok(row.map(|row| (row.linked_at.to_jiff(), row.alive_at.map(jiff_sqlx::Timestamp::to_jiff))))
    }
}
