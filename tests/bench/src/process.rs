//! What a process has used so far, as the kernel counts it, and may use.

use anyhow::{Context as _, Result};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// `/proc` counts processor time in hundredths of a second on every kernel.
const TICKS_A_SECOND: f64 = 100.0;
const BYTES_A_KIB: f64 = 1024.0;

/// Memory that the process holds now, in bytes.
pub fn resident_bytes(pid: u32) -> Result<f64> {
    status_bytes(pid, "VmRSS:")
}

/// The most that it has held so far, in bytes.
pub fn peak_bytes(pid: u32) -> Result<f64> {
    status_bytes(pid, "VmHWM:")
}

fn status_bytes(pid: u32, field: &str) -> Result<f64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).context("the process is gone")?;
    let line = text.lines().find_map(|line| line.strip_prefix(field)).context("a field is missing")?;
    let kib: f64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kib * BYTES_A_KIB)
}

/// Processor time of the process and all its threads, in seconds.
pub fn cpu_seconds(pid: u32) -> Result<f64> {
    Stat::of(pid).context("the process is gone")?.seconds(OWN)
}

/// Processor time of the process and its children, those that have ended among them, in seconds.
pub fn family_cpu_seconds(pid: u32) -> Result<f64> {
    let parent = Stat::of(pid).context("the process is gone")?;
    let mut seconds = parent.seconds(OWN)? + parent.seconds(OF_ENDED_CHILDREN)?;
    for entry in std::fs::read_dir("/proc")? {
        let Some(child) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        // A process that has just ended is counted with its parent the next time.
        if let Some(stat) = Stat::of(child).filter(|stat| stat.field(1) == Some(f64::from(pid))) {
            seconds += stat.seconds(OWN)?;
        }
    }
    Ok(seconds)
}

/// The process that made this one.
pub fn parent(pid: u32) -> Result<u32> {
    let parent = Stat::of(pid).and_then(|stat| stat.field(1)).context("the process is gone")?;
    Ok(parent as u32)
}

/// The fields of user and system time.
const OWN: [usize; 2] = [11, 12];
const OF_ENDED_CHILDREN: [usize; 2] = [13, 14];

/// What follows the name in `/proc/PID/stat`.
struct Stat(String);

impl Stat {
    fn of(pid: u32) -> Option<Self> {
        let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name, in brackets, may hold anything.
        text.rsplit_once(')').map(|(_, fields)| Self(fields.to_owned()))
    }

    fn field(&self, which: usize) -> Option<f64> {
        self.0.split_whitespace().nth(which)?.parse().ok()
    }

    fn seconds(&self, fields: [usize; 2]) -> Result<f64> {
        let [user, system] = fields.map(|which| self.field(which).context("a short stat line"));
        Ok((user? + system?) / TICKS_A_SECOND)
    }
}

/// Lets this process open as many files, and hold as many connections, as it may.
pub fn raise_open_files() -> Result<()> {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).context("open files")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_used_something() {
        let resident = resident_bytes(std::process::id()).unwrap();
        assert!(resident > 100_000.0 && peak_bytes(std::process::id()).unwrap() >= resident);
        assert!(cpu_seconds(std::process::id()).unwrap() >= 0.0);
        let mother = parent(std::process::id()).unwrap();
        assert!(family_cpu_seconds(mother).unwrap() >= cpu_seconds(mother).unwrap());
    }
}
