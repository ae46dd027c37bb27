//! Compares every view with the log, beside a running service: looks for faults of the log itself, decodes every event,
//! folds every view, and compares row by row with the live tables.
//!
//! The log's own faults are looked for first, in a snapshot of their own ([`eventlog::integrity`]). Most of the log, up to the current position of the views, is folded without a transaction. Then one snapshot fixes the
//! live rows and their positions. The few events in between are folded too, and the rows are compared in that snapshot.

use std::collections::HashMap;

use futures::future::BoxFuture;
use serde_json::Value;

use crate::difference::{ParkedAt, explain_differences};
use crate::error::VerifyError;
use crate::one_row::fold_alone;
use crate::overflow::Room;
use crate::reading::{FoldedView, Reading};
use eventlog::database::{Connection, Database, DatabaseError};
use eventlog::integrity;
use projections::projector::{self, SlotRole};
use projections::views::{self, AnyView};

mod comparison;
mod faults;
mod report;

use comparison::ViewComparison;
use faults::Checkpoints;
pub use faults::ViewFault;
pub(crate) use report::EXAMPLES;
pub use report::{Report, ViewReport};

/// Compares everything. Calls `progress` with the position that was read, and the last one.
///
/// # Errors
/// The database's, or there was no room for what does not fit into memory.
pub async fn verify(db: &Database, mut progress: impl FnMut(i64, i64) + Send) -> Result<Report, VerifyError> {
    verify_all(db, Room::usual(), &mut progress).await
}

/// It is boxed so that it is compiled in this crate alone, and not in each one that calls it.
pub(crate) fn verify_all<'a>(
    db: &'a Database,
    room: Room,
    progress: &'a mut (dyn FnMut(i64, i64) + Send),
) -> BoxFuture<'a, Result<Report, VerifyError>> {
    Box::pin(async move {
        let log_faults = integrity::check(db).await?;
        loop {
            let parked = ParkedRows::StayParked;
            if let Some(report) = compare_with_live(db, &views::all(), parked, room.clone(), progress).await?
            {
                return Ok(Report { log_faults, ..report });
            }
        }
    })
}

/// What a comparison does with keys that are parked in the live table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ParkedRows {
    /// They are parked in the comparison too, so their rows do not differ.
    StayParked,
    /// They are folded to the end, as after a fix.
    Refolded,
}

/// None where a key was unparked meanwhile: the comparison has to begin again.
pub(crate) async fn compare_with_live(
    db: &Database,
    views: &[&'static dyn AnyView],
    parked_rows: ParkedRows,
    room: Room,
    progress: &mut (dyn FnMut(i64, i64) + Send),
) -> Result<Option<Report>, VerifyError> {
    let mut reading = match parked_rows {
        ParkedRows::StayParked => Reading::of_everything(db, views, room),
        ParkedRows::Refolded => Reading::begin(db, views, room),
    };
    let now = projector::projected(db).await?;
    let mut parked_before = Vec::new();
    if parked_rows == ParkedRows::StayParked {
        parked_before = parked(&mut db.pool().acquire().await?).await?;
        reading.park(&parked_before);
    }
    reading.read_to(now, progress).await?;

    let connection = db.direct().await?;
    let mut snapshot = connection.begin("begin isolation level repeatable read, read only").await?;
    let checkpoints: Checkpoints = sqlx::query!("select consumer, position, slot from checkpoints")
        .fetch_all(&mut *snapshot)
        .await?
        .into_iter()
        .map(|row| (row.consumer, (row.position, row.slot)))
        .collect();
    let parked_now = parked(&mut snapshot).await?;
    if parked_before.iter().any(|key| !parked_now.contains(key)) {
        return Ok(None);
    }
    if parked_rows == ParkedRows::StayParked {
        reading.park(&parked_now);
    }
    let view_faults = faults::check(&mut snapshot, views, &checkpoints).await?;
    let (mut reports, mut parked_of) = (Vec::new(), Vec::new());
    let last = checkpoints.values().map(|(position, _)| *position).max().unwrap_or(0);
    for folded in reading.views() {
        folded.limit = checkpoints.get(folded.view.shape().name).map(|(position, _)| *position);
    }
    reading.read_to(last, progress).await?;
    let folding = reading.end()?;
    for FoldedView { view, table, .. } in folding.views {
        let name = view.shape().name;
        let Some((position, slot)) = checkpoints.get(name) else { continue };
        let parked: HashMap<String, ParkedAt> = parked_now
            .iter()
            .filter(|(view, ..)| view == name)
            .map(|(_, key, position)| (key.clone(), (*position, SlotRole::Live)))
            .collect();
        let report = ViewReport {
            view: name,
            position: *position,
            rows: 0,
            differ: 0,
            missing: 0,
            extra: 0,
            examples: Vec::new(),
            parked: parked.len(),
        };
        let mut comparison = ViewComparison { db, view, slot, report, parked };
        comparison.with(&mut snapshot, table.into_parts()).await?;
        reports.push(comparison.report);
        parked_of.push((view, comparison.parked));
    }
    // Before the explanations, which may take a while: nothing waits for them.
    snapshot.rollback().await?;
    for (report, (view, parked)) in reports.iter_mut().zip(&parked_of) {
        explain_differences(db, *view, report.position, parked, &mut report.examples).await?;
    }
    Ok(Some(Report {
        events: folding.events,
        undecodable: folding.undecodable,
        log_faults: Vec::new(),
        view_faults,
        views: reports,
    }))
}

/// A view as it was at a position, or only the row with this key: rows as JSON, in the order of their keys. None where
/// there is no such view.
///
/// # Errors
/// The database's.
pub async fn as_of(
    db: &Database,
    position: i64,
    view: &str,
    key: Option<&str>,
) -> Result<Option<Vec<Value>>, VerifyError> {
    let Some(view) = views::named(view) else { return Ok(None) };
    if let Some(key) = key {
        let mut rows = view.memory_table();
        fold_alone(db, view, key, position, &mut *rows).await?;
        return Ok(Some(rows.rows(None)));
    }
    // All rows are the answer, so they fit into memory.
    let mut reading = Reading::begin(db, &[view], Room::of(usize::MAX));
    reading.read_to(position, &mut |_, _| {}).await?;
    let mut rows = Vec::new();
    for folded in reading.end()?.views {
        let mut parts = folded.table.into_parts();
        while let Some(part) = parts.next()? {
            rows.extend(part.rows.rows(None));
        }
    }
    Ok(Some(rows))
}

async fn parked(connection: &mut Connection) -> Result<Vec<(String, String, i64)>, DatabaseError> {
    let rows = sqlx::query!("select view, key, position from parked").fetch_all(connection).await?;
    Ok(rows.into_iter().map(|row| (row.view, row.key, row.position)).collect())
}
