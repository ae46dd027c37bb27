//! A view folded in limited memory: the rows that are being worked on are in a table, the others in a file ([`Overflow`]).
//!
//! A row is begun by the first event of its stream. Where memory is full, all rows of the largest table go into its file. An event of a row that is
//! there goes after it, unfolded. At the end part by part is read, and such events are folded then. Most rows have their events close
//! together, so few are decoded twice.

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::iter::Enumerate;
use std::vec;

use projections::views::{AnyView, Lookups, MemoryTable, RowFailure, RowsBy};

use crate::overflow::{Overflow, OverflowError, PARTS, Record, Room};
use crate::reading::stored_event::StoredEvent;

/// How many keys tell where the parts begin.
const SAMPLE: usize = 64 * PARTS;

/// Rows in memory, and the others.
pub(crate) struct BoundedTable {
    view: &'static dyn AnyView,
    room: Room,
    table: Box<dyn MemoryTable>,
    /// Keys that were parked before, and from which position on.
    parked: HashMap<String, i64>,
    /// Keys that this reading has parked.
    failures: Vec<(String, RowFailure)>,
    overflow: Option<Overflow>,
}

/// Rows that fit into memory.
pub(crate) struct Part {
    /// Which one, as [`Overflow::part_of`] counts; 0 where it is the only one.
    pub number: usize,
    pub rows: Box<dyn MemoryTable>,
    /// Keys of it that the reading has parked.
    pub failures: HashMap<String, RowFailure>,
    /// Keys that something was folded into before their streams began. Neither their rows nor their failures are here: they have to
    /// be folded alone.
    pub out_of_order: BTreeSet<String>,
}

impl BoundedTable {
    /// An empty one.
    pub fn new(view: &'static dyn AnyView, room: Room) -> Self {
        let (parked, failures) = (HashMap::new(), Vec::new());
        Self { view, room, table: view.memory_table(), parked, failures, overflow: None }
    }

    /// Parks this key from this event on, as it is in the live table.
    pub fn park(&mut self, key: &str, position: i64) {
        self.table.park(key, position);
        self.parked.insert(key.to_owned(), position);
    }

    /// Folds an event in. What is wrong with the event is told by the [`Part`].
    ///
    /// # Errors
    /// There is no room for the file.
    pub fn fold(&mut self, position: i64, event: &StoredEvent<'_>, lookups: &Lookups) -> io::Result<()> {
        let fact = event.fact(position);
        if let (Some(overflow), RowsBy::Stream(kind)) = (&mut self.overflow, self.view.interest().rows_by)
            && (event.sequence, event.stream) != (1, kind.name())
        {
            let Some(key) = self.view.key(&fact) else { return Ok(()) };
            if !self.table.can_fold(&key, position) {
                return overflow.put_event(&key, position, &event.to_bytes(lookups));
            }
        }
        self.failures.extend(self.table.fold_in(&fact, lookups));
        Ok(())
    }

    /// About how much memory its rows take. Hours and days do not count, because they stay: they are few, and no event begins one.
    pub fn bytes(&self) -> usize {
        match self.view.interest().rows_by {
            RowsBy::Stream(_) => self.table.bytes(),
            RowsBy::Time => 0,
        }
    }

    /// Puts its rows into the file.
    ///
    /// # Errors
    /// There is no room for it.
    pub fn make_room(&mut self) -> io::Result<()> {
        let overflow = match &mut self.overflow {
            Some(overflow) => overflow,
            none => none.insert(Overflow::create(&self.room.directory, self.table.some_keys(SAMPLE))?),
        };
        let mut done = Ok(());
        self.table.take_packed(&mut |key, packed| {
            if done.is_ok() {
                done = overflow.put_row(key, packed);
            }
        });
        done
    }

    /// Nothing more is folded in: rows of which some are in the file go there all, so that memory is free for what reads them.
    ///
    /// # Errors
    /// There is no room for the file.
    pub fn end(&mut self) -> io::Result<()> {
        if self.overflow.is_some() { self.make_room() } else { Ok(()) }
    }

    /// All rows of a table that has ended, part by part in the order of their keys: one part where they fitted into memory.
    pub fn into_parts(self) -> Parts {
        let Self { view, room, table, parked, failures, overflow } = self;
        let mut failed = Vec::new();
        failed.resize_with(if overflow.is_some() { PARTS } else { 1 }, HashMap::new);
        for (key, failure) in failures {
            let number = overflow.as_ref().map_or(0, |overflow| overflow.part_of(&key));
            failed[number].insert(key, failure);
        }
        let left = failed.into_iter().enumerate();
        Parts { view, room, rows: Some(table), parked, left, overflow }
    }
}

/// The rows of a [`BoundedTable`].
pub(crate) struct Parts {
    view: &'static dyn AnyView,
    pub room: Room,
    /// All of them, where there is no file.
    rows: Option<Box<dyn MemoryTable>>,
    parked: HashMap<String, i64>,
    /// The parts that are left, with the failures of each.
    left: Enumerate<vec::IntoIter<HashMap<String, RowFailure>>>,
    overflow: Option<Overflow>,
}

impl Parts {
    /// The file that they are in; None where they fitted into memory, as one part.
    pub const fn file(&self) -> Option<&Overflow> {
        self.overflow.as_ref()
    }

    /// The next part; None after the last one.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn next(&mut self) -> Result<Option<Part>, OverflowError> {
        let Some((number, mut failures)) = self.left.next() else { return Ok(None) };
        let mut out_of_order = BTreeSet::new();
        let Some(overflow) = &mut self.overflow else {
            return Ok(self.rows.take().map(|rows| Part { number, rows, failures, out_of_order }));
        };
        let (mut rows, mut lookups) = (self.view.memory_table(), Lookups::default());
        let mut failed_here = HashMap::new();
        let read = overflow.read(number, |record| {
            match record {
                Record::Row(key, packed) => {
                    if failed_here.contains_key(key) || !rows.put_packed(key, packed) {
                        out_of_order.insert(key.to_owned());
                    }
                }
                Record::Event(position, bytes) => {
                    let event = StoredEvent::from_bytes(bytes, &mut lookups)?;
                    failed_here.extend(rows.fold_in(&event.fact(position), &lookups));
                }
            }
            Ok(())
        });
        read.map_err(|error| self.room.error(error))?;
        failures.extend(failed_here);
        for key in &out_of_order {
            failures.remove(key);
            rows.forget(key);
            // Its events from there on are not in the file, but in the log.
            if let Some(position) = self.parked.get(key) {
                rows.park(key, *position);
            }
        }
        Ok(Some(Part { number, rows, failures, out_of_order }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// No view of today can be brought there by a log.
    #[test]
    fn a_row_that_is_there_already_is_named_and_not_replaced() {
        let view = projections::views::named("invites").unwrap();
        let room = Room::of(0);
        let mut overflow = Overflow::create(&room.directory, Vec::new()).unwrap();
        let mut table = BoundedTable::new(view, room);
        for (key, packed) in [("one", b"first"), ("two", b"first"), ("one", b"again")] {
            overflow.put_row(key, packed).unwrap();
        }
        table.overflow = Some(overflow);
        let mut parts = table.into_parts();
        let mut out_of_order = Vec::new();
        while let Some(part) = parts.next().unwrap() {
            assert!(part.failures.is_empty() && !part.rows.can_fold("one", 1));
            out_of_order.extend(part.out_of_order);
        }
        assert_eq!(out_of_order, ["one"]);
    }
}
