//! Views of all row types behind one interface, so that one loop can run all of them. Rows are JSON here.

use std::borrow::Cow;

use serde_json::Value;

use super::lookups::Lookups;
use super::memory_table::{MemoryTable, Rows};
use super::shape::Shape;
use super::view::{FoldError, Interest, RowFailure, View, decode_row, encode_row};
use eventlog::log::{Fact, LogEvent};

/// A [`View`] whose rows are JSON.
pub trait AnyView: Send + Sync {
    /// Name, key and columns.
    fn shape(&self) -> &'static Shape;
    /// See [`View::INTEREST`].
    fn interest(&self) -> Interest;
    /// See [`View::key`].
    fn key<'a>(&self, fact: &Fact<'a>) -> Option<Cow<'a, str>>;
    /// Folds one row's events in turn, up to the first that cannot be folded.
    fn fold(&self, row: Option<Value>, events: &[&LogEvent], lookups: &Lookups) -> Folded;
    /// The row in this view's own spelling: PostgreSQL spells a time differently. A value that is no row stays as it is.
    fn canonical(&self, row: Value) -> Value;
    /// An empty table in memory, to fold the whole log into.
    fn memory_table(&self) -> Box<dyn MemoryTable>;
}

/// The result of folding events into one row.
#[derive(Debug)]
pub struct Folded {
    /// The row; None is no row.
    pub row: Option<Value>,
    /// Why the row is parked, and from which event on.
    pub failure: Option<RowFailure>,
}

/// The one implementation of [`AnyView`]: it hides the row type of a [`View`].
pub(super) struct TypedView<V>(std::marker::PhantomData<fn() -> V>);

impl<V: View> TypedView<V> {
    pub const NEW: Self = Self(std::marker::PhantomData);
    const SHAPE: Shape = V::SHAPE;
}

impl<V: View + 'static> AnyView for TypedView<V> {
    fn shape(&self) -> &'static Shape {
        &Self::SHAPE
    }

    fn interest(&self) -> Interest {
        V::INTEREST
    }

    fn key<'a>(&self, fact: &Fact<'a>) -> Option<Cow<'a, str>> {
        V::key(fact)
    }

    fn fold(&self, row: Option<Value>, events: &[&LogEvent], lookups: &Lookups) -> Folded {
        let first = events.first().map_or(0, |event| event.position);
        let mut folded = match row.clone().map(decode_row::<V>).transpose() {
            Ok(row) => row,
            Err(error) => return Folded { row, failure: Some(RowFailure { position: first, error }) },
        };
        for event in events {
            let before = folded.clone();
            let step = match &event.event {
                Ok(_) => V::fold(folded, &event.fact(), lookups),
                Err(error) => Err(FoldError::Undecodable(error.to_string())),
            };
            match step {
                Ok(after) => folded = after,
                Err(error) => {
                    let failure = Some(RowFailure { position: event.position, error });
                    return Folded { row: before.as_ref().map(encode_row::<V>), failure };
                }
            }
        }
        Folded { row: folded.as_ref().map(encode_row::<V>), failure: None }
    }

    fn canonical(&self, row: Value) -> Value {
        decode_row::<V>(row.clone()).map_or(row, |own| encode_row::<V>(&own))
    }

    fn memory_table(&self) -> Box<dyn MemoryTable> {
        Box::new(Rows::<V>::default())
    }
}
