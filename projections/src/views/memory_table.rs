//! A view folded aside, in memory: what the live table is compared with, what a rebuild writes, and how a view looked at
//! an earlier position.

use std::collections::HashMap;

use serde_json::Value;

use super::columns::Columns;
use super::key::Key;
use super::{FoldError, Lookups, RowFailure, View, decode_row, encode_row};
use eventlog::log::Fact;

/// A view's rows in memory.
pub(crate) trait MemoryTable: Send {
    /// From this event on this key stands still, as it does in the live table.
    fn park(&mut self, key: &str, position: i64);
    /// Folds an event in. RowFailure comes back once; from there on its key stands still.
    fn take(&mut self, fact: &Fact<'_>, lookups: &Lookups) -> Option<(String, RowFailure)>;
    /// How many rows there are.
    fn len(&self) -> usize;
    /// Compares the live row with the one here, and forgets it.
    fn compare(&mut self, key: &str, live: Value) -> Comparison;
    /// The keys that [`MemoryTable::compare`] has not been asked for.
    fn left(&self) -> Vec<String>;
    /// The row with this key, as a tuple of a binary COPY.
    fn tuple(&self, key: &str) -> Option<Tuple>;
    /// Takes all rows out, in the order of their keys, as tuples of a binary COPY.
    fn tuples(&mut self) -> Box<dyn Iterator<Item = Tuple> + Send>;
    /// The rows in the order of their keys, or the one row with this key.
    fn rows(&self, key: Option<&str>) -> Vec<Value>;
}

/// A row on its way into a table.
pub(crate) struct Tuple {
    pub key: String,
    /// As a binary COPY takes it.
    pub bytes: Vec<u8>,
}

/// What became of a comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    /// Equal in every column.
    Same,
    /// Not equal in these.
    Differs(Vec<String>),
    /// The log knows no such row.
    Surplus,
    /// The live row does not have the view's shape.
    Unreadable,
}

/// The one implementation. A row is unpacked for the moment in which it is folded: that takes less time than the memory
/// that a million of them would take otherwise.
pub(super) struct Rows<V> {
    rows: HashMap<Key, Box<[u8]>>,
    held: HashMap<Key, i64>,
    /// Where a row is packed before it is known how long it gets.
    scratch: Vec<u8>,
    view: std::marker::PhantomData<fn() -> V>,
}

impl<V: View> Default for Rows<V> {
    fn default() -> Self {
        Self {
            rows: HashMap::new(),
            held: HashMap::new(),
            scratch: Vec::new(),
            view: std::marker::PhantomData,
        }
    }
}

impl<V: View + 'static> MemoryTable for Rows<V> {
    fn park(&mut self, key: &str, position: i64) {
        self.held.insert(key.into(), position);
    }

    fn take(&mut self, fact: &Fact<'_>, lookups: &Lookups) -> Option<(String, RowFailure)> {
        let text = V::key(fact)?;
        let key = Key::from(&*text);
        if !self.held.is_empty() && self.held.get(&key).is_some_and(|from| *from <= fact.position) {
            return None;
        }
        let before = self.rows.get(&key).map(|packed| V::Row::unpack(packed));
        let step = match fact.event {
            Ok(_) => V::fold(before, fact, lookups),
            Err(error) => Err(FoldError::Undecodable(error.to_string())),
        };
        match step {
            Ok(Some(row)) => {
                self.scratch.clear();
                row.pack(&mut self.scratch);
                self.rows.insert(key, self.scratch.as_slice().into());
                None
            }
            Ok(None) => {
                self.rows.remove(&key);
                None
            }
            Err(error) => {
                self.held.insert(key, fact.position);
                Some((text.into_owned(), RowFailure { position: fact.position, error }))
            }
        }
    }

    fn len(&self) -> usize {
        self.rows.len()
    }

    fn compare(&mut self, key: &str, live: Value) -> Comparison {
        let Some(packed) = self.rows.remove(&Key::from(key)) else { return Comparison::Surplus };
        let Ok(live) = decode_row::<V>(live) else { return Comparison::Unreadable };
        self.scratch.clear();
        live.pack(&mut self.scratch);
        if *self.scratch == *packed {
            return Comparison::Same;
        }
        let (live, aside) = (encode_row::<V>(&live), encode_row::<V>(&V::Row::unpack(&packed)));
        let (Value::Object(live), Value::Object(aside)) = (live, aside) else {
            return Comparison::Unreadable;
        };
        let differing = aside.iter().filter(|(column, value)| live.get(*column) != Some(value));
        let differing: Vec<String> = differing.map(|(column, _)| column.clone()).collect();
        if differing.is_empty() { Comparison::Same } else { Comparison::Differs(differing) }
    }

    fn left(&self) -> Vec<String> {
        let mut left: Vec<String> = self.rows.keys().map(|key| key.as_str().to_owned()).collect();
        left.sort_unstable();
        left
    }

    fn tuple(&self, key: &str) -> Option<Tuple> {
        let key = Key::from(key);
        self.rows.get(&key).map(|packed| tuple::<V>(&key, packed))
    }

    fn tuples(&mut self) -> Box<dyn Iterator<Item = Tuple> + Send> {
        let mut rows: Vec<(Key, Box<[u8]>)> = std::mem::take(&mut self.rows).into_iter().collect();
        rows.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        Box::new(rows.into_iter().map(|(key, packed)| tuple::<V>(&key, &packed)))
    }

    fn rows(&self, key: Option<&str>) -> Vec<Value> {
        let wanted = self.rows.iter().filter(|(own, _)| key.is_none_or(|key| key == own.as_str()));
        let mut rows: Vec<_> = wanted.map(|(own, packed)| (own, V::Row::unpack(packed))).collect();
        rows.sort_unstable_by_key(|(own, _)| *own);
        rows.iter().map(|(_, row)| encode_row::<V>(row)).collect()
    }
}

fn tuple<V: View>(key: &Key, packed: &[u8]) -> Tuple {
    let mut bytes = Vec::with_capacity(4 * packed.len());
    V::Row::unpack(packed).tuple(&mut bytes);
    Tuple { key: key.as_str().to_owned(), bytes }
}
