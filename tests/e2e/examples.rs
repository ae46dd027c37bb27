//! The programs in `examples/`, run as a stranger would run them, against the real service.

mod follow;
pub mod gate;
mod session;

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::python::environment;

const REQUIREMENTS: &str = "examples/requirements.txt";

/// Where the programs of the examples' own environment are.
pub async fn programs() -> Result<PathBuf> {
    environment("examples", "fastapi", REQUIREMENTS).await
}

/// A Python program in `examples/`, in a folder of its own.
pub fn example(programs: &Path, file: &str, dir: &Path) -> Command {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(file);
    let mut command = Command::new(programs.join("python"));
    command.arg(script).current_dir(dir).env("PYTHONDONTWRITEBYTECODE", "1").kill_on_drop(true);
    command
}

/// What a query finds in a table that an example keeps, as a list of rows.
pub async fn rows(programs: &Path, table: &Path, query: &str) -> Result<Value> {
    let read = "import json, sqlite3, sys; print(json.dumps(sqlite3.connect(sys.argv[1]).execute(sys.argv[2]).fetchall()))";
    let read =
        Command::new(programs.join("python")).args(["-c", read]).arg(table).arg(query).output().await?;
    ensure!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
    Ok(serde_json::from_slice(&read.stdout)?)
}

/// A program that runs, with the lines that it has printed.
pub struct Running {
    child: Child,
    lines: watch::Receiver<Vec<String>>,
    reading: JoinHandle<()>,
}

impl Running {
    pub fn start(mut command: Command) -> Result<Self> {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let mut stdout = BufReader::new(child.stdout.take().context("a pipe")?).lines();
        let (sender, lines) = watch::channel(Vec::new());
        let reading = tokio::spawn(async move {
            while let Ok(Some(line)) = stdout.next_line().await {
                sender.send_modify(|lines| lines.push(line));
            }
        });
        Ok(Self { child, lines, reading })
    }

    /// Waits until it has printed this.
    pub async fn says(&mut self, words: &str) -> Result<()> {
        let said = self.lines.wait_for(|lines| lines.iter().any(|line| line.contains(words))).await;
        drop(said.ok().with_context(|| format!("it ended without saying {words:?}"))?);
        Ok(())
    }

    /// `kill -9`, and waits until it is gone.
    pub async fn kill(mut self) -> Result<()> {
        Ok(self.child.kill().await?)
    }

    /// Waits until it ends by itself: its exit code.
    pub async fn ends(mut self) -> Result<Option<i32>> {
        let status = self.child.wait().await?;
        self.reading.await?;
        Ok(status.code())
    }
}

#[tokio::test]
async fn each_example_is_short_and_explained() -> Result<()> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let readme = std::fs::read_to_string(dir.join("README.md"))?;
    let mut found = 0;
    for entry in std::fs::read_dir(&dir)? {
        let path = entry?.path();
        if path.extension().is_none_or(|it| it != "py") {
            continue;
        }
        let (name, text) = (
            path.file_name().context("a name")?.to_string_lossy().into_owned(),
            std::fs::read_to_string(&path)?,
        );
        ensure!(text.lines().count() < 150, "{name} is too long for an example");
        ensure!(
            text.starts_with("\"\"\"")
                && (text.contains("Run it:") || text.contains(&format!("python {name}"))),
            "{name} does not say how to run it"
        );
        ensure!(readme.contains(&format!("({name})")), "README.md does not name {name}");
        found += 1;
    }
    ensure!(found == 3, "{found} examples");
    Ok(())
}
