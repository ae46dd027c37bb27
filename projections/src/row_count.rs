//! About how many rows a view has.

use crate::{projector, views};
use eventlog::database::{Database, DatabaseError};

/// A view with more rows is not counted: how many it has is estimated.
const COUNTED_ROWS: i64 = 100_000;

/// About how many rows a view has; None: there is no such view. Small ones are counted.
///
/// # Errors
/// The database's.
pub async fn rows_of(db: &Database, view: &str) -> Result<Option<i64>, DatabaseError> {
    let Some(view) = views::named(view) else { return Ok(None) };
    let slot = projector::live_slot(db.pool(), view.shape().name).await?;
    let table = view.shape().table(&slot);
    let estimate = sqlx::query_scalar!(
        r#"select reltuples::bigint as "estimate!" from pg_class where oid = to_regclass($1)"#,
        table,
    );
    let estimate = estimate.fetch_one(db.pool()).await?;
    if estimate > COUNTED_ROWS {
        return Ok(Some(estimate));
    }
    let count = format!("select count(*) from (select from {table} limit {}) as counted", COUNTED_ROWS + 1);
    Ok(Some(sqlx::query_scalar(&count).fetch_one(db.pool()).await?))
}
