//! The views. Each is a pure fold over the log, and a table that holds the result.
//!
//! A view says which row an event belongs to ([`View::key`]) and how that row looks afterwards ([`View::fold`]). This
//! file reads and writes the rows of all views. Rows travel as JSON: one statement writes a whole batch
//! (`jsonb_populate_recordset`), for any columns. A rebuild writes millions of rows, so it sends them as tuples of a
//! binary COPY ([`columns`]).
//!
//! Each view's rows are in one of two slots, `slots.users_a` or `slots.users_b`. The public name `users` is a
//! PostgreSQL view over the live one. A view has no side effects: only the reactor and the workers act.

use std::borrow::Cow;

use domain::StreamKind;
use jiff::{Timestamp, Unit};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use eventlog::log::{Fact, LogEvent};

mod columns;
pub mod invites;
mod key;
pub mod login_status;
pub(crate) mod lookups;
mod memory_table;
pub mod subscriptions;
pub mod users;

use columns::Columns;
pub(crate) use lookups::Lookups;
pub(crate) use memory_table::{Comparison, MemoryTable, Tuple};

/// A view's name, key and columns, as its tables have them.
#[derive(Debug)]
pub(crate) struct Shape {
    /// `users`: the public name, the stem of the slots, and the name of the checkpoint.
    pub name: &'static str,
    /// The key's column.
    pub key: &'static str,
    /// The key's type in SQL.
    pub key_type: &'static str,
    /// Every column of a slot.
    pub columns: &'static [&'static str],
    /// The version of the fold. Raise it when the same log makes other rows: a view that another version built is
    /// rebuilt without an order.
    pub version: i32,
}

/// A pure fold of the log into rows, one event and one row at a time.
pub(crate) trait View {
    /// A row as the slot holds it.
    type Row: Clone + Serialize + DeserializeOwned + Columns;

    const SHAPE: Shape;

    /// Which events belong to a row.
    const INTEREST: Interest;

    /// The one row that the event belongs to. It must not need the payload: an event that cannot be decoded still parks
    /// its row.
    fn key<'a>(fact: &Fact<'a>) -> Option<Cow<'a, str>>;

    /// How the row looks after the event; None is no row.
    fn fold(
        row: Option<Self::Row>,
        fact: &Fact<'_>,
        lookups: &Lookups,
    ) -> Result<Option<Self::Row>, FoldError>;
}

/// The events that belong to rows of a view. A rebuild reads no others.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Interest {
    /// Every event of this kind of stream has the stream's id as its key.
    pub stream: StreamKind,
    /// Events of other streams, by their names. Their key is in the payload; if that cannot be read, it is in the envelope.
    pub others: &'static [&'static str],
    /// Whether the fold needs [`Lookups`].
    pub lookups: bool,
}

/// Every view, in the order in which they are written.
pub(crate) fn all() -> [&'static dyn AnyView; 4] {
    [
        &TypedView::<users::Users>::NEW,
        &TypedView::<login_status::LoginStatusView>::NEW,
        &TypedView::<invites::Invites>::NEW,
        &TypedView::<subscriptions::Subscriptions>::NEW,
    ]
}

/// The view of this name.
pub(crate) fn named(name: &str) -> Option<&'static dyn AnyView> {
    all().into_iter().find(|view| view.shape().name == name)
}

/// The slot that is not live.
pub(crate) fn idle_slot(live: &str) -> &'static str {
    if live == "a" { "b" } else { "a" }
}

/// A [`View`] whose rows are JSON, so that one loop drives them all.
pub(crate) trait AnyView: Send + Sync {
    /// Name, key and columns.
    fn shape(&self) -> &'static Shape;
    /// See [`View::INTEREST`].
    fn interest(&self) -> Interest;
    /// See [`View::key`].
    fn key(&self, event: &LogEvent) -> Option<String>;
    /// Folds one row's events in turn, up to the first that cannot be folded.
    fn fold(&self, row: Option<Value>, events: &[&LogEvent], lookups: &Lookups) -> Folded;
    /// The row in this view's own spelling: PostgreSQL spells a time differently. A value that is no row stays as it is.
    fn canonical(&self, row: Value) -> Value;
    /// An empty table in memory, to fold the whole log into.
    fn memory_table(&self) -> Box<dyn MemoryTable>;
}

/// The result of folding events into one row.
#[derive(Debug)]
pub(crate) struct Folded {
    /// The row; None is no row.
    pub row: Option<Value>,
    /// Why the row is parked, and from which event on.
    pub failure: Option<RowFailure>,
}

/// The event at which a row is parked.
#[derive(Debug)]
pub struct RowFailure {
    /// The position of that event.
    pub position: i64,
    /// Why it could not be folded in.
    pub error: FoldError,
}

/// Why an event could not be folded into a row. It never holds a value of the payload.
#[derive(Debug, thiserror::Error)]
pub enum FoldError {
    /// The event itself cannot be read.
    #[error("the event cannot be decoded: {0}")]
    Undecodable(String),
    /// The row that is stored does not have the view's shape.
    #[error("the stored row does not have the view's shape (column {column})")]
    Row {
        /// Where, in the row's JSON.
        column: usize,
    },
    /// The person's key does not open a sealed field, or the opened text cannot be read.
    #[error("the person's key does not open {0}")]
    Sealed(&'static str),
    /// PostgreSQL refuses the row.
    #[error("the database refuses the row: {0}")]
    Refused(String),
}

/// An instant as PostgreSQL stores it: whole microseconds.
pub(crate) fn stored(at: Timestamp) -> Timestamp {
    at.round(jiff::TimestampRound::new().smallest(Unit::Microsecond).mode(jiff::RoundMode::Trunc))
        .expect("a timestamp can be cut to microseconds")
}

impl Shape {
    /// `account_id, telegram_id, …`
    pub fn column_list(&self) -> String {
        self.columns.join(", ")
    }

    /// `slots.users_a`
    pub fn table(&self, slot: &str) -> String {
        format!("slots.{}_{slot}", self.name)
    }

    /// Rows by their keys ($1, text[]), as JSON.
    pub fn select(&self, slot: &str) -> String {
        let Self { key, key_type, .. } = self;
        format!(
            "select r.{key}::text, to_jsonb(r) from (select {} from {} where {key} = any($1::{key_type}[])) r",
            self.column_list(),
            self.table(slot)
        )
    }

    /// All rows with their keys, as JSON.
    pub fn select_all(&self, slot: &str) -> String {
        let (key, columns, table) = (self.key, self.column_list(), self.table(slot));
        format!("select r.{key}::text, to_jsonb(r) from (select {columns} from {table}) r")
    }

    /// Writes rows ($1, jsonb array): new ones, and those that differ from what is there.
    pub fn upsert(&self, slot: &str) -> String {
        let (columns, table) = (self.column_list(), self.table(slot));
        let updates: Vec<String> = self
            .columns
            .iter()
            .filter(|column| **column != self.key)
            .map(|column| format!("{column} = excluded.{column}"))
            .collect();
        format!(
            "insert into {table} ({columns}) select {columns} from jsonb_populate_recordset(null::{table}, $1) \
             on conflict ({}) do update set {}",
            self.key,
            updates.join(", ")
        )
    }

    /// Keys and rows, as JSON, that are not the same in two slots; null where a slot has no such row.
    pub fn differences(&self, slot: &str, other: &str) -> String {
        let (key, columns) = (self.key, self.column_list());
        format!(
            "select coalesce(l.{key}, n.{key})::text, to_jsonb(l), to_jsonb(n) \
               from (select {columns} from {}) l \
               full join (select {columns} from {}) n on n.{key} = l.{key} \
              where l is distinct from n \
              order by 1",
            self.table(slot),
            self.table(other),
        )
    }

    /// Deletes rows by their keys ($1, text[]).
    pub fn delete(&self, slot: &str) -> String {
        format!("delete from {} where {} = any($1::{}[])", self.table(slot), self.key, self.key_type)
    }
}

/// The one implementation of [`AnyView`]: it hides the row type of a [`View`].
struct TypedView<V>(std::marker::PhantomData<fn() -> V>);

impl<V: View> TypedView<V> {
    const NEW: Self = Self(std::marker::PhantomData);
    const SHAPE: Shape = V::SHAPE;
}

impl<V: View + 'static> AnyView for TypedView<V> {
    fn shape(&self) -> &'static Shape {
        &Self::SHAPE
    }

    fn interest(&self) -> Interest {
        V::INTEREST
    }

    fn key(&self, event: &LogEvent) -> Option<String> {
        V::key(&event.fact()).map(Cow::into_owned)
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
        Box::new(memory_table::Rows::<V>::default())
    }
}

fn decode_row<V: View>(row: Value) -> Result<V::Row, FoldError> {
    serde_json::from_value(row).map_err(|error| FoldError::Row { column: error.column() })
}

fn encode_row<V: View>(row: &V::Row) -> Value {
    serde_json::to_value(row).expect("a row is plain data with text keys")
}

#[cfg(test)]
mod tests;
