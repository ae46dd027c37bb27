//! Telethon's session files, `user_<telegram id>.session`: SQLite, as Telethon 1 writes it.
//!
//! ```text
//!   version   (version)                                                       7, or 8 from Telethon 1.43.2 on
//!   sessions  (dc_id, server_address, port, auth_key, takeout_id              one row
//!              from version 8 on also tmp_auth_key)
//!   entities  (id, hash, …)                                                   row 0: its hash is the account's own id
//! ```
//! A file is only read: it is opened as one that never changes, so SQLite neither locks it nor looks for a journal. One that may
//! change after all is refused before ([`in_use`]): Telegram kills a key that two programs use.

use std::fs::{File, Metadata};
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};
use login_worker::AuthKey;
use rusqlite::{Connection, OpenFlags, OptionalExtension};
use zeroize::Zeroizing;

pub mod in_use;
#[cfg(test)]
mod tests;
pub mod write;

/// A file that was written more recently is refused: its program may still run.
const SETTLED_AFTER: SignedDuration = SignedDuration::from_secs(60);
/// More is no session file.
const LARGEST_BYTES: u64 = 1 << 30;
/// The layouts that are known.
const VERSIONS: [i64; 2] = [7, 8];

/// A session that Telethon has stored.
pub struct TelethonSession {
    /// Its home data centre.
    pub dc_id: i32,
    /// The key for it.
    pub key: Zeroizing<AuthKey>,
    /// The account, where the file says it. Telethon notes it once it has asked Telegram.
    pub account: Option<i64>,
}

/// Why a file is not taken, in words for an operator.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// Nobody has logged in, or the file was moved.
    #[error("there is no file {0}")]
    Missing(String),
    /// For example, it is a folder.
    #[error("it is no regular file")]
    NoFile,
    /// It holds nothing.
    #[error("the file is empty")]
    Empty,
    /// It cannot be read.
    #[error("the file cannot be read ({0}): run the import as its owner or as root")]
    Unreadable(io::ErrorKind),
    /// Some process has locked it.
    #[error("another process{pid} has locked the file: stop the program that uses it, and import again")]
    Locked {
        /// ` (process 17)`.
        pid: String,
    },
    /// Some process has it open.
    #[error("process {pid} ({name}) has the file open: stop it, and import again")]
    Open {
        /// Its number.
        pid: u32,
        /// Its name.
        name: String,
    },
    /// Its program may still run.
    #[error(
        "the file was written less than a minute ago: stop the program that uses it, wait a minute, and import again"
    )]
    JustWritten,
    /// Its time of change lies in the future.
    #[error(
        "the file was written in the future: correct the clock, or `touch` the file, wait a minute, and import again"
    )]
    WrittenLater,
    /// A transaction of SQLite was broken off.
    #[error(
        "{0} lies beside the file: start and stop its program once, so that SQLite finishes what was broken off"
    )]
    Journal(String),
    /// It is no database, or a damaged one.
    #[error("the file is no session of Telethon, or is damaged")]
    NoSession,
    /// Another layout.
    #[error("the file has layout {0}, and only 7 and 8 are known: open it once with Telethon 1.41 or later")]
    Version(i64),
    /// Nobody is logged in with it.
    #[error("the file holds no key: nobody has logged in with it")]
    NoKey,
    /// The file names another account.
    #[error("the file is the session of another account ({0})")]
    OtherAccount(i64),
    /// Two files hold one key.
    #[error("{0} holds the same key, and no file says whose it is")]
    SameKey(String),
    /// No such data centre is known.
    #[error("the file names data centre {0}, which this network does not have")]
    UnknownDataCentre(i32),
}

/// The name of a person's file.
pub fn file_name(telegram_id: i64) -> String {
    format!("user_{telegram_id}.session")
}

/// The Telegram ids that files in this folder are named by, in order.
///
/// # Errors
/// The folder cannot be read.
pub fn telegram_ids(directory: &Path) -> io::Result<Vec<i64>> {
    let mut ids = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let name = entry?.file_name();
        let id = name.to_str().and_then(|name| name.strip_prefix("user_")?.strip_suffix(".session"));
        ids.extend(id.and_then(|id| id.parse::<i64>().ok()));
    }
    ids.sort_unstable();
    Ok(ids)
}

/// Reads the session of this person. `open_files` are those that processes have open.
///
/// # Errors
/// [`Refused`].
pub fn read(
    directory: &Path,
    telegram_id: i64,
    open_files: &in_use::OpenFiles,
    now: Timestamp,
) -> Result<TelethonSession, Refused> {
    let path = directory.join(file_name(telegram_id));
    let file = File::open(&path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Refused::Missing(file_name(telegram_id)),
        kind => Refused::Unreadable(kind),
    })?;
    let before = file.metadata().map_err(unreadable)?;
    check(&path, &file, &before, open_files, now)?;
    let session = session_in(&file)?;
    // Who has written it meanwhile did not know that it is being taken.
    let after = file.metadata().map_err(unreadable)?;
    if written_at(&before) != written_at(&after) || before.len() != after.len() {
        return Err(Refused::JustWritten);
    }
    match session.account {
        Some(account) if account != telegram_id => Err(Refused::OtherAccount(account)),
        _ => Ok(session),
    }
}

fn check(
    path: &Path,
    file: &File,
    metadata: &Metadata,
    open_files: &in_use::OpenFiles,
    now: Timestamp,
) -> Result<(), Refused> {
    if !metadata.is_file() || metadata.len() > LARGEST_BYTES {
        return Err(Refused::NoFile);
    }
    if let Some(pid) = in_use::locked_by(file) {
        return Err(Refused::Locked { pid: pid.map_or_else(String::new, |pid| format!(" ({pid})")) });
    }
    if let Some((pid, name)) = open_files.of(metadata) {
        return Err(Refused::Open { pid, name });
    }
    if metadata.len() == 0 {
        return Err(Refused::Empty);
    }
    for suffix in ["-journal", "-wal"] {
        let mut beside = path.as_os_str().to_owned();
        beside.push(suffix);
        let beside = PathBuf::from(beside);
        if std::fs::metadata(&beside).is_ok_and(|beside| beside.len() > 0) {
            let name = beside.file_name().unwrap_or_default().to_string_lossy().into_owned();
            return Err(Refused::Journal(name));
        }
    }
    let age = now.duration_since(written_at(metadata).unwrap_or(Timestamp::UNIX_EPOCH));
    if age < -SETTLED_AFTER {
        return Err(Refused::WrittenLater);
    }
    if age < SETTLED_AFTER {
        return Err(Refused::JustWritten);
    }
    Ok(())
}

fn session_in(file: &File) -> Result<TelethonSession, Refused> {
    // By its descriptor: whatever its path is now, this is the file that was looked at.
    let uri = format!("file:/proc/self/fd/{}?mode=ro&immutable=1", file.as_raw_fd());
    let flags =
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let database = Connection::open_with_flags(uri, flags).map_err(no_session)?;
    let version: i64 =
        database.query_row("select version from version", [], |row| row.get(0)).map_err(no_session)?;
    if !VERSIONS.contains(&version) {
        return Err(Refused::Version(version));
    }
    let mut sessions =
        database.prepare("select dc_id, auth_key from sessions limit 2").map_err(no_session)?;
    let rows = sessions.query_map([], |row| {
        Ok((row.get::<_, i32>(0)?, Zeroizing::new(row.get::<_, Option<Vec<u8>>>(1)?.unwrap_or_default())))
    });
    let mut rows = rows.and_then(Iterator::collect::<Result<Vec<_>, _>>).map_err(no_session)?;
    let Some((dc_id, stored)) = rows.pop() else { return Err(Refused::NoKey) };
    if !rows.is_empty() {
        return Err(Refused::NoSession);
    }
    if stored.is_empty() {
        return Err(Refused::NoKey);
    }
    let key: AuthKey = stored.as_slice().try_into().map_err(|_| Refused::NoSession)?;
    let account = database.query_row("select hash from entities where id = 0", [], |row| row.get(0));
    let account = account.optional().map_err(no_session)?;
    Ok(TelethonSession { dc_id, key: Zeroizing::new(key), account })
}

fn written_at(metadata: &Metadata) -> Option<Timestamp> {
    metadata.modified().ok().and_then(|at| Timestamp::try_from(at).ok())
}

#[expect(clippy::needless_pass_by_value, reason = "as map_err has it")]
fn unreadable(error: io::Error) -> Refused {
    Refused::Unreadable(error.kind())
}

/// What SQLite says may quote the file.
fn no_session(_: rusqlite::Error) -> Refused {
    Refused::NoSession
}
