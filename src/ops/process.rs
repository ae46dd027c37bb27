//! This process, as the kernel knows it.

use metrics::counter;
use rustix::process::{Resource, getrlimit};

/// Ticks of `/proc/self/stat` in a second: the kernel's interface to programs has 100 everywhere.
const TICKS_PER_SECOND: u64 = 100;

/// What it uses. None: this system does not tell it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Resident memory.
    pub resident_bytes: Option<u64>,
    /// Open descriptors.
    pub open_fds: Option<u64>,
    /// Descriptors that it may open.
    pub max_fds: Option<u64>,
}

impl Usage {
    /// Now.
    pub fn now() -> Self {
        let status = std::fs::read_to_string("/proc/self/status").ok();
        Self {
            resident_bytes: status.and_then(|status| resident_bytes(&status)),
            open_fds: std::fs::read_dir("/proc/self/fd").ok().map(|fds| fds.count() as u64),
            max_fds: getrlimit(Resource::Nofile).current,
        }
    }
}

/// Counts the seconds of CPU that it has used, user and system.
pub fn count_cpu() {
    let stat = std::fs::read_to_string("/proc/self/stat").ok();
    if let Some(seconds) = stat.and_then(|stat| cpu_seconds(&stat)) {
        counter!("qrlogin_process_cpu_seconds_total").absolute(seconds);
    }
}

/// `utime` and `stime` (proc(5)). They come after the name of the program, which may hold anything, in parentheses.
fn cpu_seconds(stat: &str) -> Option<u64> {
    let mut fields = stat.rsplit_once(") ")?.1.split(' ').skip(11);
    let mut ticks = || fields.next()?.parse::<u64>().ok();
    Some((ticks()? + ticks()?) / TICKS_PER_SECOND)
}

fn resident_bytes(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1024)
}

#[cfg(test)]
mod tests;
