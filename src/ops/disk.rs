//! How much room is left where the service writes.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustix::fs::{StatVfs, StatVfsMountFlags, statvfs};
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// With less, a disk counts as full: a session's file or a ledger's line takes a few blocks.
const FULL_BELOW_BYTES: u64 = 256 * 1024;

/// A folder that the service writes to.
#[derive(Clone, Debug)]
pub struct Folder {
    /// In the metrics.
    pub name: &'static str,
    /// The setting that names it.
    pub setting: &'static str,
    /// Where it is.
    pub path: PathBuf,
    /// Held while it is looked at.
    pub look: Arc<Mutex<()>>,
}

/// The disk of a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Disk {
    /// What is left for a user who is not root.
    pub free_bytes: u64,
    /// All of it.
    pub size_bytes: u64,
    has_inodes: bool,
    is_read_only: bool,
}

/// The disks of these folders; without those that did not answer in time.
pub async fn look(folders: &[Folder], within: Duration) -> Vec<(Folder, Disk)> {
    let mut looks = JoinSet::new();
    for folder in folders.iter().cloned() {
        looks.spawn(async move {
            let disk = timeout(within, folder.disk()).await.ok()??;
            Some((folder, disk))
        });
    }
    let mut seen: Vec<_> = looks.join_all().await.into_iter().flatten().collect();
    seen.sort_by_key(|(folder, _)| folder.name);
    seen
}

impl Folder {
    /// A disk behind a network may be away. Its thread stands still then, so there is one at most.
    async fn disk(&self) -> Option<Disk> {
        let (path, alone) = (self.path.clone(), Arc::clone(&self.look).lock_owned().await);
        let look = move || {
            let disk = Disk::of(&path);
            drop(alone);
            disk
        };
        tokio::task::spawn_blocking(look).await.ok()?.ok()
    }
}

impl Disk {
    /// The disk of a folder, or of the one above it that is there.
    pub(crate) fn of(folder: &Path) -> io::Result<Self> {
        let there = folder.ancestors().find(|above| above.exists()).unwrap_or(folder);
        Ok(Self::from(statvfs(there)?))
    }

    /// Whether nothing can be written there.
    pub const fn is_full(&self) -> bool {
        self.free_bytes < FULL_BELOW_BYTES || !self.has_inodes || self.is_read_only
    }
}

impl From<StatVfs> for Disk {
    fn from(stat: StatVfs) -> Self {
        Self {
            free_bytes: stat.f_bavail * stat.f_frsize,
            size_bytes: stat.f_blocks * stat.f_frsize,
            // Some file systems count none.
            has_inodes: stat.f_files == 0 || stat.f_favail > 0,
            is_read_only: stat.f_flag.contains(StatVfsMountFlags::RDONLY),
        }
    }
}

#[cfg(test)]
mod tests;
