//! What a process has used so far, as the kernel counts it, and may use.

use anyhow::{Context as _, Result};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// `/proc` counts processor time in hundredths of a second, whatever the kernel does inside.
const TICKS_A_SECOND: f64 = 100.0;
const BYTES_A_KIB: f64 = 1024.0;

/// Memory that the process holds now, in bytes.
pub fn resident_bytes(pid: u32) -> Result<f64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).context("the process is gone")?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    let kib: f64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kib * BYTES_A_KIB)
}

/// Processor time of the process and all its threads, in seconds.
pub fn cpu_seconds(pid: u32) -> Result<f64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).context("the process is gone")?;
    // The name before it, in brackets, may hold anything.
    let (_, fields) = text.rsplit_once(')').context("not a stat line")?;
    let ticks = |field: usize| {
        fields.split_whitespace().nth(field).context("a short stat line")?.parse::<f64>().context("no number")
    };
    Ok((ticks(11)? + ticks(12)?) / TICKS_A_SECOND)
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
        assert!(resident_bytes(std::process::id()).unwrap() > 100_000.0);
        assert!(cpu_seconds(std::process::id()).unwrap() >= 0.0);
    }
}
