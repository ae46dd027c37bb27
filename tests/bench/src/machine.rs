//! The speed of the machine itself: the commits of one connection beside the writes that the disk confirms. No figure about
//! appending can be better.

use std::io::Write;
use std::time::Instant;

use anyhow::{Context as _, Result};

use crate::figure::{Figure, Report};

const ROUNDS: u32 = 2_000;
/// A WAL page.
const PAGE: [u8; 8192] = [1; 8192];

/// Commits a second beside confirmed writes a second.
pub async fn measure(report: &mut Report) -> Result<()> {
    let db = eventlog::testing::database().await.db;
    sqlx::query("create table beat (n bigint)").execute(&db.pool().without_deadlines()).await?;
    let began = Instant::now();
    for round in 0..ROUNDS {
        sqlx::query("insert into beat values ($1)")
            .bind(i64::from(round))
            .execute(&db.pool().without_deadlines())
            .await?;
    }
    let commits = f64::from(ROUNDS) / began.elapsed().as_secs_f64();
    db.close().await;

    let confirmed = tokio::task::spawn_blocking(confirmed_writes).await??;
    report.add(Figure::new(
        "commits of one connection",
        commits,
        "commits/s",
        "confirmed writes of 8 KiB",
        confirmed,
    ));
    Ok(())
}

/// Writes one page again and again, each time until the disk confirms it.
fn confirmed_writes() -> Result<f64> {
    let path = std::env::temp_dir().join(format!("qr-login-bench-{}", std::process::id()));
    let mut file = std::fs::File::create(&path).with_context(|| path.display().to_string())?;
    // Nothing is left behind, however this ends.
    std::fs::remove_file(&path)?;
    let began = Instant::now();
    for _ in 0..ROUNDS {
        file.write_all(&PAGE)?;
        file.sync_data()?;
    }
    Ok(f64::from(ROUNDS) / began.elapsed().as_secs_f64())
}
