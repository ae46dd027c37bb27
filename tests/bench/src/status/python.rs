//! The Python way: uvicorn and FastAPI from PyPI, in an environment under `target/`, and Debian's Redis, each as fast as
//! they come (uvloop, httptools, hiredis, a Unix socket, nothing written to disk).

use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

/// FastAPI, Redis and what they need: pinned, with hashes.
const REQUIREMENTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/requirements.txt");
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// FastAPI and its Redis; dropping them ends them.
pub struct PythonWay {
    environment: PathBuf,
    dir: PathBuf,
    socket: PathBuf,
    _redis: Child,
}

/// FastAPI with some workers.
pub struct Served {
    pub addr: SocketAddr,
    server: Child,
}

impl PythonWay {
    /// Installs what is missing, starts Redis, and puts these answers into it, by session id.
    pub async fn prepare(dir: &Path, answers: &[(String, String)]) -> Result<Self> {
        let environment = install().await?;
        std::fs::write(dir.join("fastapi_way.py"), include_str!("fastapi.py"))?;
        let socket = dir.join("redis.sock");
        let redis = Command::new("redis-server")
            .args(["--port", "0", "--save", "", "--appendonly", "no", "--dir"])
            .arg(dir)
            .arg("--unixsocket")
            .arg(&socket)
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .context("redis-server cannot be run: apt-get install redis-server")?;
        while tokio::net::UnixStream::connect(&socket).await.is_err() {
            tokio::time::sleep(LOOK_EVERY).await;
        }
        let mut commands = String::new();
        for (session_id, answer) in answers {
            let key = format!("status:{session_id}");
            let (key_length, length) = (key.len(), answer.len());
            write!(commands, "*3\r\n$3\r\nSET\r\n${key_length}\r\n{key}\r\n${length}\r\n{answer}\r\n")?;
        }
        let file = dir.join("statuses");
        std::fs::write(&file, commands)?;
        let filled = Command::new("redis-cli")
            .arg("-s")
            .arg(&socket)
            .arg("--pipe")
            .stdin(std::fs::File::open(&file)?)
            .output()
            .await?;
        ensure!(filled.status.success(), "redis-cli: {}", String::from_utf8_lossy(&filled.stdout));
        Ok(Self { environment, dir: dir.to_owned(), socket, _redis: redis })
    }

    /// Serves with so many workers.
    pub async fn serve(&self, workers: u32) -> Result<Served> {
        let addr = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let server = Command::new(self.environment.join("bin/uvicorn"))
            .args(["fastapi_way:app", "--no-access-log", "--log-level", "warning", "--loop", "uvloop"])
            .args(["--http", "httptools", "--host", "127.0.0.1", "--port", &addr.port().to_string()])
            .args(["--workers", &workers.to_string()])
            .current_dir(&self.dir)
            .env("REDIS_SOCKET", &self.socket)
            .kill_on_drop(true)
            .spawn()?;
        while TcpStream::connect(addr).await.is_err() {
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(Served { addr, server })
    }
}

impl Served {
    /// Ends it, and its workers with it, which a kill would leave behind.
    pub async fn end(mut self) -> Result<()> {
        if let Some(pid) =
            self.server.id().and_then(|id| rustix::process::Pid::from_raw(i32::try_from(id).ok()?))
        {
            rustix::process::kill_process(pid, rustix::process::Signal::TERM)?;
        }
        self.server.wait().await?;
        Ok(())
    }
}

async fn install() -> Result<PathBuf> {
    let exe = std::env::current_exe()?;
    let target = exe.ancestors().nth(2).context("no target directory")?;
    let environment = target.join("bench-python");
    if environment.join("installed").is_file() {
        return Ok(environment);
    }
    run(Command::new("/usr/bin/python3").args(["-m", "venv"]).arg(&environment)).await?;
    let pip = environment.join("bin/pip");
    let install = ["install", "--quiet", "--disable-pip-version-check", "--require-hashes", "--requirement"];
    run(Command::new(pip).args(install).arg(REQUIREMENTS)).await?;
    std::fs::write(environment.join("installed"), "")?;
    Ok(environment)
}

async fn run(command: &mut Command) -> Result<()> {
    let output = command.output().await?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}
