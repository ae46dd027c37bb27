//! Rebuilding views from the log, beside the limit: an ordered binary COPY of the same events to nowhere.

use std::time::Instant;

use anyhow::Result;
use futures::TryStreamExt;
use projections::{Database, rebuild, testing};
use sqlx::postgres::PgPoolCopyExt;

use crate::dataset::Dataset;
use crate::figure::{Figure, Report};

/// Five events each.
const LOGINS: u32 = 20_000;

/// `users` alone, and all views in one pass.
pub async fn measure(report: &mut Report) -> Result<()> {
    let db = testing::database().await.db;
    let dataset = Dataset::load(&db, LOGINS).await?;
    stand_at_the_end(&db, dataset.events).await?;
    // The views are filled by the first one; those that are measured find nothing that differs.
    let views = rebuild::rebuild(&db, &[], |_| {}).await?;
    let rows: Vec<_> = views.iter().map(|view| view.rows as u64).collect();
    let Dataset { logins, invites, subscriptions, .. } = dataset;
    anyhow::ensure!(rows == [logins, logins, invites, subscriptions], "{views:?}");
    let limit = events_a_second(&dataset, copy_to_nowhere(&db)).await?;
    for (name, views) in [("users", vec!["users".to_owned()]), ("all views", Vec::new())] {
        let speed = events_a_second(&dataset, async {
            let views = rebuild::rebuild(&db, &views, |_| {}).await?;
            anyhow::ensure!(views.iter().all(|view| view.differ + view.parked == 0), "{views:?}");
            Ok(())
        })
        .await?;
        let name = format!("rebuild of {name}, {} events", dataset.events);
        report.add(Figure::new(name, speed, "events/s", "ordered binary COPY to nowhere", limit));
    }
    db.close().await;
    Ok(())
}

async fn events_a_second(dataset: &Dataset, work: impl Future<Output = Result<()>>) -> Result<f64> {
    let began = Instant::now();
    work.await?;
    Ok(dataset.events as f64 / began.elapsed().as_secs_f64())
}

/// Every event with what a reader of the log has to know of it, in the order of positions.
async fn copy_to_nowhere(db: &Database) -> Result<()> {
    let copy = "copy (select i.position, e.aggregate_type, e.aggregate_id, e.event_type, e.event_version, e.payload, \
                e.metadata from log_index i join events e using (event_no) order by i.position) \
                to stdout (format binary)";
    let mut rows = db.pool().copy_out_raw(copy).await?;
    while rows.try_next().await?.is_some() {}
    Ok(())
}

/// As if the projector had written the views up to the last event.
async fn stand_at_the_end(db: &Database, events: u64) -> Result<()> {
    sqlx::query("update checkpoints set position = $1")
        .bind(i64::try_from(events)?)
        .execute(db.pool())
        .await?;
    Ok(())
}
