//! What a login that has ended may have left behind, and must not: in the vault, in the sessions' folder, at Telegram.

use anyhow::{Result, bail, ensure};
use eventlog::Topic;
use std::time::Duration;
use tokio::time::{Instant, sleep};

use crate::world::World;

/// How long something may take that nobody waits for.
const PATIENCE: Duration = Duration::from_secs(30);

/// Looks until something is so.
pub async fn eventually(what: &str, is_so: impl AsyncFn() -> Result<bool>) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while !is_so().await? {
        if Instant::now() > deadline {
            bail!("it never came to this: {what}");
        }
        sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

impl World {
    /// How many rows a table has.
    pub async fn rows(&self, table: &str) -> Result<i64> {
        Ok(sqlx::query_scalar(&format!("select count(*) from {table}")).fetch_one(self.db.pool()).await?)
    }

    /// Nothing of any login is there any more: no attempt, token or wish, no session and no file, no authorisation of
    /// these people at Telegram.
    pub async fn nothing_is_left(&self, people: &[i64]) -> Result<()> {
        eventually("no attempt in the vault", async || Ok(self.rows("vault.attempts").await? == 0)).await?;
        for table in ["vault.qr_tokens", "vault.requests", "vault.sessions"] {
            ensure!(self.rows(table).await? == 0, "something is left in {table}");
        }
        ensure!(self.session_files()?.is_empty(), "a session's file is left");
        let mtproto = &self.telegram.mtproto;
        eventually("no authorisation at Telegram", async || {
            let linked = people.iter().flat_map(|person| mtproto.sessions_of(*person)).count();
            Ok(linked == 0 && mtproto.hanging_acceptances() == 0)
        })
        .await
    }

    /// Keys that nobody was let in with are logged out once more when their last code is dead; makes that now.
    pub async fn retired_keys_go(&self) -> Result<()> {
        eventually("no retired key in the vault", async || {
            sqlx::query("update vault.retired_keys set not_before = clock_timestamp()")
                .execute(self.db.pool())
                .await?;
            self.db.wake().notify(Topic::Retired);
            Ok(self.rows("vault.retired_keys").await? == 0)
        })
        .await
    }

    /// The names of the sessions' files.
    pub fn session_files(&self) -> Result<Vec<String>> {
        let folder = match std::fs::read_dir(&self.config.sessions_dir) {
            Ok(folder) => folder,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error.into()),
        };
        folder.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
    }

    /// How the events of one kind of stream are called, in order.
    pub async fn story_of(&self, stream: &str) -> Result<Vec<String>> {
        let events = self.events().await?.into_iter().filter(|event| event.stream == stream);
        Ok(events.map(|event| event.name).collect())
    }
}
