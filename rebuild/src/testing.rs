//! Access to private parts, for the tests in `tests/`.

use std::path::Path;

use eventlog::database::Database;

use crate::maintenance;
use crate::overflow::Room;
use crate::verify::{self, Report, ViewReport};
use crate::{RebuildError, VerifyError};
use projections::projector;
use projections::views;

/// A rebuild that keeps no more bytes of rows in memory while it reads.
///
/// # Errors
/// As with [`crate::rebuild`].
pub async fn rebuild_within(
    db: &Database,
    names: &[String],
    bytes: usize,
) -> Result<Vec<ViewReport>, RebuildError> {
    crate::boxed_rebuild(db, names, Room::of(bytes), &mut |_| {}).await
}

/// A rebuild that keeps its rows in this directory.
///
/// # Errors
/// As with [`crate::rebuild`].
pub async fn rebuild_in(
    db: &Database,
    names: &[String],
    directory: &Path,
) -> Result<Vec<ViewReport>, RebuildError> {
    crate::boxed_rebuild(db, names, Room { memory: 0, directory: directory.into() }, &mut |_| {}).await
}

/// A dry run that keeps no more bytes of rows in memory while it reads.
///
/// # Errors
/// As with [`crate::dry_run`].
pub async fn dry_run_within(
    db: &Database,
    names: &[String],
    bytes: usize,
) -> Result<Vec<ViewReport>, RebuildError> {
    crate::boxed_dry_run(db, names, Room::of(bytes), &mut |_| {}).await
}

/// A verification that keeps no more bytes of rows in memory while it reads.
///
/// # Errors
/// As with [`crate::verify::verify`].
pub async fn verify_within(db: &Database, bytes: usize) -> Result<Report, VerifyError> {
    verify::verify_all(db, Room::of(bytes), &mut |_, _| {}).await
}

/// The tables of the idle slots.
///
/// # Panics
/// The database does not answer.
pub async fn idle_tables(db: &Database) -> Vec<String> {
    let mut tables = Vec::new();
    for view in views::all() {
        let live =
            projector::live_slot(db.pool(), view.shape().name).await.expect("each view has a checkpoint");
        tables.push(view.shape().table(views::idle_slot(&live)));
    }
    tables
}

/// One round of the leader's maintenance, for one view.
///
/// # Errors
/// [`RebuildError`].
///
/// # Panics
/// There is no such view.
pub async fn maintain_view(db: &Database, view: &str) -> Result<(), RebuildError> {
    maintenance::maintain_view(db, views::named(view).expect("a view of this name")).await
}
