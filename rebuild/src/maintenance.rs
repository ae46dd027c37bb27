//! The leader's part in rebuilds: it empties the slot of a rebuild that died, and rebuilds a view that another version of
//! the fold built. People read the old rows meanwhile.

use std::convert::Infallible;
use std::time::Duration;

use super::claim::Claim;
use super::error::RebuildError;
use super::{rebuild, slot};
use eventlog::Outage;
use eventlog::database::Database;
use projections::views::{self, AnyView};

/// Between two rounds.
const MAINTAIN_EVERY: Duration = Duration::from_secs(10);

/// Maintains all views, for as long as it is polled. A failure is logged once and tried again; the projector goes on.
pub async fn run(db: &Database) -> Infallible {
    let mut views = views::all().map(|view| {
        let begin = "the view could not be rebuilt; it shows the same rows as before, and it is tried again";
        (view, Outage::new(begin, "the view could be rebuilt"))
    });
    loop {
        for (view, outage) in &mut views {
            maintain_and_log(db, *view, outage).await;
        }
        tokio::time::sleep(MAINTAIN_EVERY).await;
    }
}

#[tracing::instrument(name = "maintain", level = "error", skip_all, fields(view = view.shape().name))]
async fn maintain_and_log(db: &Database, view: &'static dyn AnyView, outage: &mut Outage) {
    match maintain_view(db, view).await {
        Ok(()) => outage.over(),
        // Another process rebuilds it.
        Err(RebuildError::Busy(_)) => {}
        Err(error) => outage.failed(&error),
    }
}

pub(crate) async fn maintain_view(db: &Database, view: &'static dyn AnyView) -> Result<(), RebuildError> {
    let shape = view.shape();
    let row = sqlx::query!(
        "select r.state, c.version, c.position from rebuilds r join checkpoints c on c.consumer = r.view \
          where r.view = $1",
        shape.name,
    )
    .fetch_one(db.pool())
    .await?;
    if row.version != shape.version {
        tracing::info!(
            built_by = row.version,
            needed = shape.version,
            "the view was built by another version and is rebuilt; people read the old rows meanwhile"
        );
        rebuild(db, &[shape.name.to_owned()], |_| {}).await?;
    } else if row.state != "idle" {
        let claim = Claim::take(db, &[view]).await?;
        tracing::info!(position = row.position, "emptying the slot of an unfinished rebuild");
        slot::clean(db, view, None, &mut |_| {}).await?;
        claim.end().await;
    }
    Ok(())
}
