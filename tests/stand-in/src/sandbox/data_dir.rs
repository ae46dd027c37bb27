//! The data directory of a sandbox. The stand-in Telegram loses everything at its end, so a kept database would have sessions
//! that it does not know. So each run begins with an empty directory. Only a directory that a sandbox made is emptied.

use std::fs::{File, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

/// Marks the directory of a sandbox. It is locked while one runs.
const MARK: &str = "SANDBOX";

/// An empty directory that no other process uses while this exists.
pub struct DataDir {
    path: PathBuf,
    _mark: File,
}

impl DataDir {
    /// Makes the directory, or empties it where an earlier sandbox made it.
    ///
    /// # Errors
    /// The directory has other files, or another sandbox uses it.
    pub fn claim(path: &Path) -> Result<Self> {
        let mark_path = path.join(MARK);
        if path.exists() && !mark_path.exists() {
            let empty = std::fs::read_dir(path)
                .with_context(|| format!("cannot read {}", path.display()))?
                .next()
                .is_none();
            ensure!(
                empty,
                "{} is not a sandbox's data directory; name another by --data-dir",
                path.display()
            );
        }
        std::fs::create_dir_all(path).with_context(|| format!("cannot make {}", path.display()))?;
        let path = path.canonicalize()?;
        let mut mark = File::options().create(true).append(true).open(path.join(MARK))?;
        match mark.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => bail!("another sandbox uses {}", path.display()),
            Err(TryLockError::Error(error)) => return Err(error).context("cannot lock the data directory"),
        }
        end_orphans(&path);
        for entry in std::fs::read_dir(&path)? {
            let entry = entry?;
            if entry.file_name() == MARK {
                continue;
            }
            let removed = match entry.file_type()?.is_dir() {
                true => std::fs::remove_dir_all(entry.path()),
                false => std::fs::remove_file(entry.path()),
            };
            removed.with_context(|| format!("cannot empty {}", path.display()))?;
        }
        if mark.metadata()?.len() == 0 {
            mark.write_all(b"A sandbox's data directory: emptied whenever one starts.\n")?;
        }
        Ok(Self { path, _mark: mark })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// A sandbox that was killed leaves its service behind, which still writes here. Processes are known by the `DATA_DIR`
/// in their environment, which no other program has.
fn end_orphans(path: &Path) {
    use rustix::process::{Pid, Signal, kill_process, test_kill_process};
    let ours = format!("DATA_DIR={}", path.display());
    let Ok(processes) = std::fs::read_dir("/proc") else { return };
    for process in processes.filter_map(Result::ok) {
        let pid = process.file_name().to_str().and_then(|name| name.parse().ok()).and_then(Pid::from_raw);
        let environment = std::fs::read(process.path().join("environ")).unwrap_or_default();
        let Some(pid) =
            pid.filter(|_| environment.split(|byte| *byte == 0).any(|one| one == ours.as_bytes()))
        else {
            continue;
        };
        let _ = kill_process(pid, Signal::TERM);
        // Its database closes with it; this takes a moment.
        for _ in 0..100 {
            if test_kill_process(pid).is_err() {
                break;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}
