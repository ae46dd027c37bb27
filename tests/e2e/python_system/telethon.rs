//! Telethon, as the Python system has it: it logs people in by QR code at the stand-in, and keeps its own files.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::Command;

use crate::python::environment;
use crate::world::World;

/// A version of Telethon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Telethon {
    /// 1.41: layout 7.
    Old,
    /// The newest one: layout 8.
    New,
}

impl Telethon {
    async fn python(self) -> Result<PathBuf> {
        let (name, requirements) = match self {
            Self::Old => ("telethon-1.41", "tests/e2e/requirements-1.41.txt"),
            Self::New => ("telethon", "tests/e2e/requirements.txt"),
        };
        Ok(environment(name, "telethon", requirements).await?.join("python"))
    }

    async fn command(self, world: &World, what: &str, file: &Path) -> Result<Command> {
        let script =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e/python_system/telethon_session.py");
        let mtproto = &world.telegram.mtproto;
        let (n, e) = mtproto.rsa_key();
        let mut command = Command::new(self.python().await?);
        command.arg(script).args([what]).arg(file).env("RSA_N", n).env("RSA_E", e).env("DC", "2");
        command.env("ADDRESS", mtproto.address(2).context("data centre 2")?.to_string());
        if self == Self::New {
            command.env("READS_USERS", "1");
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        Ok(command)
    }

    /// Logs a person in, whose phone accepts. The file is Telethon's own, and nobody has it open afterwards.
    pub async fn log_in(self, world: &World, person: i64, file: &Path) -> Result<()> {
        let mut running = self.command(world, "login", file).await?.stderr(Stdio::null()).spawn()?;
        let mut lines = BufReader::new(running.stdout.take().context("stdout")?).lines();
        let token = lines.next_line().await?.context("a login token")?;
        let token = URL_SAFE_NO_PAD.encode(hex::decode(&token).with_context(|| token.clone())?);
        world.phone(person).scan(&token).await?;
        running.stdin.take().context("stdin")?.write_all(b"accepted\n").await?;
        let said = lines.next_line().await?.unwrap_or_default();
        ensure!(said == "in", "{said}");
        running.wait().await?;
        Ok(())
    }

    /// What Telegram says to a session: `in`, or an error.
    pub async fn uses(self, world: &World, file: &Path) -> Result<String> {
        let mut command = self.command(world, "use", file).await?;
        let output = command.stderr(Stdio::piped()).output().await?;
        Ok(format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
            .trim()
            .to_owned())
    }
}
