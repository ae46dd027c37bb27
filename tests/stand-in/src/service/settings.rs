//! The settings of the service: its environment, its ports, its binaries.

use std::ffi::OsString;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, bail};
use tokio::process::Command;

use crate::telegram::Telegram;

/// What a page can show of a log.
const LINES_KEPT: usize = 500;
/// Below the ports that Linux gives out by itself.
const PORTS: Range<u16> = 10_000..32_000;

/// How the service is to run.
#[derive(Clone)]
pub struct Settings {
    /// `qr-login`; `replay` is looked for beside it.
    pub binary: PathBuf,
    /// Where its HTTP will be.
    pub listen: SocketAddr,
    /// Where its `/healthz` will be.
    pub ops: SocketAddr,
    /// How many lines of its log are kept.
    pub lines_kept: usize,
    env: Vec<(String, OsString)>,
}

impl Settings {
    /// Everything that the service needs to run against this Telegram, on free loopback ports. The data directory is
    /// made where it is missing; the network file is written into it. `origin` is where a browser reaches the Mini App,
    /// and the page around it; without one that is the service itself.
    ///
    /// # Errors
    /// Where the binaries have not been built, or the directory cannot be written.
    pub fn new(telegram: &Telegram, data_dir: &Path, origin: Option<&str>) -> Result<Self> {
        Self::of_binary(binary("QR_LOGIN_BIN", "qr-login")?, telegram, data_dir, origin)
    }

    pub(crate) fn of_binary(
        binary: PathBuf,
        telegram: &Telegram,
        data_dir: &Path,
        origin: Option<&str>,
    ) -> Result<Self> {
        make_private_dir(data_dir)?;
        let data_dir = data_dir.canonicalize()?;
        let network_file = telegram.write_network_file(&data_dir, origin)?;
        let (listen, ops) = free_ports()?;
        let settings = Self { binary, listen, ops, lines_kept: LINES_KEPT, env: Vec::new() };
        Ok(settings
            .with("TELEGRAM_NETWORK_FILE", network_file)
            .with("BOT_API_URL", telegram.bot_api.url())
            .with("BOT_TOKEN", telegram.bot_api.token())
            .with("TELEGRAM_API_ID", "12345")
            .with("TELEGRAM_API_HASH", "0123456789abcdef0123456789abcdef")
            .with("DATA_DIR", data_dir)
            .with("AUTH_BASE_URL", origin.map_or_else(|| format!("http://{listen}"), str::to_owned))
            .with("LISTEN_ADDR", listen.to_string())
            .with("OPS_LISTEN_ADDR", ops.to_string())
            .with("NO_COLOR", "1"))
    }

    /// The same with one more environment variable; a later value replaces an earlier one.
    pub fn with(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.env.retain(|(known, _)| known != name);
        self.env.push((name.to_owned(), value.into()));
        self
    }

    /// The same for one more process on the same data: it listens elsewhere.
    ///
    /// # Errors
    /// Where no port is free.
    pub fn beside(&self) -> Result<Self> {
        let (listen, ops) = free_ports()?;
        let other = Self { listen, ops, ..self.clone() };
        Ok(other.with("LISTEN_ADDR", listen.to_string()).with("OPS_LISTEN_ADDR", ops.to_string()))
    }

    /// `replay`, beside the service's own binary.
    pub(super) fn replay(&self) -> Result<PathBuf> {
        let beside = self.binary.with_file_name("replay");
        if beside.is_file() { Ok(beside) } else { binary("REPLAY_BIN", "replay") }
    }

    /// `made-up`, beside the service's own binary.
    pub(super) fn made_up(&self) -> Result<PathBuf> {
        let beside = self.binary.with_file_name("made-up");
        if beside.is_file() { Ok(beside) } else { binary("MADE_UP_BIN", "made-up") }
    }

    /// Its data directory.
    pub(super) fn data_dir(&self) -> Option<&Path> {
        self.env.iter().find(|(name, _)| name == "DATA_DIR").map(|(_, path)| Path::new(path))
    }

    /// A command with this environment and nothing else of ours but what programs need to run at all. It starts in `/`,
    /// so that no `.env` of the place where the sandbox was started reaches it.
    pub(super) fn command(&self, binary: &Path) -> Command {
        let mut command = Command::new(binary);
        command.env_clear().current_dir("/").kill_on_drop(true).stdin(Stdio::null());
        for name in ["PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TZ", "RUST_LOG", "RUST_BACKTRACE"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        // An error is told by its words: a backtrace would push them out of the last lines that are kept.
        command.env("RUST_LIB_BACKTRACE", "0");
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        command
    }
}

/// A binary of this workspace: named by a variable, or built beside the one that runs.
fn binary(variable: &str, name: &str) -> Result<PathBuf> {
    if let Some(path) = std::env::var_os(variable) {
        return Ok(path.into());
    }
    let this = std::env::current_exe()?;
    // Tests run in `deps`, one floor below.
    let found = this.ancestors().skip(1).take(2).map(|folder| folder.join(name)).find(|path| path.is_file());
    found.with_context(|| format!("{name} is not built: cargo build --bin {name}"))
}

fn make_private_dir(path: &Path) -> Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .with_context(|| format!("cannot make {}", path.display()))
}

/// Two loopback ports that were free a moment ago. Not of those that the system gives to clients: a service
/// that is killed has to find them free when it is started again.
fn free_ports() -> Result<(SocketAddr, SocketAddr)> {
    let (one, two) = (listen_anywhere()?, listen_anywhere()?);
    Ok((one.local_addr()?, two.local_addr()?))
}

fn listen_anywhere() -> Result<TcpListener> {
    for _ in 0..100 {
        let mut drawn = [0; 2];
        getrandom::fill(&mut drawn).map_err(std::io::Error::other)?;
        let port = PORTS.start + u16::from_le_bytes(drawn) % (PORTS.end - PORTS.start);
        if let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            return Ok(listener);
        }
    }
    bail!("no loopback port from {} to {} is free", PORTS.start, PORTS.end)
}
