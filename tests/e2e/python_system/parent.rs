//! The database and the folder of the Python system.

use std::fs::{File, FileTimes};
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result, ensure};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use sqlx::{Connection, PgConnection};

use crate::export::qr_login;
use crate::world::World;

/// A Python system that was stopped.
pub struct PythonSystem {
    pub url: SecretString,
    pub sessions: tempfile::TempDir,
    database: PgConnection,
}

impl PythonSystem {
    /// An empty one.
    pub async fn new() -> Result<Self> {
        let url = eventlog::testing::url().await;
        let mut database = PgConnection::connect(url.expose_secret()).await?;
        // A fresh database of a test has our tables.
        sqlx::raw_sql("drop schema slots, vault, public cascade; create schema public")
            .execute(&mut database)
            .await?;
        sqlx::raw_sql(include_str!("tables.sql")).execute(&mut database).await?;
        Ok(Self { url, sessions: tempfile::tempdir()?, database })
    }

    pub async fn run(&mut self, sql: &str) -> Result<()> {
        sqlx::raw_sql(sql).execute(&mut self.database).await?;
        Ok(())
    }

    /// Everything in it, as text.
    pub async fn content(&mut self) -> Result<Vec<String>> {
        let sql = "select u::text from users u union all select i::text from invite_codes i
                   union all select h::text from subscription_history h order by 1";
        Ok(sqlx::query_scalar(sql).fetch_all(&mut self.database).await?)
    }

    pub fn file(&self, telegram_id: i64) -> PathBuf {
        self.sessions.path().join(format!("user_{telegram_id}.session"))
    }

    /// As if nobody had written the file for an hour.
    pub fn settle(&self, telegram_id: i64) -> Result<()> {
        settle(&self.file(telegram_id))
    }

    /// `qr-login import` from here, with more arguments. Gives the report.
    pub async fn import(&self, world: &World, more: &[&str]) -> Result<Value> {
        report(&self.try_import(world, more).await?)
    }

    pub async fn try_import(&self, world: &World, more: &[&str]) -> Result<(Output, PathBuf)> {
        let report = world.config.data.data_dir.join("report.json");
        let (folder, file) = (self.sessions.path().display().to_string(), report.display().to_string());
        let from = match more.contains(&"--undo") {
            true => Vec::new(),
            false => vec!["--from", self.url.expose_secret()],
        };
        let arguments = [&["import"][..], &from, &["--sessions", &folder, "--report", &file], more].concat();
        Ok((qr_login(world, &arguments).await?, report))
    }
}

/// So old that nobody writes it any more.
pub fn settle(path: &Path) -> Result<()> {
    let an_hour_ago = SystemTime::now() - Duration::from_secs(3_600);
    File::options().write(true).open(path)?.set_times(FileTimes::new().set_modified(an_hour_ago))?;
    Ok(())
}

fn report((output, report): &(Output, PathBuf)) -> Result<Value> {
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let shown = String::from_utf8_lossy(&output.stdout);
    ensure!(shown.contains("TAKEN") || shown.contains("RETURNED"), "{shown}");
    serde_json::from_slice(&std::fs::read(report)?).context("the report")
}
