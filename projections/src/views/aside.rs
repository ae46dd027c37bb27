//! A view folded aside, in memory: what the live table is compared with, and how a view looked at an earlier position.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;

use super::{FoldError, Known, Poison, View, decode_row, encode_row};
use crate::log::LogEvent;

/// A view's rows in memory.
pub(crate) trait Aside: Send {
    /// From this event on this key stands still, as it does in the live table.
    fn hold(&mut self, key: String, position: i64);
    /// Folds an event in. Poison comes back once; from there on its key stands still.
    fn take(&mut self, event: &LogEvent, known: &Known) -> Option<(String, Poison)>;
    /// How many rows there are.
    fn len(&self) -> usize;
    /// Compares the live row with the one here, and forgets it.
    fn compare(&mut self, key: &str, live: Value) -> Comparison;
    /// The keys that [`Aside::compare`] has not been asked for.
    fn left(&self) -> Vec<String>;
    /// Takes up to `limit` rows out, in the order of their keys.
    fn take_rows(&mut self, limit: usize) -> Vec<(String, Value)>;
    /// The rows in the order of their keys, or the one row with this key.
    fn rows(&self, key: Option<&str>) -> Vec<Value>;
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

/// The one implementation: rows in their own type, a third of the size of their JSON.
pub(super) struct Rows<V: View> {
    rows: BTreeMap<String, V::Row>,
    held: HashMap<String, i64>,
}

impl<V: View> Default for Rows<V> {
    fn default() -> Self {
        Self { rows: BTreeMap::new(), held: HashMap::new() }
    }
}

impl<V: View> Aside for Rows<V>
where
    V::Row: Send,
{
    fn hold(&mut self, key: String, position: i64) {
        self.held.insert(key, position);
    }

    fn take(&mut self, event: &LogEvent, known: &Known) -> Option<(String, Poison)> {
        let key = V::key(event)?;
        if self.held.get(&key).is_some_and(|from| *from <= event.position) {
            return None;
        }
        let before = self.rows.remove(&key);
        let step = match &event.event {
            Ok(_) => V::fold(before.clone(), event, known),
            Err(error) => Err(FoldError::Undecodable(error.to_string())),
        };
        match step {
            Ok(after) => {
                self.rows.extend(after.map(|row| (key, row)));
                None
            }
            Err(error) => {
                self.rows.extend(before.map(|row| (key.clone(), row)));
                self.held.insert(key.clone(), event.position);
                Some((key, Poison { position: event.position, error }))
            }
        }
    }

    fn len(&self) -> usize {
        self.rows.len()
    }

    fn compare(&mut self, key: &str, live: Value) -> Comparison {
        let Some(aside) = self.rows.remove(key) else { return Comparison::Surplus };
        let Ok(live) = decode_row::<V>(live) else { return Comparison::Unreadable };
        let (Some(Value::Object(live)), Some(Value::Object(aside))) =
            (encode_row::<V>(Some(&live)), encode_row::<V>(Some(&aside)))
        else {
            return Comparison::Unreadable;
        };
        let differing: Vec<String> = aside
            .iter()
            .filter(|(column, value)| live.get(*column) != Some(value))
            .map(|(column, _)| column.clone())
            .collect();
        if differing.is_empty() { Comparison::Same } else { Comparison::Differs(differing) }
    }

    fn left(&self) -> Vec<String> {
        self.rows.keys().cloned().collect()
    }

    fn take_rows(&mut self, limit: usize) -> Vec<(String, Value)> {
        let mut taken = Vec::new();
        while taken.len() < limit
            && let Some((key, row)) = self.rows.pop_first()
        {
            taken.extend(encode_row::<V>(Some(&row)).map(|row| (key, row)));
        }
        taken
    }

    fn rows(&self, key: Option<&str>) -> Vec<Value> {
        let wanted = self.rows.iter().filter(|(own, _)| key.is_none_or(|key| key == own.as_str()));
        wanted.filter_map(|(_, row)| encode_row::<V>(Some(row))).collect()
    }
}
