//! The user of the server. PostgreSQL does not run as root, so where this process is root, the cluster belongs to `postgres` or
//! `nobody`.
//!
//! That user writes the cluster's directory, and may replace any file there with a link. So root opens, makes and removes
//! nothing in it. A child process with that user's rights does what is needed there ([`run_in`]): no link leads it to a file
//! that this user could not reach anyway.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use rustix::fs::{AtFlags, Gid, Uid, chownat};
use rustix::process::Pid;

use crate::error::ClusterError;

/// For a child process. An endless file, or a pipe in the place of a file, must not block us.
const RUN_WITHIN: Duration = Duration::from_secs(30);

#[derive(Clone, Copy, Debug)]
pub(super) struct User {
    pub(super) uid: u32,
    gid: u32,
}

impl User {
    /// The owner of an existing cluster; for a new one `postgres` or `nobody`. None where this process is not root.
    pub(super) fn of_server(home: &Path) -> Result<Option<Self>, ClusterError> {
        if !rustix::process::geteuid().is_root() {
            return Ok(None);
        }
        if let Ok(owned) = home.metadata()
            && owned.uid() != 0
        {
            return Ok(Some(Self { uid: owned.uid(), gid: owned.gid() }));
        }
        let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
        let find = |name: &str| {
            passwd.lines().find_map(|line| {
                let mut fields = line.split(':');
                let found = fields.next() == Some(name);
                let (uid, gid) = (fields.nth(1)?.parse().ok()?, fields.next()?.parse().ok()?);
                (found && uid != 0).then_some(Self { uid, gid })
            })
        };
        find("postgres").or_else(|| find("nobody")).map(Some).ok_or(ClusterError::NoUser)
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
