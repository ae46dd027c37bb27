//! The ledger of erased accounts: a file beside the database, with one account id on each line. An id does not reveal the
//! person. After a backup is restored, these accounts are erased again.

use std::collections::BTreeSet;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use domain::AccountId;

/// The accounts that were erased, and their file.
#[derive(Debug)]
pub struct Ledger {
    path: PathBuf,
    accounts: BTreeSet<AccountId>,
    /// Whether a crash has cut the last line short.
    is_torn: bool,
}

impl Ledger {
    /// Reads the ledger in this file. The first account creates the file.
    ///
    /// # Errors
    /// The file exists and cannot be read.
    pub fn open(path: &Path) -> io::Result<Self> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error),
        };
        let accounts = text.lines().filter_map(|line| line.trim().parse().ok()).collect();
        Ok(Self { path: path.to_owned(), accounts, is_torn: !text.is_empty() && !text.ends_with('\n') })
    }

    /// Whether this account is in it.
    pub fn holds(&self, account: AccountId) -> bool {
        self.accounts.contains(&account)
    }

    /// All accounts in it.
    pub fn accounts(&self) -> Vec<AccountId> {
        self.accounts.iter().copied().collect()
    }

    /// Adds an account. Returns when the line would survive a power cut.
    ///
    /// # Errors
    /// The disk is full, and the like.
    pub fn add(&mut self, account: AccountId) -> io::Result<()> {
        if self.holds(account) {
            return Ok(());
        }
        let directory = self.path.parent().filter(|it| !it.as_os_str().is_empty());
        if let Some(directory) = directory {
            DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        }
        let mut file = OpenOptions::new().append(true).create(true).mode(0o600).open(&self.path)?;
        let before = if self.is_torn { "\n" } else { "" };
        self.is_torn = true;
        file.write_all(format!("{before}{account}\n").as_bytes())?;
        file.sync_all()?;
        if let Some(directory) = directory {
            File::open(directory)?.sync_all()?;
        }
        self.is_torn = false;
        self.accounts.insert(account);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn an_account_that_was_added_is_there_after_a_restart() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("erased.log");
        let (a, b) = (AccountId(Uuid::from_u128(1)), AccountId(Uuid::from_u128(2)));
        let mut ledger = Ledger::open(&path).unwrap();
        ledger.add(a).unwrap();
        ledger.add(a).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("{a}\n"));

        // Cut short by a crash.
        std::fs::write(&path, format!("{a}\n0000")).unwrap();
        let mut ledger = Ledger::open(&path).unwrap();
        ledger.add(b).unwrap();
        assert_eq!(Ledger::open(&path).unwrap().accounts(), [a, b]);
    }
}
