//! Access to private parts, for the tests in `tests/`.

use eventlog::database::Database;

use crate::RebuildError;
use crate::maintenance;
use projections::projector;
use projections::views;

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
