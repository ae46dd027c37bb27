//! What a login that has ended must not leave behind: rows in the vault, session files, authorisations at Telegram.

use anyhow::{Result, ensure};
use eventlog::Topic;

use crate::wait::eventually;
use crate::world::World;

impl World {
    pub async fn count_rows(&self, table: &str) -> Result<i64> {
        Ok(sqlx::query_scalar(&format!("select count(*) from {table}")).fetch_one(self.db.pool()).await?)
    }

    /// Fails if a login has left an attempt, a token, a request, a session, a session file, or an authorisation of these
    /// people at Telegram.
    pub async fn expect_no_leftovers(&self, people: &[i64]) -> Result<()> {
        eventually("no attempt in the vault", async || Ok(self.count_rows("vault.attempts").await? == 0))
            .await?;
        for table in ["vault.qr_tokens", "vault.requests", "vault.sessions"] {
            ensure!(self.count_rows(table).await? == 0, "rows are left in {table}");
        }
        ensure!(self.session_files()?.is_empty(), "a session file is left");
        let mtproto = &self.telegram.mtproto;
        eventually("no authorisation at Telegram", async || {
            let linked = people.iter().flat_map(|person| mtproto.sessions_of(*person)).count();
            Ok(linked == 0 && mtproto.hanging_acceptances() == 0)
        })
        .await
    }

    /// Waits until the vault holds no data of a running login.
    pub async fn wait_until_no_login_data(&self) -> Result<()> {
        eventually("no data of a running login in the vault", async || {
            let rows: i64 = sqlx::query_scalar(
                "select (select count(*) from vault.attempts) + (select count(*) from vault.requests)
                      + (select count(*) from vault.challenges) + (select count(*) from vault.qr_tokens)",
            )
            .fetch_one(self.db.pool())
            .await?;
            Ok(rows == 0)
        })
        .await
    }

    /// Makes all retired keys due for their last logout, which otherwise waits until their last QR code has expired, and waits
    /// until they are gone.
    pub async fn log_out_retired_keys(&self) -> Result<()> {
        eventually("no retired key in the vault", async || {
            sqlx::query("update vault.retired_keys set not_before = clock_timestamp()")
                .execute(self.db.pool())
                .await?;
            self.db.wake().notify(Topic::Retired);
            Ok(self.count_rows("vault.retired_keys").await? == 0)
        })
        .await
    }

    /// The names of the session files.
    pub fn session_files(&self) -> Result<Vec<String>> {
        let folder = match std::fs::read_dir(&self.config.sessions_dir) {
            Ok(folder) => folder,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error.into()),
        };
        folder.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
    }
}
