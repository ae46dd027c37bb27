//! Writes a session file that is not there any more, when its session goes back.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use login_worker::AuthKey;
use rusqlite::{Connection, params};

/// Why no file was written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The folder refuses it, or a file is there.
    #[error(transparent)]
    File(#[from] std::io::Error),
    /// SQLite refuses.
    #[error("the file cannot be filled")]
    Sqlite(#[source] rusqlite::Error),
}

/// The tables of layout 7, which every Telethon since 1.24 opens.
const LAYOUT: &str = "
    create table version (version integer primary key);
    create table sessions (dc_id integer primary key, server_address text, port integer, auth_key blob, takeout_id integer);
    create table entities (id integer primary key, hash integer not null, username text, phone integer, name text, date integer);
    create table sent_files (md5_digest blob, file_size integer, type integer, id integer, hash integer,
                             primary key (md5_digest, file_size, type));
    create table update_state (id integer primary key, pts integer, qts integer, date integer, seq integer);
    insert into version values (7);
";

/// Writes a new file (0600) with this session. One that is there is never overwritten.
///
/// # Errors
/// [`WriteError`]: half a file is not left behind.
pub fn write_new(
    path: &Path,
    dc_id: i32,
    address: std::net::SocketAddrV4,
    key: &AuthKey,
) -> Result<(), WriteError> {
    drop(OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?);
    let filled = Connection::open(path).and_then(|database| {
        database.execute_batch(LAYOUT)?;
        database.execute(
            "insert into sessions values (?1, ?2, ?3, ?4, null)",
            params![dc_id, address.ip().to_string(), address.port(), &key[..]],
        )?;
        Ok(())
    });
    if let Err(error) = filled {
        let _ = std::fs::remove_file(path);
        return Err(WriteError::Sqlite(error));
    }
    // The vault forgets the key after this.
    File::open(path)?.sync_all()?;
    if let Some(folder) = path.parent() {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}
