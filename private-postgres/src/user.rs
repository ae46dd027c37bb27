//! The user of the server. PostgreSQL does not run as root, so where this process is root, the cluster belongs to a system user
//! of its own ([`NAME`]), which is made where it is missing. Not to `nobody`, nor to the `postgres` of other servers: another
//! daemon of the same user could read the cluster and replace its files.
//!
//! That user writes the cluster's directory, and may replace any file there with a link. So root opens, makes and removes
//! nothing in it. A child process with that user's rights does what is needed there ([`run_in`]): no link leads it to a file
//! that this user could not reach anyway.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::fs::{AtFlags, FlockOperation, Gid, Uid, chownat, flock};
use rustix::process::Pid;

use crate::error::ClusterError;

/// For a child process. An endless file, or a pipe in the place of a file, must not block us.
const RUN_WITHIN: Duration = Duration::from_secs(30);

/// The user of the private PostgreSQL, where this process is root.
pub(super) const NAME: &str = "qr-login-postgres";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct User {
    pub(super) uid: u32,
    gid: u32,
}

impl User {
    /// Who this process is.
    pub(super) const ROOT: Self = Self { uid: 0, gid: 0 };

    /// The owner of an existing cluster; for a new one its own user. None where this process is not root.
    pub(super) fn of_server(home: &Path) -> Result<Option<Self>, ClusterError> {
        if !rustix::process::geteuid().is_root() {
            return Ok(None);
        }
        if let Ok(owned) = home.metadata()
            && owned.uid() != 0
        {
            return Ok(Some(Self { uid: owned.uid(), gid: owned.gid() }));
        }
        Self::find_or_make(Path::new("/")).map(Some)
    }

    /// The user of its own, of the system under `root`. Any number of processes may make it at once.
    pub(super) fn find_or_make(root: &Path) -> Result<Self, ClusterError> {
        let deadline = Instant::now() + RUN_WITHIN;
        loop {
            if let Some(user) = Self::find(root, NAME) {
                return Ok(user);
            }
            // One of us at a time; `useradd` itself is held up by others who change the list of users.
            let etc =
                File::open(root.join("etc")).map_err(|error| ClusterError::NoUser(error.to_string()))?;
            let is_first = flock(&etc, FlockOperation::NonBlockingLockExclusive).is_ok();
            if is_first && Self::find(root, NAME).is_none() {
                let made = useradd(root).map_err(|error| ClusterError::NoUser(error.to_string()))?;
                let said = String::from_utf8_lossy(&made.stderr).trim().replace('\n', "; ");
                if !made.status.success() && (!said.contains("lock") || Instant::now() > deadline) {
                    return Err(ClusterError::NoUser(said));
                }
            }
            if Instant::now() > deadline && !is_first {
                return Err(ClusterError::NoUser("another process is at it".to_owned()));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// A user of the system under `root`, but for root.
    pub(super) fn find(root: &Path, name: &str) -> Option<Self> {
        let passwd = fs::read_to_string(root.join("etc/passwd")).unwrap_or_default();
        passwd.lines().find_map(|line| {
            let mut fields = line.split(':');
            let found = fields.next() == Some(name);
            let (uid, gid) = (fields.nth(1)?.parse().ok()?, fields.next()?.parse().ok()?);
            (found && uid != 0).then_some(Self { uid, gid })
        })
    }

    /// Makes every file in a directory that belongs to another user this one's. Links are not followed, and what belongs to
    /// somebody else stays theirs: a link to a file of root's costs root nothing.
    pub(super) async fn take(self, directory: &Path, of: Self) -> Result<(), ClusterError> {
        let (from, to) = (format!("--from={}", of.uid), format!("{}:{}", self.uid, self.gid));
        let args = ["--recursive", "--no-dereference", &from, &to, "."];
        let taken = run_in(directory, None, "chown", &args).await?;
        taken.status.success().then_some(()).ok_or_else(|| ClusterError::Untaken(directory.to_owned()))
    }

    pub(super) fn run_as(self, command: &mut Command) {
        // For root, `uid` also drops the supplementary groups.
        command.uid(self.uid).gid(self.gid);
    }

    /// Gives a file of ours to this user; a link in its place is not followed.
    pub(super) fn give(self, directory: impl rustix::fd::AsFd, name: &Path) -> std::io::Result<()> {
        let (uid, gid) = (Uid::from_raw(self.uid), Gid::from_raw(self.gid));
        Ok(chownat(directory, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)?)
    }

    /// The first directory on the way that this user cannot enter.
    pub(super) fn cannot_enter(self, path: &Path) -> Option<PathBuf> {
        path.ancestors().find(|directory| !self.may_enter(directory)).map(Path::to_owned)
    }

    pub(super) fn may_enter(self, directory: &Path) -> bool {
        let Ok(it) = directory.metadata() else { return false };
        let bit = match () {
            () if it.uid() == self.uid => 0o100,
            () if it.gid() == self.gid => 0o010,
            () => 0o001,
        };
        it.mode() & bit != 0
    }
}

/// As Debian makes the users of its servers.
fn useradd(root: &Path) -> std::io::Result<Output> {
    let mut command = Command::new("useradd");
    command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("LC_ALL", "C").current_dir("/");
    if root != Path::new("/") {
        command.arg("--prefix").arg(root);
    }
    command.args(["--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent"]);
    command.args(["--shell", "/usr/sbin/nologin", "--comment", "private PostgreSQL of qr-login", NAME]);
    command.stdin(Stdio::null()).output()
}

/// Runs a program in this directory with the rights of the server's user, and waits for its end.
///
/// # Errors
/// It cannot be started, or does not end in time.
pub(super) async fn run_in(
    directory: &Path,
    user: Option<User>,
    program: &str,
    args: &[&str],
) -> Result<Output, ClusterError> {
    let mut command = Command::new(program);
    command.args(args).env_clear().env("PATH", "/usr/bin:/bin").env("LC_ALL", "C").current_dir(directory);
    if let Some(user) = user {
        user.run_as(&mut command);
    }
    command.stdin(Stdio::null());
    let output = tokio::process::Command::from(command).kill_on_drop(true).output();
    let output = tokio::time::timeout(RUN_WITHIN, output).await;
    output.unwrap_or_else(|late| Err(late.into())).map_err(ClusterError::io("looking into", directory))
}

/// Whether the process belongs to the server's user. Where there is no /proc to ask, the answer is yes.
pub(super) fn owns(user: Option<User>, pid: Pid) -> bool {
    let Some(user) = user else { return true };
    match fs::metadata(format!("/proc/{}", pid.as_raw_nonzero())) {
        Ok(process) => process.uid() == user.uid,
        Err(_) => !Path::new("/proc/self").exists(),
    }
}
