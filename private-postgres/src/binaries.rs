//! Which of the installed PostgreSQLs to run.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::ClusterError;

/// Versions this service is known to run on.
const VERSIONS: std::ops::RangeInclusive<u32> = 14..=18;

/// Where one version's programs are.
#[derive(Debug)]
pub(super) struct Binaries {
    postgres: PathBuf,
    initdb: PathBuf,
}

impl Binaries {
    /// Those of `major`, or the newest.
    pub(super) fn find(major: Option<u32>) -> Result<Self, ClusterError> {
        Self::find_in(directories(), major)
    }

    pub(super) fn find_in(
        directories: impl IntoIterator<Item = PathBuf>,
        major: Option<u32>,
    ) -> Result<Self, ClusterError> {
        let mut installed = directories.into_iter().filter_map(|directory| {
            let postgres = directory.join("postgres").canonicalize().ok()?;
            let initdb = postgres.with_file_name("initdb");
            let version = initdb.is_file().then(|| version_of(&postgres)).flatten()?;
            VERSIONS.contains(&version).then_some((version, Self { postgres, initdb }))
        });
        match major {
            None => installed
                .max_by_key(|(version, _)| *version)
                .map(|(_, found)| found)
                .ok_or(ClusterError::NotInstalled),
            Some(major) => installed
                .find(|(version, _)| *version == major)
                .map(|(_, found)| found)
                .ok_or(ClusterError::OtherVersion { major }),
        }
    }

    pub(super) fn postgres(&self) -> &Path {
        &self.postgres
    }

    pub(super) fn initdb(&self) -> &Path {
        &self.initdb
    }
}

fn directories() -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut found: Vec<_> = std::env::split_paths(&path).collect();
    for version in VERSIONS.rev() {
        found.push(format!("/usr/lib/postgresql/{version}/bin").into()); // Debian, Ubuntu
        found.push(format!("/usr/pgsql-{version}/bin").into()); // PGDG on Red Hat
        found.push(format!("/usr/libexec/postgresql{version}").into()); // Alpine
        found.push(format!("/opt/homebrew/opt/postgresql@{version}/bin").into());
        found.push(format!("/usr/local/opt/postgresql@{version}/bin").into());
    }
    found
}

/// From `postgres (PostgreSQL) 15.13 (Debian 15.13-1)`.
fn version_of(postgres: &Path) -> Option<u32> {
    let output = Command::new(postgres).arg("--version").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let number = text.split_once("(PostgreSQL) ")?.1;
    number.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}
