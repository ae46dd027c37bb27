//! Sealing anew what another master key has sealed, a hundred rows at a time. A row is replaced only while it is still the
//! same, so what a worker writes meanwhile stays.

use domain::{AccountId, LoginId};
use eventlog::database::DatabaseError;

use crate::columns;
use crate::master::{MasterKey, key_id_of};
use crate::vault::Vault;

const BATCH_SIZE: i64 = 100;

/// What a session is sealed for: this account, and the login that made it.
pub fn session_bound_to(account: AccountId, login: &LoginId) -> Vec<u8> {
    format!("qr-login/session/1\n{account}\n{login}").into_bytes()
}

/// What one pass over the tables has done.
#[derive(Debug, Default)]
pub(crate) struct Pass {
    /// Rows sealed anew.
    pub resealed: u64,
    /// Rows that somebody changed or deleted meanwhile.
    pub changed: u64,
    /// The logins of the rows that no key opens.
    pub unopened: Vec<String>,
}

impl Pass {
    /// The same text under the key that seals; None where no key opens it.
    fn seal_anew(
        &mut self,
        master: &MasterKey,
        bound_to: &[u8],
        login: &str,
        sealed: &[u8],
    ) -> Option<(Vec<u8>, String)> {
        let Some(plain) = master.open(bound_to, sealed) else {
            self.unopened.push(login.to_owned());
            return None;
        };
        let anew = master.seal(bound_to, &plain);
        let key_id = key_id_of(&anew).expect("it was sealed a line above");
        Some((anew, key_id))
    }

    fn count(&mut self, rows: u64) {
        if rows == 0 { self.changed += 1 } else { self.resealed += rows }
    }
}

impl Vault {
    /// Seals anew what another key than the first one has sealed, in one pass over all tables.
    pub(crate) async fn reseal(&self, master: &MasterKey) -> Result<Pass, DatabaseError> {
        let mut pass = Pass::default();
        self.reseal_attempts(master, &mut pass).await?;
        self.reseal_sessions(master, &mut pass).await?;
        self.reseal_retired_keys(master, &mut pass).await?;
        Ok(pass)
    }

    async fn reseal_attempts(&self, master: &MasterKey, pass: &mut Pass) -> Result<(), DatabaseError> {
        let (mut after, mut attempt) = (String::new(), 0);
        loop {
            let rows = sqlx::query!(
                r#"select login_id, attempt, account_id, sealed_session as "sealed!" from vault.attempts
                    where key_id <> $1 and sealed_session is not null and (login_id, attempt) > ($2, $3)
                    order by login_id, attempt limit $4"#,
                master.id(),
                after,
                attempt,
                BATCH_SIZE
            )
            .fetch_all(self.db.pool())
            .await?;
            let Some(last) = rows.last() else { return Ok(()) };
            (after, attempt) = (last.login_id.clone(), last.attempt);
            for row in rows {
                let bound_to =
                    session_bound_to(AccountId(row.account_id), &columns::login_id(&row.login_id)?);
                let anew = pass.seal_anew(master, &bound_to, &row.login_id, &row.sealed);
                let Some((anew, key_id)) = anew else { continue };
                let done = sqlx::query!(
                    "update vault.attempts set sealed_session = $4, key_id = $5
                      where login_id = $1 and attempt = $2 and sealed_session = $3",
                    row.login_id,
                    row.attempt,
                    row.sealed,
                    anew,
                    key_id
                )
                .execute(self.db.pool())
                .await?;
                pass.count(done.rows_affected());
            }
        }
    }

    async fn reseal_sessions(&self, master: &MasterKey, pass: &mut Pass) -> Result<(), DatabaseError> {
        let mut after = 0;
        loop {
            let rows = sqlx::query!(
                "select linked_no, account_id, login_id, sealed from vault.sessions
                  where key_id <> $1 and linked_no > $2 order by linked_no limit $3",
                master.id(),
                after,
                BATCH_SIZE
            )
            .fetch_all(self.db.pool())
            .await?;
            let Some(last) = rows.last() else { return Ok(()) };
            after = last.linked_no;
            for row in rows {
                let bound_to =
                    session_bound_to(AccountId(row.account_id), &columns::login_id(&row.login_id)?);
                let anew = pass.seal_anew(master, &bound_to, &row.login_id, &row.sealed);
                let Some((anew, key_id)) = anew else { continue };
                let done = sqlx::query!(
                    "update vault.sessions set sealed = $4, key_id = $5
                      where account_id = $1 and login_id = $2 and sealed = $3",
                    row.account_id,
                    row.login_id,
                    row.sealed,
                    anew,
                    key_id
                )
                .execute(self.db.pool())
                .await?;
                pass.count(done.rows_affected());
            }
        }
    }

    async fn reseal_retired_keys(&self, master: &MasterKey, pass: &mut Pass) -> Result<(), DatabaseError> {
        let mut after = 0;
        loop {
            let rows = sqlx::query!(
                "select id, account_id, login_id, sealed from vault.retired_keys
                  where key_id <> $1 and id > $2 order by id limit $3",
                master.id(),
                after,
                BATCH_SIZE
            )
            .fetch_all(self.db.pool())
            .await?;
            let Some(last) = rows.last() else { return Ok(()) };
            after = last.id;
            for row in rows {
                let bound_to =
                    session_bound_to(AccountId(row.account_id), &columns::login_id(&row.login_id)?);
                let anew = pass.seal_anew(master, &bound_to, &row.login_id, &row.sealed);
                let Some((anew, key_id)) = anew else { continue };
                let done = sqlx::query!(
                    "update vault.retired_keys set sealed = $3, key_id = $4 where id = $1 and sealed = $2",
                    row.id,
                    row.sealed,
                    anew,
                    key_id
                )
                .execute(self.db.pool())
                .await?;
                pass.count(done.rows_affected());
            }
        }
    }
}
