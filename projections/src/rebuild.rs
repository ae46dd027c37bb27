//! Builds a view anew from the log, beside the live one, while people read and the projector writes.
//!
//! 1. **Claim**: one rebuild a view. The claim ends with its connection, however the process ends.
//! 2. **Read** the log into memory, up to where the view stands, with the projector's own fold.
//! 3. **Load** the rows into the idle slot, in chunks; then catch up with what came meanwhile.
//! 4. **Follow**: with the checkpoint locked for a moment, take in the last events; from here on the projector writes both
//!    slots in one transaction, so that every later snapshot sees the same position in either.
//! 5. **Compare** the two slots row by row, in one snapshot.
//! 6. **Swap**, once no reader's snapshot is older than step 4: `create or replace view` under a lock timeout of 50 ms, tried
//!    again until no reader is in the way. Renaming tables instead would lose the grants, and would show an empty table to
//!    whoever has an older snapshot.
//! 7. **Empty** the slot that was live: it would keep what people have erased.
//!
//! Whatever ends a rebuild in between, a kill included, changes nothing that people read; the next one, or the leader
//! ([`upkeep()`]), empties what it left behind.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use crate::reading::{FoldedView, Reading};
use crate::verify::{self, Parked, ViewReport};
use crate::views::{self, AnyView};
use eventlog::database::{Database, DatabaseError};

mod claim;
mod keys;
mod load;
mod readers;
mod slot;
mod swap;
pub(crate) mod upkeep;

use claim::Claim;
pub use keys::{KeyReport, rebuild_account, unpark};
use slot::Building;
pub use upkeep::upkeep;

/// How far a rebuild has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The log is read up to here, of so many events.
    Read {
        /// The position.
        position: i64,
        /// The last one that will be read.
        end: i64,
    },
    /// Rows are written beside the live table.
    Load {
        /// Of which view.
        view: &'static str,
        /// How many are.
        rows: usize,
    },
    /// Everything is there; these processes read from an older snapshot, and are waited for.
    Wait {
        /// For which view.
        view: &'static str,
        /// PostgreSQL's process.
        pid: i32,
    },
}

/// Why a view was not rebuilt. People read what they read before.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    /// There is none of this name.
    #[error("there is no view {view:?}; there are {}", names().join(", "))]
    Unknown {
        /// What was asked for.
        view: String,
    },
    /// Somebody else does it right now.
    #[error("{0} is being rebuilt by somebody else right now")]
    Busy(&'static str),
    /// A read-only role.
    #[error(
        "the database role {role} may not rebuild: that takes {owner}, who owns the views; `--dry-run` only reads"
    )]
    Role {
        /// Who asked.
        role: String,
        /// Who may.
        owner: String,
    },
    /// A reader's transaction stays open.
    #[error(
        "{view} was not swapped: PostgreSQL's process {pid} has been in a transaction for all of {} minutes",
        readers::PATIENCE.as_secs() / 60
    )]
    Readers {
        /// Which view.
        view: &'static str,
        /// Whose transaction.
        pid: i32,
    },
    /// Another rebuild has taken over: this one's connection was thought dead.
    #[error("another rebuild of {0} has taken over")]
    Fenced(&'static str),
    /// The database failed.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

impl From<sqlx::Error> for RebuildError {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error.into())
    }
}

/// The names of all views.
pub fn names() -> Vec<&'static str> {
    views::all().iter().map(|view| view.shape().name).collect()
}

/// Rebuilds these views, or all where none is named; what each differed in from the live one before the swap.
///
/// # Errors
/// [`RebuildError`]: of the first view that failed, which is as it was; the others are rebuilt.
pub async fn rebuild(
    db: &Database,
    names: &[String],
    mut progress: impl FnMut(Progress),
) -> Result<Vec<ViewReport>, RebuildError> {
    let views = chosen(names)?;
    claim::may_rebuild(db, &views).await?;
    let claim = Claim::take(db, &views).await?;
    for view in &views {
        // What a rebuild left that ended before its time.
        slot::clean(db, *view, None, &mut progress).await?;
    }
    let start = slot::lowest_position(db, &views).await?;
    let mut reading = Reading::begin(db, &views);
    reading.read_to(start, &mut |position, end| progress(Progress::Read { position, end })).await?;

    let at = reading.at;
    let left = Mutex::new(reading.end().views.into_iter().enumerate().collect());
    let progress = Mutex::new(progress);
    // Two at a time: while PostgreSQL writes the rows of one view, those of another are made ready or compared.
    let (mut built, others) =
        tokio::join!(rebuild_in_turn(db, at, &left, &progress), rebuild_in_turn(db, at, &left, &progress));
    claim.end().await;
    built.extend(others);
    built.sort_by_key(|(place, _)| *place);
    built.into_iter().map(|(_, report)| report).collect()
}

/// One view after the other, for as long as any is left.
async fn rebuild_in_turn(
    db: &Database,
    at: i64,
    left: &Mutex<VecDeque<(usize, FoldedView)>>,
    progress: &Mutex<impl FnMut(Progress)>,
) -> Vec<(usize, Result<ViewReport, RebuildError>)> {
    let mut built = Vec::new();
    loop {
        let next = left.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        let Some((place, folded)) = next else { return built };
        let tell = |step| (progress.lock().unwrap_or_else(PoisonError::into_inner))(step);
        built.push((place, rebuild_one(db, folded, at, tell).await));
    }
}

/// Steps 3 to 7.
async fn rebuild_one(
    db: &Database,
    folded: FoldedView,
    at: i64,
    mut progress: impl FnMut(Progress),
) -> Result<ViewReport, RebuildError> {
    let view = folded.view;
    let building = Building::begin(db, view, at).await?;
    let epoch = building.epoch;
    let done = build(building, folded, &mut progress).await;
    // Also where it failed; what cannot be emptied now is by the leader.
    let emptied = slot::clean(db, view, Some(epoch), &mut progress).await;
    let report = done?;
    emptied?;
    Ok(report)
}

/// Steps 3 to 6.
async fn build(
    building: Building<'_>,
    folded: FoldedView,
    progress: &mut impl FnMut(Progress),
) -> Result<ViewReport, RebuildError> {
    let mut building = building.load(folded, progress).await?;
    building.follow().await?;
    let report = building.compare().await?;
    building.swap(progress).await?;
    Ok(report)
}

/// What a rebuild would change, without changing anything; a role that only reads may ask.
///
/// # Errors
/// An unknown name, or the database's.
pub async fn dry_run(
    db: &Database,
    names: &[String],
    mut progress: impl FnMut(Progress),
) -> Result<Vec<ViewReport>, RebuildError> {
    let views = chosen(names)?;
    let mut read = |position, end| progress(Progress::Read { position, end });
    loop {
        if let Some(report) = verify::compare_with_live(db, &views, Parked::LetGo, &mut read).await? {
            return Ok(report.views);
        }
    }
}

fn chosen(names: &[String]) -> Result<Vec<&'static dyn AnyView>, RebuildError> {
    if names.is_empty() {
        return Ok(views::all().to_vec());
    }
    for name in names {
        views::named(name).ok_or_else(|| RebuildError::Unknown { view: name.clone() })?;
    }
    // In the order of all, each once: two who claim several do not wait for each other.
    Ok(views::all().into_iter().filter(|view| names.iter().any(|name| name == view.shape().name)).collect())
}

#[cfg(test)]
mod tests;
