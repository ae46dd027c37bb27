//! What a view is: a pure fold over the log. Also its errors, and its rows as JSON.

use std::borrow::Cow;

use domain::StreamKind;
use jiff::{Timestamp, Unit};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::columns::Columns;
use super::lookups::Lookups;
use super::shape::Shape;
use eventlog::log::Fact;

/// A pure fold of the log into rows, one event and one row at a time.
pub trait View {
    /// A row as the slot holds it.
    type Row: Clone + Serialize + DeserializeOwned + Columns;

    const SHAPE: Shape;

    /// Which events belong to a row.
    const INTEREST: Interest;

    /// The one row that the event belongs to. It must not need the payload where a stream has a row of its own: an event that cannot
    /// be decoded still parks its row.
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
pub struct Interest {
    /// What has a row of its own.
    pub rows_by: RowsBy,
    /// Events, by their names, beside those of the view's own streams.
    pub events: &'static [&'static str],
    /// What the fold needs beside the event.
    pub lookups: LookupKind,
}

/// What has a row of its own in a view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowsBy {
    /// A stream of this kind: its id is the key of all its events. The key of other events is in the payload; if that cannot be
    /// read, it is in the envelope.
    Stream(StreamKind),
    /// An hour or a day: the key is the beginning of the time in the payload. There are no other events than those that are
    /// named.
    Time,
}

/// What a fold needs of [`Lookups`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LookupKind {
    /// Nothing.
    None,
    /// People's keys, and who made which invite.
    People,
    /// When attempts of logins began.
    Starts,
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
pub fn stored(at: Timestamp) -> Timestamp {
    at.round(jiff::TimestampRound::new().smallest(Unit::Microsecond).mode(jiff::RoundMode::Trunc))
        .expect("a timestamp can be cut to microseconds")
}

pub(super) fn decode_row<V: View>(row: Value) -> Result<V::Row, FoldError> {
    serde_json::from_value(row).map_err(|error| FoldError::Row { column: error.column() })
}

pub(super) fn encode_row<V: View>(row: &V::Row) -> Value {
    serde_json::to_value(row).expect("a row is plain data with text keys")
}
