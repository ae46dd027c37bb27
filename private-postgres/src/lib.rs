//! A PostgreSQL of our own under `DATA_DIR/postgres`, for whoever has none: the installed binaries, a Unix socket that
//! only the owner of the directory can reach, no TCP, fsync on.
//!
//! Whoever holds the lock on `DATA_DIR/postgres.lock` owns the server; the kernel drops that lock however a process
//! dies. Starting goes like this:
//!
//! 1. Lock held by somebody else: use their server, and stand by to start it again should they end first.
//! 2. Lock free: stop what a dead owner left running, make the cluster if there is none, start the server.
//! 3. Wait until it answers; make the database `qr_login` if it is missing.
//! 4. From then on, look after it ([`keep`]): a server that ended is started again.
//!
//! The server must not outlive its owner, not even one killed with SIGKILL. PDEATHSIG would follow the *thread* that
//! spawned it and needs unsafe code, so a shell stands between the two: it holds a pipe from us, and its end, however it
//! came, is the order for a fast shutdown ([`SUPERVISOR`]).

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
mod error;
mod place;
#[cfg(test)]
mod tests;
mod user;

use binaries::Binaries;
pub use error::ClusterError;
use place::Place;

/// The database that the service uses, and its role.
const DATABASE: &str = "qr_login";
/// Recovery after a crash may take its time.
const READY_WITHIN: Duration = Duration::from_secs(120);
/// A fast shutdown writes a checkpoint.
const STOPPED_WITHIN: Duration = Duration::from_secs(60);

/// Between two looks at the server and at the lock.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Before a server that ended soon, or did not start, is started again: twice as long each time.
const PAUSES: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(30));
/// A server that ran for longer than this is started again at once.
const STEADY_AFTER: Duration = Duration::from_secs(60);

/// `$1` is a directory to remove afterwards, or empty; the rest is the server's command line. Standard input is the
/// owner's pipe. The shell reaps the server itself, so that the signal cannot hit a stranger with a recycled pid.
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
    place: Place,
    /// None while another process runs it, and while there is none.
    server: Arc<Mutex<Option<Server>>>,
    keeper: JoinHandle<()>,
}

/// The server while it is ours.
#[derive(Debug)]
struct Server {
    supervisor: Child,
    started_at: Instant,
    /// Given up after the supervisor's pipe: whoever gets it next finds the server gone or going.
    _lock: File,
}

impl PrivateCluster {
    /// Starts the cluster under `data_dir`, or joins the process that runs it already.
    ///
    /// # Errors
    /// [`ClusterError`], in one line: no PostgreSQL is installed, or it does not start.
    pub async fn start(data_dir: &Path) -> Result<Self, ClusterError> {
        Self::start_at(Place::at(data_dir)?).await
    }

    /// The same in a directory of its own that vanishes with the process.
    #[cfg(any(test, feature = "testing"))]
    pub async fn start_temporary() -> Result<Self, ClusterError> {
        Self::start_at(Place::temporary()?).await
    }

    async fn start_at(place: Place) -> Result<Self, ClusterError> {
        let deadline = Instant::now() + READY_WITHIN;
        loop {
            if let Some(lock) = try_lock(&place)? {
                let server = Server::start(&place, lock).await?;
                return Ok(Self::kept(place, Some(server)));
            }
            if answers(&place).await {
                return Ok(Self::kept(place, None));
            }
            if Instant::now() > deadline {
                return Err(ClusterError::Silent(place.home().to_owned()).into());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn kept(place: Place, server: Option<Server>) -> Self {
        let server = Arc::new(Mutex::new(server));
        let keeper = tokio::spawn(keep(place.clone(), Arc::clone(&server)));
        Self { place, server, keeper }
    }

    /// The URL of the database `qr_login`. It holds no password: the directory's permissions are the gate.
    pub fn url(&self) -> SecretString {
        url_of(&self.place, DATABASE)
    }

    /// The same for whatever runs the cluster under `data_dir`, without starting it.
    ///
    /// # Errors
    /// [`ClusterError`]: there cannot be one.
    pub fn url_of(data_dir: &Path) -> Result<SecretString, ClusterError> {
        Ok(url_of(&Place::at(data_dir)?, DATABASE))
    }

    /// Makes another, empty database and answers with its URL.
    ///
    /// # Errors
    /// [`ClusterError::Sql`]: there is one of that name.
    pub async fn create_database(&self, name: &str) -> Result<SecretString, ClusterError> {
        let mut connection = maintenance(&self.place).await?;
        connection.execute(format!("create database {}", quoted(name)).as_str()).await?;
        connection.close().await?;
        Ok(url_of(&self.place, name))
    }

    /// The same as a copy of another database to which nobody is connected.
    #[cfg(any(test, feature = "testing"))]
    pub async fn copy_database(&self, of: &str, name: &str) -> Result<SecretString, ClusterError> {
        let mut connection = maintenance(&self.place).await?;
        let copy = format!("create database {} template {}", quoted(name), quoted(of));
        connection.execute(copy.as_str()).await?;
        connection.close().await?;
        Ok(url_of(&self.place, name))
    }

    /// Stops the server and waits until it is down. One that belongs to another process goes on.
    ///
    /// # Errors
    /// [`ClusterError`]: it did not stop within a minute.
    pub async fn stop(mut self) -> Result<(), ClusterError> {
        // It would start the server again.
        self.keeper.abort();
        let _ = (&mut self.keeper).await;
        let server = hold(&self.server).take();
        match server {
            Some(server) => Ok(server.stop(&self.place).await?),
            None => Ok(()),
        }
    }
}

impl Drop for PrivateCluster {
    fn drop(&mut self) {
        self.keeper.abort();
    }
}

impl Server {
    /// Steps 2 and 3.
    async fn start(place: &Place, lock: File) -> Result<Self, ClusterError> {
        place.stop_leftover(STOPPED_WITHIN).await?;
        let version = place.cluster_version().await?;
        let binaries = Binaries::find(version)?;
        if version.is_none() {
            place.make_cluster(&binaries, DATABASE).await?;
        }
        // The backends of a server that was killed may hold its memory for a moment longer.
        let mut tries_left = 3;
        let supervisor = loop {
            let mut supervisor = spawn(place, &binaries)?;
            match wait_until_ready(place, &mut supervisor).await {
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
        make_database(place).await?;
        Ok(Self { supervisor, started_at: Instant::now(), _lock: lock })
    }

    async fn stop(mut self, place: &Place) -> Result<(), ClusterError> {
        drop(self.supervisor.stdin.take());
        let deadline = Instant::now() + STOPPED_WITHIN;
        while self.supervisor.try_wait().map_err(ClusterError::io("waiting for", place.home()))?.is_none() {
            if Instant::now() > deadline {
                return Err(ClusterError::Unstoppable(place.home().to_owned()));
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }
}

/// Starts the server again when it has ended, or when the process that ran it has: a service must not lose its database
/// because somebody stopped it, or because the command line tool that it found the server with has finished.
async fn keep(place: Place, server: Arc<Mutex<Option<Server>>>) {
    let mut pause = PAUSES.0;
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        match look_at(&server) {
            Found::Running => continue,
            Found::Nothing => {}
            Found::Ended { how, ran_for } => {
                tracing::warn!("the private PostgreSQL ended ({how}) and is started again");
                if ran_for > STEADY_AFTER {
                    pause = PAUSES.0;
                } else {
                    wait_longer_each_time(&mut pause).await;
                }
            }
        }
        let started = match try_lock(&place) {
            // Another process runs it, or is about to.
            Ok(None) => continue,
            Ok(Some(lock)) => Server::start(&place, lock).await,
            Err(error) => Err(error.into()),
        };
        match started {
            Ok(started) => *hold(&server) = Some(started),
            Err(error) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "the private PostgreSQL does not start; trying again in {pause:?}"
                );
                wait_longer_each_time(&mut pause).await;
            }
        }
    }
}

enum Found {
    Running,
    Nothing,
    Ended { how: ExitStatus, ran_for: Duration },
}

/// Gives up the lock of a server that ended.
fn look_at(server: &Mutex<Option<Server>>) -> Found {
    let mut held = hold(server);
    let Some(running) = held.as_mut() else { return Found::Nothing };
    let Ok(Some(how)) = running.supervisor.try_wait() else { return Found::Running };
    let ran_for = running.started_at.elapsed();
    *held = None;
    Found::Ended { how, ran_for }
}

async fn wait_longer_each_time(pause: &mut Duration) {
    tokio::time::sleep(*pause).await;
    *pause = (*pause * 2).min(PAUSES.1);
}

fn spawn(place: &Place, binaries: &Binaries) -> Result<Child, ClusterError> {
    let log = place.fresh_server_log()?;
    let log_too = log.try_clone().map_err(ClusterError::io("opening", place.home()))?;
    let mut command = Command::new("/bin/sh");
    command.args(["-c", SUPERVISOR, "qr-login-postgres"]);
    command.arg(place.remove_afterwards().unwrap_or(Path::new("")));
    command.arg(binaries.postgres()).arg("-D").arg(place.data());
    for setting in [
        "listen_addresses=",
        "port=5432",
        "fsync=on",
        "timezone=UTC",
        "log_timezone=UTC",
        "jit=off",
        // A violated key or a failed statement would print its values: somebody's name.
        "log_error_verbosity=terse",
        "log_min_error_statement=panic",
    ] {
        command.arg("-c").arg(setting);
    }
    if place.remove_afterwards().is_some() {
        // As many tests at once as the machine has cores, each with a service and pools of its own.
        command.args(["-c", "max_connections=1000"]);
    }
    command
        .arg("-c")
        .arg(format!("unix_socket_directories={}", quoted(&place.socket_dir().to_string_lossy())));
    // A process group of its own: Ctrl-C is for us, who shut down in order. Its environment holds none of our secrets.
    command.process_group(0).env_clear().env("PATH", "/usr/bin:/bin").env("LC_ALL", "C");
    place.run_as_server(&mut command);
    command.stdin(Stdio::piped()).stdout(log).stderr(log_too);
    command.spawn().map_err(ClusterError::io("starting", binaries.postgres()))
}

async fn wait_until_ready(place: &Place, supervisor: &mut Child) -> Result<(), ClusterError> {
    let deadline = Instant::now() + READY_WITHIN;
    loop {
        if answers(place).await {
            return Ok(());
        }
        let ended = supervisor.try_wait().map_err(ClusterError::io("waiting for", place.home()))?;
        if ended.is_some() {
            return Err(ClusterError::Ended(place.last_log_line()));
        }
        if Instant::now() > deadline {
            return Err(ClusterError::Silent(place.home().to_owned()));
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn answers(place: &Place) -> bool {
    match maintenance(place).await {
        Ok(connection) => connection.close().await.is_ok(),
        Err(_) => false,
    }
}

async fn make_database(place: &Place) -> Result<(), ClusterError> {
    let mut connection = maintenance(place).await?;
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

async fn maintenance(place: &Place) -> Result<PgConnection, sqlx::Error> {
    let options: PgConnectOptions = url_of(place, "postgres").expose_secret().parse()?;
    options.connect().await
}

/// As libpq, psql and sqlx understand it; all of it in the query, where the socket's path may hold anything.
fn url_of(place: &Place, database: &str) -> SecretString {
    let host: String = place
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
    format!("postgresql:///{database}?host={host}&port=5432&user={DATABASE}").into()
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn try_lock(place: &Place) -> Result<Option<File>, ClusterError> {
    let file = place.lock_file()?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(file)),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
        Err(errno) => Err(ClusterError::io("locking", place.home())(errno.into())),
    }
}

fn hold(server: &Mutex<Option<Server>>) -> MutexGuard<'_, Option<Server>> {
    server.lock().unwrap_or_else(PoisonError::into_inner)
}
