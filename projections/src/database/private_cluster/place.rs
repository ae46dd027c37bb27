//! Where the private cluster lives, and whose it is.
//!
//! ```text
//! DATA_DIR/postgres.lock    held by the process that runs the server
//! DATA_DIR/postgres/        0700, the server's user; for root a symlink when that user cannot come here
//!   data/                   the cluster; `data.new` while it is being made
//!   server.log              of the last start
//!   .s.PGSQL.5432           the socket; in /tmp/qr-login-<hash>/ when this path is too long for one
//! ```
//! PostgreSQL does not run as root, so root gives the cluster to `postgres` or `nobody`. Whoever can enter the directory
//! may connect: that is its user and root.

use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, chown, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use sha2::{Digest, Sha256};

use super::ClusterError;
use super::binaries::Binaries;

/// What `sockaddr_un` has room for.
const LONGEST_SOCKET_PATH_BYTES: usize = 107;

/// Where, and whose.
#[derive(Clone, Debug)]
pub(super) struct Place {
    data_dir: PathBuf,
    home: PathBuf,
    socket_dir: PathBuf,
    /// Whom the server runs as, when that is not us.
    user: Option<User>,
    temporary: bool,
}

#[derive(Clone, Copy, Debug)]
struct User {
    uid: u32,
    gid: u32,
}

impl Place {
    /// Under `data_dir`, which is made if it is missing.
    pub(super) fn at(data_dir: &Path) -> Result<Self, ClusterError> {
        make_private(data_dir)?;
        let data_dir = data_dir.canonicalize().map_err(ClusterError::io("opening", data_dir))?;
        let link = data_dir.join("postgres");
        let user = server_user(&link)?;
        if link.symlink_metadata().is_err() {
            make_home(&data_dir, &link, user)?;
        }
        let home = link.canonicalize().map_err(ClusterError::io("opening", &link))?;
        if let Some(user) = user {
            open_to(&data_dir, user)?;
            if let Some(closed) = closed_to(&home, user) {
                return Err(ClusterError::Unreachable(closed));
            }
        }
        let socket_dir = socket_dir(&data_dir, &home, user)?;
        Ok(Self { data_dir, home, socket_dir, user, temporary: false })
    }

    /// In a new directory that is removed when the server has ended.
    #[cfg(any(test, feature = "testing"))]
    pub(super) fn temporary() -> Result<Self, ClusterError> {
        let directory = std::env::temp_dir().join(format!("qr-login-test-{}", uuid::Uuid::new_v4().simple()));
        let place = Self::at(&directory)?;
        if let Some(user) = place.user {
            give(&directory, user)?;
        }
        Ok(Self { temporary: true, ..place })
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
        let path = self.data_dir.join("postgres.lock");
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(0o600);
        options.open(&path).map_err(ClusterError::io("opening", &path))
    }

    pub(super) fn fresh_server_log(&self) -> Result<File, ClusterError> {
        let path = self.home.join("server.log");
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        options.open(&path).map_err(ClusterError::io("opening", &path))
    }

    pub(super) fn last_log_line(&self) -> String {
        let log = fs::read_to_string(self.home.join("server.log")).unwrap_or_default();
        let reason = log.lines().rev().find(|line| line.contains("FATAL")).or(log.lines().last());
        reason.unwrap_or("it said nothing").to_owned()
    }

    /// The version that made the cluster; None if there is none yet.
    pub(super) fn cluster_version(&self) -> Result<Option<u32>, ClusterError> {
        let path = self.data().join("PG_VERSION");
        match fs::read_to_string(&path) {
            Ok(text) => Ok(text.trim().parse().ok()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(ClusterError::io("reading", &path)(error)),
        }
    }

    /// Makes the cluster. It gets its name last, so that half of one is never taken for one.
    pub(super) async fn make_cluster(&self, binaries: &Binaries, role: &str) -> Result<(), ClusterError> {
        let unfinished = self.home.join("data.new");
        if unfinished.exists() {
            fs::remove_dir_all(&unfinished).map_err(ClusterError::io("removing", &unfinished))?;
        }
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
        fs::rename(&unfinished, self.data()).map_err(ClusterError::io("renaming", &unfinished))
    }

    pub(super) fn run_as_server(&self, command: &mut Command) {
        if let Some(user) = self.user {
            // For root, `uid` also drops the supplementary groups.
            command.uid(user.uid).gid(user.gid);
        }
    }

    /// Ends the server of an owner who died. Its own shell is about to do the same; a pid file without a server is
    /// left by a power cut.
    pub(super) async fn stop_leftover(&self, within: Duration) -> Result<(), ClusterError> {
        let pid_file = self.data().join("postmaster.pid");
        let deadline = Instant::now() + within;
        let mut asked = false;
        while let Some(pid) = read_pid(&pid_file) {
            if !self.runs_here(pid) {
                // PostgreSQL itself would take any process of its user with this number for the server.
                let removed = fs::remove_file(&pid_file);
                return removed.or_else(unless_gone).map_err(ClusterError::io("removing", &pid_file));
            }
            if !asked {
                tracing::info!("stopping the private PostgreSQL of a process that died");
                // An error means that it has just ended by itself.
                let _ = kill_process(pid, Signal::INT);
                asked = true;
            }
            if Instant::now() > deadline {
                return Err(ClusterError::Unstoppable(self.home.clone()));
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    }

    /// Whether this process is the server of this cluster: a server's working directory is its data directory.
    fn runs_here(&self, pid: Pid) -> bool {
        match fs::read_link(format!("/proc/{}/cwd", pid.as_raw_nonzero())) {
            Ok(directory) => directory == self.data(),
            Err(_) => !Path::new("/proc/self").exists() && test_kill_process(pid).is_ok(),
        }
    }
}

fn read_pid(pid_file: &Path) -> Option<Pid> {
    let text = fs::read_to_string(pid_file).ok()?;
    Pid::from_raw(text.lines().next()?.trim().parse().ok()?)
}

fn unless_gone(error: std::io::Error) -> std::io::Result<()> {
    if error.kind() == std::io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}

/// The owner of an existing cluster; for a new one `postgres` or `nobody` if we are root. None is ourselves.
fn server_user(home: &Path) -> Result<Option<User>, ClusterError> {
    if !rustix::process::geteuid().is_root() {
        return Ok(None);
    }
    if let Ok(owned) = home.metadata()
        && owned.uid() != 0
    {
        return Ok(Some(User { uid: owned.uid(), gid: owned.gid() }));
    }
    let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let find = |name: &str| {
        passwd.lines().find_map(|line| {
            let mut fields = line.split(':');
            let found = fields.next() == Some(name);
            let (uid, gid) = (fields.nth(1)?.parse().ok()?, fields.next()?.parse().ok()?);
            (found && uid != 0).then_some(User { uid, gid })
        })
    };
    find("postgres").or_else(|| find("nobody")).map(Some).ok_or(ClusterError::NoUser)
}

/// Beside our own data, or, where the server's user cannot come (a checkout under /root), in /var/lib with a link here.
fn make_home(data_dir: &Path, link: &Path, user: Option<User>) -> Result<(), ClusterError> {
    let Some(user) = user else { return make_private(link) };
    open_to(data_dir, user)?;
    if closed_to(data_dir, user).is_none() {
        make_private(link)?;
        return give(link, user);
    }
    let name = format!("postgres-{}", uuid::Uuid::new_v4().simple());
    let shared = Path::new("/var/lib/qr-login");
    let elsewhere = shared.join(name);
    fs::create_dir_all(shared).map_err(ClusterError::io("making", shared))?;
    make_private(&elsewhere)?;
    give(&elsewhere, user)?;
    tracing::warn!(
        "the server's user cannot enter DATA_DIR: the private PostgreSQL is kept in {}",
        elsewhere.display()
    );
    symlink(&elsewhere, link).map_err(ClusterError::io("linking", link))
}

/// Lets the server's user pass through DATA_DIR, whose own files stay closed to it, and read nothing.
fn open_to(data_dir: &Path, user: User) -> Result<(), ClusterError> {
    let mode = data_dir.metadata().map_err(ClusterError::io("opening", data_dir))?.mode();
    if may_enter(data_dir, user) {
        return Ok(());
    }
    fs::set_permissions(data_dir, Permissions::from_mode(mode & 0o7777 | 0o001))
        .map_err(ClusterError::io("opening", data_dir))
}

/// The first directory on the way that this user cannot enter.
fn closed_to(path: &Path, user: User) -> Option<PathBuf> {
    path.ancestors().find(|directory| !may_enter(directory, user)).map(Path::to_owned)
}

fn may_enter(directory: &Path, user: User) -> bool {
    let Ok(it) = directory.metadata() else { return false };
    let bit = match () {
        () if it.uid() == user.uid => 0o100,
        () if it.gid() == user.gid => 0o010,
        () => 0o001,
    };
    it.mode() & bit != 0
}

fn socket_dir(data_dir: &Path, home: &Path, user: Option<User>) -> Result<PathBuf, ClusterError> {
    let longest = home.join(".s.PGSQL.5432").as_os_str().len();
    if longest <= LONGEST_SOCKET_PATH_BYTES {
        return Ok(home.to_owned());
    }
    // Every process must come to the same name, so neither chance nor TMPDIR may be in it.
    let hash = Sha256::digest(data_dir.as_os_str().as_bytes());
    let mut name = OsStr::new("qr-login-").to_owned();
    name.push(hash[..8].iter().map(|byte| format!("{byte:02x}")).collect::<String>());
    let short = Path::new("/tmp").join(name);
    let own = user.map_or_else(|| rustix::process::geteuid().as_raw(), |user| user.uid);
    match DirBuilder::new().mode(0o700).create(&short) {
        Ok(()) => user.map_or(Ok(()), |user| give(&short, user))?,
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(ClusterError::io("making", &short)(error)),
    }
    // /tmp is everybody's: a directory that another made first would hand them our connections.
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

fn give(directory: &Path, user: User) -> Result<(), ClusterError> {
    chown(directory, Some(user.uid), Some(user.gid)).map_err(ClusterError::io("giving away", directory))
}
