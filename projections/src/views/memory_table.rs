//! A view that is folded in memory: to compare it with the live table, to write it in a rebuild, or to show it at an
//! earlier position.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use serde::Deserialize;
use serde_json::Value;

use super::columns::Columns;
use super::key::Key;
use super::lookups::Lookups;
use super::view::{FoldError, RowFailure, View, encode_row};
use eventlog::log::Fact;

/// What the heap takes for a row beside its packed bytes: its header, and half of what it rounds up to.
const HEAP: usize = 16;

/// A view's rows in memory.
pub trait MemoryTable: Send {
    /// Parks this key from this event on, as it is in the live table.
    fn park(&mut self, key: &str, position: i64);
    /// Folds an event in. A failure is returned once: it parks the key.
    fn fold_in(&mut self, fact: &Fact<'_>, lookups: &Lookups) -> Option<(String, RowFailure)>;
    /// How many rows there are.
    fn row_count(&self) -> usize;
    /// Compares the live row with the one here, and removes it here.
    fn compare(&mut self, key: &str, live: &Value) -> Comparison;
    /// The keys that [`MemoryTable::compare`] was not called with.
    fn not_compared(&self) -> Vec<String>;
    /// The row with this key, as a tuple of a binary COPY.
    fn tuple(&self, key: &str) -> Option<Tuple>;
    /// Takes all rows out, in the order of their keys, as tuples of a binary COPY.
    fn tuples(&mut self) -> Box<dyn Iterator<Item = Tuple> + Send>;
    /// The rows in the order of their keys, or the one row with this key.
    fn rows(&self, key: Option<&str>) -> Vec<Value>;
    /// Whether an event of this key at this position can be folded in: its row is here, or it is parked.
    fn can_fold(&self, key: &str, position: i64) -> bool;
    /// About how much memory the rows take.
    fn bytes(&self) -> usize;
    /// The keys of so many rows, or of all, without any order.
    fn some_keys(&self, most: usize) -> Vec<String>;
    /// Takes all rows out, as they are packed here: key and row. What is parked stays parked.
    fn take_packed(&mut self, take: &mut dyn FnMut(&str, &[u8]));
    /// Puts a row back. False, and nothing is changed, where there is one with its key.
    fn put_packed(&mut self, key: &str, packed: &[u8]) -> bool;
    /// Removes the row with this key, and that it is parked.
    fn forget(&mut self, key: &str);
}

/// A row on its way into a table.
pub struct Tuple {
    /// Which row it is.
    pub key: String,
    /// As a binary COPY takes it.
    pub bytes: Vec<u8>,
}

/// The result of a comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// All columns are equal.
    Same,
    /// They are not all equal. The row here.
    Differs(Value),
    /// The log makes no such row.
    Surplus,
    /// The live row does not have the view's shape. The row here.
    Unreadable(Value),
}

/// The one implementation. A row is unpacked only while it is folded: a million unpacked rows would need much more
/// memory.
pub(super) struct Rows<V> {
    rows: HashMap<Key, Box<[u8]>>,
    packed_bytes: usize,
    parked: HashMap<Key, i64>,
    /// A row is packed here first, because its length is not known before.
    scratch: Vec<u8>,
    view: std::marker::PhantomData<fn() -> V>,
}

impl<V: View> Default for Rows<V> {
    fn default() -> Self {
        Self {
            rows: HashMap::new(),
            packed_bytes: 0,
            parked: HashMap::new(),
            scratch: Vec::new(),
            view: std::marker::PhantomData,
        }
    }
}

impl<V: View + 'static> MemoryTable for Rows<V> {
    fn park(&mut self, key: &str, position: i64) {
        self.parked.insert(key.into(), position);
    }

    fn fold_in(&mut self, fact: &Fact<'_>, lookups: &Lookups) -> Option<(String, RowFailure)> {
        let text = V::key(fact)?;
        let key = Key::from(&*text);
        if !self.parked.is_empty() && self.parked.get(&key).is_some_and(|from| *from <= fact.position) {
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
                self.packed_bytes += self.scratch.len();
                let older = self.rows.insert(key, self.scratch.as_slice().into());
                self.packed_bytes -= older.map_or(0, |packed| packed.len());
                None
            }
            Ok(None) => {
                self.packed_bytes -= self.rows.remove(&key).map_or(0, |packed| packed.len());
                None
            }
            Err(error) => {
                self.parked.insert(key, fact.position);
                Some((text.into_owned(), RowFailure { position: fact.position, error }))
            }
        }
    }

    fn row_count(&self) -> usize {
        self.rows.len()
    }

    fn compare(&mut self, key: &str, live: &Value) -> Comparison {
        let Some(packed) = self.rows.remove(&Key::from(key)) else { return Comparison::Surplus };
        let folded = || encode_row::<V>(&V::Row::unpack(&packed));
        let Ok(live) = V::Row::deserialize(live) else { return Comparison::Unreadable(folded()) };
        self.scratch.clear();
        live.pack(&mut self.scratch);
        if *self.scratch == *packed {
            return Comparison::Same;
        }
        let folded = folded();
        if encode_row::<V>(&live) == folded { Comparison::Same } else { Comparison::Differs(folded) }
    }

    fn not_compared(&self) -> Vec<String> {
        let mut keys: Vec<String> = self.rows.keys().map(|key| key.as_str().to_owned()).collect();
        keys.sort_unstable();
        keys
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
        let as_json = |packed: &[u8]| encode_row::<V>(&V::Row::unpack(packed));
        if let Some(key) = key {
            return self.rows.get(&Key::from(key)).map(|packed| as_json(packed)).into_iter().collect();
        }
        let mut rows: Vec<_> = self.rows.iter().collect();
        rows.sort_unstable_by_key(|(own, _)| *own);
        rows.into_iter().map(|(_, packed)| as_json(packed)).collect()
    }

    fn can_fold(&self, key: &str, position: i64) -> bool {
        let key = Key::from(key);
        self.rows.contains_key(&key) || self.parked.get(&key).is_some_and(|from| *from <= position)
    }

    fn bytes(&self) -> usize {
        // One place in eight stays free; a place has a byte of the table's own.
        let places = self.rows.capacity() / 7 * 8;
        places * (size_of::<(Key, Box<[u8]>)>() + 1) + self.rows.len() * HEAP + self.packed_bytes
    }

    fn some_keys(&self, most: usize) -> Vec<String> {
        self.rows.keys().take(most).map(|key| key.as_str().to_owned()).collect()
    }

    fn take_packed(&mut self, take: &mut dyn FnMut(&str, &[u8])) {
        for (key, packed) in std::mem::take(&mut self.rows) {
            take(key.as_str(), &packed);
        }
        self.packed_bytes = 0;
    }

    fn put_packed(&mut self, key: &str, packed: &[u8]) -> bool {
        let Entry::Vacant(place) = self.rows.entry(key.into()) else { return false };
        place.insert(packed.into());
        self.packed_bytes += packed.len();
        true
    }

    fn forget(&mut self, key: &str) {
        let key = Key::from(key);
        self.packed_bytes -= self.rows.remove(&key).map_or(0, |packed| packed.len());
        self.parked.remove(&key);
    }
}

fn tuple<V: View>(key: &Key, packed: &[u8]) -> Tuple {
    let mut bytes = Vec::with_capacity(4 * packed.len());
    V::Row::unpack(packed).tuple(&mut bytes);
    Tuple { key: key.as_str().to_owned(), bytes }
}
