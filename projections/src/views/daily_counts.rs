//! The view `daily_counts`: the counts of [`hourly_counts`](super::hourly_counts), by the day in UTC. Years are read from it: an hour's
//! row would be read 24 times as often.

use std::borrow::Cow;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};
use serde_json::{Map, Value};

use super::columns::Columns;
use super::hourly_counts::{Counts, INTEREST, counts_between, hour_of};
use super::lookups::Lookups;
use super::shape::Shape;
use super::view::{FoldError, Interest, View};
use eventlog::database::{Database, DatabaseError};
use eventlog::log::Fact;

/// What happened on a day, whose key (`2026-11-29`) stands in the place of the hour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DayCounts(pub Counts);

/// Those of [`Counts`], with the day in the place of the hour.
const NAMES: [&str; Counts::NAMES.len()] = {
    let mut names = [KEY; Counts::NAMES.len()];
    let mut column = 1;
    while column < names.len() {
        names[column] = Counts::NAMES[column];
        column += 1;
    }
    names
};
const KEY: &str = "day";
const KEY_OF_COUNTS: &str = Counts::NAMES[0];

impl Serialize for DayCounts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let counts = serde_json::to_value(&self.0).map_err(ser::Error::custom)?;
        renamed(counts, KEY_OF_COUNTS, KEY).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for DayCounts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let row = Map::deserialize(deserializer)?;
        let counts = renamed(Value::Object(row), KEY, KEY_OF_COUNTS);
        serde_json::from_value(counts).map(Self).map_err(de::Error::custom)
    }
}

fn renamed(mut row: Value, from: &str, to: &str) -> Value {
    if let Some(row) = row.as_object_mut()
        && let Some(key) = row.remove(from)
    {
        row.insert(to.to_owned(), key);
    }
    row
}

impl Columns for DayCounts {
    const NAMES: &'static [&'static str] = &NAMES;

    fn pack(&self, out: &mut Vec<u8>) {
        self.0.pack(out);
    }

    fn unpack(packed: &[u8]) -> Self {
        Self(Counts::unpack(packed))
    }

    fn tuple(&self, out: &mut Vec<u8>) {
        self.0.tuple(out);
    }
}

/// The day of an instant, as the view spells it.
pub fn day_of(at: Timestamp) -> String {
    let mut day = hour_of(at);
    day.truncate(DAY_LENGTH);
    day
}

/// `2026-11-29`
const DAY_LENGTH: usize = 10;

/// The days from the day of one instant on, before the day of another one, on which something happened.
///
/// # Errors
/// The database's.
pub async fn between(db: &Database, from: Timestamp, to: Timestamp) -> Result<Vec<DayCounts>, DatabaseError> {
    let counts = counts_between!(db, "src/views/days_between.sql", day_of(from), day_of(to));
    Ok(counts.into_iter().map(DayCounts).collect())
}

/// The view `daily_counts`.
pub(super) struct DailyCounts;

impl View for DailyCounts {
    type Row = DayCounts;

    const SHAPE: Shape =
        Shape { name: "daily_counts", key: KEY, key_type: "text", columns: DayCounts::NAMES, version: 1 };

    const INTEREST: Interest = INTEREST;

    fn key<'a>(fact: &Fact<'a>) -> Option<Cow<'a, str>> {
        let event = fact.event.as_ref().ok()?;
        Self::INTEREST.events.contains(&event.name()).then(|| Cow::Owned(day_of(event.at())))
    }

    fn fold(
        row: Option<DayCounts>,
        fact: &Fact<'_>,
        lookups: &Lookups,
    ) -> Result<Option<DayCounts>, FoldError> {
        let Ok(event) = fact.event else { return Ok(row) };
        let new = || DayCounts(Counts { hour: day_of(event.at()), ..Counts::default() });
        let mut row = row.unwrap_or_else(new);
        row.0.count(fact, event, lookups);
        Ok(Some(row))
    }
}
