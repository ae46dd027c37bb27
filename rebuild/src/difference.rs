//! A live row that differs from the log, and the event at which it parts from it.
//!
//! Many rows may differ. So the first of them are explained, and only where a row has few events: a rebuild must not wait for
//! explanations.

use std::collections::HashMap;

use eventlog::database::{Database, DatabaseError};
use eventlog::log::LogEvent;
use jiff::Timestamp;
use serde_json::Value;

use crate::explain::{Change, changes, fold_each};
use crate::one_row::{cost_of, events_of};
use projections::projector::SlotRole;
use projections::views::{AnyView, Lookups};

/// A row with more events than this is not explained.
const MOST_EVENTS_OF_A_ROW: i64 = 10_000;
/// So many events are looked at to explain the differing rows of one view.
const MOST_EVENTS: i64 = 100_000;

/// A row that differs from the log. Its rows hold personal data; [`Self::what`] and [`Self::parting`] do not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Its key.
    pub key: String,
    /// What is wrong with it. It names columns, never their values.
    pub what: String,
    /// The live row; None: there is none.
    pub live: Option<Value>,
    /// The row that the log makes; None: it makes none.
    pub log: Option<Value>,
    /// Where it parts from the log; None: it was not looked at, because many rows differ, or because it has many events.
    pub parting: Option<Parting>,
}

/// Where a live row parts from the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parting {
    /// It is what the log made before this event.
    At(RowEvent),
    /// No part of the log makes it: something else has changed it.
    NotOfTheLog,
    /// It is parked at this event, which could not be folded in.
    Parked(RowEvent),
}

/// An event of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowEvent {
    /// Its position.
    pub position: i64,
    /// Its stored name.
    pub name: String,
    /// When it was recorded.
    pub recorded_at: Timestamp,
}

impl Difference {
    /// Between a live row and the row that the log makes, both in the view's own spelling.
    pub(crate) fn between(key: String, live: Option<Value>, log: Option<Value>) -> Self {
        let what = match (&live, &log) {
            (Some(_), Some(_)) => {
                let changes = changes(live.as_ref(), log.as_ref());
                let columns: Vec<&str> = changes.iter().map(|change| change.column.as_str()).collect();
                format!("differs in {}", columns.join(", "))
            }
            (_, None) => "is no row of the log's".to_owned(),
            (None, Some(_)) => "is missing".to_owned(),
        };
        Self { key, what, live, log, parting: None }
    }

    /// The columns that differ: before as they are live, after as the log makes them.
    pub fn changes(&self) -> Vec<Change> {
        changes(self.live.as_ref(), self.log.as_ref())
    }
}

/// Where a key is parked: the position, and in which table.
pub(crate) type ParkedAt = (i64, SlotRole);

/// Explains differing rows of a view, up to its position. `parked` are keys that are parked, in the live table or in the one that is
/// compared with it.
pub(crate) async fn explain_differences(
    db: &Database,
    view: &'static dyn AnyView,
    position: i64,
    parked: &HashMap<String, ParkedAt>,
    differences: &mut [Difference],
) -> Result<(), DatabaseError> {
    let mut left = MOST_EVENTS;
    for difference in differences {
        let key = &difference.key;
        let cost = cost_of(db, view, key, position, MOST_EVENTS_OF_A_ROW).await?;
        if cost >= MOST_EVENTS_OF_A_ROW || cost > left {
            continue;
        }
        left -= cost;
        let events = events_of(db, view, key, position).await?;
        let lookups = Lookups::for_events(db, &events).await?;
        let (live, parked) = (difference.live.as_ref(), parked.get(key).copied());
        difference.parting = Some(explain_difference(view, live, &events, &lookups, parked));
    }
    Ok(())
}

/// Where a live row that differs parts from its events.
pub(crate) fn explain_difference(
    view: &'static dyn AnyView,
    live: Option<&Value>,
    events: &[LogEvent],
    lookups: &Lookups,
    parked: Option<ParkedAt>,
) -> Parting {
    let at = |index: usize| {
        let LogEvent { position, name, recorded_at, .. } = &events[index];
        RowEvent { position: *position, name: name.clone(), recorded_at: *recorded_at }
    };
    let parked = parked.and_then(|(position, role)| {
        events.iter().position(|event| event.position == position).map(|index| (index, role))
    });
    let mut count = 0;
    // How many events are in the live row; None: it is not what any number of them makes.
    let mut contained = live.is_none().then_some(0);
    let mut stands_where_parked = false;
    fold_each(view, events, lookups, |_, before, after| {
        stands_where_parked |= before == live && parked.is_some_and(|(index, _)| index == count);
        count += 1;
        if after.row.as_ref() == live && after.failure.is_none() {
            contained = Some(count);
        }
    });
    match (parked, contained) {
        (Some((index, _)), _) if stands_where_parked => Parting::Parked(at(index)),
        // The row beside it stands still there, and the live one went on.
        (Some((index, SlotRole::Building)), contained) if contained.is_none_or(|count| count > index) => {
            Parting::Parked(at(index))
        }
        (_, Some(count)) if count < events.len() => Parting::At(at(count)),
        _ => Parting::NotOfTheLog,
    }
}
