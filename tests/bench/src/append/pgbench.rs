//! pgbench, which inserts the rows of one login after the other, as prepared statements, each a transaction of its own: what
//! PostgreSQL gives where nobody reads a stream or decides anything.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use domain::AccountId;
use eventlog::clock::Clock;
use secrecy::{ExposeSecret, SecretString};
use sqlx::PgPool;
use tempfile::NamedTempFile;
use tokio::process::Command;

use crate::logins::{BARE_TABLE, Bare, Orders, new_login, orders_of};

/// The table of the rows: of the same shape as bare postgres-es's.
pub const TABLE: &str = "pgbench_events";

/// A script of inserts and whom to send them to.
pub struct Pgbench {
    program: PathBuf,
    script: NamedTempFile,
    statements: usize,
    url: SecretString,
}

impl Pgbench {
    /// With the rows that one login led to in the bare table.
    pub async fn prepare(bare: &Bare, pool: &PgPool, url: &SecretString, about: AccountId) -> Result<Self> {
        let id = new_login();
        for order in orders_of(about, Clock::system().now()) {
            bare.give(&id, order, about).await?;
        }
        let rows: Vec<(i64, String, String, String, String)> = sqlx::query_as(&format!(
            "select sequence, event_type, event_version, payload::text, metadata::text
               from {BARE_TABLE} where aggregate_id = $1 order by sequence"
        ))
        .bind(id.as_str())
        .fetch_all(pool)
        .await?;
        let script = NamedTempFile::new()?;
        std::fs::write(script.path(), text_of(&rows))?;
        Ok(Self { program: program()?, script, statements: rows.len(), url: url.clone() })
    }

    /// Rows a second by so many connections.
    pub async fn rate(&self, writers: usize, warm: Duration, counted: Duration) -> Result<f64> {
        self.run(writers, warm).await?;
        self.run(writers, counted).await
    }

    async fn run(&self, writers: usize, length: Duration) -> Result<f64> {
        let output = Command::new(&self.program)
            .args(["--no-vacuum", "--protocol=prepared", "--jobs=2"])
            .arg(format!("--client={writers}"))
            .arg(format!("--time={}", length.as_secs().max(1)))
            .arg("--file")
            .arg(self.script.path())
            .arg(self.url.expose_secret())
            .stdin(Stdio::null())
            .output()
            .await
            .with_context(|| self.program.display().to_string())?;
        let told = String::from_utf8_lossy(&output.stdout);
        let logins =
            told.lines().find_map(|line| line.strip_prefix("tps = ")?.split(' ').next()?.parse().ok());
        match logins {
            Some(logins) if output.status.success() => Ok(f64::max(logins, 0.0) * self.statements as f64),
            _ => bail!("pgbench: {}", String::from_utf8_lossy(&output.stderr).trim()),
        }
    }
}

/// One insert a row, with the id drawn anew for each login.
fn text_of(rows: &[(i64, String, String, String, String)]) -> String {
    let mut text = "\\set id random(1, 9000000000000000000)\n".to_owned();
    for (sequence, name, version, payload, metadata) in rows {
        // A colon before a letter would name a variable of pgbench's.
        let (payload, metadata) = (payload.replace("\":", "\": "), metadata.replace("\":", "\": "));
        text += &format!(
            "insert into {TABLE} (aggregate_type, aggregate_id, sequence, event_type, event_version, payload, metadata) \
             values ('login', lpad(:id, 32, '0'), {sequence}, '{name}', '{version}', '{payload}', '{metadata}');\n"
        );
    }
    text
}

/// Debian keeps it beside the server, out of the path.
fn program() -> Result<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let beside_servers = versions.map(|version| version.path().join("bin"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    beside_servers
        .chain(std::env::split_paths(&path))
        .map(|directory| directory.join("pgbench"))
        .find(|program| program.is_file())
        .context("pgbench is not installed: it comes with Debian's postgresql or postgresql-contrib")
}
