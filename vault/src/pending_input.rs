//! Input of the page that waits for the worker of its login: a phone number, a code, a password proof. Bodies are sealed, and
//! deleted when they are taken.

use domain::LoginId;

use crate::vault::{Vault, VaultError};
use eventlog::database::DatabaseError;
use eventlog::store::Fence;
use eventlog::wake::Topic;

/// The kind of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InputKind {
    /// Send a login code to this phone number.
    Phone,
    /// Log in with this code.
    Code,
    /// Log in with this SRP proof.
    Password,
}

impl InputKind {
    /// The stored spelling.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Phone => "phone",
            Self::Code => "code",
            Self::Password => "password",
        }
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        [Self::Phone, Self::Code, Self::Password].into_iter().find(|kind| kind.name() == text)
    }
}

/// An input that waits.
#[derive(Clone, Debug)]
pub struct PendingInput {
    /// What the worker is to do with it.
    pub kind: InputKind,
    /// The sealed text.
    pub body: Vec<u8>,
}

impl Vault {
    /// Stores an input for the worker of the attempt. False: the attempt is over, or not open yet.
    ///
    /// # Errors
    /// The database failed.
    pub async fn store_input(
        &self,
        login: &LoginId,
        attempt: u32,
        kind: InputKind,
        body: &[u8],
    ) -> Result<bool, DatabaseError> {
        let done = sqlx::query!(
            "insert into vault.requests (login_id, attempt, kind, body)
             select login_id, attempt, $3, $4 from vault.attempts
              where login_id = $1 and attempt = $2 and state = 'open' for key share",
            login.as_str(),
            i64::from(attempt),
            kind.name(),
            body
        )
        .execute(self.db.pool())
        .await?;
        self.db.wake().notify(Topic::UserInput);
        Ok(done.rows_affected() == 1)
    }

    /// The epochs of the attempts of `holder` for which input waits.
    ///
    /// # Errors
    /// The database failed.
    pub async fn attempts_with_input(&self, holder: &str) -> Result<Vec<i64>, DatabaseError> {
        let epochs = sqlx::query_scalar!(
            "select distinct a.epoch
               from vault.requests r join vault.attempts a using (login_id, attempt)
              where a.holder = $1",
            holder
        );
        Ok(epochs.fetch_all(self.db.pool()).await?)
    }

    /// Takes all input of this attempt, in order. Each input is returned once.
    ///
    /// # Errors
    /// [`VaultError::Fenced`]; the database failed.
    pub async fn take_inputs(&self, fence: &Fence) -> Result<Vec<PendingInput>, VaultError> {
        // The left join: an attempt of ours without input is one row, an attempt of another worker none.
        let rows = sqlx::query!(
            r#"with held as (
               select login_id, attempt from vault.attempts
                where login_id = $1 and attempt = $2 and epoch = $3 for share),
             taken as (
               delete from vault.requests r using held h
                where r.login_id = h.login_id and r.attempt = h.attempt
               returning r.id, r.kind, r.body)
             select t.kind as "kind?", t.body as "body?" from held left join taken t on true order by t.id"#,
            fence.login_id.as_str(),
            i64::from(fence.attempt),
            fence.epoch
        )
        .fetch_all(self.db.pool())
        .await?;
        if rows.is_empty() {
            return Err(VaultError::Fenced);
        }
        let inputs = rows
            .into_iter()
            .filter_map(|row| Some(PendingInput { kind: InputKind::parse(&row.kind?)?, body: row.body? }));
        Ok(inputs.collect())
    }
}
