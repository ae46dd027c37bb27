//! What a failover costs once PostgreSQL is there again: from the takeover of the sequencer in another timeline to the first
//! position, beside a bare transaction under the same lock, which is the least that it takes. And how that grows with the log.
//!
//! The move is simulated by another name of the timeline; the log, the lock and the takeover are real. Each round has a new
//! connection, as after a failover, and one event without a position. The figure is the slowest round.

use std::time::Instant;

use anyhow::{Result, ensure};
use eventlog::testing::{self, TestDatabase};
use eventlog::{Database, Log, Sequencer};

use crate::figure::{Figure, Goal, Report};
use dataset::Dataset;

const EVENTS_A_LOGIN: u32 = 5;
const ROUNDS: i64 = 11;
const GOAL_MS: f64 = 1_000.0;

/// Logs of ten thousand events, ten times as many, and so on up to `largest`.
pub async fn measure(report: &mut Report, largest: u32) -> Result<()> {
    let sizes = std::iter::successors(Some(10_000), |size: &u32| size.checked_mul(10));
    for size in sizes.take_while(|size| *size <= largest) {
        let TestDatabase { db, url } = testing::database().await;
        let dataset = Dataset::load(&db, size / EVENTS_A_LOGIN).await?;
        let (mut slowest, mut bare) = (0.0_f64, 0.0_f64);
        for round in 1..=ROUNDS {
            move_away(&db, round).await?;
            let reached = Database::connect(&url).await?;
            slowest = slowest.max(ms(first_position(&reached)).await?);
            ensure!(Log::new(&db).end().await? == i64::try_from(dataset.events)? + round);
            reached.close().await;
            let reached = Database::connect(&url).await?;
            bare = bare.max(ms(bare_transaction(&reached)).await?);
            reached.close().await;
        }
        let name = format!("first position after a takeover, {size} events");
        report.add(Figure::new(&name, slowest, "ms", "a bare transaction under the same lock", bare));
        report.add(Figure::new(name, slowest, "ms", "the goal", GOAL_MS).with_goal(Goal::AtMost(1.0)));
        db.close().await;
    }
    Ok(())
}

/// One event without a position, in a log that comes from elsewhere.
async fn move_away(db: &Database, round: i64) -> Result<()> {
    sqlx::query(
        "insert into events (aggregate_type, aggregate_id, sequence, event_type, event_version, payload, metadata) \
         values ('login', 'takeover', $1, 'QrIssued', '1', '{}', '{}')",
    )
    .bind(round)
    .execute(db.pool())
    .await?;
    sqlx::query("update sequencer set cluster = 'elsewhere/00000001'").execute(db.pool()).await?;
    Ok(())
}

async fn first_position(db: &Database) -> Result<()> {
    Sequencer::take_over(db).await?.pass().await?;
    Ok(())
}

async fn bare_transaction(db: &Database) -> Result<()> {
    let mut transaction = db.begin("begin").await?;
    sqlx::query("update sequencer set epoch = epoch").execute(&mut *transaction).await?;
    sqlx::query("lock table events in share row exclusive mode").execute(&mut *transaction).await?;
    transaction.commit().await?;
    Ok(())
}

/// Milliseconds.
pub async fn ms(work: impl Future<Output = Result<()>>) -> Result<f64> {
    let began = Instant::now();
    work.await?;
    Ok(began.elapsed().as_secs_f64() * 1e3)
}
