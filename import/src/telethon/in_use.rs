//! Whether another program uses a file: SQLite's locks on it, and what processes have open.

use std::collections::HashMap;
use std::fs::{self, File, Metadata};
use std::os::unix::fs::MetadataExt;

use rustix::process::{Flock, FlockOffsetType, FlockType, fcntl_getlk};

/// Where SQLite's locks are: the pending byte, the reserved one, and 510 shared ones.
const FIRST_LOCK: u64 = 0x4000_0000;
const LOCKS: u64 = 512;

/// The process that has locked this file, as SQLite does it; Some(None): one that cannot be seen from here.
pub fn locked_by(file: &File) -> Option<Option<i32>> {
    let mut lock = Flock::from(FlockType::WriteLock);
    lock.start = FIRST_LOCK;
    lock.length = LOCKS;
    lock.offset_type = FlockOffsetType::Set;
    let found = fcntl_getlk(file, &lock).ok().flatten()?;
    (found.typ != FlockType::Unlocked).then(|| found.pid.map(|pid| pid.as_raw_nonzero().get()))
}

/// The files that other processes have open, by device and number.
#[derive(Debug, Default)]
pub struct OpenFiles {
    files: HashMap<(u64, u64), u32>,
    /// Some process did not show its files.
    pub is_partial: bool,
}

impl OpenFiles {
    /// What an operator is told where some process did not show its files.
    pub const PARTIAL: &str = "not every process has shown which files it has open: run the import as root, or make sure that no \
                               program uses the session files";

    /// As of now. Only root sees those of every user; a container sees its own processes alone.
    pub fn look() -> Self {
        let mut found = Self::default();
        let own = std::process::id();
        for process in fs::read_dir("/proc").into_iter().flatten().flatten() {
            let Some(pid) = process.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
                continue;
            };
            if pid == own {
                continue;
            }
            match fs::read_dir(process.path().join("fd")) {
                Ok(files) => {
                    let opened = files.flatten().filter_map(|file| fs::metadata(file.path()).ok());
                    let regular = opened.filter(Metadata::is_file);
                    found.files.extend(regular.map(|file| ((file.dev(), file.ino()), pid)));
                }
                Err(error) => found.is_partial |= error.kind() == std::io::ErrorKind::PermissionDenied,
            }
        }
        found
    }

    /// The process that has this file open, with its name.
    pub fn of(&self, file: &Metadata) -> Option<(u32, String)> {
        let pid = *self.files.get(&(file.dev(), file.ino()))?;
        let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        Some((pid, name.trim().escape_debug().to_string()))
    }
}
