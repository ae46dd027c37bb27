//! A real caddy with the Caddyfile of the deployment, as a process of its own.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

/// How long it may take until it answers.
const STARTS_WITHIN: Duration = Duration::from_secs(30);

/// A running caddy. Dropping the value ends it.
pub struct Caddy {
    _process: Child,
    _home: tempfile::TempDir,
}

impl Caddy {
    /// Starts it with this Caddyfile, for this public origin, in front of these services, and waits until it listens. `admin`
    /// is where its own interface is.
    ///
    /// # Errors
    /// It is not installed, or does not answer.
    pub async fn start(
        caddyfile: &Path,
        origin: &str,
        addr: SocketAddr,
        admin: SocketAddr,
        upstream: &str,
    ) -> Result<Self> {
        let home = tempfile::tempdir()?;
        let process = Command::new("caddy")
            .args(["run", "--adapter", "caddyfile", "--config"])
            .arg(caddyfile)
            .env("HOME", home.path())
            .env("XDG_DATA_HOME", home.path())
            .env("XDG_CONFIG_HOME", home.path())
            .env("CADDY_ADMIN", admin.to_string())
            .env("AUTH_BASE_URL", origin)
            .env("UPSTREAM", upstream)
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .context("caddy is missing: apt-get install caddy")?;
        let listens = async {
            while TcpStream::connect(addr).await.is_err() {
                sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(STARTS_WITHIN, listens).await.context("caddy does not answer")?;
        Ok(Self { _process: process, _home: home })
    }
}
