//! The load: Debian's `wrk` as a separate process, the same for every server.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use tokio::process::Command;

use crate::environment::Person;

/// Connections that are open and ask without a pause.
pub const CONNECTIONS: u32 = 64;

/// The requests, in a file that wrk reads.
pub struct Questions(PathBuf);

/// How many were answered.
#[derive(Clone, Copy, Debug)]
pub struct Answered {
    pub requests: f64,
    pub per_second: f64,
    pub p99_ms: f64,
}

impl Questions {
    /// The status of each of these logins, for a person who has the link.
    pub fn of_strangers(people: &[Person], dir: &Path) -> Result<Self> {
        Self::write(dir.join("strangers"), people.iter().map(|person| (person, String::new())))
    }

    /// The same by the owner of each.
    pub fn of_owners(people: &[Person], dir: &Path) -> Result<Self> {
        let owners = people.iter().map(|person| (person, format!(" tma {}", person.init_data)));
        Self::write(dir.join("owners"), owners)
    }

    fn write<'a>(path: PathBuf, asked: impl Iterator<Item = (&'a Person, String)>) -> Result<Self> {
        let mut lines = String::new();
        for (person, who) in asked {
            writeln!(lines, "/qr-auth-status?session_id={}{who}", person.login_id)?;
        }
        std::fs::write(&path, lines)?;
        Ok(Self(path))
    }

    /// Asks for this long.
    pub async fn ask(&self, addr: SocketAddr, length: Duration) -> Result<Answered> {
        let script = self.0.with_file_name("wrk.lua");
        std::fs::write(&script, include_str!("wrk.lua"))?;
        let output = Command::new("wrk")
            .args(["--threads", "1", "--connections", &CONNECTIONS.to_string()])
            .args(["--duration", &format!("{}s", length.as_secs())])
            .arg("--script")
            .arg(&script)
            .arg(format!("http://{addr}"))
            .arg("--")
            .arg(&self.0)
            .kill_on_drop(true)
            .output()
            .await
            .context("wrk cannot be run: apt-get install wrk")?;
        ensure!(output.status.success(), "wrk: {}", String::from_utf8_lossy(&output.stderr));
        read(&String::from_utf8_lossy(&output.stdout))
    }
}

/// The line that the script prints: requests, duration, errors, p99; times in microseconds.
fn read(output: &str) -> Result<Answered> {
    let line = output.lines().find_map(|line| line.strip_prefix("wrk: ")).context("wrk said nothing")?;
    let numbers: Vec<f64> = line.split(' ').map(str::parse).collect::<Result<_, _>>()?;
    let [requests, micros, errors, p99] = numbers[..] else { anyhow::bail!("wrk said {line}") };
    ensure!(errors == 0.0, "{errors} of {requests} requests were not answered well");
    Ok(Answered { requests, per_second: requests / micros * 1e6, p99_ms: p99 / 1e3 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_output_of_wrk_is_parsed_and_bad_answers_do_not_count() {
        let answered = read("Running\nwrk: 50000 2000000 0 4500\n").unwrap();
        assert_eq!((answered.per_second, answered.p99_ms), (25_000.0, 4.5));
        assert!(read("wrk: 50000 2000000 1 4500").is_err());
        assert!(read("nothing").is_err());
    }
}
