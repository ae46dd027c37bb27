//! What a table has no room for in memory, in a file: packed rows, and events of rows that are in the file.
//!
//! It is divided into parts by the keys of rows, so that a part after the other tells all rows in the order of their keys: an index takes them
//! fastest so. Whatever belongs to one row is in one part, in the order in which it came; so a part can be read alone. Which keys begin a part
//! is guessed from the first rows: ids are random, so the parts are about equal.
//!
//! The file has no name, and it is sealed with a key that only this process has: an erasure could not reach the names in it.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use vault::ScratchKey;

/// Into how many parts the rows are divided: a part has to fit into memory.
pub(crate) const PARTS: usize = 128;
/// Bytes that a part collects before they are written.
const PIECE: usize = 8 * 1024;

const ROW: u8 = 0;
const EVENT: u8 = 1;

/// Where rows may be while the log is read.
#[derive(Clone)]
pub(crate) struct Room {
    /// Bytes of rows in memory, of all views.
    pub memory: usize,
    /// Where the others go.
    pub directory: Arc<Path>,
}

/// A file for rows could not be made, written or read.
#[derive(Debug, thiserror::Error)]
#[error("rows that do not fit into memory cannot be kept in {} (TMPDIR names another directory)", directory.display())]
pub struct OverflowError {
    directory: Arc<Path>,
    source: io::Error,
}

impl Room {
    /// That of nearly a million events.
    pub fn usual() -> Self {
        Self::of(96 * 1024 * 1024)
    }

    /// So many bytes, and the directory that TMPDIR names. Without it not `/tmp`, which is memory on many machines.
    pub fn of(memory: usize) -> Self {
        let directory = std::env::var_os("TMPDIR").map_or_else(|| "/var/tmp".into(), PathBuf::from);
        Self { memory, directory: directory.into() }
    }

    /// That there was no room for the others.
    pub fn error(&self, source: io::Error) -> OverflowError {
        OverflowError { directory: self.directory.clone(), source }
    }
}

/// The file.
pub(crate) struct Overflow {
    file: File,
    key: ScratchKey,
    /// The first keys of all parts but the first.
    bounds: Arc<[String]>,
    parts: Vec<Part>,
    /// The number of the next piece.
    pieces: u64,
    /// Where the next piece goes.
    end: u64,
}

#[derive(Default)]
struct Part {
    collected: Vec<u8>,
    pieces: Vec<Piece>,
}

/// A sealed part of the file.
#[derive(Clone, Copy)]
struct Piece {
    number: u64,
    at: u64,
    length: usize,
}

/// What was written, as it was written.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Record<'a> {
    /// A row and its key, as the table packed it.
    Row(&'a str, &'a [u8]),
    /// An event at a position, as the caller wrote it.
    Event(i64, &'a [u8]),
}

impl Overflow {
    /// An empty one in this directory, for keys like these.
    ///
    /// # Errors
    /// The file cannot be made.
    pub fn create(directory: &Path, mut keys: Vec<String>) -> io::Result<Self> {
        keys.sort_unstable();
        let bounds = (1..PARTS).filter_map(|part| keys.get(part * keys.len() / PARTS).cloned());
        Self::divided(directory, bounds.collect())
    }

    /// An empty one in this directory, with the same parts.
    ///
    /// # Errors
    /// The file cannot be made.
    pub fn like(&self, directory: &Path) -> io::Result<Self> {
        Self::divided(directory, self.bounds.clone())
    }

    fn divided(directory: &Path, bounds: Arc<[String]>) -> io::Result<Self> {
        Ok(Self {
            file: tempfile::tempfile_in(directory)?,
            key: ScratchKey::random(),
            bounds,
            parts: std::iter::repeat_with(Part::default).take(PARTS).collect(),
            pieces: 0,
            end: 0,
        })
    }

    /// Writes a row.
    ///
    /// # Errors
    /// There is no room.
    pub fn put_row(&mut self, key: &str, packed: &[u8]) -> io::Result<()> {
        self.put(key, ROW, key.as_bytes(), packed)
    }

    /// Writes an event of the row with this key.
    ///
    /// # Errors
    /// There is no room.
    pub fn put_event(&mut self, key: &str, position: i64, event: &[u8]) -> io::Result<()> {
        self.put(key, EVENT, &position.to_le_bytes(), event)
    }

    fn put(&mut self, key: &str, kind: u8, head: &[u8], body: &[u8]) -> io::Result<()> {
        let number = self.part_of(key);
        let collected = &mut self.parts[number].collected;
        collected.push(kind);
        for field in [head, body] {
            collected.extend((field.len() as u32).to_le_bytes());
            collected.extend(field);
        }
        if collected.len() >= PIECE { self.write(number) } else { Ok(()) }
    }

    fn write(&mut self, number: usize) -> io::Result<()> {
        let Part { collected, pieces } = &mut self.parts[number];
        let sealed = self.key.seal(self.pieces, collected);
        self.file.write_all_at(&sealed, self.end)?;
        pieces.push(Piece { number: self.pieces, at: self.end, length: sealed.len() });
        collected.clear();
        self.pieces += 1;
        self.end += sealed.len() as u64;
        Ok(())
    }

    /// Which part a row with this key is in.
    pub fn part_of(&self, key: &str) -> usize {
        self.bounds.partition_point(|first| first.as_str() <= key)
    }

    /// Reads a part from its beginning.
    ///
    /// # Errors
    /// The file cannot be read, or is not what was written.
    pub fn read(
        &mut self,
        number: usize,
        mut each: impl FnMut(Record<'_>) -> io::Result<()>,
    ) -> io::Result<()> {
        let Part { collected, pieces } = &self.parts[number];
        for piece in pieces {
            let mut sealed = vec![0; piece.length];
            self.file.read_exact_at(&mut sealed, piece.at)?;
            let opened = self.key.open(piece.number, &sealed).ok_or_else(changed)?;
            records(&opened, &mut each)?;
        }
        records(collected, &mut each)
    }
}

fn records(mut left: &[u8], each: &mut impl FnMut(Record<'_>) -> io::Result<()>) -> io::Result<()> {
    while let Some((kind, rest)) = left.split_first() {
        left = rest;
        let (head, body) = (field(&mut left)?, field(&mut left)?);
        each(match *kind {
            ROW => Record::Row(std::str::from_utf8(head).map_err(|_| changed())?, body),
            _ => Record::Event(i64::from_le_bytes(head.try_into().map_err(|_| changed())?), body),
        })?;
    }
    Ok(())
}

fn field<'a>(left: &mut &'a [u8]) -> io::Result<&'a [u8]> {
    let (length, rest) = left.split_first_chunk().ok_or_else(changed)?;
    let (field, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize).ok_or_else(changed)?;
    *left = rest;
    Ok(field)
}

fn changed() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the file is not what was written into it")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_belongs_to_a_row_comes_back_in_its_order() {
        let keys: Vec<String> = (0..500).map(|number| format!("key {number:03}")).collect();
        let mut overflow = Overflow::create(Path::new("/var/tmp"), keys[100..].to_vec()).unwrap();
        for round in 0..20_i64 {
            for key in &keys {
                overflow.put_row(key, &[round as u8; 40]).unwrap();
                overflow.put_event(key, round, key.as_bytes()).unwrap();
            }
        }
        let mut found = std::collections::BTreeMap::<String, Vec<i64>>::new();
        for part in 0..PARTS {
            let (mut last, others) = (String::new(), found.clone());
            overflow
                .read(part, |record| {
                    match record {
                        Record::Row(key, packed) => {
                            last = key.to_owned();
                            assert_eq!(packed.len(), 40);
                            assert!(others.keys().all(|other| *other < last), "{last} is not in order");
                        }
                        Record::Event(position, event) => {
                            assert_eq!(event, last.as_bytes());
                            found.entry(last.clone()).or_default().push(position);
                        }
                    }
                    Ok(())
                })
                .unwrap();
        }
        assert_eq!(found.len(), keys.len());
        assert!(found.values().all(|positions| *positions == (0..20).collect::<Vec<_>>()));
    }

    #[test]
    fn nothing_in_the_file_can_be_read() {
        let mut overflow = Overflow::create(Path::new("/var/tmp"), Vec::new()).unwrap();
        for _ in 0..PIECE {
            overflow.put_row("Ilya", b"a name").unwrap();
        }
        let mut written = vec![0; overflow.end as usize];
        assert!(written.len() > PIECE);
        overflow.file.read_exact_at(&mut written, 0).unwrap();
        for name in [&b"Ilya"[..], b"a name"] {
            assert!(!written.windows(name.len()).any(|part| part == name));
        }
        overflow.file.write_all_at(&[written[9] ^ 1], 9).unwrap();
        assert!(overflow.read(overflow.part_of("Ilya"), |_| Ok(())).is_err());
    }
}
