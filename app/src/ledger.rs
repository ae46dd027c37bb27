//! A ledger: a file beside the database, which only grows. It holds what must not come back with a restored backup, an entry a
//! line. No entry reveals a person.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Entries, and their file.
#[derive(Debug)]
pub struct Ledger<E> {
    path: PathBuf,
    entries: BTreeSet<E>,
    /// Whether a crash has cut the last line short.
    is_torn: bool,
}

impl<E: Clone + Display + FromStr + Ord> Ledger<E> {
    /// Reads the ledger in this file. The first entry creates the file.
    ///
    /// # Errors
    /// The file exists and cannot be read.
    pub fn open(path: &Path) -> io::Result<Self> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error),
        };
        let entries = text.lines().filter_map(|line| line.trim().parse().ok()).collect();
        Ok(Self { path: path.to_owned(), entries, is_torn: !text.is_empty() && !text.ends_with('\n') })
    }

    /// Whether this entry is in it.
    pub fn holds(&self, entry: &E) -> bool {
        self.entries.contains(entry)
    }

    /// All entries.
    pub fn entries(&self) -> Vec<E> {
        self.entries.iter().cloned().collect()
    }

    /// Adds entries. Returns when they would survive a power cut.
    ///
    /// # Errors
    /// The disk is full, and the like.
    pub fn add(&mut self, entries: impl IntoIterator<Item = E>) -> io::Result<()> {
        let new: BTreeSet<E> = entries.into_iter().filter(|entry| !self.holds(entry)).collect();
        if new.is_empty() {
            return Ok(());
        }
        let directory = self.path.parent().filter(|it| !it.as_os_str().is_empty());
        if let Some(directory) = directory {
            DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        }
        let mut file = OpenOptions::new().append(true).create(true).mode(0o600).open(&self.path)?;
        let before = if self.is_torn { "\n" } else { "" };
        self.is_torn = true;
        let lines: String = new.iter().map(|entry| format!("{entry}\n")).collect();
        file.write_all(format!("{before}{lines}").as_bytes())?;
        file.sync_all()?;
        if let Some(directory) = directory {
            File::open(directory)?.sync_all()?;
        }
        self.is_torn = false;
        self.entries.extend(new);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use domain::AccountId;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn an_entry_that_was_added_is_there_after_a_restart() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("erased.log");
        let (a, b) = (AccountId(Uuid::from_u128(1)), AccountId(Uuid::from_u128(2)));
        let mut ledger = Ledger::<AccountId>::open(&path).unwrap();
        ledger.add([a]).unwrap();
        ledger.add([a]).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("{a}\n"));

        // Cut short by a crash.
        std::fs::write(&path, format!("{a}\n0000")).unwrap();
        let mut ledger = Ledger::<AccountId>::open(&path).unwrap();
        ledger.add([a, b]).unwrap();
        assert_eq!(Ledger::<AccountId>::open(&path).unwrap().entries(), [a, b]);
    }
}
