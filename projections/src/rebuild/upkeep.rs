//! What the leader does about rebuilds by itself: empties what one left that died, and rebuilds a view that another
//! version of the fold has built. The old rows are read meanwhile.

use std::convert::Infallible;
use std::time::Duration;

use super::claim::Claim;
use super::{RebuildError, rebuild, slot};
use crate::views::{self, AnyView};
use eventlog::database::Database;

/// How often it looks.
const LOOK: Duration = Duration::from_secs(10);

/// For as long as it is polled. A failure is told, and tried again; the projections go on.
pub async fn upkeep(db: &Database) -> Infallible {
    loop {
        for view in views::all() {
            match look_after(db, view).await {
                // Whoever is at it does the same.
                Ok(()) | Err(RebuildError::Busy(_)) => {}
                Err(error) => tracing::warn!(
                    view = view.shape().name,
                    error = &error as &dyn std::error::Error,
                    "A view could not be rebuilt; what it shows is as old as before"
                ),
            }
        }
        tokio::time::sleep(LOOK).await;
    }
}

pub(crate) async fn look_after(db: &Database, view: &'static dyn AnyView) -> Result<(), RebuildError> {
    let shape = view.shape();
    let (state, version, position): (String, i32, i64) = sqlx::query_as(
        "select r.state, c.version, c.position from rebuilds r join checkpoints c on c.consumer = r.view \
          where r.view = $1",
    )
    .bind(shape.name)
    .fetch_one(db.pool())
    .await?;
    if version != shape.version {
        tracing::info!(
            view = shape.name,
            built_by = version,
            needed = shape.version,
            "A view was built by another version and is rebuilt; the old rows are read meanwhile"
        );
        rebuild(db, &[shape.name.to_owned()], |_| {}).await?;
    } else if state != "idle" {
        let claim = Claim::take(db, &[view]).await?;
        tracing::info!(view = shape.name, position, "Emptying what an unfinished rebuild left");
        slot::clean(db, view, None, &mut |_| {}).await?;
        claim.end().await;
    }
    Ok(())
}
