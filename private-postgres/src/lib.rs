//! A private PostgreSQL under `DATA_DIR/postgres`, where no `DATABASE_URL` is set: the installed binaries, a Unix socket that
//! only the owner of the directory can reach, no TCP, fsync on.
//!
//! The process that holds the lock on `DATA_DIR/postgres.lock` owns the server. The kernel releases the lock when a process
//! dies, in whatever way. A start has these steps:
//!
//! 1. Another process holds the lock: use its server, and start the server again should that process end first.
//! 2. The lock is free: give the cluster a user of its own, stop a server that a dead owner left running, make the cluster if there is none, start the server.
//! 3. Wait until the server answers; make the database `qr_login` if it is missing.
//! 4. From then on start the server again whenever it has ended ([`keep_running`]).
//!
//! The server must not outlive its owner, not even one killed with SIGKILL. PDEATHSIG would follow the *thread* that
//! spawned it and needs unsafe code, so a shell runs the server. The shell reads a pipe from its owner: when the pipe ends,
//! it shuts the server down ([`SUPERVISOR`]).

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use secrecy::{ExposeSecret, SecretString};
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection, Executor, PgConnection};
use tokio::task::JoinHandle;

mod binaries;
mod cluster_dir;
mod error;
#[cfg(any(test, feature = "testing"))]
mod testing;
#[cfg(test)]
mod tests;
mod user;

use binaries::Binaries;
use cluster_dir::ClusterDir;
pub use error::ClusterError;

/// The database that the service uses, and the role that owns it.
const DATABASE: &str = "qr_login";
/// The role that the service uses.
pub const SERVICE_ROLE: &str = "qr_login_service";
/// Recovery after a crash may take its time.
const READY_WITHIN: Duration = Duration::from_secs(120);
/// A fast shutdown writes a checkpoint.
const STOPPED_WITHIN: Duration = Duration::from_secs(60);

/// Between two checks of the server and of the lock.
const CHECK_EVERY: Duration = Duration::from_millis(200);
/// Before a server that ended soon, or did not start, is started again: twice as long each time.
const PAUSES: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(30));
/// A server that ran for longer than this is started again at once.
const STEADY_AFTER: Duration = Duration::from_secs(60);

/// `$1` is a directory to remove afterwards, or empty; the rest is the server's command line. Standard input is the
/// owner's pipe. The shell reaps the server itself, so that the signal cannot reach another process with the same pid.
const SUPERVISOR: &str = r#"
trap '' HUP INT TERM
remove=$1; shift
exec 3<&0
{ exec "$@" </dev/null 3<&-; } &
server=$!
{ read -r _ <&3; kill -INT "$server"; } 2>/dev/null &
guard=$!
exec 3<&-
wait "$server"; code=$?
kill -KILL "$guard" 2>/dev/null
[ -z "$remove" ] || rm -rf "$remove"
exit "$code"
"#;

/// A private PostgreSQL that runs for as long as this value lives, and stops by itself afterwards; [`Self::stop`] waits
/// for that.
#[derive(Debug)]
pub struct PrivateCluster {
    dir: ClusterDir,
    /// None while another process owns the server, and while there is no server.
    server: Arc<Mutex<Option<Server>>>,
    keep_running: JoinHandle<()>,
}

/// The server, while this process owns it.
#[derive(Debug)]
struct Server {
    supervisor: Child,
    started_at: Instant,
    /// Released after the supervisor's pipe: the next owner finds a server that has ended or is ending.
    _lock: File,
}

impl PrivateCluster {
    /// Starts the server under `data_dir`, or uses the one that another process has started.
    ///
    /// # Errors
    /// No PostgreSQL is installed, or it does not start.
    pub async fn start(data_dir: &Path) -> Result<Self, ClusterError> {
        Self::start_at(ClusterDir::at(data_dir)?).await
    }

    /// The same in a directory of its own that vanishes with the process.
    #[cfg(any(test, feature = "testing"))]
    pub async fn start_temporary() -> Result<Self, ClusterError> {
        Self::start_at(ClusterDir::temporary()?).await
    }

    async fn start_at(dir: ClusterDir) -> Result<Self, ClusterError> {
        let deadline = Instant::now() + READY_WITHIN;
        loop {
            if let Some(lock) = try_lock(&dir)? {
                let dir = dir.with_own_user(STOPPED_WITHIN).await?;
                let server = Server::start(&dir, lock).await?;
                return Ok(Self::new(dir, Some(server)));
            }
            if answers(&dir).await {
                return Ok(Self::new(dir, None));
            }
            if Instant::now() > deadline {
                return Err(ClusterError::Silent(dir.home().to_owned()));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn new(dir: ClusterDir, server: Option<Server>) -> Self {
        let server = Arc::new(Mutex::new(server));
        let keep_running = tokio::spawn(keep_running(dir.clone(), Arc::clone(&server)));
        Self { dir, server, keep_running }
    }

    /// The URL of the database `qr_login` for the role [`SERVICE_ROLE`], which the owner has to make.
    pub fn service_url(&self) -> SecretString {
        url_for(&self.dir, DATABASE, SERVICE_ROLE)
    }

    /// The URL of the database `qr_login` for its owner. It has no password: the permissions of the directory protect the server.
    pub fn url(&self) -> SecretString {
        url_of(&self.dir, DATABASE)
    }

    /// The same for the cluster under `data_dir`, without starting a server.
    ///
    /// # Errors
    /// There cannot be a cluster in this directory.
    pub fn url_of(data_dir: &Path) -> Result<SecretString, ClusterError> {
        Ok(url_of(&ClusterDir::at(data_dir)?, DATABASE))
    }

    /// The same with that of [`Self::service_url`] beside it.
    ///
    /// # Errors
    /// There cannot be a cluster in this directory.
    pub fn urls_of(data_dir: &Path) -> Result<(SecretString, SecretString), ClusterError> {
        let dir = ClusterDir::at(data_dir)?;
        Ok((url_of(&dir, DATABASE), url_for(&dir, DATABASE, SERVICE_ROLE)))
    }

    /// Whether a PostgreSQL is installed that a new cluster could be made with.
    ///
    /// # Errors
    /// [`ClusterError::NotInstalled`].
    pub fn is_installed() -> Result<(), ClusterError> {
        Binaries::find(None).map(drop)
    }

    /// Makes another, empty database, and returns its URL.
    ///
    /// # Errors
    /// [`ClusterError::Sql`]: there is one of that name.
    pub async fn create_database(&self, name: &str) -> Result<SecretString, ClusterError> {
        let mut connection = maintenance(&self.dir).await?;
        connection.execute(format!("create database {}", quoted(name)).as_str()).await?;
        connection.close().await?;
        Ok(url_of(&self.dir, name))
    }

    /// The same as a copy of another database, which must have no connections.
    #[cfg(any(test, feature = "testing"))]
    pub async fn copy_database(&self, of: &str, name: &str) -> Result<SecretString, ClusterError> {
        let mut connection = maintenance(&self.dir).await?;
        let copy = format!("create database {} template {}", quoted(name), quoted(of));
        connection.execute(copy.as_str()).await?;
        connection.close().await?;
        Ok(url_of(&self.dir, name))
    }

    /// Stops the server and waits until it is down. The server of another process goes on.
    ///
    /// # Errors
    /// It did not stop within a minute.
    pub async fn stop(mut self) -> Result<(), ClusterError> {
        // It would start the server again.
        self.keep_running.abort();
        let _ = (&mut self.keep_running).await;
        let server = lock(&self.server).take();
        match server {
            Some(server) => server.stop(&self.dir).await,
            None => Ok(()),
        }
    }
}

impl Drop for PrivateCluster {
    fn drop(&mut self) {
        self.keep_running.abort();
    }
}

impl Server {
    /// Steps 2 and 3.
    async fn start(dir: &ClusterDir, lock: File) -> Result<Self, ClusterError> {
        dir.stop_leftover(STOPPED_WITHIN).await?;
        let version = dir.cluster_version().await?;
        let binaries = Binaries::find(version)?;
        if version.is_none() {
            dir.make_cluster(&binaries, DATABASE).await?;
        }
        // The backends of a server that was killed may use its shared memory for a moment longer.
        let mut tries_left = 3;
        let supervisor = loop {
            let mut supervisor = spawn(dir, &binaries)?;
            match wait_until_ready(dir, &mut supervisor).await {
                Err(ClusterError::Ended(_)) if tries_left > 0 => {
                    tries_left -= 1;
                    tokio::time::sleep(Duration::from_millis(500)).await;
                }
                ready => {
                    ready?;
                    break supervisor;
                }
            }
        };
        make_database(dir).await?;
        Ok(Self { supervisor, started_at: Instant::now(), _lock: lock })
    }

    async fn stop(mut self, dir: &ClusterDir) -> Result<(), ClusterError> {
        drop(self.supervisor.stdin.take());
        let deadline = Instant::now() + STOPPED_WITHIN;
        while self.supervisor.try_wait().map_err(ClusterError::io("waiting for", dir.home()))?.is_none() {
            if Instant::now() > deadline {
                return Err(ClusterError::Unstoppable(dir.home().to_owned()));
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }
}

/// Starts the server again when it has ended, or when the process that owned it has. A service must not lose its database
/// because the server was stopped, or because a command line tool that had started it has finished.
async fn keep_running(dir: ClusterDir, server: Arc<Mutex<Option<Server>>>) {
    let mut pause = PAUSES.0;
    // Told once, and not at each try: a full disk may last for hours.
    let mut fails = false;
    loop {
        tokio::time::sleep(CHECK_EVERY).await;
        match check(&server) {
            State::Running => continue,
            State::NotOurs => {}
            State::Ended { how, ran_for } => {
                tracing::warn!("the private PostgreSQL ended ({how}) and is started again");
                if ran_for > STEADY_AFTER {
                    pause = PAUSES.0;
                } else {
                    wait_longer_each_time(&mut pause).await;
                }
            }
        }
        let started = match try_lock(&dir) {
            // Another process owns it, or is about to.
            Ok(None) => continue,
            // The process before may have given the cluster to another user.
            Ok(Some(lock)) => match dir.again() {
                Ok(dir) => Server::start(&dir, lock).await,
                Err(error) => Err(error),
            },
            Err(error) => Err(error),
        };
        match started {
            Ok(started) => {
                *lock(&server) = Some(started);
                if std::mem::take(&mut fails) {
                    tracing::info!("the private PostgreSQL runs again");
                }
            }
            Err(error) => {
                if !std::mem::replace(&mut fails, true) {
                    tracing::error!(
                        error = &error as &dyn std::error::Error,
                        "the private PostgreSQL does not start; it is tried until it does"
                    );
                }
                wait_longer_each_time(&mut pause).await;
            }
        }
    }
}

enum State {
    Running,
    /// It belongs to another process, or there is none.
    NotOurs,
    Ended {
        how: ExitStatus,
        ran_for: Duration,
    },
}

/// Checks the server. The lock file of one that has ended is released.
fn check(server: &Mutex<Option<Server>>) -> State {
    let mut held = lock(server);
    let Some(running) = held.as_mut() else { return State::NotOurs };
    let Ok(Some(how)) = running.supervisor.try_wait() else { return State::Running };
    let ran_for = running.started_at.elapsed();
    *held = None;
    State::Ended { how, ran_for }
}

async fn wait_longer_each_time(pause: &mut Duration) {
    tokio::time::sleep(*pause).await;
    *pause = (*pause * 2).min(PAUSES.1);
}

fn spawn(dir: &ClusterDir, binaries: &Binaries) -> Result<Child, ClusterError> {
    let log = dir.fresh_server_log()?;
    let log_too = log.try_clone().map_err(ClusterError::io("opening", dir.home()))?;
    let mut command = Command::new("/bin/sh");
    command.args(["-c", SUPERVISOR, "qr-login-postgres"]);
    command.arg(dir.remove_afterwards().unwrap_or(Path::new("")));
    command.arg(binaries.postgres()).arg("-D").arg(dir.data());
    for setting in [
        "listen_addresses=",
        "port=5432",
        "fsync=on",
        "timezone=UTC",
        "log_timezone=UTC",
        "jit=off",
        // PostgreSQL would log the values of a failed statement, which may be personal.
        "log_error_verbosity=terse",
        "log_min_error_statement=panic",
    ] {
        command.arg("-c").arg(setting);
    }
    if dir.remove_afterwards().is_some() {
        // As many tests run at once as the machine has cores, each with a service and pools of its own.
        command.args(["-c", "max_connections=1000"]);
    }
    command.arg("-c").arg(format!("unix_socket_directories={}", quoted(&dir.socket_dir().to_string_lossy())));
    // A process group of its own: on Ctrl-C this process shuts the server down. Its environment has none of our secrets.
    command.process_group(0).env_clear().env("PATH", "/usr/bin:/bin").env("LC_ALL", "C");
    dir.run_as_server(&mut command);
    command.stdin(Stdio::piped()).stdout(log).stderr(log_too);
    command.spawn().map_err(ClusterError::io("starting", binaries.postgres()))
}

async fn wait_until_ready(dir: &ClusterDir, supervisor: &mut Child) -> Result<(), ClusterError> {
    let deadline = Instant::now() + READY_WITHIN;
    loop {
        if answers(dir).await {
            return Ok(());
        }
        let ended = supervisor.try_wait().map_err(ClusterError::io("waiting for", dir.home()))?;
        if ended.is_some() {
            return Err(ClusterError::Ended(dir.last_log_line()));
        }
        if Instant::now() > deadline {
            return Err(ClusterError::Silent(dir.home().to_owned()));
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn answers(dir: &ClusterDir) -> bool {
    match maintenance(dir).await {
        Ok(connection) => connection.close().await.is_ok(),
        Err(_) => false,
    }
}

async fn make_database(dir: &ClusterDir) -> Result<(), ClusterError> {
    let mut connection = maintenance(dir).await?;
    let is_there = sqlx::query_scalar!(
        r#"select exists (select from pg_database where datname = $1) as "is_there!""#,
        DATABASE
    )
    .fetch_one(&mut connection)
    .await?;
    if !is_there {
        connection.execute(format!("create database {DATABASE}").as_str()).await?;
    }
    Ok(connection.close().await?)
}

async fn maintenance(dir: &ClusterDir) -> Result<PgConnection, sqlx::Error> {
    let options: PgConnectOptions = url_of(dir, "postgres").expose_secret().parse()?;
    options.connect().await
}

/// A URL for libpq, psql and sqlx. The path of the socket is in the query, where any character can be escaped.
fn url_of(dir: &ClusterDir, database: &str) -> SecretString {
    url_for(dir, database, DATABASE)
}

fn url_for(dir: &ClusterDir, database: &str, role: &str) -> SecretString {
    let host: String = dir
        .socket_dir()
        .to_string_lossy()
        .bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' => {
                char::from(byte).to_string()
            }
            other => format!("%{other:02X}"),
        })
        .collect();
    format!("postgresql:///{database}?host={host}&port=5432&user={role}").into()
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn try_lock(dir: &ClusterDir) -> Result<Option<File>, ClusterError> {
    let file = dir.lock_file()?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(file)),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
        Err(errno) => Err(ClusterError::io("locking", dir.home())(errno.into())),
    }
}

fn lock(server: &Mutex<Option<Server>>) -> MutexGuard<'_, Option<Server>> {
    server.lock().unwrap_or_else(PoisonError::into_inner)
}
