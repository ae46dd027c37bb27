//! What the page asks of the worker that runs a login: a phone number, a code, a password proof. Bodies are sealed, and
//! gone as soon as they are taken.

use domain::LoginId;

use crate::vault::{Vault, VaultError};
use eventlog::database::DatabaseError;
use eventlog::store::Fence;
use eventlog::wake::Topic;

/// What is asked.
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

    fn parse(text: &str) -> Option<Self> {
        [Self::Phone, Self::Code, Self::Password].into_iter().find(|kind| kind.name() == text)
    }
}

/// One request.
#[derive(Clone, Debug)]
pub struct PendingInput {
    /// What is asked.
    pub kind: InputKind,
    /// With what, sealed.
    pub body: Vec<u8>,
}

impl Vault {
    /// Ask it of whoever runs the attempt. False: the attempt is over, or not open yet.
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

    /// Which of the attempts of `holder` something is asked of: the epochs of their leases.
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

    /// Everything asked of this attempt so far, in order; each is answered once, to whoever holds the attempt.
    ///
    /// # Errors
    /// [`VaultError::Fenced`]; the database failed.
    pub async fn take_inputs(&self, fence: &Fence) -> Result<Vec<PendingInput>, VaultError> {
        // The left join tells an attempt without requests from one that is not ours.
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
