//! What is inside, for the tests in `tests/`.

use eventlog::database::Database;

use crate::rebuild::RebuildError;
use crate::rebuild::upkeep;
use crate::views;

/// The tables of the slots that are not live.
///
/// # Panics
/// The database does not answer.
pub async fn idle_tables(db: &Database) -> Vec<String> {
    let mut tables = Vec::new();
    for view in views::all() {
        let live: String = sqlx::query_scalar("select slot from checkpoints where consumer = $1")
            .bind(view.shape().name)
            .fetch_one(db.pool())
            .await
            .expect("each view has a checkpoint");
        tables.push(view.shape().table(views::idle(&live)));
    }
    tables
}

/// What the leader does about one view's slot now and then.
///
/// # Errors
/// [`RebuildError`].
///
/// # Panics
/// There is no such view.
pub async fn look_after(db: &Database, view: &str) -> Result<(), RebuildError> {
    upkeep::look_after(db, views::named(view).expect("a view of this name")).await
}
