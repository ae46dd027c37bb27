//! The files of the private cluster, and the user who owns them.
//!
//! ```text
//! DATA_DIR/postgres.lock    held by the process that runs the server
//! DATA_DIR/postgres.log     the server's log since its last start; it gets the open file, not the name
//! DATA_DIR/postgres/        0700, the server's user; for root a symlink when that user cannot come here
//!   data/                   the cluster; `data.new` while it is being made
//!   .s.PGSQL.5432           the socket; in /tmp/qr-login-<hash>/ when this path is too long for one
//! ```
//! Only its user and root can enter the directory `postgres`, so only they may connect. Where this process is root, only root
//! may write DATA_DIR, and root touches no file in `postgres` ([`crate::user`]).

use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::fs::{CWD, Mode, OFlags, fchmod, fstat, mkdirat, openat, symlinkat};
use rustix::process::{Pid, test_kill_process};
use sha2::{Digest, Sha256};

use crate::binaries::Binaries;
use crate::error::ClusterError;
use crate::user::{User, owns, run_in};

const LOCK: &str = "postgres.lock";
const LOG: &str = "postgres.log";
const HOME: &str = "postgres";

/// The length of a path in `sockaddr_un`.
const LONGEST_SOCKET_PATH_BYTES: usize = 107;
/// A pid file that is empty for so long was left by a full disk or a power cut.
const EMPTY_FOR: Duration = Duration::from_secs(1);
/// The reason why a server does not start is at the beginning.
const LOG_READ_BYTES: u64 = 1024 * 1024;

/// Where the cluster is, and who owns it.
#[derive(Clone, Debug)]
pub(super) struct ClusterDir {
    data_dir: PathBuf,
    /// The same, held open: its files are opened relative to it, even if the path leads elsewhere by then.
    directory: Arc<File>,
    home: PathBuf,
    socket_dir: PathBuf,
    /// The user of the server, where it is another one than that of this process.
    user: Option<User>,
    temporary: bool,
}

impl ClusterDir {
    /// Under `data_dir`, which is made if it is missing.
    pub(super) fn at(data_dir: &Path) -> Result<Self, ClusterError> {
        make_private(data_dir)?;
        let data_dir = data_dir.canonicalize().map_err(ClusterError::io("opening", data_dir))?;
        let directory = open_data_dir(&data_dir)?;
        let link = data_dir.join(HOME);
        let user = User::of_server(&link)?;
        if link.symlink_metadata().is_err() {
            make_home(&data_dir, &directory, user)?;
        }
        let home = link.canonicalize().map_err(ClusterError::io("opening", &link))?;
        if let Some(user) = user {
            open_to(&data_dir, &directory, user)?;
            // The directory itself is the user's, or is about to be.
            if let Some(closed) = home.parent().and_then(|above| user.cannot_enter(above)) {
                return Err(ClusterError::Unreachable(closed));
            }
        }
        let socket_dir = socket_dir(&data_dir, &home, user)?;
        Ok(Self { data_dir, directory: Arc::new(directory), home, socket_dir, user, temporary: false })
    }

    /// In a new directory that is removed when the server has ended.
    #[cfg(any(test, feature = "testing"))]
    pub(super) fn temporary() -> Result<Self, ClusterError> {
        let directory = std::env::temp_dir().join(format!("qr-login-test-{}", uuid::Uuid::new_v4().simple()));
        let dir = Self::at(&directory)?;
        if let Some(user) = dir.user {
            // The server's user removes it afterwards.
            user.give(CWD, &directory).map_err(ClusterError::io("giving away", &directory))?;
        }
        Ok(Self { temporary: true, ..dir })
    }

    /// The same, as it is by now.
    pub(super) fn again(&self) -> Result<Self, ClusterError> {
        Ok(Self { temporary: self.temporary, ..Self::at(&self.data_dir)? })
    }

    /// The same, with a user of its own. An older version gave clusters to `nobody`, whom other daemons share, and a process may
    /// have died before it gave the directory away. For the process that holds the lock.
    ///
    /// 1. The directory becomes root's: only root can enter it.
    /// 2. What is in it becomes the new user's, where it was `nobody`'s.
    /// 3. The directory becomes the new user's.
    pub(super) async fn with_own_user(self, within: Duration) -> Result<Self, ClusterError> {
        if !rustix::process::geteuid().is_root() {
            return Ok(self);
        }
        let root = Path::new("/");
        let owner = self.home.metadata().map_err(ClusterError::io("opening", &self.home))?.uid();
        let nobody = User::find(root, "nobody").filter(|it| owner == 0 || owner == it.uid);
        if owner != 0 && nobody.is_none() {
            return Ok(self);
        }
        let own = User::find_or_make(root)?;
        let give =
            |user: User| user.give(CWD, &self.home).map_err(ClusterError::io("giving away", &self.home));
        if let Some(nobody) = nobody {
            tracing::info!("the private PostgreSQL gets a user of its own");
            let its = Self { user: Some(nobody), ..self.clone() };
            if owner != 0 {
                its.stop_leftover(within).await?;
                give(User::ROOT)?;
            }
            own.take(&self.home, nobody).await?;
            if self.socket_dir != self.home {
                its.remove_socket_dir().await?;
            }
        }
        give(own)?;
        self.again()
    }

    /// Removes the directory in /tmp that the user before has made for the socket.
    async fn remove_socket_dir(&self) -> Result<(), ClusterError> {
        let path = self.socket_dir.to_string_lossy();
        let removed = run_in(Path::new("/"), self.user, "rm", &["-rf", &path]).await?;
        removed
            .status
            .success()
            .then_some(())
            .ok_or_else(|| ClusterError::Unremovable(self.socket_dir.clone()))
    }

    pub(super) fn home(&self) -> &Path {
        &self.home
    }

    pub(super) fn data(&self) -> PathBuf {
        self.home.join("data")
    }

    pub(super) fn socket_dir(&self) -> &Path {
        &self.socket_dir
    }

    pub(super) fn remove_afterwards(&self) -> Option<&Path> {
        self.temporary.then_some(&self.data_dir)
    }

    pub(super) fn lock_file(&self) -> Result<File, ClusterError> {
        self.open(LOCK, OFlags::WRONLY | OFlags::CREATE)
    }

    pub(super) fn fresh_server_log(&self) -> Result<File, ClusterError> {
        self.open(LOG, OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC)
    }

    pub(super) fn last_log_line(&self) -> String {
        let mut log = Vec::new();
        if let Ok(file) = self.open(LOG, OFlags::RDONLY) {
            let _ = file.take(LOG_READ_BYTES).read_to_end(&mut log);
        }
        let log = String::from_utf8_lossy(&log);
        let reason = log.lines().rev().find(|line| line.contains("FATAL")).or(log.lines().last());
        reason.unwrap_or("it said nothing").to_owned()
    }

    /// A file of DATA_DIR.
    fn open(&self, name: &str, how: OFlags) -> Result<File, ClusterError> {
        let opened =
            openat(&self.directory, name, how | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::RUSR | Mode::WUSR);
        opened
            .map(File::from)
            .map_err(|errno| ClusterError::io("opening", &self.data_dir.join(name))(errno.into()))
    }

    /// The version that made the cluster; None if there is none yet.
    pub(super) async fn cluster_version(&self) -> Result<Option<u32>, ClusterError> {
        let text = self.read(&self.data().join("PG_VERSION")).await?;
        Ok(text.and_then(|text| text.trim().parse().ok()))
    }

    /// The beginning of a file of the cluster, read as the server's user; None if there is no such file.
    async fn read(&self, path: &Path) -> Result<Option<String>, ClusterError> {
        let there = || match path.symlink_metadata() {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(ClusterError::io("reading", path)(error)),
        };
        if !there()? {
            return Ok(None);
        }
        let read = run_in(&self.home, self.user, "head", &["-c", "4096", &path.to_string_lossy()]).await?;
        match read.status.success() {
            true => Ok(Some(String::from_utf8_lossy(&read.stdout).into_owned())),
            // A server that ends removes its files.
            false if !there()? => Ok(None),
            false => Err(ClusterError::Unreadable(path.to_owned())),
        }
    }

    /// Removes a file or directory of the cluster, where there is one.
    async fn remove(&self, path: &Path) -> Result<(), ClusterError> {
        let removed = run_in(&self.home, self.user, "rm", &["-rf", &path.to_string_lossy()]).await?;
        removed.status.success().then_some(()).ok_or_else(|| ClusterError::Unremovable(path.to_owned()))
    }

    /// Makes the cluster. It gets its name last, so that half of a cluster is never taken for one.
    pub(super) async fn make_cluster(&self, binaries: &Binaries, role: &str) -> Result<(), ClusterError> {
        let unfinished = self.home.join("data.new");
        self.remove(&unfinished).await?;
        let mut command = Command::new(binaries.initdb());
        command.arg("--pgdata").arg(&unfinished).arg(format!("--username={role}"));
        command.args(["--encoding=UTF8", "--locale=C", "--data-checksums", "--no-instructions"]);
        command.args(["--auth-local=trust", "--auth-host=reject"]);
        command.env_clear().env("PATH", "/usr/bin:/bin").env("LC_ALL", "C").current_dir("/");
        self.run_as_server(&mut command);
        command.stdin(Stdio::null());
        let output = tokio::process::Command::from(command)
            .kill_on_drop(true)
            .output()
            .await
            .map_err(ClusterError::io("running", binaries.initdb()))?;
        if !output.status.success() {
            let text = String::from_utf8_lossy(&output.stderr);
            let reason = text.lines().find(|line| line.contains("error:")).or(text.lines().last());
            return Err(ClusterError::Setup(reason.unwrap_or("initdb said nothing").to_owned()));
        }
        // Follows no link at either end. Only this process could move `home` itself.
        fs::rename(&unfinished, self.data()).map_err(ClusterError::io("renaming", &unfinished))
    }

    pub(super) fn run_as_server(&self, command: &mut Command) {
        if let Some(user) = self.user {
            user.run_as(command);
        }
    }

    /// Stops the server of an owner that died. Its own shell is about to do the same. A power cut leaves a pid file without
    /// a server.
    pub(super) async fn stop_leftover(&self, within: Duration) -> Result<(), ClusterError> {
        let pid_file = self.data().join("postmaster.pid");
        let deadline = Instant::now() + within;
        let mut empty_since = None;
        while let Some(text) = self.read(&pid_file).await? {
            let Some(pid) = first_pid(&text) else {
                // A server that starts writes it at once. PostgreSQL itself refuses to start beside an empty one.
                if empty_since.get_or_insert_with(Instant::now).elapsed() > EMPTY_FOR {
                    return self.remove(&pid_file).await;
                }
                tokio::time::sleep(EMPTY_FOR / 10).await;
                continue;
            };
            if !self.runs_here(pid) {
                // PostgreSQL itself would take any process of its user with this number for the server.
                return self.remove(&pid_file).await;
            }
            tracing::info!("stopping the private PostgreSQL of a process that died");
            // An error means that it has just ended by itself.
            let number = pid.as_raw_nonzero().to_string();
            run_in(&self.home, self.user, "/bin/sh", &["-c", "kill -INT \"$1\"", "sh", &number]).await?;
            while self.runs_here(pid) {
                if Instant::now() > deadline {
                    return Err(ClusterError::Unstoppable(self.home.clone()));
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
        Ok(())
    }

    /// Whether this process is the server of this cluster: a server's working directory is its data directory.
    fn runs_here(&self, pid: Pid) -> bool {
        owns(self.user, pid)
            && match fs::read_link(format!("/proc/{}/cwd", pid.as_raw_nonzero())) {
                Ok(directory) => directory == self.data(),
                Err(_) => !Path::new("/proc/self").exists() && test_kill_process(pid).is_ok(),
            }
    }
}

fn first_pid(text: &str) -> Option<Pid> {
    Pid::from_raw(text.lines().next()?.trim().parse().ok()?)
}

/// Where this process is root, only root may write DATA_DIR: its files are opened with root's rights.
fn open_data_dir(data_dir: &Path) -> Result<File, ClusterError> {
    let opening = |errno: rustix::io::Errno| ClusterError::io("opening", data_dir)(errno.into());
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let directory = openat(CWD, data_dir, flags, Mode::empty()).map_err(opening)?;
    let it = fstat(&directory).map_err(opening)?;
    let others_write = it.st_uid != 0 || Mode::from_raw_mode(it.st_mode).intersects(Mode::WGRP | Mode::WOTH);
    if rustix::process::geteuid().is_root() && others_write {
        return Err(ClusterError::Exposed(data_dir.to_owned()));
    }
    Ok(directory.into())
}

/// Beside our own data, or, where the server's user cannot come (a checkout under /root), in /var/lib with a link here.
fn make_home(data_dir: &Path, directory: &File, user: Option<User>) -> Result<(), ClusterError> {
    let here = data_dir.join(HOME);
    let make_here = || {
        mkdirat(directory, HOME, Mode::RWXU).map_err(|errno| ClusterError::io("making", &here)(errno.into()))
    };
    let Some(user) = user else { return make_here() };
    open_to(data_dir, directory, user)?;
    if user.cannot_enter(data_dir).is_none() {
        make_here()?;
        return user.give(directory, HOME.as_ref()).map_err(ClusterError::io("giving away", &here));
    }
    let name = format!("postgres-{}", uuid::Uuid::new_v4().simple());
    let shared = Path::new("/var/lib/qr-login");
    let elsewhere = shared.join(name);
    fs::create_dir_all(shared).map_err(ClusterError::io("making", shared))?;
    make_private(&elsewhere)?;
    user.give(CWD, &elsewhere).map_err(ClusterError::io("giving away", &elsewhere))?;
    tracing::warn!(
        "the server's user cannot enter DATA_DIR: the private PostgreSQL is kept in {}",
        elsewhere.display()
    );
    symlinkat(&elsewhere, directory, HOME).map_err(|errno| ClusterError::io("linking", &here)(errno.into()))
}

/// Lets the server's user pass through DATA_DIR, whose own files stay closed to it, and read nothing.
fn open_to(data_dir: &Path, directory: &File, user: User) -> Result<(), ClusterError> {
    if user.may_enter(data_dir) {
        return Ok(());
    }
    let opened = fstat(directory).and_then(|it| {
        let mode = Mode::from_raw_mode(it.st_mode);
        fchmod(directory, mode | Mode::XOTH)
    });
    opened.map_err(|errno| ClusterError::io("opening", data_dir)(errno.into()))
}

fn socket_dir(data_dir: &Path, home: &Path, user: Option<User>) -> Result<PathBuf, ClusterError> {
    let longest = home.join(".s.PGSQL.5432").as_os_str().len();
    if longest <= LONGEST_SOCKET_PATH_BYTES {
        return Ok(home.to_owned());
    }
    // Every process must find the same name, so it depends on neither chance nor TMPDIR.
    let hash = Sha256::digest(data_dir.as_os_str().as_bytes());
    let mut name = OsStr::new("qr-login-").to_owned();
    name.push(hash[..8].iter().map(|byte| format!("{byte:02x}")).collect::<String>());
    let short = Path::new("/tmp").join(name);
    let own = user.map_or_else(|| rustix::process::geteuid().as_raw(), |user| user.uid);
    match DirBuilder::new().mode(0o700).create(&short) {
        Ok(()) => user
            .map_or(Ok(()), |user| user.give(CWD, &short))
            .map_err(ClusterError::io("giving away", &short))?,
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(ClusterError::io("making", &short)(error)),
    }
    // Every user can write /tmp: a directory that another user made first would give them our connections.
    let made = short.symlink_metadata().map_err(ClusterError::io("opening", &short))?;
    if made.is_dir() && made.uid() == own && made.mode() & 0o077 == 0 {
        Ok(short)
    } else {
        Err(ClusterError::Occupied(short))
    }
}

fn make_private(directory: &Path) -> Result<(), ClusterError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .map_err(ClusterError::io("making", directory))
}
