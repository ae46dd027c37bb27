//! Builds a view again from the log, in its second slot, while people read the first and the projector writes.
//!
//! 1. **Claim**: one rebuild a view. The claim ends with its connection, however the process ends.
//! 2. **Read** the log, up to the position of the view, with the same fold as the projector. Rows that find no room in memory go into
//!    a file ([`bounded`]).
//! 3. **Load** the rows into the idle slot, in chunks; then catch up with the events that came meanwhile.
//! 4. **Follow**: lock the checkpoint for a moment, and fold the last events in. From here on the projector writes both
//!    slots in one transaction, so every later snapshot sees the same position in both.
//! 5. **Compare** the two slots row by row, in one snapshot.
//! 6. **Swap**, once no reader's snapshot is older than step 4: `create or replace view` under a lock timeout of 50 ms, tried
//!    again until no reader blocks it. Renaming tables would lose the grants, and would show an empty table to a reader
//!    with an older snapshot.
//! 7. **Empty** the slot that was live: it would keep what people have erased.
//!
//! A rebuild that ends early, even by a kill, changes nothing that people read. The next one, or the leader
//! ([`maintenance`]), empties its slot.
//!
//! What else reads the whole log is here, too: [`verify`] compares views with it and shows them as of a position, [`explain`]
//! tells how its events made a row, [`Difference`] where a row parts from them.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use futures::future::BoxFuture;

use crate::overflow::Room;
use crate::reading::{FoldedView, Reading};
use crate::verify::{ParkedRows, ViewReport};
use eventlog::database::Database;

mod bounded;
mod claim;
mod difference;
mod error;
pub mod explain;
mod keys;
mod load;
pub mod maintenance;
mod one_row;
mod overflow;
mod progress;
mod readers;
mod reading;
mod selection;
mod slot;
mod swap;
#[cfg(feature = "testing")]
pub mod testing;
pub mod verify;

use claim::Claim;
use selection::select_views;
use slot::Building;

pub use difference::{Difference, Parting, RowEvent};
pub use error::{RebuildError, VerifyError};
pub use keys::{KeyReport, rebuild_account, unpark};
pub use overflow::OverflowError;
pub use progress::Progress;

/// Rebuilds these views, or all where none is named. Reports how each differed from the live one before the swap.
///
/// # Errors
/// [`RebuildError`] of the first view that failed, which did not change. The other views are rebuilt.
pub async fn rebuild(
    db: &Database,
    names: &[String],
    mut progress: impl FnMut(Progress) + Send,
) -> Result<Vec<ViewReport>, RebuildError> {
    boxed_rebuild(db, names, Room::usual(), &mut progress).await
}

/// It is boxed so that it is compiled in this crate alone, and not in each one that calls it.
fn boxed_rebuild<'a>(
    db: &'a Database,
    names: &'a [String],
    room: Room,
    progress: &'a mut (dyn FnMut(Progress) + Send),
) -> BoxFuture<'a, Result<Vec<ViewReport>, RebuildError>> {
    Box::pin(async move {
        let views = select_views(names)?;
        claim::may_rebuild(db, &views).await?;
        let claim = Claim::take(db, &views).await?;
        for view in &views {
            // A rebuild that ended early may have left rows.
            slot::clean(db, *view, None, progress).await?;
        }
        let start = slot::lowest_position(db, &views).await?;
        let mut reading = Reading::begin(db, &views, room);
        reading.read_to(start, &mut |position, end| progress(Progress::Read { position, end })).await?;

        let at = reading.position;
        let waiting = Mutex::new(reading.end()?.views.into_iter().enumerate().collect());
        let progress = Mutex::new(progress);
        // Two at a time: while PostgreSQL writes the rows of one view, those of another are prepared or compared.
        let (mut built, others) = tokio::join!(
            rebuild_in_turn(db, at, &waiting, &progress),
            rebuild_in_turn(db, at, &waiting, &progress)
        );
        claim.end().await;
        built.extend(others);
        built.sort_by_key(|(place, _)| *place);
        built.into_iter().map(|(_, report)| report).collect()
    })
}

/// Rebuilds one view after the other, until none is waiting.
async fn rebuild_in_turn(
    db: &Database,
    at: i64,
    waiting: &Mutex<VecDeque<(usize, FoldedView)>>,
    progress: &Mutex<&mut (dyn FnMut(Progress) + Send)>,
) -> Vec<(usize, Result<ViewReport, RebuildError>)> {
    let mut built = Vec::new();
    loop {
        let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        let Some((place, folded)) = next else { return built };
        let mut report_progress = |step| (progress.lock().unwrap_or_else(PoisonError::into_inner))(step);
        built.push((place, rebuild_one(db, folded, at, &mut report_progress).await));
    }
}

/// Steps 3 to 7.
#[tracing::instrument(name = "rebuild", level = "error", skip_all, fields(view = folded.view.shape().name, position = at))]
async fn rebuild_one(
    db: &Database,
    folded: FoldedView,
    at: i64,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<ViewReport, RebuildError> {
    let view = folded.view;
    let building = Building::begin(db, view, at).await?;
    let epoch = building.epoch;
    let done = build(building, folded, progress).await;
    // Also after a failure. What cannot be emptied now is emptied by the leader.
    let emptied = slot::clean(db, view, Some(epoch), progress).await;
    let report = done?;
    emptied?;
    Ok(report)
}

/// Steps 3 to 6.
async fn build(
    building: Building<'_>,
    folded: FoldedView,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<ViewReport, RebuildError> {
    let mut building = building.load(folded, progress).await?;
    building.follow().await?;
    let report = building.compare().await?;
    building.swap(progress).await?;
    progress(Progress::Swapped { view: report.view });
    Ok(report)
}

/// Whether the database role of this connection may rebuild a view, or rows of it.
///
/// # Errors
/// [`RebuildError::Role`] where it may not; an unknown name; the database's.
pub async fn may_rebuild(db: &Database, view: &str) -> Result<(), RebuildError> {
    claim::may_rebuild(db, &select_views(&[view.to_owned()])?).await
}

/// What a rebuild would change. Changes nothing, so a role that only reads may call it.
///
/// # Errors
/// An unknown name, or the database's.
pub async fn dry_run(
    db: &Database,
    names: &[String],
    mut progress: impl FnMut(Progress) + Send,
) -> Result<Vec<ViewReport>, RebuildError> {
    boxed_dry_run(db, names, Room::usual(), &mut progress).await
}

fn boxed_dry_run<'a>(
    db: &'a Database,
    names: &'a [String],
    room: Room,
    progress: &'a mut (dyn FnMut(Progress) + Send),
) -> BoxFuture<'a, Result<Vec<ViewReport>, RebuildError>> {
    Box::pin(async move {
        let views = select_views(names)?;
        let mut read = |position, end| progress(Progress::Read { position, end });
        loop {
            let parked = ParkedRows::Refolded;
            if let Some(report) =
                verify::compare_with_live(db, &views, parked, room.clone(), &mut read).await?
            {
                return Ok(report.views);
            }
        }
    })
}

#[cfg(test)]
mod tests;
